//! The configuration: YAML as typed by a person → a checked [`Model`], with line and column for every complaint.
//!
//! [`check`] walks the text once: `tree` reads YAML (and is the only user of its parser), `file` declares
//! every key with type, default and description, `build` looks names up and finds conflicts. All of them go on
//! after a complaint, so that a [`Report`] names every problem and not only the first. The JSON Schema
//! ([`schema`]) comes from the declarations of `file`.
//!
//! YAML 1.2 without what a configuration has no use for: aliases, anchors, tags, several documents.

mod accept_from;
mod address;
mod build;
mod dial_plan;
mod emergency;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hook;
mod interface;
mod interface_file;
mod line;
mod load;
pub mod model;
mod nat;
mod nearest;
mod problem;
mod refusals;
mod section;
mod server;
mod services;
mod tree;
mod value;

pub use load::load;
pub use model::Model;
pub use problem::{Place, Problem, Report, Severity};

use problem::Problems;
use section::Value as _;

/// Longest text of a configuration in bytes: several hundred telephones with everything said of each.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// Checks a configuration. `name` is what its user calls the file.
pub fn check(text: &[u8], name: &str) -> Report {
    let mut problems = Problems::default();
    let model = tree::read(text, &mut problems)
        .or_else(|| empty(&problems))
        .and_then(|node| file::File::read(&node, &mut problems))
        .and_then(|file| build::model(file, &mut problems));
    let problems = problems.sorted();
    let valid = problems
        .iter()
        .all(|problem| problem.severity == Severity::Warning);
    Report {
        name: name.to_owned(),
        model: model.filter(|_| valid),
        problems,
    }
}

/// A text without any YAML in it says too little, not something wrong.
fn empty(problems: &Problems) -> Option<tree::Node> {
    problems.is_empty().then_some(tree::Node {
        place: Place::START,
        content: tree::Content::Map(Vec::new()),
    })
}

/// The JSON Schema of the configuration.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<file::File>();
    schema.insert("title".to_owned(), "tipring configuration".into());
    schema.to_value()
}

#[cfg(test)]
mod tests;
