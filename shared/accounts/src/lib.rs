//! What the functions for accounts share: sessions, passwords, invitations, mail and the tokens of
//! a session.
//!
//! - [`sessions`]: how a session begins, is refreshed and ends; [`tokens`]: its tokens
//! - [`mail`]: requests to the worker that sends mail
//! - [`store`]: the tables of this area; [`domain`]: its types that parse once at the edge

pub mod domain;
pub mod mail;
pub mod sessions;
pub mod store;
pub mod tokens;
