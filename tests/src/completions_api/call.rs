//! A call of a tool, in the pieces in which servers send it.

use platform::ids;
use serde_json::{Map, Value, json};

use super::dialect::{Arguments, Dialect, Ids, Index};
use crate::model_server::halves;

/// A call of a tool.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub id: String,
    pub name: String,
    pub input: Value,
}

impl Call {
    /// The entries of `tool_calls` that make this call, which is the one with this number.
    pub fn entries(&self, dialect: Dialect, number: usize, is_cut: bool) -> Vec<Value> {
        let text = self.input.to_string();
        let [first, second] = halves(&text);
        let (second, whole) = if is_cut { ("", first) } else { (second, text.as_str()) };
        let mut entries = match dialect.arguments() {
            Arguments::Object => vec![self.begin(dialect, number, &self.input)],
            Arguments::Whole => vec![self.begin(dialect, number, &json!(whole))],
            Arguments::Pieces => {
                let piece = |arguments: &str| self.piece(dialect, number, arguments);
                let repeated = (dialect == Dialect::RepeatedArguments).then(|| piece(whole));
                let begins = self.begin(dialect, number, &json!(""));
                [begins, piece(first), piece(second)].into_iter().chain(repeated).collect()
            }
        };
        // Of parallel calls, the first one has a signature.
        if dialect.is_gemini() && number == 0 {
            let signed = json!({"google": {"thought_signature": signature(&self.id)}});
            if dialect == Dialect::GeminiInPieces {
                entries.push(json!({"extra_content": signed}));
            } else {
                entries[0]["extra_content"] = signed;
            }
        }
        entries
    }

    /// The entry that begins a call.
    fn begin(&self, dialect: Dialect, number: usize, arguments: &Value) -> Value {
        let mut entry = indexed(dialect, number);
        entry.extend(self.id(dialect, number).map(|id| ("id".to_owned(), json!(id))));
        entry.insert("type".to_owned(), json!("function"));
        entry.insert("function".to_owned(), json!({"name": self.name, "arguments": arguments}));
        Value::Object(entry)
    }

    /// An entry with more arguments.
    fn piece(&self, dialect: Dialect, number: usize, arguments: &str) -> Value {
        if dialect == Dialect::RepeatedNames {
            return self.begin(dialect, number, &json!(arguments));
        }
        let mut entry = indexed(dialect, number);
        entry.insert("function".to_owned(), json!({"arguments": arguments}));
        Value::Object(entry)
    }

    fn id(&self, dialect: Dialect, number: usize) -> Option<&str> {
        match dialect.ids() {
            Ids::Present => Some(&self.id),
            Ids::OfFirst => (number == 0).then_some(self.id.as_str()),
            Ids::Missing => None,
            Ids::Empty => Some(""),
        }
    }
}

/// The entry of the call with this number, with its index alone.
fn indexed(dialect: Dialect, number: usize) -> Map<String, Value> {
    let index = match dialect.index() {
        Index::Counted => Some(number),
        Index::Zero => Some(0),
        Index::Missing => None,
    };
    index.map(|index| ("index".to_owned(), json!(index))).into_iter().collect()
}

/// The signature of Gemini's thought before the call with this id.
pub(super) fn signature(id: &str) -> String {
    ids::sha256(id)
}
