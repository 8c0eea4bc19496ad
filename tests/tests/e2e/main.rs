//! End to end: real binaries behind the local stack, one module per area of the API.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod api_keys;
mod asyncapi;
mod audit;
mod chat;
mod conversations;
mod coverage;
mod crash_points;
mod crashes;
mod denials;
mod documents;
mod failures;
mod guessing;
mod idempotency;
mod ids;
mod inputs;
mod invites;
mod limits;
mod oauth;
mod passwords;
mod personal_data;
mod profits;
mod realtime;
mod recovery;
mod reuse;
mod round_trips;
mod rules;
mod sessions;
mod settings;
mod silence;
mod tokens;
mod upkeep;
mod users;
mod verification;
