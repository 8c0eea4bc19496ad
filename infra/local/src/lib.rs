//! The local stack: it runs the resources of template.yaml on this machine.
//!
//! ```text
//! template/       template.yaml and samconfig.toml -> model::Deployment; the rest knows only that
//! lambda/         the functions: Runtime API, processes, invocation
//! aws/            the AWS endpoints that functions call: DynamoDB, S3, KMS, SQS and others
//! http_api/       the HTTP API: requests -> events, results -> answers
//! websocket_api/  the WebSocket API
//! front           the one port of both APIs
//! options, stack  all of it, started and ended together
//! start, shared   the first items of a stack, made once for the stacks of a process
//! trial           trial starts of the functions
//! streams/        invokes functions with the records of DynamoDB streams
//! schedule        invokes functions at intervals
//! destinations    sends records of failed events and batches to queues and functions
//! event_pattern   the language of the filters of streams
//! builder         cargo builds the functions' binaries
//! names           the message for an unknown name
//! open_files      the limit of open files, raised
//! ```
//!
//! `main.rs` turns it into the command `tally`. Each test starts a [`Stack`] of its own, on a free
//! port.

pub mod aws;
pub mod builder;
mod destinations;
mod error;
pub mod event_pattern;
mod front;
mod http_api;
pub mod lambda;
pub mod names;
mod open_files;
mod options;
mod schedule;
mod server;
mod shared;
mod stack;
mod start;
mod streams;
pub mod template;
mod trial;
pub mod websocket_api;

pub use error::StackError;
pub use open_files::raise as raise_open_files;
pub use options::StackOptions;
pub use shared::Shared;
pub use stack::Stack;
pub use streams::{StreamFailure, StreamFault};
