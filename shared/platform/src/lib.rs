//! The code that the functions of every area share. The crates of the areas (`accounts`, `chat`,
//! `data`, `assistant`) stand on it.
//!
//! - [`routes`]: the API as data; [`request`]: an HTTP request as it arrives; [`http`]: how every
//!   HTTP request is handled; [`gate`]: the steps that requests and messages share
//! - [`socket`]: how every WebSocket message is handled, and how messages reach a client;
//!   [`worker`]: background work; [`runtime`]: the loop of every function
//! - [`plan`]: the value that a handler returns instead of writing; [`idempotency`]: repeated
//!   requests; [`problem`]: every error that a caller can see
//! - [`identity`], [`tokens`], [`api_key`], [`secrets`]: authentication; [`limits`]: rate limits
//! - [`seal`]: texts that a client keeps and cannot change; [`cursor`]: lists in pages
//! - [`audit_reader`]: searches of the audit log by a caller
//! - [`audit`]: events of the audit log; [`metrics`]: signals for operators; [`database`]: the way
//!   to DynamoDB; [`store`]: the tables that every area uses
//! - [`input`]: reads a client's input field by field; [`domain`]: types that parse once at the
//!   edge
//! - [`platform`], [`config`], [`clock`], [`aws`], [`ids`], [`logging`]: the base of all other
//!   modules

/// Gives types that hold a secret a `Debug` that prints only the type's name. So a secret never
/// reaches the log, however deep it is nested.
#[macro_export]
macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

pub mod api_key;
pub mod audit;
pub mod audit_reader;
pub mod aws;
pub mod backoff;
mod causes;
pub mod clock;
pub mod config;
pub mod context;
pub mod cursor;
pub mod database;
pub mod domain;
mod failure;
pub mod fingerprinter;
pub mod gate;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod input;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod plan;
pub mod platform;
pub mod problem;
pub mod request;
pub mod routes;
pub mod runtime;
pub mod seal;
pub mod secrets;
pub mod socket;
pub mod store;
pub mod tokens;
pub mod worker;

// What nearly every handler names.
pub use config::ConfigError;
pub use failure::Error;
pub use http::{Endpoint, Request};
pub use plan::Plan;
pub use platform::Platform;
pub use problem::Problem;
