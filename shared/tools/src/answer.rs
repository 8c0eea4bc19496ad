//! The result of a call.

use http::header;
use platform::Problem;
use platform::identity::Scope;
use platform::problem::Code;
use serde_json::Value;
use tally_access::sources::Sources;

/// The output of a call.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The output as JSON, an object.
    pub content: Value,
    /// The output as a model reads it, without hidden characters.
    pub text: String,
    /// One sentence for people. It has no hidden characters.
    pub summary: String,
    /// The columns that it comes from.
    pub sources: Sources,
}

/// How many items a list has, and whether it goes on.
pub fn counted(list: &Value) -> String {
    let items = list["items"].as_array().map_or(0, Vec::len);
    let goes_on = list["truncated"] == true || list["next_cursor"].is_string();
    let noun = if items == 1 { "item" } else { "items" };
    format!("{items} {noun}{}.", if goes_on { ", and there are more" } else { "" })
}

/// Why a call was not made, or failed.
#[derive(Debug)]
pub enum Refused {
    /// There is no such tool, or the user lacks its role. Both look the same.
    Unknown,
    /// The API key lacks this scope.
    MissingScope(Scope),
    /// The arguments are not valid (422), the caller has called too often (429), the work has
    /// failed, or the server is at fault ([`Refused::fault`]).
    Failed(Problem),
}

impl Refused {
    /// The refusal as a model reads it: what is wrong, with which argument, and how long to wait.
    /// It has the texts of a problem that callers of the API see, and no more.
    pub fn text(&self) -> String {
        match self {
            Self::Unknown => "There is no tool with this name.".to_owned(),
            Self::MissingScope(scope) => {
                format!("The API key does not have the scope {scope}.")
            }
            Self::Failed(problem) => failure(problem),
        }
    }

    /// The problem of a server that is at fault itself: it has a bug, or a part of it does not
    /// answer. An MCP client gets it as an HTTP answer, and a model as the result of its call.
    pub fn fault(&self) -> Option<&Problem> {
        match self {
            Self::Failed(problem) if problem.status.is_server_error() => Some(problem),
            _ => None,
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

fn failure(problem: &Problem) -> String {
    // The sentence of this code is about a form.
    let detail = match problem.code {
        Code::ValidationFailed => "Some arguments are not valid.",
        _ => problem.detail.as_str(),
    };
    let faults = problem.errors.iter().map(|error| {
        let place = error.pointer.as_deref().or(error.parameter.as_deref());
        // The empty pointer means all arguments.
        match place.filter(|place| !place.is_empty()) {
            Some(place) => format!("\n{place}: {}", error.detail),
            None => format!("\n{}", error.detail),
        }
    });
    let wait = problem.headers.iter().find(|(name, _)| *name == header::RETRY_AFTER);
    let wait = wait.and_then(|(_, seconds)| Some(format!("in {} s.", seconds.to_str().ok()?)));
    // The sentence may say it already.
    let wait = wait.filter(|wait| !detail.contains(wait)).map(|wait| format!("\nTry again {wait}"));
    std::iter::once(detail.to_owned()).chain(faults).chain(wait).collect()
}

#[cfg(test)]
mod tests {
    use platform::problem::FieldError;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_reads_what_to_change_and_how_long_to_wait() {
        let rest = FieldError {
            pointer: Some(String::new()),
            parameter: None,
            detail: "has 3 more faults".into(),
        };
        let faults = [
            Problem::invalid_field("title", "is required").errors,
            Problem::invalid_parameter("limit", "must be 1 to 100").errors,
            vec![rest],
        ];
        for (refused, expected) in [
            (Refused::Unknown, "There is no tool with this name."),
            (
                Refused::MissingScope(Scope::TasksWrite),
                "The API key does not have the scope tasks:write.",
            ),
            (
                Problem::validation_failed(faults.concat()).into(),
                "Some arguments are not valid.\n/title: is required\nlimit: must be 1 to 100\n\
                 has 3 more faults",
            ),
            (
                Problem::not_found().into(),
                "The resource does not exist, or it belongs to another user.",
            ),
            (Problem::rate_limited(12).into(), "Too many requests. Try again in 12 s."),
            (
                Problem::request_in_flight().into(),
                "A request with this Idempotency-Key is being answered. Send it again soon.\nTry \
                 again in 1 s.",
            ),
            // Other headers are not for a model.
            (
                Problem::invalid_token().into(),
                "The access token is not valid, has expired, or its session has ended.",
            ),
        ] {
            assert_eq!(refused.text(), expected);
        }
    }

    #[test]
    fn a_fault_of_the_server_is_told_from_a_refusal() {
        for (problem, is_fault) in [
            (Problem::internal(), true),
            (Problem::unavailable(), true),
            (Problem::not_found(), false),
            (Problem::rate_limited(1), false),
            (Problem::conflict(), false),
        ] {
            let code = problem.code;
            assert_eq!(Refused::from(problem).fault().is_some(), is_fault, "{code}");
        }
        assert!(Refused::Unknown.fault().is_none());
    }

    #[test]
    fn a_list_is_counted() {
        for (list, expected) in [
            (json!({"items": []}), "0 items."),
            (json!({"items": [1], "next_cursor": null}), "1 item."),
            (json!({"items": [1, 2], "next_cursor": "c"}), "2 items, and there are more."),
            (json!({"items": [1, 2, 3], "truncated": true}), "3 items, and there are more."),
        ] {
            assert_eq!(counted(&list), expected);
        }
    }
}
