//! The subscribers of a reply, and what each of them has been sent.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tally_chat::store::{Message, Subscriber, SubscribersAtEnd};
use tally_chat::{ChatEnd, ChatFailed};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::buffer::Buffer;
use crate::feed::{SubscriberFeed, Transport};

/// Time for which the end of a reply waits for connections that are behind. After that the worker
/// sends each one the rest separately.
const TOGETHER: Duration = Duration::from_millis(500);

/// Time for sending what is left, before the worker leaves a reply that waits.
const LAST_SEND: Duration = Duration::from_secs(5);

/// The subscribers of a reply.
pub struct Subscribers<'a> {
    transport: &'a Transport,
    /// Their feeds, by the ids of their connections.
    feeds: BTreeMap<String, SubscriberFeed>,
    /// Tasks that tell evicted connections that others receive the reply in their place.
    evictions: JoinSet<()>,
    /// Whether they get no more frames.
    is_withheld: bool,
}

impl<'a> Subscribers<'a> {
    /// No subscribers.
    pub fn new(transport: &'a Transport) -> Self {
        Self { transport, feeds: BTreeMap::new(), evictions: JoinSet::new(), is_withheld: false }
    }

    /// Takes over the subscribers that the head of the draft has. A connection that has joined is
    /// sent what it lacks. A connection that was evicted is told.
    pub fn update(
        &mut self,
        current: BTreeMap<String, Subscriber>,
        reply: &Message,
        buffer: &Buffer,
    ) {
        let frames = buffer.frame_count();
        let mut known = std::mem::take(&mut self.feeds);
        for (id, subscriber) in current {
            let feed = known.remove(&id).filter(|feed| feed.subscriber == subscriber);
            let feed = feed.unwrap_or_else(|| {
                let sent = usize::try_from(subscriber.after).unwrap_or(usize::MAX).min(frames);
                SubscriberFeed::new(
                    &id,
                    subscriber,
                    sent,
                    self.transport.clone(),
                    &reply.id,
                    buffer.follow(),
                )
            });
            if self.is_withheld {
                feed.stop();
            }
            self.feeds.insert(id, feed);
        }
        for feed in known.into_values().filter(|feed| !feed.is_gone()) {
            self.evictions.spawn(feed.evict(ChatEnd::Failed(ChatFailed::incomplete(reply))));
        }
    }

    /// Sends no more frames to any subscriber, also to those that join later.
    pub fn withhold(&mut self) {
        self.is_withheld = true;
        self.feeds.values().for_each(SubscriberFeed::stop);
    }

    /// Whether the subscribers get no more frames.
    pub fn is_withheld(&self) -> bool {
        self.is_withheld
    }

    /// The connections that have ended, by their ids.
    pub fn gone(&self) -> Vec<String> {
        self.feeds.iter().filter(|(_, feed)| feed.is_gone()).map(|(id, _)| id.clone()).collect()
    }

    /// Whether all subscribers still wait for the last one of `frames` frames. Where posts are
    /// slow, the worker sends fewer frames.
    pub fn are_behind(&self, frames: usize) -> bool {
        !self.feeds.is_empty() && self.feeds.values().all(|feed| feed.lacks(frames))
    }

    /// Waits for a moment until all subscribers have been sent `frames` frames. It does not wait
    /// for a connection that stalls.
    pub async fn catch_up(&self, frames: usize) {
        let behind = self.feeds.values().filter(|feed| !feed.is_stalled());
        timeout(TOGETHER, join_all(behind.map(|feed| feed.catch_up(frames)))).await.ok();
    }

    /// The subscribers that have to be told that the reply has ended with `frames` frames.
    pub fn at_end(&self, frames: usize) -> SubscribersAtEnd {
        let present = || self.feeds.iter().filter(|(_, feed)| !feed.is_gone());
        let missed =
            present().filter(|(_, feed)| feed.sent() < frames).map(|(id, _)| id.clone()).collect();
        SubscribersAtEnd { any: present().next().is_some(), missed }
    }

    /// The subscribers that stay while the reply waits. Each is sent all of `frames` frames before
    /// the worker leaves, and by another worker the next ones.
    pub fn at_wait(&self, frames: usize) -> BTreeMap<String, Subscriber> {
        let open = self.feeds.iter().filter(|(_, feed)| feed.is_open());
        let stays = |feed: &SubscriberFeed| {
            let joined = feed.subscriber.joined;
            Subscriber { after: frames as u64, joined }
        };
        open.map(|(id, feed)| (id.clone(), stays(feed))).collect()
    }

    /// Sends the subscribers the rest of `frames` frames, for some seconds. Then leaves them to the
    /// next worker of the reply. Tells those that lack some frames, so that they resume.
    pub async fn leave(&mut self, frames: usize, reply: &Message) {
        let catch_up = join_all(self.feeds.values().map(|feed| feed.catch_up(frames)));
        timeout(LAST_SEND, catch_up).await.ok();
        let feeds = std::mem::take(&mut self.feeds).into_values();
        let behind = feeds.filter(|feed| feed.sent() < frames && !feed.is_gone());
        for feed in behind {
            self.evictions.spawn(feed.evict(ChatEnd::Failed(ChatFailed::incomplete(reply))));
        }
        while self.evictions.join_next().await.is_some() {}
    }

    /// Sends each connection the rest of `frames` frames, and then how the reply ended. Returns
    /// whether all of them have been told.
    pub async fn send_end(&mut self, frames: usize, end: &ChatEnd, reply: &Message) -> bool {
        let feeds = &self.feeds;
        let evictions = &mut self.evictions;
        let incomplete = match end {
            ChatEnd::Completed(completed) if !completed.withheld => {
                ChatEnd::Failed(ChatFailed::incomplete(reply))
            }
            // The rest is not for its reader, or there is none.
            ChatEnd::Completed(_) | ChatEnd::Failed(_) => end.clone(),
        };
        let tell = join_all(feeds.values().map(|feed| feed.send_end(frames, end, &incomplete)));
        let evict = async { while evictions.join_next().await.is_some() {} };
        join(tell, evict).await.0.into_iter().all(|told| told)
    }
}
