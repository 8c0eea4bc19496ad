//! Stores that a reply waits for its user to confirm calls of tools. Its worker ends then. The hold
//! on the budgets stays.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use platform::database::Item;
use platform::gate::RequestInfo;
use platform::{Plan, Problem};

use crate::ending::{Ended, Endings, origin_of};
use crate::store::{Frames, Head, Message, Spent, Subscriber};

/// A reply that begins to wait.
pub struct Waiting<'a> {
    /// The reply as its worker has it, with the calls that its user is shown.
    pub reply: &'a Message,
    /// Revision of the draft's head up to which the worker has applied the commands of other
    /// functions.
    pub revision: u64,
    /// Frames that are not stored yet.
    pub frames: Option<&'a Frames>,
    /// The connections that receive the reply, with the frames that each of them has.
    pub subscribers: BTreeMap<String, Subscriber>,
    /// Until when it waits, in seconds since 1970.
    pub until: i64,
    /// Tokens and cost up to now.
    pub spent: &'a Spent,
}

impl Endings {
    /// Stores all of it in one transaction, without an event: the reply has not ended. The reply
    /// loses the claim of its worker.
    pub async fn wait(&self, waiting: &Waiting<'_>) -> Result<Ended, Problem> {
        let Waiting { reply, revision, frames, subscribers, until, spent } = waiting;
        let origin = origin_of(reply)?;
        let now = self.clock.now();
        let overtaken = || Box::new(|_| async { Ok(Plan::reply(Ended::Overtaken)) }.boxed());
        let drafts = self.drafts.clone();
        let again = Box::new(move |found: Option<Item>| {
            let head = found.map(|item| drafts.read(item)).transpose();
            async move {
                let is_open = |head: &Head| head.ended_at.is_none() && head.waits_until.is_none();
                let ended = head?.filter(is_open).map(Box::new);
                Ok(Plan::reply(ended.map_or(Ended::Overtaken, Ended::Changed)))
            }
            .boxed()
        });
        let head = self.drafts.wait(&reply.id, *revision, subscribers, spent, *until)?;
        let plan = Plan::reply(Ended::Stored)
            .write_or_retry(self.messages.wait(reply)?, overtaken())
            .write_or_retry(head, again);
        let plan = match frames {
            Some(frames) => plan.write_or_retry(self.drafts.last(frames, now)?, overtaken()),
            None => plan,
        };
        let info = RequestInfo::new(&origin.context, now, None);
        Ok(self.committer.commit(Ok(plan), Some(&origin.caller), &info).await?.into_output())
    }
}
