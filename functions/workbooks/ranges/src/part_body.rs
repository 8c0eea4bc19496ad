//! The body of a part, for the documents: the endpoint takes its bytes.

use std::borrow::Cow;

use platform::input::{Fields, Input};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A part of a range. It has no fields here, because its hash is that of the bytes that were sent.
pub struct PartBody;

impl Input for PartBody {
    fn read(_: &mut Fields) -> Option<Self> {
        Some(Self)
    }
}

impl ToSchema for PartBody {
    fn name() -> Cow<'static, str> {
        "RangePart".into()
    }
}

impl PartialSchema for PartBody {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new().schema_type(Type::String).description(Some(description))
        };
        let style = text("How `address` is written.").enum_values(Some(["a1", "r1c1"]));
        let part = ObjectBuilder::new()
            .description(Some(
                "A part of a range. Each matrix has the shape of `address`, or is one value for \
                 all its cells.",
            ))
            .property("address", text("The rectangle.").examples(["A1:D500"]))
            .property("style", style.default(Some("a1".into())))
            .property("values", matrix("`range.values`"))
            .property("formulas", matrix("`range.formulas`"))
            .property("number_formats", matrix("`range.numberFormat`"))
            .property("value_types", matrix("`range.valueTypes`"))
            .property("text", matrix("`range.text`. It stands for cells with data types."));
        part.required("address").required("values").into()
    }
}

/// The schema of a matrix.
fn matrix(description: &str) -> Schema {
    let scalars = || {
        let types = [Type::String, Type::Number, Type::Boolean, Type::Null];
        ObjectBuilder::new().schema_type(SchemaType::from_iter(types))
    };
    let rows = ArrayBuilder::new().items(ArrayBuilder::new().items(scalars()));
    let forms = OneOfBuilder::new().item(rows).item(scalars());
    forms.description(Some(description)).build().into()
}
