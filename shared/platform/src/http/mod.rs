//! HTTP: the endpoints, and how a request is read, processed and answered.

mod answer;
mod describe;
mod endpoint;
mod function;
mod respond;
mod validator;

pub use answer::answer;
pub use describe::{Answer, Header, Parameters, PathKind, PathParameter, RequestHeader, Schemas, either, in_query};
pub use endpoint::{Endpoint, Endpoints, Request, Visitor};
pub use function::HttpFunction;
pub use respond::{Created, Output, Rendered};
pub use validator::{Revalidated, revalidated};
