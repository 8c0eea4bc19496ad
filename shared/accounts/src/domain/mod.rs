//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod email_kind;
mod password;

pub use email_kind::{EmailKind, Notice, Purpose};
pub use password::{Check, HashError, Hasher, Password, Work};
