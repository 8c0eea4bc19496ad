//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod letter;
mod password;

pub use letter::{Letter, Notice, Purpose};
pub use password::{Check, HashError, Hasher, Password, Work};
