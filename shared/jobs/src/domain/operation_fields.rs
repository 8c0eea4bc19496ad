//! The operation of a batch as a request has it.

use std::collections::BTreeSet;

use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde_json::{Value, json};

use super::operation::{CleanTo, Field, FieldType, Operation};

/// Labels, at least and at most, and the most characters of a label or of a value of a field.
const LABELS: std::ops::RangeInclusive<usize> = 2..=50;
const LONGEST_TEXT: usize = 200;

/// Fields, their bytes as JSON, and values of a field, at most.
const MOST_FIELDS: usize = 20;
const MOST_FIELD_BYTES: usize = 20_000;
const MOST_VALUES: usize = 50;

/// Characters of the name of a field, at most. A provider takes such names as members of JSON.
const LONGEST_NAME: usize = 64;

/// As it is in a body: `{"type": "clean", "column": "C", "to": "number"}`.
impl Input for Operation {
    fn read(fields: &mut Fields) -> Option<Self> {
        let kind: String = fields.required("type")?;
        match kind.as_str() {
            "clean" => {
                let column = fields.required("column");
                let to = fields.required("to");
                Some(Self::Clean { column: column?, to: to? })
            }
            "classify" => {
                let labels = fields.required::<Labels>("labels");
                let multi = fields.optional::<bool>("multi");
                Some(Self::Classify { labels: labels?.0, multi: multi?.unwrap_or_default() })
            }
            "extract" => {
                let Items(wanted) = fields.required::<Items<Field>>("fields")?;
                let names: BTreeSet<_> = wanted.iter().map(|field| &field.name).collect();
                if !(1..=MOST_FIELDS).contains(&wanted.len()) || names.len() < wanted.len() {
                    fields.refuse("fields", "must be 1 to 20 fields with different names");
                } else if json!(wanted).to_string().len() > MOST_FIELD_BYTES {
                    fields.refuse("fields", "must be at most 20,000 bytes of JSON");
                }
                Some(Self::Extract { fields: wanted })
            }
            "explain" => Some(Self::Explain),
            "summarize" => Some(Self::Summarize),
            _ => {
                let known = "must be clean, classify, extract, explain or summarize";
                fields.refuse("type", known);
                None
            }
        }
    }
}

impl Input for Field {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required::<FieldName>("name");
        let r#type = fields.required::<FieldType>("type");
        let values = fields.optional::<FieldValues>("enum");
        let field = Self { name: name?.0, r#type: r#type?, values: values?.map(|values| values.0) };
        if field.values.is_some() && field.r#type != FieldType::Text {
            fields.refuse("enum", "is for the type text alone");
        }
        Some(field)
    }
}

impl FromField for CleanTo {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "text" => Ok(Self::Text),
            "number" => Ok(Self::Number),
            "date" => Ok(Self::Date),
            "currency" => Ok(Self::Currency),
            _ => Err("must be text, number, date or currency".into()),
        }
    }
}

impl FromField for FieldType {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "text" => Ok(Self::Text),
            "number" => Ok(Self::Number),
            "date" => Ok(Self::Date),
            "boolean" => Ok(Self::Boolean),
            _ => Err("must be text, number, date or boolean".into()),
        }
    }
}

struct Labels(Vec<String>);
struct FieldName(String);
struct FieldValues(Vec<String>);

impl FromField for Labels {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = "must be 2 to 50 different texts of 1 to 200 characters";
        texts(raw).filter(|labels| LABELS.contains(&labels.len())).map(Self).ok_or(wrong.into())
    }
}

impl FromField for FieldValues {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = "must be 1 to 50 different texts of 1 to 200 characters";
        let values = texts(raw).filter(|values| (1..=MOST_VALUES).contains(&values.len()));
        values.map(Self).ok_or(wrong.into())
    }
}

impl FromField for FieldName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 64 of A-Z, a-z, 0-9, _, . and -".into())
        }
    }
}

