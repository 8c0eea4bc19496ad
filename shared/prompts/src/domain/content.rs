//! The content of a version: its texts, variables and settings.

use std::collections::BTreeSet;

use assistant::domain::{Effort, ModelName};
use platform::ids;
use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::template::Template;
use super::variable::Variable;

/// Characters of a text, at most.
const LONGEST_TEXT: usize = 100_000;

/// Bytes of both texts together, and of the variables as JSON, at most. So a version fits into an
/// item of 400 KB.
const MOST_TEXT_BYTES: usize = 300_000;
const MOST_VARIABLE_BYTES: usize = 40_000;

/// Variables, at most.
const MOST_VARIABLES: usize = 30;

/// Bytes of a schema, at most.
const MOST_SCHEMA_BYTES: usize = 20_000;

/// Tokens of an answer, at most.
const MOST_TOKENS: u64 = 128_000;

/// The content of a version: its texts, variables and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PromptContent)]
pub struct Content {
    /// Whether the prompt is for replies or for other calls. All versions of a prompt are of one
    /// kind.
    pub kind: Kind,
    /// The system prompt, a template. Variables of the types `string` and `json` may not stand in
    /// it.
    #[schema(
        min_length = 1,
        max_length = 100_000,
        example = "You are the assistant of {{company}}."
    )]
    pub system: String,
    /// A template of the user's turn. It has `{{message}}` exactly once (`chat`), or `{{input}}`
    /// (`task`). Without it, the turn is the message or the input alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 100_000,
        example = "Answer briefly.\n{{message}}"
    )]
    pub user: Option<String>,
    /// The variables. Each of them stands in a template.
    #[serde(default)]
    #[schema(required = false, max_items = 30)]
    pub variables: Vec<Variable>,
    /// The model to ask. Without it, the model of the deployment is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,95}$")]
    pub model: Option<ModelName>,
    /// Tokens of the answer, at most, if that is less than the deployment allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 128_000)]
    pub max_tokens: Option<u64>,
    /// How much the model is to think. Without it, the model decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub effort: Option<Effort>,
    /// A JSON Schema of the answer, for the kind `task` alone. It has at most 20,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>, nullable = false)]
    pub output_schema: Option<Value>,
}

/// The calls that a prompt is for. `chat`: replies to messages of a conversation. `task`: calls
/// without a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PromptKind)]
pub enum Kind {
    /// A reply to a message of a conversation.
    Chat,
    /// A call without a conversation.
    Task,
}

impl Kind {
    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Task => "task",
        }
    }

    /// The name of the text that stands in the user's turn.
    pub fn text(self) -> &'static str {
        match self {
            Self::Chat => "message",
            Self::Task => "input",
        }
    }
}

impl Content {
    /// SHA-256 of the content, URL-safe base64, over its RFC 8785 form. So two versions with the
    /// same content have the same hash.
    pub fn sha256(&self) -> String {
        // Every content has a JSON form, so this cannot fail.
        ids::sha256_of(&serde_json_canonicalizer::to_vec(self).unwrap_or_default())
    }

    /// The variable with this name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Finds the faults that concern more than one field.
    fn check(&self, fields: &mut Fields) {
        let user = self.user.as_deref();
        if self.system.len() + user.map_or(0, str::len) > MOST_TEXT_BYTES {
            fields.refuse("system", "must be, together with user, at most 300,000 bytes of UTF-8");
        }
        let in_system: Vec<_> = Template::parse(&self.system).variables().collect();
        let in_user: Vec<_> =
            user.map(|text| Template::parse(text).variables().collect()).unwrap_or_default();
        for name in distinct(&in_system) {
            match self.variable(name) {
                Some(variable) if variable.r#type.is_free() => {
                    let fault = format!(
                        "must not name `{name}`: a variable of the type {} may stand in user alone",
                        variable.r#type.as_str()
                    );
                    fields.refuse("system", &fault);
                }
                None if name != "today" => fields.refuse("system", &undeclared(name)),
                Some(_) | None => (),
            }
        }
        let text = self.kind.text();
        for name in distinct(&in_user) {
            if self.variable(name).is_none() && !["today", text].contains(&name) {
                fields.refuse("user", &undeclared(name));
            }
        }
        if user.is_some() && in_user.iter().filter(|name| **name == text).count() != 1 {
            fields.refuse("user", &format!("must name `{{{{{text}}}}}` exactly once"));
        }
        self.check_variables(&[in_system, in_user].concat(), fields);
        if self.output_schema.is_some() && self.kind == Kind::Chat {
            fields.refuse("output_schema", "is for the kind task alone");
        }
    }

    fn check_variables(&self, used: &[&str], fields: &mut Fields) {
        let names: BTreeSet<_> = self.variables.iter().map(|variable| &variable.name).collect();
        if names.len() < self.variables.len() {
            fields.refuse("variables", "must not declare a name twice");
        }
        if self.variables.len() > MOST_VARIABLES {
            fields.refuse("variables", "must be at most 30 variables");
        }
        let bytes = serde_json::to_vec(&self.variables).map_or(0, |json| json.len());
        if bytes > MOST_VARIABLE_BYTES {
            fields.refuse("variables", "must be at most 40,000 bytes of JSON");
        }
        let unused = self.variables.iter().find(|variable| !used.contains(&variable.name.as_str()));
        if let Some(Variable { name, .. }) = unused {
            fields.refuse("variables", &format!("declares `{name}`, which stands in no template"));
        }
    }
}

fn distinct<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
    names.iter().copied().collect()
}

