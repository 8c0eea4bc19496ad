//! What the functions for accounts share: sessions, passwords, invitations, mail and the tokens of
//! a session.
//!
//! - [`sessions`]: how a session begins, is refreshed and ends; [`tokens`]: its tokens
//! - [`Removal`]: the end of an account; [`EraseStart`]: the payload of the worker that erases a
//!   user
//! - [`mail`]: requests to the worker that sends mail
//! - [`store`]: the tables of this area; [`domain`]: its types that parse once at the edge

pub mod domain;
mod erase_start;
pub mod mail;
mod removal;
pub mod sessions;
pub mod store;
pub mod tokens;

pub use erase_start::EraseStart;
pub use removal::Removal;
