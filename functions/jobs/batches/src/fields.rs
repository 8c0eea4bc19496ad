//! The fields of the request.

use std::collections::BTreeSet;

use platform::input::{FromField, RawValue};
use serde_json::Value;
use tally_access::domain::Letter;

/// Input columns, at most.
const MOST_COLUMNS: usize = 20;

/// Rows of a call, at most, and unless the caller says otherwise.
const MOST_ROWS: u32 = 50;
const USUAL_ROWS: u32 = 20;

/// Input columns, from the left, each once.
pub struct Columns(pub Vec<Letter>);

/// Rows of a call.
pub struct RowsPerCall(pub u32);

impl FromField for Columns {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be 1 to 20 letters of columns, each once".to_owned();
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let letters = items.iter().map(|item| Letter::read(&RawValue::Json(item)));
        let letters = letters.collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
        let ordered: BTreeSet<_> = letters.iter().copied().collect();
        let is_right =
            ordered.len() == letters.len() && (1..=MOST_COLUMNS).contains(&letters.len());
        if is_right { Ok(Self(ordered.into_iter().collect())) } else { Err(wrong()) }
    }
}

impl FromField for RowsPerCall {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let rows = u64::read(raw)?;
        let rows = u32::try_from(rows).ok().filter(|rows| (1..=MOST_ROWS).contains(rows));
        rows.map(Self).ok_or_else(|| "must be 1 to 50".into())
    }
}

impl Default for RowsPerCall {
    fn default() -> Self {
        Self(USUAL_ROWS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_come_in_their_order_each_once() {
        let letters = |count: u32| (0..count).map(|n| Letter::of(n).unwrap().to_string());
        for (value, expected) in [
            (json!(["C", "A", "b"]), Some("ABC")),
            (json!(["XFD"]), Some("XFD")),
            (json!(letters(20).collect::<Vec<_>>()), Some("ABCDEFGHIJKLMNOPQRST")),
            (json!(letters(21).collect::<Vec<_>>()), None),
            (json!([]), None),
            (json!(["A", "a"]), None),
            (json!(["A1"]), None),
            (json!([1]), None),
            (json!("A"), None),
        ] {
            let found = Columns::read(&RawValue::Json(&value)).ok();
            let found = found.map(|columns| {
                columns.0.into_iter().map(|letter| letter.to_string()).collect::<String>()
            });
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_call_has_1_to_50_rows() {
        for (value, expected) in
            [(json!(1), Some(1)), (json!(50), Some(50)), (json!(0), None), (json!(51), None)]
        {
            let found = RowsPerCall::read(&RawValue::Json(&value)).ok();
            assert_eq!(found.map(|rows| rows.0), expected, "{value}");
        }
        assert_eq!(RowsPerCall::default().0, 20);
    }
}
