//! Objects inside a body: one, or a list of them, each read by its fields.

use serde_json::Value;

use super::{Fields, FromField, Input, RawValue};

/// One object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inner<T>(pub T);

/// A list of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Items<T>(pub Vec<T>);

impl<T: Input> FromField for Inner<T> {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw {
            RawValue::Json(value) => inner("", value).map(Self),
            RawValue::Text(_) => Err("must be an object".into()),
        }
    }
}

impl<T: Input> FromField for Items<T> {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let RawValue::Json(Value::Array(items)) = raw else {
            return Err("must be a list of objects".into());
        };
        let read = |(at, item)| inner(&format!("/{at}"), item);
        items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads an object. The error names its first fault, with its place below the field.
fn inner<T: Input>(at: &str, value: &Value) -> Result<T, String> {
    let Value::Object(members) = value else {
        return Err(if at.is_empty() {
            "must be an object".into()
        } else {
            format!("has a fault at {at}: must be an object")
        });
    };
    Fields::json(members.clone()).read().map_err(|problem| {
        let fault = problem.errors.into_iter().next();
        let (pointer, detail) = fault
            .map(|fault| (fault.pointer.unwrap_or_default(), fault.detail))
            .unwrap_or_default();
        // A fault inside a nested object has its own place already.
        match detail.strip_prefix("has a fault at ") {
            Some(below) => format!("has a fault at {at}{pointer}{below}"),
            None => format!("has a fault at {at}{pointer}: {detail}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq)]
    struct Leaf(u64);

    #[derive(Debug, PartialEq)]
    struct Branch(Leaf);

    impl Input for Leaf {
        fn read(fields: &mut Fields) -> Option<Self> {
            fields.required("n").map(Self)
        }
    }

    impl Input for Branch {
        fn read(fields: &mut Fields) -> Option<Self> {
            fields.required::<Inner<Leaf>>("leaf").map(|Inner(leaf)| Self(leaf))
        }
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        for (value, expected) in [
            (json!([]), Ok(vec![])),
            (json!([{"leaf": {"n": 1}}, {"leaf": {"n": 2}}]), Ok(vec![1, 2])),
            (json!({"leaf": {"n": 1}}), Err("must be a list of objects")),
            (json!([{"leaf": {"n": 1}}, 2]), Err("has a fault at /1: must be an object")),
            (json!([{}]), Err("has a fault at /0/leaf: is required")),
            (json!([{"leaf": 1}]), Err("has a fault at /0/leaf: must be an object")),
            (
                json!([{"leaf": {"n": "1"}}]),
                Err("has a fault at /0/leaf/n: must be a whole number"),
            ),
            (
                json!([{"leaf": {"n": 1, "m": 1}}]),
                Err("has a fault at /0/leaf/m: is unknown: leave it out"),
            ),
        ] {
            let found = Items::<Branch>::read(&RawValue::Json(&value));
            let found = found.map(|Items(items)| items.into_iter().map(|item| item.0.0).collect());
            assert_eq!(found, expected.map_err(str::to_owned), "{value}");
        }
    }
}
