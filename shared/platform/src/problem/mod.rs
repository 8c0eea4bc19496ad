//! The one place that maps an error to an HTTP status: RFC 9457 problems with the codes of
//! `code.rs`.

mod access;
mod body;
mod code;
mod reason;
mod reply;
mod request;
mod server;
mod sso;

pub use body::{FieldError, ProblemBody};
pub use code::Code;
pub use reason::{Problem, SsoDetails};
