//! HTTP: the endpoints, and how a request is read, processed and answered.

mod describe;
mod described;
mod endpoint;
mod etag;
mod function;
mod pipeline;
mod respond;

pub use describe::{
    Answer, Header, Parameters, PathKind, PathParameter, RequestHeader, Schemas, either, in_query,
};
pub use described::Described;
pub use endpoint::{Endpoint, Endpoints, Plain, PlainEndpoint, Request, Visitor};
pub use etag::{WithETag, with_etag};
pub use function::HttpFunction;
pub use pipeline::Pipeline;
pub use respond::{Created, Output, Rendered};
