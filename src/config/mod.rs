//! The configuration: YAML as typed by a person → a checked [`Model`], with line and column for every complaint.

pub mod model;

pub use model::Model;
