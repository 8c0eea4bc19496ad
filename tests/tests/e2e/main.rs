//! End to end: real binaries behind the local stack, one module per area of the API.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod chat;
mod audit;
mod coverage;
mod inputs;
mod profits;
mod realtime;
mod tokens;
