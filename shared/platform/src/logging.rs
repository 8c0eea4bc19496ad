//! Logs: one JSON object a line on standard output, which Lambda sends to CloudWatch. They contain
//! no secrets.

use tracing::level_filters::LevelFilter;

use crate::config::Config;

/// Starts the log at the level that `RUST_LOG` names (`error`, `warn`, `info`, `debug`; default
/// `info`).
pub fn start() {
    let level = Config::from_env()
        .get("RUST_LOG")
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let log = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_max_level(level);
    // A second start in one process (tests) changes nothing.
    let _ = log.try_init();
}
