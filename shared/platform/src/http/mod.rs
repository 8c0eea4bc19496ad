//! HTTP: the endpoints, and how a request is read, processed and answered.

mod describe;
mod described;
mod endpoint;
mod function;
mod pipeline;
mod respond;
mod validator;

pub use describe::{Answer, Header, Parameters, PathKind, PathParameter, RequestHeader, Schemas, either, in_query};
pub use described::Described;
pub use endpoint::{Endpoint, Endpoints, Plain, PlainEndpoint, Request, Visitor};
pub use function::HttpFunction;
pub use pipeline::Pipeline;
pub use respond::{Created, Output, Rendered};
pub use validator::{Revalidated, revalidated};
