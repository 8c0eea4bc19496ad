//! What every Tally function shares.
//!
//! - [`routes`]: the API as data; [`request`]: a request as it came; [`http`]: the one way it travels; [`gate`]: the steps that
//!   requests and messages share
//! - [`socket`]: the one way a WebSocket message travels, and how messages reach a client; [`worker`]: background work
//! - [`plan`]: what a handler returns instead of writing; [`idempotency`]: what a request sent again is; [`problem`]: every error a caller can see
//! - [`identity`], [`tokens`], [`api_key`], [`secrets`]: who calls; [`sessions`]: how a session begins, goes on and ends; [`limits`]: how often
//! - [`cursor`]: lists in pages
//! - [`mail`]: what is asked of the worker that sends mail, and the tokens that it mails
//! - [`charts`]: what subscribing to a chart is; [`chat`]: what asking for a reply is; [`spending`]: what replies cost, and may; [`audit`]: the trail; [`store`]: the tables, and the only user of the DynamoDB SDK
//! - [`input`]: what a client sends, read field by field; [`domain`]: types that parse once at the edge
//! - [`platform`], [`config`], [`clock`], [`aws`], [`ids`], [`logging`]: what the rest stands on

/// Gives types that hold a secret a `Debug` that says their name alone: what is logged holds no secret then, however deep.
macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
pub(crate) use opaque;

pub mod api_key;
pub mod audit;
pub mod aws;
mod backoff;
mod causes;
pub mod charts;
pub mod chat;
pub mod clock;
pub mod config;
pub mod context;
pub mod cursor;
pub mod domain;
mod failure;
pub mod gate;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod input;
pub mod limits;
pub mod logging;
pub mod mail;
pub mod plan;
pub mod platform;
pub mod problem;
pub mod request;
pub mod routes;
pub mod seal;
pub mod secrets;
pub mod sessions;
pub mod socket;
pub mod spending;
pub mod store;
pub mod tokens;
pub mod worker;

pub use failure::Error;
