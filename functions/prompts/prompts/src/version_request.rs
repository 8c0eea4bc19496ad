//! The body of `POST /prompts/{name}/versions`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use platform::http::Schemas;
use platform::input::{Fields, Input};
use tally_prompts::domain::{Content, Label, VersionNumber};
use tally_prompts::store::MOST_LABELS;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::fields::{Labels, Note};

/// A version to save: its content, and the way to save it.
#[derive(Debug, Clone)]
pub struct VersionRequest {
    /// The content.
    pub content: Content,
    /// The way to save it.
    pub options: SaveOptions,
}

/// The version to save.
#[derive(Debug, Clone, ToSchema)]
pub struct SaveOptions {
    /// The number of the newest version that you know, or 0 if you know of none. If there is a
    /// newer one, the answer is 409. Without this field, the version follows the newest one in any
    /// case.
    #[schema(maximum = 999_999_999, example = 7)]
    pub based_on: Option<u32>,
    /// Labels that point to the version from now on.
    #[schema(schema_with = labels, required = false)]
    pub labels: BTreeSet<Label>,
    /// What has changed, for people. At most 500 characters.
    #[schema(max_length = 500, example = "Shorter answers.")]
    pub note: Option<String>,
}

/// The schema of a list of labels.
fn labels() -> Schema {
    let label =
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z][a-z0-9-]{0,31}$"));
    let description = "Labels that point to the version from now on, each once. Only an \
                       administrator may send `production`. Where versions are reviewed, the \
                       author of the version may not.";
    ArrayBuilder::new()
        .items(label)
        .unique_items(true)
        .max_items(Some(MOST_LABELS))
        .description(Some(description))
        .examples([serde_json::json!(["staging"])])
        .into()
}

impl Input for VersionRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let based_on = fields.optional::<VersionNumber>("based_on");
        let labels = fields.optional::<Labels>("labels");
        let note = fields.optional::<Note>("note");
        let content = Content::read(fields);
        let options = SaveOptions {
            based_on: based_on?.map(|VersionNumber(number)| number),
            labels: labels?.map(|Labels(labels)| labels).unwrap_or_default(),
            note: note?.map(|Note(text)| text),
        };
        Some(Self { content: content?, options })
    }
}

impl ToSchema for VersionRequest {
    fn name() -> Cow<'static, str> {
        "NewPromptVersion".into()
    }

    fn schemas(schemas: &mut Schemas) {
        Content::schemas(schemas);
        SaveOptions::schemas(schemas);
    }
}

/// One object with the fields of both parts.
impl PartialSchema for VersionRequest {
    fn schema() -> RefOr<Schema> {
        match (Content::schema(), SaveOptions::schema()) {
            (RefOr::T(Schema::Object(mut whole)), RefOr::T(Schema::Object(options))) => {
                whole.properties.extend(options.properties);
                whole.description = options.description;
                RefOr::T(Schema::Object(whole))
            }
            (content, _) => content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<VersionRequest, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<VersionRequest>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn a_request_has_a_content_and_says_how_it_is_saved() {
        let plain = read(&json!({"kind": "chat", "system": "Be brief."})).unwrap();
        assert_eq!((plain.options.based_on, plain.options.labels.len()), (None, 0));
        let full = json!({
            "kind": "chat", "system": "Be brief.", "based_on": 0, "labels": ["b", "a"],
            "note": "First",
        });
        let full = read(&full).unwrap();
        assert_eq!(full.content, plain.content);
        let labels: Vec<_> = full.options.labels.iter().map(Label::as_str).collect();
        assert_eq!((full.options.based_on, &labels[..]), (Some(0), &["a", "b"][..]));
        assert_eq!(full.options.note.as_deref(), Some("First"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (more, faults) in [
            (json!({"based_on": -1}), &["/based_on"][..]),
            (json!({"labels": ["latest"]}), &["/labels"]),
            (json!({"note": "x".repeat(501), "system": ""}), &["/note", "/system"]),
            (json!({"version": 3}), &["/version"]),
        ] {
            let mut body = json!({"kind": "chat", "system": "Be brief."});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(read(&body).unwrap_err(), faults, "{more}");
        }
    }

    #[test]
    fn the_schema_has_the_fields_of_both_parts() {
        let RefOr::T(Schema::Object(schema)) = VersionRequest::schema() else {
            panic!("the schema is no object")
        };
        for name in ["kind", "system", "variables", "based_on", "labels", "note"] {
            assert!(schema.properties.contains_key(name), "{name}");
        }
        assert_eq!(schema.required, ["kind", "system"]);
    }
}
