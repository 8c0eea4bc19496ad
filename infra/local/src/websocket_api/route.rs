//! Route selection: it finds the function for a message.

use std::collections::BTreeMap;

use serde_json::Value;

/// The routes of the API, with the place of the route key in a message.
pub(super) struct Routes {
    selection: Vec<String>,
    functions: BTreeMap<String, String>,
}

/// A route with its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) key: String,
    pub(super) function: String,
}

impl Routes {
    /// `selection` is `$request.body.` and the path of a member of the message,
    /// `$request.body.action`.
    pub(super) fn new(selection: &str, functions: BTreeMap<String, String>) -> Self {
        let path = selection.strip_prefix("$request.body.").unwrap_or_default();
        Self { selection: path.split('.').map(str::to_owned).collect(), functions }
    }

    /// The route with exactly this key.
    pub(super) fn named(&self, key: &str) -> Option<Route> {
        let (key, function) = self.functions.get_key_value(key)?;
        Some(Route { key: key.clone(), function: function.clone() })
    }

    /// The route that a message selects, or else `$default`, if there is one.
    pub(super) fn of(&self, message: &str) -> Option<Route> {
        self.selected(message)
            // Clients can't select the routes of the connection's own events.
            .filter(|key| !key.starts_with('$'))
            .and_then(|key| self.named(&key))
            .or_else(|| self.named("$default"))
    }

    fn selected(&self, message: &str) -> Option<String> {
        let message: Value = serde_json::from_str(message).ok()?;
        match self.selection.iter().try_fold(&message, |value, member| value.get(member))? {
            Value::String(key) => Some(key.clone()),
            Value::Number(key) => Some(key.to_string()),
            Value::Bool(key) => Some(key.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(selection: &str, keys: &[&str]) -> Routes {
        Routes::new(
            selection,
            keys.iter().map(|key| ((*key).to_owned(), format!("F{key}"))).collect(),
        )
    }

    #[test]
    fn a_message_goes_to_the_route_that_its_action_names_and_to_the_default_otherwise() {
        let routes = routes(
            "$request.body.action",
            &["$connect", "$disconnect", "$default", "charts.subscribe", "7"],
        );
        for (message, key) in [
            (r#"{"action":"charts.subscribe"}"#, "charts.subscribe"),
            (r#"{"action":7}"#, "7"),
            (r#"{"action":"charts.unknown"}"#, "$default"),
            (r#"{"action":"$connect"}"#, "$default"),
            (r#"{"action":null}"#, "$default"),
            (r#"{"action":{"a":1}}"#, "$default"),
            (r#"{"other":"charts.subscribe"}"#, "$default"),
            (r#""charts.subscribe""#, "$default"),
            ("not json", "$default"),
            ("", "$default"),
        ] {
            assert_eq!(
                routes.of(message),
                Some(Route { key: key.into(), function: format!("F{key}") }),
                "{message}"
            );
        }
    }

    #[test]
    fn without_a_default_what_matches_nothing_has_no_route() {
        assert_eq!(routes("$request.body.action", &["ping"]).of(r#"{"action":"pong"}"#), None);
    }

    #[test]
    fn the_selection_may_reach_into_the_message() {
        let route =
            routes("$request.body.message.kind", &["ping"]).of(r#"{"message":{"kind":"ping"}}"#);
        assert_eq!(route.unwrap().key, "ping");
    }
}
