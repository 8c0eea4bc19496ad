//! The JSON Schema of an answer about rows. The numbers of the rows stand in it as examples alone: a
//! provider compiles each schema that it has not seen, so all calls of a batch have the same one. What
//! an answer cannot have, such as a value that the row does not name, is left out of it.

use serde_json::{Map, Value, json};

use super::operation::{CleanTo, Field, FieldType, Operation};

impl Operation {
    /// The schema of an answer about these rows, by their numbers in the sheet.
    pub fn schema(&self, rows: &[u32]) -> Value {
        let (output, is_required) = match self {
            Self::Clean { to, .. } => (cleaned(*to), false),
            Self::Classify { labels, multi: false } => (one_of(labels), true),
            Self::Classify { labels, multi: true } => {
                (json!({"type": "array", "items": one_of(labels)}), true)
            }
            Self::Extract { fields } => (extracted(fields), true),
            Self::Explain | Self::Summarize => (json!({"type": "string"}), true),
        };
        let required = if is_required { json!(["row", "output"]) } else { json!(["row"]) };
        let row = json!({
            "type": "object",
            "properties": {"row": {"type": "integer", "examples": rows}, "output": output},
            "required": required,
            "additionalProperties": false,
        });
        json!({
            "type": "object",
            "properties": {"rows": {"type": "array", "minItems": rows.len(), "items": row}},
            "required": ["rows"],
            "additionalProperties": false,
        })
    }
}

fn cleaned(to: CleanTo) -> Value {
    match to {
        CleanTo::Text => json!({"type": "string"}),
        CleanTo::Number => json!({"type": "number"}),
        CleanTo::Date => date(),
        CleanTo::Currency => json!({
            "type": "object",
            "properties": {
                "amount": {"type": "string", "description": "An exact decimal, like 12.50."},
                "currency": {"type": "string", "description": "A code of ISO 4217, like EUR."},
            },
            "required": ["amount", "currency"],
            "additionalProperties": false,
        }),
    }
}

fn extracted(fields: &[Field]) -> Value {
    let properties = fields.iter().map(|field| {
        let of = match (field.r#type, &field.values) {
            (_, Some(values)) => one_of(values),
            (FieldType::Text, None) => json!({"type": "string"}),
            (FieldType::Number, None) => json!({"type": "number"}),
            (FieldType::Date, None) => date(),
            (FieldType::Boolean, None) => json!({"type": "boolean"}),
        };
        (field.name.clone(), of)
    });
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

fn one_of(texts: &[String]) -> Value {
    json!({"type": "string", "enum": texts})
}

fn date() -> Value {
    json!({"type": "string", "description": "A day like 2026-01-31, or 2026-01-31T09:30:00."})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(operation: Value) -> (Value, Value) {
        let operation: Operation = serde_json::from_value(operation).unwrap();
        let mut row = operation.schema(&[7])["properties"]["rows"]["items"].take();
        (row["properties"]["output"].take(), row["required"].take())
    }

    #[test]
    fn an_answer_has_each_row_once() {
        let schema = Operation::Explain.schema(&[7, 9]);
        assert_eq!(schema["properties"]["rows"]["minItems"], 2);
        let row = &schema["properties"]["rows"]["items"]["properties"]["row"];
        assert_eq!(*row, json!({"type": "integer", "examples": [7, 9]}));
        assert_eq!(schema["required"], json!(["rows"]));
    }

    #[test]
    fn an_output_has_the_type_of_its_operation() {
        let labels = json!(["a", "b"]);
        let one = json!({"type": "string", "enum": labels});
        for (operation, expected, is_required) in [
            (json!({"type": "explain"}), json!({"type": "string"}), true),
            (json!({"type": "classify", "labels": labels, "multi": false}), one.clone(), true),
            (
                json!({"type": "classify", "labels": labels, "multi": true}),
                json!({"type": "array", "items": one}),
                true,
            ),
            (
                json!({"type": "clean", "column": "C", "to": "number"}),
                json!({"type": "number"}),
                false,
            ),
            (
                json!({"type": "clean", "column": "C", "to": "text"}),
                json!({"type": "string"}),
                false,
            ),
        ] {
            let (found, required) = output(operation.clone());
            assert_eq!(found, expected, "{operation}");
            assert_eq!(required.as_array().unwrap().len(), 1 + usize::from(is_required));
        }
        let (found, _) = output(json!({"type": "extract", "fields": [
            {"name": "n", "type": "number"}, {"name": "b", "type": "boolean"},
            {"name": "s", "type": "text", "enum": labels}, {"name": "t", "type": "text"},
        ]}));
        let properties = json!({
            "n": {"type": "number"}, "b": {"type": "boolean"}, "s": one, "t": {"type": "string"},
        });
        assert_eq!(found["properties"], properties);
        // A row may lack a field.
        assert_eq!(found["required"], Value::Null);
        let (found, _) = output(json!({"type": "clean", "column": "C", "to": "currency"}));
        assert_eq!(found["required"], json!(["amount", "currency"]));
    }
}
