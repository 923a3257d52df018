//! `docs/provisioning.md` lists every key of the configuration: its tables are written from the schema.
//!
//! `BLESS=1 cargo test --test provisioning` writes them anew.

#![expect(
    clippy::unwrap_used,
    reason = "a document or schema of another shape shall fail the test"
)]

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};

const BEGIN: &str = "<!-- tables: BLESS=1 cargo test --test provisioning -->\n";
const END: &str = "<!-- end of tables -->\n";

#[test]
fn every_key_is_in_the_manual() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/provisioning.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let tables = Tables::of(&tipring::config::schema());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
    } else {
        assert!(
            written == tables,
            "docs/provisioning.md is behind the schema: BLESS=1 cargo test --test provisioning"
        );
    }
}

/// The tables, one an object of the schema, in the order in which a file is read.
struct Tables<'s> {
    schema: &'s Value,
    text: String,
}

impl<'s> Tables<'s> {
    fn of(schema: &'s Value) -> String {
        let mut tables = Self {
            schema,
            text: String::new(),
        };
        tables.object("", "", schema);
        tables.text
    }

    /// One table, then those of the objects in it.
    fn object(&mut self, path: &str, title: &str, object: &'s Value) {
        let mut rows = String::new();
        let mut inner = Vec::new();
        let required: Vec<&str> = words(&object["required"]);
        let mut keys: Vec<(&String, &Value)> = object["properties"].as_object().unwrap().iter().collect();
        // What must be there comes first.
        keys.sort_by_key(|(name, _)| !required.contains(&name.as_str()));
        for (name, key) in keys {
            let target = self.target(key);
            let path = format!("{path}{name}");
            match &target {
                Target::Value(value) => row(&mut rows, &path, key, value, required.contains(&name.as_str())),
                Target::Objects(objects) => {
                    let many = matches!(key["type"].as_str(), Some("array"));
                    let named = key.get("additionalProperties").is_some_and(Value::is_object);
                    let path = match (many, named) {
                        (true, _) => format!("{path}[]."),
                        (_, true) => format!("{path}.NAME."),
                        _ => format!("{path}."),
                    };
                    for object in objects {
                        inner.push((path.clone(), describe(key, object), *object));
                    }
                }
            }
        }
        if !rows.is_empty() {
            if !path.is_empty() {
                let _ = write!(self.text, "\n### `{}`\n\n{title}\n", path.trim_end_matches('.'));
            }
            let _ = write!(
                self.text,
                "\n| key | value | default | meaning |\n|---|---|---|---|\n{rows}"
            );
        }
        for (path, title, object) in inner {
            self.object(&path, &title, object);
        }
    }

    fn target(&self, key: &'s Value) -> Target<'s> {
        let held = [&key["items"], &key["additionalProperties"]];
        let held = held.into_iter().find(|held| held.is_object()).unwrap_or(key);
        let resolved = self.resolve(held);
        match resolved["oneOf"].as_array() {
            Some(variants) => Target::Objects(variants.iter().map(|one| self.resolve(one)).collect()),
            None if resolved["properties"].is_object() => Target::Objects(vec![resolved]),
            None => Target::Value(resolved),
        }
    }

    fn resolve(&self, key: &'s Value) -> &'s Value {
        match key["$ref"].as_str() {
            Some(reference) => self.schema.pointer(reference.trim_start_matches('#')).unwrap(),
            None => key,
        }
    }
}

/// What a key holds.
enum Target<'s> {
    Value(&'s Value),
    Objects(Vec<&'s Value>),
}

/// What stands above a table: which driver's keys they are, else what the section is.
fn describe(key: &Value, object: &Value) -> String {
    let description = |of: &Value| of["description"].as_str().unwrap_or_default().to_owned();
    match object["properties"]["driver"]["enum"][0].as_str() {
        Some(driver) => format!("With `driver: {driver}`. {}", description(object)),
        None if key["description"].is_string() => description(key),
        None => description(object),
    }
}

fn row(rows: &mut String, path: &str, key: &Value, value: &Value, required: bool) {
    let default = match &key["default"] {
        _ if required => "required".to_owned(),
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(all) => format!(
            "`[{}]`",
            all.iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        other => format!("`{other}`"),
    };
    // What Markdown would take for its own.
    let description = key["description"]
        .as_str()
        .unwrap_or_default()
        .replace('|', "\\|")
        .replace('<', "\\<")
        .replace('*', "\\*");
    // Writing to a String cannot fail.
    let _ = writeln!(
        rows,
        "| `{path}` | {} | {default} | {description} |",
        takes(key, value)
    );
}

/// What may stand there.
fn takes(key: &Value, value: &Value) -> String {
    let values = words(&value["enum"]);
    if !values.is_empty() {
        let list = if key["type"] == "array" { "list of " } else { "" };
        return format!(
            "{list}{}",
            values
                .iter()
                .map(|value| format!("`{value}`"))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let kinds = match &value["type"] {
        Value::Array(_) => words(&value["type"]),
        kind => kind.as_str().into_iter().collect(),
    };
    match (value.get("minimum"), value.get("maximum")) {
        (Some(least), Some(most)) => {
            let step = value.get("multipleOf");
            let step = step.map_or_else(String::new, |step| format!(", steps of {step}"));
            format!("{least} to {most}{step}")
        }
        _ if kinds.contains(&"boolean") => "`true`, `false`".to_owned(),
        _ if kinds.contains(&"string") => "text".to_owned(),
        _ => kinds.join(" or "),
    }
}

fn words(list: &Value) -> Vec<&str> {
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(Value::as_str).collect()
}

/// The documentation of a schema is read by people: a key without a description would be an empty cell.
#[test]
fn every_key_has_a_description() {
    fn walk(path: &str, value: &Value, missing: &mut Vec<String>) {
        let Some(object) = value.as_object() else { return };
        let none = Map::new();
        for (name, key) in object
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none)
        {
            if !key["description"].is_string() {
                missing.push(format!("{path}/{name}"));
            }
        }
        for (name, inner) in object {
            walk(&format!("{path}/{name}"), inner, missing);
        }
    }
    let mut missing = Vec::new();
    walk("", &tipring::config::schema(), &mut missing);
    assert_eq!(missing, [] as [&str; 0]);
}
