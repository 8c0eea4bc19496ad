//! Uses of tools, put together from their pieces. OpenAI sends the id and the name first, then the
//! arguments in pieces with the same index. Others leave out what OpenAI has, or repeat it.
//!
//! - Gemini's uses come whole, each with index 0, or with none:
//!   <https://github.com/NousResearch/hermes-agent/pull/11863>
//! - Ollama's arguments may be an object, behind `LiteLLM`:
//!   <https://github.com/BerriAI/litellm/pull/37792>
//! - llama.cpp repeats the name: <https://github.com/ggml-org/llama.cpp/issues/13774>
//! - `SGLang` counts the ids of each message from 0:
//!   <https://github.com/InternLM/lmdeploy/issues/3412>
//! - `LiteLLM` puts a signature of Gemini into the id:
//!   <https://github.com/BerriAI/litellm/pull/16895>

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::thought::Thought;
use crate::error::Fault;
use crate::provider::Event;
use crate::remote::Failure;
use crate::request::{Content, Turn};
use crate::tool::ToolUse;

/// Uses of one message at most: as many as there may be tools in a request to OpenAI.
const MOST: usize = 128;

/// Characters of an id that a use keeps. OpenAI takes 64 or fewer.
const LONGEST_ID: usize = 64;

/// Bytes of what is kept of a use beside its arguments: of its id, its name, and of what a server
/// keeps at it. A signature has a few thousand.
const MOST_KEPT: usize = 32 * 1024;

/// The arguments that a server may send first, as a place for those that follow.
const PLACEHOLDER: &str = "{}";

/// A piece of a use.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Delta {
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    /// More of the input, as JSON.
    arguments: String,
    /// Whether the arguments are an object, and not a piece of a text.
    is_whole: bool,
    extra_content: Option<Value>,
}

/// A use while it is written.
#[derive(Debug, Default)]
struct Use {
    index: Option<u64>,
    /// The server's id, if it has sent one.
    id: Option<String>,
    name: String,
    arguments: String,
    extra_content: Option<Value>,
}

/// The uses of a reply while it is written. None is given before the reply ends: pieces of several
/// uses may alternate, and only the end shows that a use is whole.
#[derive(Debug, Default)]
pub(super) struct Uses {
    written: Vec<Use>,
    /// Place of the use that was written last, if nothing else came after it.
    open: Option<usize>,
    /// The ids that uses have, those of earlier steps among them.
    taken: BTreeSet<String>,
}

impl Delta {
    /// Reads a piece.
    pub fn of(value: &Value) -> Self {
        // An id or a name that is too long to be kept is as good as absent.
        let is_kept = |text: &&str| (1..=MOST_KEPT).contains(&text.len());
        let text = |value: &Value| value.as_str().filter(is_kept).map(str::to_owned);
        let function = &value["function"];
        let (arguments, is_whole) = match &function["arguments"] {
            Value::Null => (String::new(), false),
            Value::String(text) => (text.clone(), false),
            whole => (whole.to_string(), true),
        };
        Self {
            index: value["index"].as_u64(),
            id: text(&value["id"]),
            name: text(&function["name"]),
            arguments,
            is_whole,
            extra_content: value.get("extra_content").filter(|extra| extra.is_object()).cloned(),
        }
    }

    /// The name of the tool, if the piece has one.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Its part of the input, as JSON.
    pub fn arguments(&self) -> &str {
        &self.arguments
    }
}

impl Uses {
    /// No uses yet, in a reply after these turns.
    pub fn after(turns: &[Turn]) -> Self {
        let ids = turns.iter().flat_map(|turn| &turn.content).filter_map(|content| match content {
            Content::ToolUse(used) => Some(used.id.clone()),
            _ => None,
        });
        Self { taken: ids.collect(), ..Self::default() }
    }

