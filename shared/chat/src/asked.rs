//! What a model was asked for a reply, as a text of the event `chat.message`.

use platform::ids;
use serde::Serialize;
use tally_prompts::domain::{Pinned, PromptName, Values, Version};

use crate::domain::{CallStatus, ChatContext};
use crate::excerpts::{Excerpts, SentRange};
use crate::notes::Notes;
use crate::store::{CallRecord, Message, Step};

/// What a model was asked.
///
/// It serialises to the text `prompt` of the event, JSON by `serde_json`. That needs no
/// canonical form, because the hash in the event is over the encrypted text. The earlier messages
/// are ids: with their texts in each event, a conversation would grow with the square of its turns.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    prompt: Prompt,
    /// The values of its variables. Absent if there are none.
    #[serde(skip_serializing_if = "Values::is_empty")]
    variables: Values,
    /// The earlier messages that the model was shown, oldest first. `null` if that is not known.
    shown: Option<Vec<String>>,
    /// The message to answer, byte for byte as the model was sent it, in the template of the
    /// prompt. `null` if it is gone. For a reply whose worker has died, it is without the template.
    turn: Option<String>,
    /// The cells before it. Absent if it has no context.
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<AskedCells>,
    /// SHA-256 of the notes before it, URL-safe base64. Absent if it has none, and for a reply
    /// whose worker has died.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes_sha256: Option<String>,
    /// The steps that asked for tools, in order. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<AskedStep>,
}

platform::opaque!(Asked);

/// Cells that the model gets. Their text is not stored here. A reader of the range can make it
/// again, and compare its hash.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct AskedCells {
    ranges: Vec<SentRange>,
    /// SHA-256 of the text, URL-safe base64. `null` if the text is not known.
    sha256: Option<String>,
}

/// The calls of tools that the model asked for in one step.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct AskedStep {
    calls: Vec<AskedCall>,
}

/// A call of a tool. Arguments and result are not stored here, because they may have cells. A
/// reader who has them can compare the hashes: SHA-256, URL-safe base64.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct AskedCall {
    tool: String,
    status: CallStatus,
    /// Hash of the arguments, as JSON without white space.
    arguments_sha256: String,
    /// Hash of the result that is stored for the model. `null` if there is none.
    result_sha256: Option<String>,
}

/// The version of a prompt.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct Prompt {
    name: PromptName,
    version: u32,
    /// SHA-256 of its content. Version 0 is built in, so it may have another text in each release.
    /// `null` for a reply whose worker has died.
    sha256: Option<String>,
}

impl Asked {
    /// The model is shown these messages, of which it answers the last. The last one has its
    /// rendered text.
    pub fn new(prompt: &Version, said: &[Message]) -> Self {
        let (last, earlier) = said.split_last().unzip();
        let earlier = earlier.unwrap_or_default().iter().map(|message| message.id.clone());
        Self {
            prompt: Prompt { sha256: Some(prompt.sha256.clone()), ..prompt.pinned().into() },
            variables: last.map(|message| message.variables.clone()).unwrap_or_default(),
            shown: Some(earlier.collect()),
            turn: last.map(|message| message.text.clone()),
            cells: None,
            notes_sha256: None,
            steps: Vec::new(),
        }
    }

    /// The same with the calls of these steps, whose results the model was sent.
    #[must_use]
    pub fn with_steps(self, steps: &[(Step, Vec<CallRecord>)]) -> Self {
        let with_calls = steps.iter().filter(|(_, calls)| !calls.is_empty());
        let steps = with_calls
            .map(|(_, calls)| AskedStep { calls: calls.iter().map(AskedCall::from).collect() });
        Self { steps: steps.collect(), ..self }
    }

    /// The same with these cells before the last message.
    #[must_use]
    pub fn about(self, cells: &Excerpts) -> Self {
        let cells = AskedCells { ranges: cells.sent().to_vec(), sha256: Some(cells.digest()) };
        Self { cells: Some(cells), ..self }
    }

    /// The same with these notes before the last message.
    #[must_use]
    pub fn with_notes(self, notes: &Notes) -> Self {
        let notes_sha256 = (!notes.text().is_empty()).then(|| notes.digest());
        Self { notes_sha256, ..self }
    }

    /// For a reply whose worker has died. The message that it answers is known, and no more.
    pub fn on_record(prompt: Pinned, said: Option<Message>) -> Self {
        let variables = said.as_ref().map(|message| message.variables.clone()).unwrap_or_default();
        let (turn, context) = said.map(|message| (message.text, message.context)).unzip();
        let cells = context.flatten().map(AskedCells::on_record);
        let (prompt, steps) = (Prompt::from(prompt), Vec::new());
        Self { prompt, variables, shown: None, turn, cells, notes_sha256: None, steps }
    }

    /// The same for a model that is shown only some of the messages, by their indices.
    #[must_use]
    pub fn showing(&self, turns: &[usize]) -> Self {
        let is_shown = |(index, id): (usize, &String)| turns.contains(&index).then(|| id.clone());
        let shown = self.shown.iter().flatten().enumerate().filter_map(is_shown).collect();
        Self { shown: Some(shown), ..self.clone() }
    }
}

impl AskedCells {
    fn on_record(context: ChatContext) -> Self {
        let ranges = context.ranges.into_iter().map(|range| SentRange {
            range_id: range.range_id,
            address: range.address.map(String::from).unwrap_or_default(),
            rows: None,
        });
        Self { ranges: ranges.collect(), sha256: None }
    }
}

