//! Reads the fields of a JSON body, a form or a query string into typed values. It collects every
//! fault on the way, so that a person who mistyped three fields learns of all three.

mod accept;
mod endpoint_input;
mod fields;
mod items;
mod json;
mod value;

pub use endpoint_input::{Input, Media};
pub use fields::Fields;
pub(crate) use fields::percent_decode;
pub use items::{Inner, Items};
pub use json::json_value;
pub(crate) use json::object;
pub use value::{FromField, RawValue};
