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
    object_of,
};
pub use described::Described;
pub use endpoint::{Endpoint, Endpoints, Plain, PlainEndpoint, Request, Visitor};
pub use etag::{IfMatch, Versioned, WithETag, unless_known, with_etag, with_version};
pub use function::HttpFunction;
pub use pipeline::Pipeline;
pub use respond::{Created, Output, Redirect, Rendered};
