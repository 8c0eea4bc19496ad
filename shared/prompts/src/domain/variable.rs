//! The variables of a prompt.

use std::collections::BTreeSet;

use jiff::civil::Date;
use platform::input::{Fields, FromField, Input, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::template::{LONGEST_IDENTIFIER, is_of_identifier};

/// Names to which the server gives a value.
const RESERVED: [&str; 3] = ["today", "message", "input"];

/// Characters of a value of the types `string` and `json`, unless the variable says otherwise, and
/// at most.
const USUAL_LENGTH: u32 = 10_000;
const LONGEST_VALUE: u32 = 100_000;

/// Values of an enumeration, and characters of each, at most.
const MOST_VALUES: usize = 50;
const LONGEST_ENUM_VALUE: usize = 200;

/// Bytes of the values that the fault of an enumeration lists, at most. An answer names many faults.
const LISTED_BYTES: usize = 200;

/// Characters of a description, at most.
const LONGEST_DESCRIPTION: usize = 500;

/// A variable of a prompt. Callers give it a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NewPromptVariable)]
pub struct Variable {
    /// The name, as the templates have it. The server sets `today`, `message` and `input` itself.
    #[schema(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,39}$", example = "company")]
    pub name: String,
    /// The type of its values.
    pub r#type: VariableType,
    /// Whether a caller has to give a value, if there is no default. Otherwise a variable without a
    /// value stands for an empty text.
    #[serde(default = "yes")]
    #[schema(required = false, default = true)]
    pub required: bool,
    /// The value for callers that give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>, nullable = false)]
    pub default: Option<Value>,
    /// The values of the type `enum`, 1 to 50 of 1 to 200 characters. No other type has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    pub values: Option<Vec<String>>,
    /// Characters of a value of the type `string`, or of the JSON of the type `json`, at most.
    /// Without this field, they are 10,000. No other type has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 100_000)]
    pub max_length: Option<u32>,
    /// Its meaning, for callers. At most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        max_length = 500,
        example = "The company that the question is about."
    )]
    pub description: Option<String>,
}

/// The type of the values of a variable. `integer`: a whole number of 64 bits. `date`: a day, as in
/// `2026-01-31`. `enum`: one of `values`. `json`: any JSON but null. Variables of the types
/// `string` and `json` may stand in the user's turn alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PromptVariableType)]
pub enum VariableType {
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day, `2026-01-31`.
    Date,
    /// One of some texts.
    Enum,
    /// A text. It may stand in the user's turn alone.
    String,
    /// Any JSON but null. It may stand in the user's turn alone.
    Json,
}

fn yes() -> bool {
    true
}

impl VariableType {
    const ALL: [Self; 7] = [
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Date,
        Self::Enum,
        Self::String,
        Self::Json,
    ];

    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Enum => "enum",
            Self::String => "string",
            Self::Json => "json",
        }
    }

    /// Whether a caller may write any text as a value. Such values stay out of the system prompt.
    pub fn is_free(self) -> bool {
        matches!(self, Self::String | Self::Json)
    }
}

impl Variable {
    /// The text that stands in the place of the variable. The error is a phrase that continues "the
    /// variable …".
    pub fn text(&self, value: Option<&Value>) -> Result<String, String> {
        match value.or(self.default.as_ref()) {
            Some(value) => self.text_of(value),
            None if self.required => Err("is required".into()),
            None => Ok(String::new()),
        }
    }

    fn text_of(&self, value: &Value) -> Result<String, String> {
        let raw = RawValue::Json(value);
        match self.r#type {
            VariableType::Integer => integer(value),
            VariableType::Number if value.is_number() => Ok(value.to_string()),
            VariableType::Number => Err("must be a number".into()),
            VariableType::Boolean => bool::read(&raw).map(|value| value.to_string()),
            VariableType::Date => Date::read(&raw).map(|day| day.to_string()),
            VariableType::Enum => {
                let text = raw.text()?;
                let values = self.values.as_deref().unwrap_or_default();
                if values.iter().any(|value| value == text) {
                    return Ok(text.to_owned());
                }
                let all = values.join(", ");
                Err(if all.len() <= LISTED_BYTES {
                    format!("must be one of: {all}")
                } else {
                    "must be one of the values of the variable".into()
                })
            }
            VariableType::String => self.within(raw.text()?.to_owned()),
            VariableType::Json if value.is_null() => Err("must not be null".into()),
            VariableType::Json => self.within(value.to_string()),
        }
    }

    fn within(&self, text: String) -> Result<String, String> {
        let most = self.max_length.unwrap_or(USUAL_LENGTH);
        if text.chars().count() <= most as usize {
            Ok(text)
        } else {
            Err(format!("must be at most {most} characters"))
        }
    }
}