fn undeclared(name: &str) -> String {
    let shown: String = name.chars().take(40).collect();
    format!("names `{shown}`, which `variables` does not declare")
}

impl Input for Content {
    fn read(fields: &mut Fields) -> Option<Self> {
        let kind = fields.required("kind");
        let system = fields.required::<Text>("system");
        let user = fields.optional::<Text>("user");
        let variables = fields.optional::<Items<Variable>>("variables");
        let model = fields.optional("model");
        let max_tokens = fields.optional::<MaxTokens>("max_tokens");
        let effort = fields.optional("effort");
        let output_schema = fields.optional::<OutputSchema>("output_schema");
        let content = Self {
            kind: kind?,
            system: system?.0,
            user: user?.map(|Text(text)| text),
            variables: variables?.map(|Items(variables)| variables).unwrap_or_default(),
            model: model?,
            max_tokens: max_tokens?.map(|MaxTokens(tokens)| tokens),
            effort: effort?,
            output_schema: output_schema?.map(|OutputSchema(schema)| schema),
        };
        content.check(fields);
        Some(content)
    }
}

struct Text(String);
struct MaxTokens(u64);
struct OutputSchema(Value);

impl FromField for Kind {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "chat" => Ok(Self::Chat),
            "task" => Ok(Self::Task),
            _ => Err("must be chat or task".into()),
        }
    }
}

impl FromField for Text {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT {
            return Err("must be 1 to 100,000 characters, and not blanks alone".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for MaxTokens {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let tokens = u64::read(raw)?;
        if (1..=MOST_TOKENS).contains(&tokens) {
            Ok(Self(tokens))
        } else {
            Err("must be 1 to 128000".into())
        }
    }
}

impl FromField for OutputSchema {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match *raw {
            RawValue::Json(value @ Value::Object(_))
                if value.to_string().len() <= MOST_SCHEMA_BYTES =>
            {
                Ok(Self(value.clone()))
            }
            _ => Err("must be a JSON Schema, an object of at most 20,000 bytes".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<Content, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<Content>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn a_content_is_stored_as_it_is_sent() {
        for body in [
            json!({"kind": "chat", "system": "Be brief.", "variables": []}),
            json!({
                "kind": "task", "system": "On {{today}} in {{ year }}.", "user": "{{rows}}\n{{input}}",
                "variables": [
                    {"name": "year", "type": "integer", "required": true},
                    {"name": "rows", "type": "json", "required": true},
                ],
                "model": "claude-opus-5-5", "max_tokens": 2000, "effort": "low",
                "output_schema": {"type": "object"},
            }),
        ] {
            let content = read(&body).unwrap();
            assert_eq!(json!(content), body);
            assert_eq!(serde_json::from_value::<Content>(body).unwrap(), content);
        }
    }

    #[test]
    fn what_is_wrong_with_a_content_is_named() {
        let x = |kind: &str| json!([{"name": "x", "type": kind}]);
        let many: Vec<_> =
            (0..31).map(|n| json!({"name": format!("v{n}"), "type": "date"})).collect();
        let all = (0..31).map(|n| format!("{{{{v{n}}}}}")).collect::<Vec<_>>().concat();
        for (more, faults) in [
            (json!({"kind": null}), &["/kind"][..]),
            (json!({"kind": "agent"}), &["/kind"]),
            (json!({"system": ""}), &["/system"]),
            (json!({"system": " \n"}), &["/system"]),
            (json!({"system": "a".repeat(100_001)}), &["/system"]),
            (json!({"system": "a\u{0}"}), &["/system"]),
            (json!({"system": "\u{10000}".repeat(80_000)}), &["/system"]),
            (json!({"system": "{{x}}"}), &["/system"]),
            (json!({"system": "{{x}}", "variables": x("string")}), &["/system"]),
            (json!({"system": "{{x}}", "variables": x("json")}), &["/system"]),
            (json!({"system": "{{message}}"}), &["/system"]),
            (json!({"user": "Hello"}), &["/user"]),
            (json!({"user": "{{message}}{{message}}"}), &["/user"]),
            (json!({"user": "{{input}}"}), &["/user", "/user"]),
            (json!({"user": "{{message}}{{x}}"}), &["/user"]),
            (json!({"variables": x("string")}), &["/variables"]),
            (json!({"variables": [{"name": "x"}]}), &["/variables"]),
            (
                json!({"system": "{{x}}", "variables": [{"name": "x", "type": "date"}, {"name": "x", "type": "date"}]}),
                &["/variables"],
            ),
            (json!({"system": all, "variables": many}), &["/variables"]),
            (json!({"model": "a model"}), &["/model"]),
            (json!({"max_tokens": 0}), &["/max_tokens"]),
            (json!({"effort": "enormous"}), &["/effort"]),
            (json!({"output_schema": {}}), &["/output_schema"]),
            (json!({"output_schema": true}), &["/output_schema"]),
            (json!({"temperature": 0}), &["/temperature"]),
        ] {
            let mut body = json!({"kind": "chat", "system": "Be brief."});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(read(&body).unwrap_err(), faults, "{more}");
        }
    }

    #[test]
    fn the_same_content_has_the_same_hash() {
        let of = |body: Value| read(&body).unwrap().sha256();
        let one = of(json!({"kind": "chat", "system": "a"}));
        assert_eq!(one, of(json!({"system": "a", "kind": "chat", "user": null, "variables": []})));
        assert_ne!(one, of(json!({"kind": "chat", "system": "b"})));
        assert_ne!(one, of(json!({"kind": "task", "system": "a"})));
    }
}
