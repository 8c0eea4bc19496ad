//! A user's decisions about calls that a reply waits for.

use std::collections::BTreeSet;

use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde::Serialize;
use utoipa::ToSchema;

/// Decisions of one request, at most: as many calls as a step of a reply can have.
const MOST_DECISIONS: usize = 16;

/// Characters of a call's id, at most.
const ID_CHARACTERS: usize = 128;

/// A decision about one call.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct Decision {
    /// Id of the call, as `chat.tool_call` or the reply's `tool_calls` gave it.
    #[schema(min_length = 1, max_length = 128, example = "call_1")]
    pub call_id: String,
    /// Your decision.
    pub decision: Verdict,
}

/// What a user decides about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The call is made, with the arguments that were shown.
    Approve,
    /// The call is not made. The model is told.
    Reject,
}

/// Decisions about 1 to 16 calls, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions(Vec<Decision>);

struct CallId(String);

impl Decisions {
    /// The decisions, in the order of the request.
    pub fn as_slice(&self) -> &[Decision] {
        &self.0
    }
}

impl FromField for Decisions {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let Items(decisions) = Items::<Decision>::read(raw)?;
        let calls: BTreeSet<_> = decisions.iter().map(|decision| &decision.call_id).collect();
        match decisions.len() {
            1..=MOST_DECISIONS if calls.len() == decisions.len() => Ok(Self(decisions)),
            1..=MOST_DECISIONS => Err("must name each call once".into()),
            _ => Err("must be 1 to 16 decisions".into()),
        }
    }
}

impl Input for Decision {
    fn read(fields: &mut Fields) -> Option<Self> {
        let call_id = fields.required::<CallId>("call_id");
        let decision = fields.required("decision");
        Some(Self { call_id: call_id?.0, decision: decision? })
    }
}

impl FromField for CallId {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        match text.chars().count() {
            1..=ID_CHARACTERS => Ok(Self(text.to_owned())),
            _ => Err("must be 1 to 128 characters".into()),
        }
    }
}

impl FromField for Verdict {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "approve" => Ok(Self::Approve),
            "reject" => Ok(Self::Reject),
            _ => Err("must be approve or reject".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn decisions_are_read_or_their_first_fault_is_named() {
        let one = |id: &str| json!({"call_id": id, "decision": "approve"});
        let numbered =
            |number: usize| -> Value { (0..number).map(|at| one(&at.to_string())).collect() };
        for (sent, expected) in [
            (json!([one("a")]), Ok(1)),
            (json!([one("a"), {"call_id": "b", "decision": "reject"}]), Ok(2)),
            (numbered(16), Ok(16)),
            (json!([one(&"€".repeat(128))]), Ok(1)),
            (json!([]), Err("must be 1 to 16 decisions")),
            (numbered(17), Err("must be 1 to 16 decisions")),
            (json!([one("a"), one("a")]), Err("must name each call once")),
            (json!("a"), Err("must be a list of objects")),
            (json!([one("")]), Err("has a fault at /0/call_id: must be 1 to 128 characters")),
            (
                json!([one(&"x".repeat(129))]),
                Err("has a fault at /0/call_id: must be 1 to 128 characters"),
            ),
            (
                json!([{"call_id": "a", "decision": "maybe"}]),
                Err("has a fault at /0/decision: must be approve or reject"),
            ),
            (
                json!([{"call_id": "a", "decision": "approve", "arguments": {}}]),
                Err("has a fault at /0/arguments: is unknown: leave it out"),
            ),
        ] {
            let read = Decisions::read(&RawValue::Json(&sent));
            let read = read.map(|decisions| decisions.as_slice().len());
            assert_eq!(read, expected.map_err(str::to_owned), "{sent}");
        }
    }
}
