//! Helpers of the end-to-end tests: a running stack, clients, and answers with checks.

// A panic in a helper fails the test that called it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod answer;
pub mod asyncapi;
mod aws;
pub mod bedrock_api;
mod circuits;
mod client;
pub mod completions_api;
pub mod endpoints;
pub mod errors;
pub mod fake_tenant;
pub mod messages_api;
pub mod model_server;
pub mod openapi;
mod secrets;
mod socket;
mod sso_stack;
pub mod steps;
pub mod task_model;
mod test_stack;

pub use answer::Answer;
pub use aws::item_bytes;
pub use circuits::Circuits;
pub use client::{Caller, Client, id};
pub use socket::{Refused, Socket};
pub use test_stack::{TestStack, binaries, root};