    /// Adds a piece. Returns whether it begins a use.
    pub fn add(&mut self, delta: Delta) -> Result<bool, Failure> {
        let place = self.place_of(&delta).unwrap_or(self.written.len());
        if place == MOST {
            return Err(Failure::lasting(Fault::Broken, "the reply has too many uses of tools"));
        }
        let begins = place == self.written.len();
        if begins {
            // Gemini behind a gateway may name only the first of several uses of one tool.
            let is_bare = delta.id.is_none() && delta.name.is_none();
            let name = self.written.last().filter(|_| is_bare).map(|last| last.name.clone());
            let name = name.unwrap_or_default();
            self.written.push(Use { index: delta.index, name, ..Use::default() });
        }
        self.open = Some(place);
        self.written[place].add(delta);
        Ok(begins)
    }

    /// Something else came after the use that was written last.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// The place of the use that a piece belongs to; `None` if it begins one.
    fn place_of(&self, delta: &Delta) -> Option<usize> {
        let last = self.written.len().checked_sub(1)?;
        let has_index = |used: &Use| match (used.index, delta.index) {
            (Some(own), Some(index)) => own == index,
            _ => true,
        };
        let found = self.written.iter().rposition(has_index);
        let Some(id) = &delta.id else {
            // A piece without id and name cannot begin a use.
            let found = if delta.name.is_none() { found.or(Some(last)) } else { found };
            return found.filter(|place| !self.written[*place].is_followed_by(delta));
        };
        let has_id = |used: &Use| used.id.as_ref() == Some(id) && has_index(used);
        self.written.iter().rposition(has_id).or_else(|| {
            // An id may come late, or be another one in each piece.
            let is_of = |used: &Use| used.name.is_empty() || used.name == delta.name();
            let is_late = |used: &Use| used.id.is_none() && used.arguments.is_empty();
            let goes_on = |used: &Use| delta.name.is_none() || (is_late(used) && is_of(used));
            found.filter(|place| goes_on(&self.written[*place]))
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Whether all inputs are JSON, and all tools have a name.
    pub fn are_whole(&self) -> bool {
        self.written.iter().all(Use::is_whole)
    }

    /// Whether the reply may have been cut off in a use. vLLM says of such a reply that it ends
    /// with its uses, and may complete the arguments to an empty object:
    /// <https://github.com/vllm-project/vllm/issues/53269>
    pub fn may_be_cut(&self) -> bool {
        let open = self.open.map(|place| self.written[place].arguments.trim());
        !self.are_whole() || matches!(open, Some("" | PLACEHOLDER))
    }

    /// All uses, each after what the server keeps at it. If the reply was cut off, those in which
    /// that may have happened are left out.
    pub fn events(&mut self, is_cut: bool) -> Vec<Event> {
        let open = self.open.filter(|_| is_cut);
        let uses = std::mem::take(&mut self.written);
        let mut events = Vec::new();
        for (place, used) in uses.into_iter().enumerate() {
            let Some(input) = used.input().filter(|_| open != Some(place)) else { continue };
            let id = self.own_id(used.id.as_deref());
            events.extend(used.kept_as(&id).map(Event::Thought));
            events.push(Event::ToolUse(ToolUse { id, name: used.name, input }));
        }
        events
    }

    /// The id of a use: the server's, or one that is made up. No two uses of a reply have the same,
    /// because its user decides about them by their ids. It has nine letters and digits, because
    /// Mistral takes no others.
    fn own_id(&mut self, id: Option<&str>) -> String {
        let own = id.filter(|id| is_short(id) && !self.taken.contains(*id)).map(str::to_owned);
        let mut number = self.taken.len();
        let id = own.unwrap_or_else(|| {
            loop {
                number += 1;
                let id = format!("call{number:05}");
                if !self.taken.contains(&id) {
                    return id;
                }
            }
        });
        self.taken.insert(id.clone());
        id
    }
}

impl Use {
    fn add(&mut self, delta: Delta) {
        if self.id.is_none() {
            self.id = delta.id;
        }
        if self.name.is_empty() {
            self.name = delta.name.unwrap_or_default();
        }
        self.extra_content = delta.extra_content.or(self.extra_content.take());
        let is_empty = delta.arguments.trim().is_empty();
        if delta.is_whole || (self.arguments.trim() == PLACEHOLDER && !is_empty) {
            self.arguments.clear();
        }
        // A server may repeat the whole arguments at the end.
        if is_empty || delta.arguments != self.arguments || !is_object(&self.arguments) {
            self.arguments.push_str(&delta.arguments);
        }
    }

    /// Whether a piece without an id, which could belong to this use by its index, begins another.
    fn is_followed_by(&self, delta: &Delta) -> bool {
        let begins = delta.arguments.trim_start().starts_with('{');
        match &delta.name {
            Some(name) if !self.name.is_empty() && *name != self.name => true,
            Some(_) => begins && is_object(&self.arguments),
            None => {
                begins
                    && self.arguments.trim() != PLACEHOLDER
                    && self.arguments != delta.arguments
                    && is_object(&self.arguments)
            }
        }
    }

    /// The input; `None` if it is no JSON, or has no tool. It is empty if the tool has no
    /// parameters.
    fn input(&self) -> Option<Value> {
        match self.arguments.trim() {
            _ if self.name.is_empty() => None,
            "" | "null" => Some(Value::Object(Map::new())),
            json => serde_json::from_str(json).ok(),
        }
    }

    fn is_whole(&self) -> bool {
        self.input().is_some()
    }

    /// What the server keeps at this use, as a thought at the use with this id.
    fn kept_as(&self, tool_call_id: &str) -> Option<Value> {
        let is_kept = |id: &&str| !is_short(id) && id.len() <= MOST_KEPT;
        let id = self.id.as_deref().filter(is_kept);
        let is_kept = |extra: &&Value| extra.to_string().len() <= MOST_KEPT;
        let extra_content = self.extra_content.as_ref().filter(is_kept);
        (id.is_some() || extra_content.is_some())
            .then(|| Thought::OfUse { tool_call_id, id, extra_content }.to_value())
    }
}

/// Whether an id can be kept: it is short, and has no characters that ids do not have.
fn is_short(id: &str) -> bool {
    id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text is a whole object.
fn is_object(json: &str) -> bool {
    let json = json.trim();
    // Most pieces are told by their ends.
    json.starts_with('{')
        && json.ends_with('}')
        && serde_json::from_str::<Value>(json).is_ok_and(|value| value.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageRole;
    use serde_json::json;

    /// The uses of a reply with these pieces, with their ids, names and inputs.
    fn uses(pieces: &[Value]) -> Uses {
        let mut uses = Uses::default();
        for piece in pieces {
            uses.add(Delta::of(piece)).unwrap();
        }
        uses
    }

    fn found(uses: &mut Uses, is_cut: bool) -> Vec<(String, String, Value)> {
        let events = uses.events(is_cut).into_iter().filter_map(|event| match event {
            Event::ToolUse(call) => Some((call.id, call.name, call.input)),
            _ => None,
        });
        events.collect()
    }

    fn used(id: &str, name: &str, input: Value) -> (String, String, Value) {
        (id.into(), name.into(), input)
    }

    /// A piece: index, id, name and arguments, which are absent where they are null.
    #[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
    fn piece(index: impl Into<Value>, id: Value, name: Value, arguments: Value) -> Value {
        json!({"index": index.into(), "id": id, "type": "function",
            "function": {"name": name, "arguments": arguments}})
    }

    fn more(index: u64, arguments: &str) -> Value {
        json!({"index": index, "function": {"arguments": arguments}})
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "it is one table of cases")]
    fn pieces_become_uses_in_every_dialect() {
        let null = || Value::Null;
        let year = |year: u64| json!({"year": year});
        for (name, pieces, expected) in [
            ("no uses", vec![], vec![]),
            (
                "OpenAI",
                vec![
                    piece(0, json!("call_a"), json!("profits"), json!("")),
                    more(0, "{\"year\": 20"),
                    more(0, "23}"),
                    piece(1, json!("call_b"), json!("tasks"), json!("")),
                    more(1, "{}"),
                ],
                vec![used("call_a", "profits", year(2023)), used("call_b", "tasks", json!({}))],
            ),
            (
                "OpenAI, in turns",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("")),
                    piece(1, json!("b"), json!("profits"), json!("{\"year\":")),
                    more(0, "{\"year\": 1}"),
                    more(1, " 2}"),
                ],
                vec![used("a", "profits", year(1)), used("b", "profits", year(2))],
            ),
            (
                "Gemini, whole and each with index 0",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("{\"year\": 1}")),
                    piece(0, json!("b"), json!("profits"), json!("{\"year\": 2}")),
                ],
                vec![used("a", "profits", year(1)), used("b", "profits", year(2))],
            ),
            (
                "Gemini, without ids and indices",
                vec![
                    piece(null(), json!(""), json!("profits"), json!("{\"year\": 1}")),
                    piece(null(), json!(""), json!("profits"), json!("{\"year\": 1}")),
                    piece(null(), null(), json!("tasks"), json!("")),
                    piece(null(), null(), json!("ranges"), null()),
                ],
                vec![
                    used("call00001", "profits", year(1)),
                    used("call00002", "profits", year(1)),
                    used("call00003", "tasks", json!({})),
                    used("call00004", "ranges", json!({})),
                ],
            ),
            (
                "Gemini behind a gateway, without the second name",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("")),
                    piece(0, null(), json!(""), json!("{\"year\": 1}")),
                    piece(0, null(), json!(""), json!("{\"year\": 2}")),
                ],
                vec![used("a", "profits", year(1)), used("call00002", "profits", year(2))],
            ),
            (
                "Ollama behind LiteLLM, objects",
                vec![
                    piece(0, json!("a"), json!("profits"), year(1)),
                    piece(0, json!("b"), json!("profits"), year(2)),
                ],
                vec![used("a", "profits", year(1)), used("b", "profits", year(2))],
            ),
            (
                "Ollama, without ids",
                vec![
                    piece(0, null(), json!("profits"), year(1)),
                    piece(0, null(), json!("profits"), year(2)),
                ],
                vec![used("call00001", "profits", year(1)), used("call00002", "profits", year(2))],
            ),
            (
                "vLLM, with empty ids and index 0",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("")),
                    piece(0, json!(""), null(), json!("{\"year\":")),
                    piece(0, json!(""), null(), json!(" 1}")),
                    piece(0, json!("b"), json!("profits"), json!("")),
                    piece(0, json!(""), null(), json!("{\"year\": 2}")),
                ],
                vec![used("a", "profits", year(1)), used("b", "profits", year(2))],
            ),
            (
                "SGLang, with the id in each piece",
                vec![
                    piece(0, json!("0"), json!("profits"), json!("")),
                    piece(0, json!("0"), null(), json!("{\"year\": 1}")),
                    piece(0, json!("1"), json!("profits"), json!("")),
                    piece(0, json!("1"), null(), json!("{\"year\": 2}")),
                ],
                vec![used("0", "profits", year(1)), used("1", "profits", year(2))],
            ),
            (
                "llama.cpp, with the name in each piece",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("{\"year")),
                    piece(0, json!("a"), json!("profits"), json!("\": 1")),
                    piece(0, null(), json!("profits"), json!("}")),
                ],
                vec![used("a", "profits", year(1))],
            ),
            (
                "an id that changes with each piece",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("")),
                    piece(0, json!("b"), null(), json!("{\"year\":")),
                    piece(0, json!("c"), null(), json!("1}")),
                ],
                vec![used("a", "profits", year(1))],
            ),
            (
                "an id that comes late",
                vec![
                    piece(0, null(), json!("profits"), json!("")),
                    piece(0, json!("a"), json!("profits"), json!("{}")),
                ],
                vec![used("a", "profits", json!({}))],
            ),
            (
                "the same id twice",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("{}")),
                    piece(1, json!("a"), json!("profits"), json!("{}")),
                ],
                vec![used("a", "profits", json!({})), used("call00002", "profits", json!({}))],
            ),
            (
                "LiteLLM before Claude, with a placeholder",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("{}")),
                    more(0, "{\"year\""),
                    more(0, ": 1}"),
                ],
                vec![used("a", "profits", year(1))],
            ),
            (
                "the whole arguments again",
                vec![
                    piece(0, json!("a"), json!("profits"), json!("{\"year\": 1}")),
                    piece(0, json!("a"), json!("profits"), json!("{\"year\": 1}")),
                    more(0, "{\"year\": 1}"),
                ],
                vec![used("a", "profits", year(1))],
            ),
            (
                "no arguments",
                vec![
                    piece(0, json!("a"), json!("tasks"), null()),
                    piece(1, json!("b"), json!("tasks"), json!("null")),
                    json!({"index": 2, "id": "c", "function": {"name": "tasks"}}),
                ],
                vec![
                    used("a", "tasks", json!({})),
                    used("b", "tasks", json!({})),
                    used("c", "tasks", json!({})),
                ],
            ),
            (
                "absurd indices",
                vec![
                    piece(u64::MAX, json!("a"), json!("tasks"), json!("{}")),
                    piece(-1, json!("b"), json!("tasks"), json!("{}")),
                    piece(json!("x"), json!("c"), json!("tasks"), json!("[1]")),
                    piece(1.5, json!("d"), json!("tasks"), json!([1])),
                ],
                vec![
                    used("a", "tasks", json!({})),
                    used("b", "tasks", json!({})),
                    used("c", "tasks", json!([1])),
                    used("d", "tasks", json!([1])),
                ],
            ),
        ] {
            let mut uses = uses(&pieces);
            assert!(uses.are_whole(), "{name}");
            assert_eq!(found(&mut uses, false), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_whole_is_left_out_of_a_reply_that_was_cut_off() {
        let first = || piece(0, json!("a"), json!("tasks"), json!("{\"open\": true}"));
        let second = |arguments: &str| piece(1, json!("b"), json!("tasks"), json!(arguments));
        // The pieces, whether all are whole, whether one may be cut off, and the ids that are left.
        for (pieces, are_whole, may_be_cut, left) in [
            (vec![], true, false, vec![]),
            (vec![first()], true, false, vec![]),
            (vec![first(), second("")], true, true, vec!["a"]),
            (vec![first(), second("{}")], true, true, vec!["a"]),
            (vec![first(), second("{\"open\": ")], false, true, vec!["a"]),
            (vec![first(), second("{\"open\": false}")], true, false, vec!["a"]),
            (vec![first(), second("{\"x\": "), more(0, " ")], false, true, vec![]),
            // A piece that has no tool.
            (vec![more(0, "{}")], false, true, vec![]),
            (vec![json!(null)], false, true, vec![]),
        ] {
            let mut uses = uses(&pieces);
            assert_eq!(
                (uses.are_whole(), uses.may_be_cut()),
                (are_whole, may_be_cut),
                "{pieces:?}"
            );
            let found: Vec<_> = found(&mut uses, true).into_iter().map(|(id, ..)| id).collect();
            assert_eq!(found, left, "{pieces:?}");
        }
        // Text came after it.
        let mut uses = uses(&[first(), second("{}")]);
        uses.close();
        assert!(!uses.may_be_cut());
        assert_eq!(found(&mut uses, true).len(), 2);
    }

    #[test]
    fn no_id_is_one_of_an_earlier_step() {
        let earlier = |id: &str| {
            Content::ToolUse(ToolUse { id: id.into(), name: "tasks".into(), input: json!({}) })
        };
        let content = vec![earlier("0"), earlier("call00003"), Content::Text("x".into())];
        let turns = [Turn { role: MessageRole::Assistant, content }];
        let long = "x".repeat(LONGEST_ID + 1);
        let mut uses = Uses::after(&turns);
        for (index, id) in ["0", "1", "a b", &long, "é"].into_iter().enumerate() {
            uses.add(Delta::of(&piece(index, json!(id), json!("tasks"), json!("{}")))).unwrap();
        }
        let ids: Vec<_> = found(&mut uses, false).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(ids, ["call00004", "1", "call00005", "call00006", "call00007"]);
    }

    #[test]
    fn what_a_server_keeps_at_a_use_stands_before_it() {
        let signed = json!({"google": {"thought_signature": "c2ln"}});
        let with = |mut piece: Value, extra: &Value| {
            piece["extra_content"] = extra.clone();
            piece
        };
        let whole = |id: &str| piece(0, json!(id), json!("tasks"), json!("{}"));
        let long = format!("call_1__thought__{}", "c".repeat(900));
        let kept = |members: Value| {
            let mut thought = json!({"type": "openai"});
            for (name, value) in members.as_object().unwrap() {
                thought[name] = value.clone();
            }
            Some(thought)
        };
        for (name, pieces, expected) in [
            ("nothing", vec![whole("a")], None),
            (
                "Gemini",
                vec![with(whole("a"), &signed)],
                kept(json!({"tool_call_id": "a", "extra_content": signed})),
            ),
            (
                "Gemini, in a later piece with nothing else",
                vec![whole("a"), json!({"index": 0, "extra_content": signed})],
                kept(json!({"tool_call_id": "a", "extra_content": signed})),
            ),
            (
                "Gemini, without an id and an index",
                vec![
                    json!({"function": {"name": "tasks", "arguments": "{}"}}),
                    json!({"extra_content": signed}),
                ],
                kept(json!({"tool_call_id": "call00001", "extra_content": signed})),
            ),
            ("LiteLLM", vec![whole(&long)], kept(json!({"tool_call_id": "call00001", "id": long}))),
            ("too much", vec![with(whole("a"), &json!({"x": "y".repeat(MOST_KEPT)}))], None),
            ("no object", vec![with(whole("a"), &json!(null))], None),
        ] {
            let events = uses(&pieces).events(false);
            let thought = match &events[..] {
                [Event::Thought(thought), Event::ToolUse(_)] => Some(thought.clone()),
                [Event::ToolUse(_)] => None,
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(thought, expected, "{name}");
        }
    }

    #[test]
    fn an_id_or_a_name_that_is_too_long_is_none() {
        let long = "x".repeat(MOST_KEPT + 1);
        for (id, name, expected) in
            [(&*long, "tasks", vec![used("call00001", "tasks", json!({}))]), ("a", &long, vec![])]
        {
            let mut uses = uses(&[piece(0, json!(id), json!(name), json!("{}"))]);
            assert_eq!(uses.are_whole(), !expected.is_empty());
            assert_eq!(found(&mut uses, false), expected);
        }
    }

    #[test]
    fn a_reply_has_a_bounded_number_of_uses() {
        let mut uses = Uses::default();
        for number in 0..MOST {
            let piece = piece(number, json!(number.to_string()), json!("tasks"), json!("{}"));
            assert!(uses.add(Delta::of(&piece)).unwrap());
        }
        assert!(!uses.add(Delta::of(&more(7, ""))).unwrap());
        let piece = piece(MOST, json!("x"), json!("tasks"), json!("{}"));
        assert_eq!(uses.add(Delta::of(&piece)).unwrap_err().error.fault, Fault::Broken);
    }
}
