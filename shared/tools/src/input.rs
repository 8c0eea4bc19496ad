//! Arguments that several tools have, beside those of their own.

use platform::cursor::Paging;
use platform::http::Schemas;
use platform::idempotency::IdempotencyKey;
use platform::input::{Fields, Input};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::schema::together;

/// The argument with the key of a call.
pub const KEY: &str = "idempotency_key";

/// The argument with the place where an answer goes on.
const CURSOR: &str = "cursor";

/// The arguments of a tool that creates something, with the key of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed<I> {
    /// The arguments.
    pub input: I,
    /// The key, if the call has one.
    pub key: Option<IdempotencyKey>,
}

/// The filters of a tool that lists something in pages, with the place where the list goes on. A
/// page has at most `LARGEST` items, and `DEFAULT` items if the caller gives no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<F, const DEFAULT: usize = 20, const LARGEST: usize = 100> {
    /// The filters.
    pub filters: F,
    /// How many items, and from where on.
    pub paging: Paging,
}

/// The arguments of a tool that answers with everything that has room, with the place where an
/// answer goes on that was cut. The tool opens the cursor from the arguments as they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued<I>(pub I);

impl<I: Input> Input for Keyed<I> {
    fn read(fields: &mut Fields) -> Option<Self> {
        let input = I::read(fields);
        let key = fields.optional(KEY);
        Some(Self { input: input?, key: key? })
    }
}

impl<F: Input, const DEFAULT: usize, const LARGEST: usize> Input for Paged<F, DEFAULT, LARGEST> {
    fn read(fields: &mut Fields) -> Option<Self> {
        let filters = F::read(fields);
        let paging = Paging::within(fields, DEFAULT, LARGEST);
        Some(Self { filters: filters?, paging: paging? })
    }
}

impl<I: Input> Input for Continued<I> {
    fn read(fields: &mut Fields) -> Option<Self> {
        let input = I::read(fields);
        fields.optional::<String>(CURSOR)?;
        input.map(Self)
    }
}

impl<I: ToSchema> ToSchema for Keyed<I> {
    fn schemas(schemas: &mut Schemas) {
        I::schemas(schemas);
    }
}

impl<I: ToSchema> PartialSchema for Keyed<I> {
    fn schema() -> RefOr<Schema> {
        let key = optional(Type::String).pattern(Some("^[ -~]{1,128}$")).description(Some(
            "1 to 128 printable ASCII characters that you choose for this call. Within 24 \
                 hours, a call with the same key and arguments creates nothing again, and answers \
                 with what the first one created.",
        ));
        together([I::schema(), ObjectBuilder::new().property(KEY, key).into()])
    }
}

impl<F: ToSchema, const DEFAULT: usize, const LARGEST: usize> ToSchema
    for Paged<F, DEFAULT, LARGEST>
{
    fn schemas(schemas: &mut Schemas) {
        F::schemas(schemas);
    }
}

impl<F: ToSchema, const DEFAULT: usize, const LARGEST: usize> PartialSchema
    for Paged<F, DEFAULT, LARGEST>
{
    fn schema() -> RefOr<Schema> {
        let limit = optional(Type::Integer)
            .minimum(Some(1_u8))
            .maximum(Some(LARGEST))
            .default(Some(DEFAULT.into()))
            .description(Some("Largest number of items of the answer."));
        let paging = ObjectBuilder::new().property("limit", limit).property(CURSOR, cursor());
        together([F::schema(), paging.into()])
    }
}

impl<I: ToSchema> ToSchema for Continued<I> {
    fn schemas(schemas: &mut Schemas) {
        I::schemas(schemas);
    }
}

impl<I: ToSchema> PartialSchema for Continued<I> {
    fn schema() -> RefOr<Schema> {
        together([I::schema(), ObjectBuilder::new().property(CURSOR, cursor()).into()])
    }
}

fn cursor() -> ObjectBuilder {
    optional(Type::String).description(Some(
        "`next_cursor` of the answer before, if it goes on. Send the same other arguments with it.",
    ))
}

/// An argument that may be absent or null.
fn optional(of: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([of, Type::Null]))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::schema::schema;

    /// What to add.
    #[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
    struct Sample {
        /// Its name.
        name: String,
    }

    impl Input for Sample {
        fn read(fields: &mut Fields) -> Option<Self> {
            fields.required("name").map(|name| Self { name })
        }
    }

    fn members(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("{value} is no object") };
        members
    }

    /// The places that the reader refuses. The schema refuses the same arguments.
    fn refused<I: Input + ToSchema>(arguments: &Value) -> Vec<String> {
        let validator = jsonschema::draft202012::new(&schema::<I>()).unwrap();
        let read = Fields::json(members(arguments.clone())).read::<I>();
        assert_eq!(read.is_ok(), validator.is_valid(arguments), "{arguments}");
        let errors = read.err().map(|problem| problem.errors).unwrap_or_default();
        errors.into_iter().filter_map(|error| error.pointer).collect()
    }

    #[test]
    fn a_key_stands_beside_the_arguments_of_the_tool() {
        let long = "x".repeat(129);
        for (arguments, expected) in [
            (json!({"name": "a"}), &[][..]),
            (json!({"name": "a", "idempotency_key": null}), &[]),
            (json!({"name": "a", "idempotency_key": "k 1~"}), &[]),
            (json!({"idempotency_key": ""}), &["/name", "/idempotency_key"]),
            (json!({"name": "a", "idempotency_key": "é"}), &["/idempotency_key"]),
            (json!({"name": "a", "idempotency_key": long}), &["/idempotency_key"]),
            (json!({"name": "a", "idempotency_key": 1}), &["/idempotency_key"]),
            (json!({"name": "a", "key": "k"}), &["/key"]),
        ] {
            assert_eq!(refused::<Keyed<Sample>>(&arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn a_list_goes_on_at_a_cursor() {
        for (arguments, expected) in [
            (json!({"name": "a"}), &[][..]),
            (json!({"name": "a", "limit": null, "cursor": null}), &[]),
            (json!({"name": "a", "limit": 100, "cursor": "c"}), &[]),
            (json!({"name": "a", "limit": 0}), &["/limit"]),
            (json!({"name": "a", "limit": 101}), &["/limit"]),
            (json!({"name": "a", "limit": "1", "cursor": 1}), &["/limit", "/cursor"]),
            (json!({"limit": 1}), &["/name"]),
        ] {
            assert_eq!(refused::<Paged<Sample>>(&arguments), expected, "{arguments}");
        }
        for (arguments, expected) in [
            (json!({"name": "a", "limit": 3}), &[][..]),
            (json!({"name": "a", "limit": 4}), &["/limit"]),
        ] {
            assert_eq!(refused::<Paged<Sample, 2, 3>>(&arguments), expected, "{arguments}");
        }
        let limit = &schema::<Paged<Sample, 2, 3>>()["properties"]["limit"];
        assert_eq!((&limit["default"], &limit["maximum"]), (&json!(2), &json!(3)));
    }

    #[test]
    fn an_answer_that_was_cut_goes_on_at_a_cursor() {
        for (arguments, expected) in [
            (json!({"name": "a"}), &[][..]),
            (json!({"name": "a", "cursor": null}), &[]),
            (json!({"name": "a", "cursor": "c"}), &[]),
            (json!({"name": "a", "cursor": 1}), &["/cursor"]),
            (json!({"name": "a", "limit": 1}), &["/limit"]),
            (json!({"cursor": "c"}), &["/name"]),
        ] {
            assert_eq!(refused::<Continued<Sample>>(&arguments), expected, "{arguments}");
        }
    }
}