fn integer(value: &Value) -> Result<String, String> {
    if value.is_i64() || value.is_u64() {
        return Ok(value.to_string());
    }
    // JSON Schema takes 4.0 for an integer too.
    u64::read(&RawValue::Json(value)).map(|number| number.to_string())
}

impl Input for Variable {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required::<VariableName>("name");
        let r#type = fields.required::<VariableType>("type");
        let required = fields.optional("required");
        let default = fields.optional::<AnyJson>("default");
        let values = fields.optional::<EnumValues>("values");
        let max_length = fields.optional::<MaxLength>("max_length");
        let description = fields.optional::<Description>("description");
        let variable = Self {
            name: name?.0,
            r#type: r#type?,
            required: required?.unwrap_or(true),
            default: default?.map(|AnyJson(value)| value),
            values: values?.map(|EnumValues(values)| values),
            max_length: max_length?.map(|MaxLength(length)| length),
            description: description?.map(|Description(text)| text),
        };
        match (variable.r#type, &variable.values) {
            (VariableType::Enum, None) => fields.refuse("values", "is required for the type enum"),
            (VariableType::Enum, Some(_)) | (_, None) => (),
            (_, Some(_)) => fields.refuse("values", "is for the type enum alone"),
        }
        if variable.max_length.is_some() && !variable.r#type.is_free() {
            fields.refuse("max_length", "is for the types string and json alone");
        }
        let default = variable.default.as_ref().map(|value| variable.text_of(value));
        if let Some(Err(fault)) = default {
            fields.refuse("default", &fault);
        }
        Some(variable)
    }
}

/// 1 to 40 of `[A-Za-z0-9_]`, of which the first is no digit.
struct VariableName(String);
struct AnyJson(Value);
struct EnumValues(Vec<String>);
struct MaxLength(u32);
struct Description(String);

