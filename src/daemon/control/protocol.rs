//! Requests and replies of the control socket.

use serde::{Deserialize, Serialize};

/// What a program asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Lines, accounts and calls: `tipring status --json`.
    Status,
    /// Follow what happens.
    Events,
    /// Apply the configuration file again.
    Reload,
    /// The call history, oldest first.
    Calls,
    /// One call's record.
    Call {
        /// Its identifier.
        id: String,
    },
    /// The socket of a virtual line.
    Socket {
        /// The line's name.
        line: String,
    },
    /// The path of the configuration file in use.
    ConfigFile,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// What was asked for.
    Ok(serde_json::Value),
    /// Why there is none, in one sentence.
    Error(String),
}

impl Reply {
    /// A reply of anything that serialises.
    pub fn ok(value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Error(format!("the answer cannot be written as JSON: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_on_the_wire_stay() {
        let line = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(line(&Request::Status), r#"{"command":"status"}"#);
        assert_eq!(
            line(&Request::Call { id: "7".into() }),
            r#"{"command":"call","id":"7"}"#
        );
        assert_eq!(
            serde_json::to_string(&Reply::Error("no".into())).unwrap(),
            r#"{"error":"no"}"#
        );
        assert_eq!(serde_json::to_string(&Reply::ok(&1)).unwrap(), r#"{"ok":1}"#);
    }
}
