//! The crate against RFC 6962's definitions, known values and hostile input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod definitions;
mod log;
mod notes;
mod trees;
