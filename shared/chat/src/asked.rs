//! What a model was asked for a reply, as a text of the event `chat.message`.

use assistant::domain::PromptName;
use assistant::prompt_version;
use serde::Serialize;

use crate::domain::ChatContext;
use crate::excerpts::{Excerpts, SentRange};
use crate::store::Message;

/// What a model was asked.
///
/// It serialises to the text `prompt` of the event, JSON by `serde_json`. That needs no
/// canonical form, because the hash in the event is over the encrypted text. The earlier messages
/// are ids: with their texts in each event, a conversation would grow with the square of its turns.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    prompt: Prompt,
    /// The earlier messages that the model was shown, oldest first. `null` if that is not known.
    shown: Option<Vec<String>>,
    /// The message to answer, byte for byte as the model was sent it. `null` if it is gone.
    turn: Option<String>,
    /// The cells before it. Absent if it has no context.
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<AskedCells>,
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

/// A system prompt.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct Prompt {
    name: &'static str,
    version: u32,
}

impl Asked {
    /// The model is shown these messages, of which it answers the last.
    pub fn new(prompt: PromptName, said: &[Message]) -> Self {
        let (last, earlier) = said.split_last().unzip();
        let earlier = earlier.unwrap_or_default().iter().map(|message| message.id.clone());
        Self {
            prompt: Prompt::from(prompt),
            shown: Some(earlier.collect()),
            turn: last.map(|message| message.text.clone()),
            cells: None,
        }
    }

    /// The same with these cells before the last message.
    #[must_use]
    pub fn about(self, cells: &Excerpts) -> Self {
        let cells = AskedCells { ranges: cells.sent().to_vec(), sha256: Some(cells.digest()) };
        Self { cells: Some(cells), ..self }
    }

    /// For a reply whose worker has died. The message that it answers is known, and no more.
    pub fn on_record(prompt: PromptName, said: Option<Message>) -> Self {
        let (turn, context) = said.map(|message| (message.text, message.context)).unzip();
        let cells = context.flatten().map(AskedCells::on_record);
        Self { prompt: Prompt::from(prompt), shown: None, turn, cells }
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

impl From<PromptName> for Prompt {
    fn from(name: PromptName) -> Self {
        Self { name: name.as_str(), version: prompt_version(name) }
    }
}

#[cfg(test)]
mod tests {
    use assistant::domain::MessageRole;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::turn::message;

    #[test]
    fn earlier_messages_are_named_and_the_last_one_is_quoted() {
        let said = ["oldest", "older", " \"€\" \u{1f}\n "]
            .map(|text| message("c".into(), "u", MessageRole::User, text, Timestamp::UNIX_EPOCH));
        let prompt = json!({"name": "default", "version": 2});
        let name = PromptName::Default;
        let all = Asked::new(name, &said);
        let [first, second, last] = &said;
        for (asked, shown, turn) in [
            (Asked::new(name, &said), json!([first.id, second.id]), json!(last.text)),
            (all.showing(&[0, 1, 2]), json!([first.id, second.id]), json!(last.text)),
            (all.showing(&[1, 2]), json!([second.id]), json!(last.text)),
            (all.showing(&[2]), json!([]), json!(last.text)),
            (Asked::new(name, &said[..1]), json!([]), json!("oldest")),
            (Asked::new(name, &[]), json!([]), json!(null)),
            (Asked::on_record(name, Some(last.clone())), json!(null), json!(last.text)),
            (Asked::on_record(name, None), json!(null), json!(null)),
        ] {
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
        let on_record = json!(Asked::on_record(name, Some(about)));
        assert_eq!(on_record["cells"], json!({"ranges": ranges, "sha256": null}));
        let sent = json!(all.clone().about(&Excerpts::default()).showing(&[2]));
        let empty = platform::ids::sha256("");
        assert_eq!(sent["cells"], json!({"ranges": [], "sha256": empty}));
        assert!(
            serde_json::to_string(&all).unwrap().starts_with(r#"{"prompt":{"name":"default","#)
        );
    }
}