/// Different texts that people can see. `None` for anything else.
fn texts(raw: &RawValue<'_>) -> Option<Vec<String>> {
    let RawValue::Json(Value::Array(items)) = raw else { return None };
    let texts: Vec<_> =
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    let fits = |text: &String| {
        !text.trim().is_empty()
            && text.chars().count() <= LONGEST_TEXT
            && !text.chars().any(char::is_control)
    };
    let different = texts.iter().collect::<BTreeSet<_>>().len() == texts.len();
    (different && texts.iter().all(fits)).then_some(texts)
}

#[cfg(test)]
mod tests {
    use platform::input::Inner;

    use super::*;

    fn read(value: &Value) -> Result<Operation, String> {
        Inner::read(&RawValue::Json(value)).map(|Inner(operation)| operation)
    }

    #[test]
    fn what_is_wrong_with_an_operation_is_named() {
        let extract = |field: Value| json!({"type": "extract", "fields": [field]});
        let field = |number: usize| json!({"name": format!("f{number}"), "type": "text"});
        let fields = |count: usize| (0..count).map(field).collect::<Vec<_>>();
        let labels = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        let many = |name: &str| {
            let values: Vec<_> = (10..60).map(|n| format!("{n}{}", "x".repeat(198))).collect();
            json!({"name": name, "type": "text", "enum": values})
        };
        for (value, fault) in [
            (json!([]), "must be an object"),
            (json!({}), "/type: is required"),
            (json!({"type": "Clean"}), "/type: must be clean, "),
            (json!({"type": "clean", "column": "C"}), "/to: is required"),
            (
                json!({"type": "clean", "column": "C3", "to": "text"}),
                "/column: must be the letters",
            ),
            (json!({"type": "clean", "column": "C", "to": "money"}), "/to: must be text, "),
            (json!({"type": "explain", "to": "text"}), "/to: is unknown"),
            (json!({"type": "classify", "labels": ["a"]}), "/labels: must be 2 to 50"),
            (json!({"type": "classify", "labels": labels(51)}), "/labels: must be 2 to 50"),
            (json!({"type": "classify", "labels": ["a", "a"]}), "/labels: must be"),
            (json!({"type": "classify", "labels": ["a", " "]}), "/labels: must be"),
            (json!({"type": "classify", "labels": ["a", "b\n"]}), "/labels: must be"),
            (json!({"type": "classify", "labels": ["a", "b".repeat(201)]}), "/labels: must be"),
            (json!({"type": "classify", "labels": ["a", 1]}), "/labels: must be"),
            (json!({"type": "classify", "labels": ["a", "b"], "multi": 1}), "/multi: must be true"),
            (json!({"type": "extract", "fields": []}), "/fields: must be 1 to 20"),
            (json!({"type": "extract", "fields": fields(21)}), "/fields: must be 1 to 20"),
            (
                json!({"type": "extract", "fields": [field(1), field(1)]}),
                "/fields: must be 1 to 20",
            ),
            (extract(json!({"name": "a b", "type": "text"})), "/fields/0/name: must be 1 to 64"),
            (extract(json!({"name": "", "type": "text"})), "/fields/0/name: must be 1 to 64"),
            (extract(json!({"name": "a", "type": "money"})), "/fields/0/type: must be text, "),
            (
                extract(json!({"name": "a", "type": "number", "enum": ["1"]})),
                "/fields/0/enum: is for the type text alone",
            ),
            (extract(json!({"name": "a", "type": "text", "enum": []})), "/fields/0/enum: must be"),
            (
                json!({"type": "extract", "fields": [many("a"), many("b")]}),
                "/fields: must be at most 20,000 bytes",
            ),
        ] {
            let found = read(&value).unwrap_err();
            assert!(found.contains(fault), "{value}: {found}");
        }
        assert!(read(&json!({"type": "extract", "fields": fields(20)})).is_ok());
        assert!(read(&json!({"type": "classify", "labels": labels(50)})).is_ok());
    }
}