impl FromField for VariableName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || text.len() > LONGEST_IDENTIFIER || !text.chars().all(is_of_identifier) {
            return Err("must be 1 to 40 of A-Z, a-z, 0-9 and _, and not begin with a digit".into());
        }
        if RESERVED.contains(&text) {
            return Err("must not be today, message or input, which the server sets".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for VariableType {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| format!("must be one of: {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

impl FromField for AnyJson {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match *raw {
            RawValue::Json(value) => Ok(Self(value.clone())),
            RawValue::Text(text) => Ok(Self(text.into())),
        }
    }
}

impl FromField for EnumValues {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be 1 to 50 different texts of 1 to 200 characters".to_owned();
        let RawValue::Json(Value::Array(values)) = raw else { return Err(wrong()) };
        let texts = values.iter().map(|value| RawValue::Json(value).text().map(str::to_owned));
        let texts = texts.collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
        let fits = |text: &String| (1..=LONGEST_ENUM_VALUE).contains(&text.chars().count());
        let different = texts.iter().collect::<BTreeSet<_>>().len() == texts.len();
        let good = (1..=MOST_VALUES).contains(&texts.len()) && different && texts.iter().all(fits);
        if good { Ok(Self(texts)) } else { Err(wrong()) }
    }
}

impl FromField for MaxLength {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let length = u64::read(raw)?;
        let length = u32::try_from(length).ok().filter(|n| (1..=LONGEST_VALUE).contains(n));
        length.map(Self).ok_or_else(|| "must be 1 to 100000".into())
    }
}

impl FromField for Description {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > LONGEST_DESCRIPTION {
            return Err("must be at most 500 characters".into());
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<Variable, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<Variable>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn a_variable_is_stored_as_it_is_sent() {
        for body in [
            json!({"name": "x", "type": "integer", "required": true}),
            json!({"name": "_X9", "type": "enum", "required": false, "values": ["a", "b"], "default": "b"}),
            json!({"name": "x", "type": "json", "required": true, "max_length": 20, "default": {"a": [1]}}),
            json!({"name": "x", "type": "date", "required": true, "description": "The day."}),
        ] {
            let variable = read(&body).unwrap();
            assert_eq!(json!(variable), body);
            assert_eq!(serde_json::from_value::<Variable>(body).unwrap(), variable);
        }
    }

    #[test]
    fn what_is_wrong_with_a_variable_is_named() {
        for (body, fault) in [
            (json!({"type": "string"}), "/name"),
            (json!({"name": "1x", "type": "string"}), "/name"),
            (json!({"name": "x-y", "type": "string"}), "/name"),
            (json!({"name": "x".repeat(41), "type": "string"}), "/name"),
            (json!({"name": "today", "type": "date"}), "/name"),
            (json!({"name": "x"}), "/type"),
            (json!({"name": "x", "type": "float"}), "/type"),
            (json!({"name": "x", "type": "enum"}), "/values"),
            (json!({"name": "x", "type": "enum", "values": []}), "/values"),
            (json!({"name": "x", "type": "enum", "values": ["a", "a"]}), "/values"),
            (json!({"name": "x", "type": "string", "values": ["a"]}), "/values"),
            (json!({"name": "x", "type": "integer", "max_length": 3}), "/max_length"),
            (json!({"name": "x", "type": "string", "max_length": 0}), "/max_length"),
            (json!({"name": "x", "type": "integer", "default": "1"}), "/default"),
            (json!({"name": "x", "type": "string", "max_length": 1, "default": "ab"}), "/default"),
            (json!({"name": "x", "type": "string", "more": 1}), "/more"),
        ] {
            assert_eq!(read(&body), Err(vec![fault.to_owned()]), "{body}");
        }
    }

    #[test]
    fn a_value_has_the_type_of_its_variable() {
        for (kind, value, expected) in [
            ("integer", json!(-3), Some("-3")),
            ("integer", json!(4.0), Some("4")),
            ("integer", json!(u64::MAX), Some("18446744073709551615")),
            ("integer", json!(4.5), None),
            ("integer", json!("4"), None),
            ("number", json!(0.1), Some("0.1")),
            ("number", json!(4), Some("4")),
            ("number", json!("4"), None),
            ("boolean", json!(true), Some("true")),
            ("boolean", json!("true"), None),
            ("date", json!("2026-02-28"), Some("2026-02-28")),
            ("date", json!("2026-02-30"), None),
            ("string", json!("{{x}} </message>"), Some("{{x}} </message>")),
            ("string", json!("a\u{0}"), None),
            ("string", json!(7), None),
            ("string", json!(null), None),
            ("json", json!({"b": [1, "x"]}), Some(r#"{"b":[1,"x"]}"#)),
            ("json", json!("x"), Some(r#""x""#)),
            ("json", json!(null), None),
        ] {
            let variable = read(&json!({"name": "x", "type": kind})).unwrap();
            let text = variable.text(Some(&value));
            assert_eq!(text.ok().as_deref(), expected, "{kind} {value}");
        }
        let of = |more: Value| {
            let mut body = json!({"name": "x", "type": "enum", "values": ["a", "b"]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(&body).unwrap()
        };
        assert_eq!(of(json!({})).text(Some(&json!("b"))).unwrap(), "b");
        assert_eq!(of(json!({})).text(Some(&json!("c"))).unwrap_err(), "must be one of: a, b");
        let (long, other) = ("a".repeat(100), "b".repeat(99));
        let long = of(json!({"values": [long, other]})).text(Some(&json!("c"))).unwrap_err();
        assert_eq!(long, "must be one of the values of the variable");
        assert_eq!(of(json!({})).text(None).unwrap_err(), "is required");
        assert_eq!(of(json!({"required": false})).text(None).unwrap(), "");
        assert_eq!(of(json!({"default": "a"})).text(None).unwrap(), "a");
        let short = read(&json!({"name": "x", "type": "string", "max_length": 2})).unwrap();
        assert_eq!(short.text(Some(&json!("€€"))).unwrap(), "€€");
        assert!(short.text(Some(&json!("€€€"))).is_err());
    }
}
