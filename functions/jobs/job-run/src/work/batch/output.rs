//! The output of a row as the model gives it, and as it is stored: a value of the asked type.

use cells::moment;
use cells::number::Number;
use serde_json::{Map, Value, json};
use tally_jobs::domain::{CleanTo, Field, FieldType, Operation, RowErrorCode};

/// Characters of a number in a text, at most.
const LONGEST_NUMBER: usize = 64;

/// Letters of a currency (ISO 4217).
const CURRENCY: usize = 3;

type Outcome = Result<Value, RowErrorCode>;

/// The output of an operation, of a value as the model gives it. No value is null.
pub fn output(operation: &Operation, given: Option<&Value>) -> Outcome {
    let given = given.unwrap_or(&Value::Null);
    if let Some(text) = longest(given)
        && text > operation.longest_text()
    {
        return Err(RowErrorCode::TooLong);
    }
    let output = match operation {
        Operation::Clean { to, .. } => cleaned(*to, given),
        Operation::Classify { labels, multi: false } => label(labels, given),
        Operation::Classify { labels, multi: true } => several(labels, given),
        Operation::Extract { fields } => extracted(fields, given),
        Operation::Explain | Operation::Summarize => {
            given.as_str().map(str::trim).filter(|text| !text.is_empty()).map(Value::from)
        }
    };
    output.ok_or(RowErrorCode::InvalidOutput)
}

/// Characters of the longest text of a value.
fn longest(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => items.iter().filter_map(longest).max(),
        Value::Object(members) => members.values().filter_map(longest).max(),
        _ => None,
    }
}

fn cleaned(to: CleanTo, given: &Value) -> Option<Value> {
    match to {
        _ if is_nothing(given) => Some(Value::Null),
        CleanTo::Text => given.as_str().map(|text| text.trim().into()),
        CleanTo::Number => number(given),
        CleanTo::Date => date(given),
        CleanTo::Currency => {
            let currency = given.get("currency")?.as_str()?.trim().to_ascii_uppercase();
            let is_code =
                currency.len() == CURRENCY && currency.bytes().all(|b| b.is_ascii_uppercase());
            let amount = amount(given.get("amount")?)?;
            is_code.then(|| json!({"amount": amount, "currency": currency}))
        }
    }
}

fn label(labels: &[String], given: &Value) -> Option<Value> {
    let given = given.as_str()?;
    labels.iter().find(|label| *label == given).map(|label| label.as_str().into())
}

/// Labels, each once, in the order in which they were asked for.
fn several(labels: &[String], given: &Value) -> Option<Value> {
    let given: Vec<_> = given.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let are_known = given.iter().all(|given| labels.iter().any(|label| label == given));
    let chosen = labels.iter().filter(|label| given.contains(&label.as_str()));
    are_known.then(|| chosen.cloned().collect())
}

