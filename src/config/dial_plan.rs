//! A digit map in the file; what is wrong with it is shown at its character.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use crate::dial::DialPlan;

use super::problem::{Place, Problems};
use super::section::Value;
use super::tree::{Content, Node};

/// A digit map.
#[derive(Clone, Debug)]
pub(super) struct DialPlanText {
    pub plan: DialPlan,
}

impl Value for DialPlanText {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let (text, plain, verbatim) = match &node.content {
            Content::Scalar {
                text,
                plain,
                verbatim,
            } if !node.is_null() => (text, plain, verbatim),
            Content::Broken => return None,
            Content::Scalar { .. } | Content::List(_) | Content::Map(_) => {
                let text = format!("expected a dial plan in quotes, found {}", node.kind());
                problems.error(node.place, text);
                return None;
            }
        };
        match DialPlan::parse(text) {
            Ok(plan) => Some(Self { plan }),
            Err(error) => {
                let Place { line, column } = node.place;
                let inside = error.offset + usize::from(!plain);
                let column = if *verbatim {
                    column.saturating_add(u32::try_from(inside).unwrap_or(u32::MAX))
                } else {
                    column
                };
                problems.error(Place { line, column }, format!("dial plan: {error}"));
                None
            }
        }
    }
}

impl JsonSchema for DialPlanText {
    fn schema_name() -> Cow<'static, str> {
        "DialPlanText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "maxLength": DialPlan::TEXT_MAX, "examples": [json!("(xx.)")] })
    }
}
