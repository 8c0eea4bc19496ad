//! Notes that a conversation goes on which is idle, or which has no title yet.

use futures_util::FutureExt as _;
use jiff::Timestamp;
use platform::Problem;
use platform::plan::{Otherwise, Rewrite};

use crate::domain::IdleAfter;
use crate::store::{Conversations, Message};
use crate::title::title;

/// The reaction to the failed condition of [`Conversations::go_on`]. A conversation that exists
/// goes on all the same: another write wakes it, and gives it a title. If it does not exist, that
/// is a 404.
pub fn waking<O>(
    conversations: &Conversations,
    said: &Message,
    agent: Option<&str>,
    idle: IdleAfter,
    now: Timestamp,
) -> Otherwise<O> {
    let conversations = conversations.clone();
    let (title, sources) = (title(&said.text), said.sources.clone());
    let agent = agent.map(str::to_owned);
    let rewrite: Rewrite<O> = Box::new(move |found| {
        let found = found.ok_or_else(Problem::not_found)?;
        let wake = conversations.wake(found, (&title, &sources), agent.as_deref(), idle, now)?;
        Ok((wake, Otherwise::Refuse(Problem::not_found())))
    });
    Otherwise::Rewrite(rewrite, Box::new(|| async { Ok(None) }.boxed()))
}