impl From<&CallRecord> for AskedCall {
    fn from(call: &CallRecord) -> Self {
        Self {
            tool: call.tool.clone(),
            status: call.status,
            arguments_sha256: ids::sha256(&call.arguments.to_string()),
            result_sha256: call.result.as_deref().map(ids::sha256),
        }
    }
}

impl From<Pinned> for Prompt {
    fn from(Pinned { name, version }: Pinned) -> Self {
        Self { name, version, sha256: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use assistant::domain::MessageRole;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::store::State;
    use crate::turn::message;

    /// The version of the prompt that is built in.
    fn prompt() -> Arc<Version> {
        tally_prompts::built_in(&PromptName::default()).unwrap()
    }

    #[test]
    fn earlier_messages_are_named_and_the_last_one_is_quoted() {
        let said = ["oldest", "older", " \"€\" \u{1f}\n "]
            .map(|text| message("c".into(), "u", MessageRole::User, text, Timestamp::UNIX_EPOCH));
        let (prompt, pinned) = (prompt(), Pinned::default());
        let sha256 = json!(prompt.sha256);
        let all = Asked::new(&prompt, &said);
        let [first, second, last] = &said;
        for (asked, sha256, shown, turn) in [
            (all.clone(), &sha256, json!([first.id, second.id]), json!(last.text)),
            (all.showing(&[0, 1, 2]), &sha256, json!([first.id, second.id]), json!(last.text)),
            (all.showing(&[1, 2]), &sha256, json!([second.id]), json!(last.text)),
            (all.showing(&[2]), &sha256, json!([]), json!(last.text)),
            (Asked::new(&prompt, &said[..1]), &sha256, json!([]), json!("oldest")),
            (Asked::new(&prompt, &[]), &sha256, json!([]), json!(null)),
            (
                Asked::on_record(pinned.clone(), Some(last.clone())),
                &Value::Null,
                json!(null),
                json!(last.text),
            ),
            (Asked::on_record(pinned.clone(), None), &Value::Null, json!(null), json!(null)),
        ] {
            let prompt = json!({"name": "default", "version": 0, "sha256": sha256});
            let expected = json!({"prompt": prompt, "shown": shown, "turn": turn});
            assert_eq!(json!(asked), expected);
        }
        let context = json!({"ranges": [{"range_id": "r", "address": "A1:B2"}, {"range_id": "s"}],
            "include_hidden": false});
        let about = Message { context: serde_json::from_value(context).unwrap(), ..last.clone() };
        let ranges = json!([
            {"range_id": "r", "address": "A1:B2", "rows": null},
            {"range_id": "s", "address": "", "rows": null},
        ]);
        let on_record = json!(Asked::on_record(pinned, Some(about)));
        assert_eq!(on_record["cells"], json!({"ranges": ranges, "sha256": null}));
        let sent = json!(all.clone().about(&Excerpts::default()).showing(&[2]));
        let empty = platform::ids::sha256("");
        assert_eq!(sent["cells"], json!({"ranges": [], "sha256": empty}));
        let values = serde_json::from_value(json!({"company": "Alpha"})).unwrap();
        let notes = Notes::of(&State { values, ..State::default() });
        for (notes, expected) in [(&notes, json!(notes.digest())), (&Notes::default(), Value::Null)]
        {
            assert_eq!(json!(all.clone().with_notes(notes))["notes_sha256"], expected);
        }
        assert!(
            serde_json::to_string(&all).unwrap().starts_with(r#"{"prompt":{"name":"default","#)
        );
    }

    #[test]
    fn the_values_of_the_last_message_are_quoted() {
        let said = ["2022", "2023"].map(|year| {
            let at = Timestamp::UNIX_EPOCH;
            let said = message("c".into(), "u", MessageRole::User, "How much?", at);
            let variables = json!({"year": year});
            Message { variables: variables.as_object().unwrap().clone().into(), ..said }
        });
        let pinned = Pinned { version: 3, ..Pinned::default() };
        let on_record = json!(Asked::on_record(pinned, Some(said[1].clone())));
        let prompt_on_record = json!({"name": "default", "version": 3, "sha256": null});
        assert_eq!(on_record["prompt"], prompt_on_record);
        for asked in [json!(Asked::new(&prompt(), &said)), on_record] {
            assert_eq!(asked["variables"], json!({"year": "2023"}));
        }
    }

    #[test]
    fn calls_of_tools_are_named_with_hashes_of_what_they_took_and_gave() {
        let call = |result: Option<&str>| CallRecord {
            arguments: json!({"title": "secret"}),
            preview: "Add the task \"secret\".".into(),
            result: result.map(str::to_owned),
            ..CallRecord::sample("call_1", CallStatus::Completed)
        };
        let step = |number| Step { message_id: "m".into(), number, blocks: Vec::new() };
        let steps = [
            (step(1), vec![call(Some("{}")), call(None)]),
            (step(2), vec![]),
            (step(3), vec![call(None)]),
        ];
        let asked = json!(Asked::new(&prompt(), &[]).with_steps(&steps));
        let of = |result: Option<&str>| {
            json!({
                "tool": "add_task", "status": "completed",
                "arguments_sha256": ids::sha256(r#"{"title":"secret"}"#),
                "result_sha256": result.map(ids::sha256),
            })
        };
        assert_eq!(
            asked["steps"],
            json!([{"calls": [of(Some("{}")), of(None)]}, {"calls": [of(None)]}])
        );
        let none = json!(Asked::new(&prompt(), &[]).with_steps(&steps[1..2]));
        assert_eq!(none.get("steps"), None);
    }
}
