//! Work beside a draft: the draft is stored and sent, and its commands are read, while the worker
//! waits for something else.

use std::pin::pin;

use assistant::domain::StopReason;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::draft::Draft;
use crate::outcome::{Outcome, go_on};

/// Waits for work that may be dropped. It is dropped if the reply is to stop, or at `until`.
pub async fn drop_at_stop<T>(
    draft: &mut Draft<'_>,
    until: Instant,
    work: impl Future<Output = T>,
) -> Result<T, Outcome> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            () = sleep_until(until) => return Err(Outcome::Ends(StopReason::Deadline)),
            () = sleep_until(draft.due()) => go_on(&timeout_at(until, draft.advance()).await)?,
            done = &mut work => return Ok(done),
        }
    }
}

/// Waits for work that is finished in any case, because it may have written something. Also says
/// whether the reply goes on.
pub async fn finish_first<T>(
    draft: &mut Draft<'_>,
    until: Instant,
    work: impl Future<Output = T>,
) -> (T, Result<(), Outcome>) {
    let mut work = pin!(work);
    let mut goes_on = Ok(());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return (done, goes_on),
            () = sleep_until(draft.due()), if goes_on.is_ok() => {
                goes_on = go_on(&timeout_at(until, draft.advance()).await);
            }
        }
    }
}
