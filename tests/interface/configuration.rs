//! Sections 1 and 2: `check`, `schema`, and a configuration that `run` refuses.

use crate::binary::{Directory, PASSWORD, json, text, two_lines};
use crate::tipring;

#[test]
fn check_ends_with_0_1_or_2_and_names_file_line_column_and_the_nearest_key() {
    let directory = Directory::new(&two_lines());
    let file = directory.name("tipring.yaml");
    let valid = tipring(&["check", &file]);
    assert_eq!(valid.status.code(), Some(0), "{}", text(&valid.stdout));
    directory.configure("contry: us\nlines:\n- name: kitchen\n  interface: {driver: virtual, socket: /tmp/a}\n  dialplan: \"(x.)\"\n");
    let invalid = tipring(&["check", &file]);
    assert_eq!(invalid.status.code(), Some(1));
    let said = text(&invalid.stdout) + &text(&invalid.stderr);
    for (place, nearest) in [("1:1", "country"), ("5:3", "dial_plan")] {
        let line = said
            .lines()
            .find(|line| line.starts_with(&format!("{file}:{place}: error: ")))
            .unwrap_or_else(|| panic!("no {place} in {said}"));
        assert!(line.contains(nearest), "{line}");
    }
    for unusable in [
        &["check", "a", "b"][..],
        &["check", "--frobnicate"],
        &["frobnicate"],
        &[],
    ] {
        assert_eq!(tipring(unusable).status.code(), Some(2), "{unusable:?}");
    }
}

#[test]
fn warnings_are_printed_and_allowed() {
    let directory = Directory::new(&two_lines().replace("dial_plan: \"(1xS0)\"", "codecs: [G722, PCMA]"));
    let file = directory.name("tipring.yaml");
    let output = tipring(&["check", &file]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains(&format!("{file}:4:")),
        "{}",
        text(&output.stdout)
    );
    assert!(
        text(&output.stdout).contains(": warning: "),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn run_with_an_invalid_configuration_says_where_and_ends_with_1() {
    let directory = Directory::new("contry: us\n");
    let output = directory.daemon().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains(&format!("{}:1:1: error: ", directory.name("tipring.yaml"))),
        "{said}"
    );
}

#[test]
fn a_password_is_not_repeated_by_complaints_about_it() {
    for wrong in [
        format!("password: [{PASSWORD}]"),
        format!("password: {PASSWORD}\n    password: {PASSWORD}"),
        format!("passwort: {PASSWORD}"),
        format!("password: \"{PASSWORD}\n"),
        format!("password: &{PASSWORD} *{PASSWORD}"),
        format!("password: !{PASSWORD} {PASSWORD}"),
        format!("password: {PASSWORD}: {PASSWORD}: x"),
        format!("password_file: /dev/null\n    password: {PASSWORD}"),
    ] {
        let directory = Directory::new(&format!(
            "country: us\naccounts:\n  pbx:\n    server: sip:pbx\n    username: u\n    {wrong}\nlines:\n\
             - {{name: a, account: pbx, interface: {{driver: virtual, socket: {{dir}}/a}}}}\n"
        ));
        let output = tipring(&["check", &directory.name("tipring.yaml")]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains(PASSWORD), "{wrong}\n{said}");
        let run = directory.daemon().output().unwrap();
        assert!(
            !(text(&run.stdout) + &text(&run.stderr)).contains(PASSWORD),
            "{wrong}"
        );
    }
}

#[test]
fn the_schema_knows_every_key_of_the_examples() {
    let schema = json(&tipring(&["schema"]));
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/configs")).unwrap() {
        let path = entry.unwrap().path();
        let output = tipring(&["check", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let yaml = std::fs::read_to_string(&path).unwrap();
        let document: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        let mut problems = Vec::new();
        validate(&schema, &schema, &document, "", &mut problems);
        assert_eq!(problems, Vec::<String>::new(), "{}", path.display());
    }
    let wrong = serde_json::json!({"country": "ua", "lines": [{"nam": "kitchen"}]});
    let mut problems = Vec::new();
    validate(&schema, &schema, &wrong, "", &mut problems);
    assert!(!problems.is_empty(), "a misspelt key passes the schema");
}

/// As much of JSON Schema (draft 2020-12) as the configuration's uses.
fn validate(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
    place: &str,
    problems: &mut Vec<String>,
) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        validate(root, target, value, place, problems);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array() {
            let fits = choices.iter().any(|choice| {
                let mut found = Vec::new();
                validate(root, choice, value, place, &mut found);
                found.is_empty()
            });
            if !fits {
                problems.push(format!("{place}: none of {key}"));
            }
        }
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        problems.push(format!("{place}: not {constant}"));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        problems.push(format!("{place}: {value} is none of {values:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        serde_json::Value::String(name) => vec![name],
        serde_json::Value::Array(names) => names.iter().filter_map(|name| name.as_str()).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    if !types.is_empty() && !types.iter().any(is) {
        problems.push(format!("{place}: {value} is no {types:?}"));
    }
    let outside = |number: f64| {
        schema["minimum"].as_f64().is_some_and(|least| number < least)
            || schema["maximum"].as_f64().is_some_and(|most| number > most)
    };
    if value.as_f64().is_some_and(outside) {
        problems.push(format!("{place}: {value} is out of range"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, item) in values.iter().enumerate() {
            validate(root, items, item, &format!("{place}[{index}]"), problems);
        }
    }
    let Some(fields) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            problems.push(format!("{place}: {required} is missing"));
        }
    }
    for (key, field) in fields {
        let place = format!("{place}.{key}");
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => validate(root, known, field, &place, problems),
            (None, Some(serde_json::Value::Bool(false))) => problems.push(format!("{place}: unknown")),
            (None, Some(other)) if other.is_object() => validate(root, other, field, &place, problems),
            _ => {}
        }
    }
}