/// The fields that were asked for. One that the row does not have is null.
fn extracted(fields: &[Field], given: &Value) -> Option<Value> {
    let given = given.as_object()?;
    let value = |field: &Field| {
        let given = given.get(&field.name).filter(|given| !is_nothing(given));
        let Some(given) = given else { return Some(Value::Null) };
        match (field.r#type, &field.values) {
            (FieldType::Text, Some(values)) => label(values, given),
            (FieldType::Text, None) => given.as_str().map(Value::from),
            (FieldType::Number, _) => number(given),
            (FieldType::Date, _) => date(given),
            (FieldType::Boolean, _) => boolean(given),
        }
    };
    let values = fields.iter().map(|field| Some((field.name.clone(), value(field)?)));
    values.collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// Whether a model says by this that there is no value.
fn is_nothing(given: &Value) -> bool {
    given.is_null() || given.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A number with at most 15 significant digits, as cells have them.
fn number(given: &Value) -> Option<Value> {
    let (number, is_exact) = Number::parse(&digits(given)?)?;
    serde_json::from_str(&number.to_string()).ok().filter(|_| is_exact)
}

/// A decimal with the places that the model gives.
fn amount(given: &Value) -> Option<String> {
    let text = digits(given)?;
    let bare = text.strip_prefix('-').unwrap_or(&text);
    let is_plain = bare.split('.').count() <= 2
        && bare.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let is_exact = || Number::parse(&text).is_some_and(|(_, is_exact)| is_exact);
    (is_plain && is_exact()).then_some(text)
}

/// The digits of a number, or of a text that is one.
fn digits(given: &Value) -> Option<String> {
    let text = match given {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    Some(text).filter(|text| text.len() <= LONGEST_NUMBER)
}

/// A day, or a day with a time, in ISO 8601.
fn date(given: &Value) -> Option<Value> {
    moment::parse(given.as_str()?.trim()).map(|moment| moment.to_string().into())
}

fn boolean(given: &Value) -> Option<Value> {
    match given {
        Value::Bool(_) => Some(given.clone()),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true.into()),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(operation: Value, given: &Value) -> Result<Value, &'static str> {
        let operation = serde_json::from_value(operation).unwrap();
        output(&operation, Some(given)).map_err(RowErrorCode::as_str)
    }

    #[test]
    fn a_cleaned_value_has_its_type() {
        let euros = |amount: &str| json!({"amount": amount, "currency": "EUR"});
        for (to, given, expected) in [
            ("text", json!(" Ann "), Ok(json!("Ann"))),
            ("text", json!(""), Ok(Value::Null)),
            ("text", json!(null), Ok(Value::Null)),
            ("text", json!(5), Err("invalid_output")),
            ("text", json!("x".repeat(1_000)), Ok(json!("x".repeat(1_000)))),
            ("text", json!("é".repeat(1_001)), Err("too_long")),
            ("number", json!(12.5), Ok(json!(12.5))),
            ("number", json!("-1234.50"), Ok(json!(-1234.5))),
            ("number", json!(4), Ok(json!(4))),
            ("number", json!("1e3"), Ok(json!(1000))),
            ("number", json!("1,234"), Err("invalid_output")),
            ("number", json!("twelve"), Err("invalid_output")),
            ("number", json!("1234567890.1234567"), Err("invalid_output")),
            ("number", json!("9".repeat(200)), Err("invalid_output")),
            ("number", json!("9".repeat(2_000)), Err("too_long")),
            ("number", json!([1]), Err("invalid_output")),
            ("number", json!(true), Err("invalid_output")),
            ("number", json!("NaN"), Err("invalid_output")),
            ("date", json!("2026-02-28"), Ok(json!("2026-02-28"))),
            ("date", json!("2026-02-28 09:30"), Ok(json!("2026-02-28T09:30:00"))),
            ("date", json!("2026-02-30"), Err("invalid_output")),
            ("date", json!("28.02.2026"), Err("invalid_output")),
            ("date", json!(46_081), Err("invalid_output")),
            ("currency", euros("12.50"), Ok(euros("12.50"))),
            ("currency", euros("-0.5"), Ok(euros("-0.5"))),
            ("currency", json!({"amount": 12, "currency": "eur"}), Ok(euros("12"))),
            ("currency", json!({"amount": "12.50", "currency": "€"}), Err("invalid_output")),
            ("currency", json!({"amount": "1,250", "currency": "EUR"}), Err("invalid_output")),
            ("currency", json!({"amount": "1.2.3", "currency": "EUR"}), Err("invalid_output")),
            ("currency", json!({"amount": "1e3", "currency": "EUR"}), Err("invalid_output")),
            ("currency", json!({"amount": "5"}), Err("invalid_output")),
            ("currency", json!("12.50 EUR"), Err("invalid_output")),
            ("currency", json!(null), Ok(Value::Null)),
        ] {
            let found = of(json!({"type": "clean", "column": "C", "to": to}), &given);
            assert_eq!(found, expected, "{to} {given}");
        }
    }

    #[test]
    fn a_label_is_one_of_the_labels() {
        for (multi, given, expected) in [
            (false, json!("paid"), Ok(json!("paid"))),
            (false, json!("Paid"), Err("invalid_output")),
            (false, json!(["paid"]), Err("invalid_output")),
            (false, json!(null), Err("invalid_output")),
            (false, json!("x".repeat(1_001)), Err("too_long")),
            (true, json!(["open", "paid", "open"]), Ok(json!(["paid", "open"]))),
            (true, json!([]), Ok(json!([]))),
            (true, json!(["open", "closed"]), Err("invalid_output")),
            (true, json!(["open", 1]), Err("invalid_output")),
            (true, json!("open"), Err("invalid_output")),
        ] {
            let labels = json!(["paid", "open"]);
            let found = of(json!({"type": "classify", "labels": labels, "multi": multi}), &given);
            assert_eq!(found, expected, "{multi} {given}");
        }
    }

    #[test]
    fn fields_have_their_types_and_no_others_are_kept() {
        let fields = json!([
            {"name": "n", "type": "number"},
            {"name": "d", "type": "date"},
            {"name": "b", "type": "boolean"},
            {"name": "t", "type": "text"},
            {"name": "e", "type": "text", "enum": ["x", "y"]},
        ]);
        let nothing = json!({"n": null, "d": null, "b": null, "t": null, "e": null});
        let whole = json!({"n": 5.5, "d": "2026-01-31", "b": false, "t": "T", "e": "y"});
        for (given, expected) in [
            (whole.clone(), Ok(whole)),
            (json!({}), Ok(nothing.clone())),
            (json!({"n": "", "t": " ", "e": null, "more": 1}), Ok(nothing.clone())),
            (
                json!({"b": "True"}),
                Ok(json!({"n": null, "d": null, "b": true, "t": null, "e": null})),
            ),
            (json!({"n": "many"}), Err("invalid_output")),
            (json!({"d": "soon"}), Err("invalid_output")),
            (json!({"b": 1}), Err("invalid_output")),
            (json!({"t": 1}), Err("invalid_output")),
            (json!({"e": "z"}), Err("invalid_output")),
            (json!({"t": "x".repeat(1_001)}), Err("too_long")),
            (json!([nothing]), Err("invalid_output")),
            (json!(null), Err("invalid_output")),
        ] {
            let found = of(json!({"type": "extract", "fields": fields}), &given);
            assert_eq!(found, expected, "{given}");
        }
    }

    #[test]
    fn a_sentence_is_a_text() {
        for (given, expected) in [
            (json!(" A sum. "), Ok(json!("A sum."))),
            (json!("x".repeat(2_000)), Ok(json!("x".repeat(2_000)))),
            (json!("x".repeat(2_001)), Err("too_long")),
            (json!(" "), Err("invalid_output")),
            (json!({"text": "A sum."}), Err("invalid_output")),
            (json!(null), Err("invalid_output")),
        ] {
            for kind in ["explain", "summarize"] {
                assert_eq!(of(json!({"type": kind}), &given), expected, "{kind} {given}");
            }
        }
        assert_eq!(output(&Operation::Explain, None), Err(RowErrorCode::InvalidOutput));
    }
}
