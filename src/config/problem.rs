//! What is wrong with a configuration, and where.

use std::fmt;

use super::Model;

/// A place in the text, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl Place {
    /// Where a text begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// It is used, and somebody should know.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong. Secrets are never in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// What, in one sentence.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            severity,
            text,
        } = self;
        write!(formatter, "{}:{}: {severity}: {text}", place.line, place.column)
    }
}

/// Most problems that are collected: nobody reads more, and a file made for it has hundreds of thousands.
pub(super) const PROBLEMS_MAX: usize = 500;

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    pub fn error(&mut self, place: Place, text: impl Into<String>) {
        self.add(place, Severity::Error, text.into());
    }

    pub fn warning(&mut self, place: Place, text: impl Into<String>) {
        self.add(place, Severity::Warning, text.into());
    }

    fn add(&mut self, place: Place, severity: Severity, text: String) {
        let text = match self.list.len() {
            0..PROBLEMS_MAX => text,
            // An error in any case: what it stands for may be one.
            PROBLEMS_MAX => "there are more problems than these".to_owned(),
            _ => return,
        };
        let severity = if self.list.len() == PROBLEMS_MAX {
            Severity::Error
        } else {
            severity
        };
        self.list.push(Problem {
            place,
            severity,
            text,
        });
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order of the text.
    pub fn sorted(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| (problem.place, problem.severity));
        self.list
    }
}

/// What became of a configuration.
#[derive(Debug)]
pub struct Report {
    /// The file's name, as its user wrote it.
    pub name: String,
    /// What is to be used; `None` where there are errors.
    pub model: Option<Model>,
    /// Everything that is wrong, in the order of the text.
    pub problems: Vec<Problem>,
}

impl Report {
    /// How many problems are errors.
    pub fn errors(&self) -> usize {
        let errors = self
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        errors.count()
    }
}

/// One line a problem: `FILE:LINE:COLUMN: error: TEXT`.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(formatter, "{}:{problem}", self.name)?;
        }
        Ok(())
    }
}
