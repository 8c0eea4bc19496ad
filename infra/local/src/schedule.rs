//! Invokes functions at intervals, as `EventBridge` does by their `Schedule` events.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::lambda::Functions;
use crate::template::model::Function;

/// The running schedules. They end when this is dropped.
pub(crate) struct Schedules {
    _tasks: JoinSet<()>,
}

impl Schedules {
    /// Invokes every scheduled function at its interval. The first invocation comes after one
    /// interval.
    pub(crate) fn start(functions: &[Function], invoker: &Functions) -> Schedules {
        let mut tasks = JoinSet::new();
        for function in functions {
            for every in &function.schedules {
                tasks.spawn(run(function.id.clone(), *every, invoker.clone()));
            }
        }
        Schedules { _tasks: tasks }
    }
}

async fn run(function: String, every: Duration, invoker: Functions) {
    let mut clock = interval_at(Instant::now() + every, every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        clock.tick().await;
        let event = json!({
            "version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {},
        });
        // As on AWS, such an event is attempted again if it fails.
        if let Err(error) = invoker.invoke_async(&function, Bytes::from(event.to_string())) {
            tracing::warn!(%error, function, "failed to invoke a function on schedule");
        }
    }
}
