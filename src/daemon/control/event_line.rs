//! An event as a line for people.

use serde_json::Value;

/// `hook line=kitchen hook=off`: the event's name, then its fields; `null` and the time are left out.
pub fn event_line(event: &Value) -> String {
    let Value::Object(fields) = event else {
        return event.to_string();
    };
    let mut line = fields.get("event").map(plain).unwrap_or_default();
    for (name, value) in fields {
        if !["event", "time_ms", "time_us"].contains(&name.as_str()) && !value.is_null() {
            line.push_str(&format!(" {name}={}", plain(value)));
        }
    }
    line
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains(' ') => format!("{text:?}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_name_and_fields() {
        let event = serde_json::json!({
            "time_ms": 7, "time_us": 7123, "event": "call", "line": "kitchen", "reason": "Not Found", "status": 404, "tone": null
        });
        assert_eq!(
            event_line(&event),
            "call line=kitchen reason=\"Not Found\" status=404"
        );
    }
}
