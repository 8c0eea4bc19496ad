//! HTTP: what an endpoint is, how a request is read, how it travels and how it is answered.

mod answer;
mod call;
mod describe;
mod endpoint;
mod fields;
mod function;
mod json;
mod respond;
mod validator;

pub use answer::answer;
pub use call::Call;
pub use describe::{Answer, Header, Parameters, PathKind, PathParameter, RequestHeader, Schemas, either, in_query};
pub use endpoint::{Endpoint, Endpoints, Media, Request, Visitor};
pub use fields::{Field, Fields, Form, Raw};
pub use function::HttpFunction;
pub(crate) use json::object;
pub use respond::{Created, Output, Rendered};
pub use validator::{Revalidated, revalidated};
