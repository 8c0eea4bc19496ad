//! An input of an analysis, as a caller names it.

use std::borrow::Cow;

use platform::domain::ResourceId;
use platform::http::{Schemas, either};
use platform::input::{Fields, Input};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::fields::{Text, TextName};

/// Characters of a text, at most.
const LONGEST_TEXT: usize = 500_000;

/// An input: a file, or a text.
pub enum NewInput {
    /// The file with this id.
    File(ResourceId),
    /// A text.
    Text {
        /// Its name.
        name: String,
        /// The text itself.
        text: String,
    },
}

platform::opaque!(NewInput);

/// A file of yours that is ready.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct AnalysisFile {
    /// Id of the file.
    #[schema(format = "uuid")]
    file_id: String,
}

/// A text.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct AnalysisText {
    /// Its name. It may be a path.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "src/lib.rs"
    )]
    name: String,
    /// The text: 1 to 500,000 characters, and not blanks alone.
    #[schema(min_length = 1, max_length = 500_000, example = "fn main() {}")]
    text: String,
}

impl PartialSchema for NewInput {
    fn schema() -> RefOr<Schema> {
        either::<AnalysisFile, AnalysisText>()
    }
}

impl ToSchema for NewInput {
    fn name() -> Cow<'static, str> {
        "AnalysisInput".into()
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((AnalysisFile::name().into_owned(), AnalysisFile::schema()));
        schemas.push((AnalysisText::name().into_owned(), AnalysisText::schema()));
    }
}

impl Input for NewInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let is_file = fields.has("file_id");
        let is_text = fields.has("name") || fields.has("text");
        match (is_file, is_text) {
            (true, false) => fields.required("file_id").map(Self::File),
            (false, true) => {
                let name = fields.required::<TextName>("name");
                let text = fields.required::<Text<LONGEST_TEXT>>("text");
                Some(Self::Text { name: name?.0, text: text?.0 })
            }
            _ => {
                fields.ignore_rest();
                fields.refuse("file_id", "must be sent, or name and text, and not both");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<NewInput, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<NewInput>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn an_input_is_a_file_or_a_text() {
        let id = "019AB9A0-0000-7000-8000-00000000C0DE";
        let file = read(&json!({"file_id": id})).unwrap();
        assert!(matches!(&file, NewInput::File(found) if **found == *id.to_lowercase()));
        let sent = read(&json!({"name": "a", "text": "b\n"})).unwrap();
        assert!(matches!(&sent, NewInput::Text { name, text } if name == "a" && text == "b\n"));
        for (body, faults) in [
            (json!({}), &["/file_id"][..]),
            (json!({"file_id": id, "name": "a"}), &["/file_id"]),
            (json!({"file_id": "a"}), &["/file_id"]),
            (json!({"name": "a"}), &["/text"]),
            (json!({"text": "", "name": ""}), &["/name", "/text"]),
            (json!({"name": "a", "text": "x".repeat(500_001)}), &["/text"]),
            (json!({"name": "a", "text": "b", "path": "c"}), &["/path"]),
        ] {
            assert_eq!(read(&body).err().unwrap_or_default(), faults, "{body}");
        }
    }
}
