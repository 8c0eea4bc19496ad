//! A reply while it is written. It joins the text, the subscribers and the checkpoints.

use assistant::Provider;
use assistant::domain::{Cost, Usage};
use platform::clock::Clock;
use tally_access::sources::Sources;
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Drafts, Frames, Head, Message, Spent, SubscribersAtEnd};
use tally_chat::{Asked, ChatEnd, Credentials};
use tokio::time::Instant;

use crate::buffer::Buffer;
use crate::checkpoint::{Checkpoints, Command};
use crate::feed::Transport;
use crate::subscribers::Subscribers;

/// The reply, and the state of its text.
pub struct Draft<'a> {
    provider: &'a dyn Provider,
    reply: Message,
    /// Model that writes it.
    pub model: String,
    /// What the reply has used up to now.
    pub usage: Usage,
    /// What the model was asked, once it was.
    pub asked: Option<Asked>,
    buffer: Buffer,
    subscribers: Subscribers<'a>,
    checkpoints: Checkpoints<'a>,
}

impl<'a> Draft<'a> {
    /// A reply without text. Its first text is due at once.
    pub fn new(
        reply: Message,
        provider: &'a dyn Provider,
        drafts: &'a Drafts,
        credentials: &'a Credentials,
        transport: &'a Transport,
        clock: &'a Clock,
    ) -> Self {
        let now = Instant::now();
        let model = provider.model().to_owned();
        let usage = Usage::default();
        let spent = Spent { model: model.clone(), usage, cost_usd: provider.cost(&model, &usage) };
        Self {
            provider,
            reply,
            model,
            usage,
            asked: None,
            buffer: Buffer::new(now),
            subscribers: Subscribers::new(transport),
            checkpoints: Checkpoints::new(drafts, credentials, clock, spent, now),
        }
    }

    /// The reply, without its text.
    pub fn reply(&self) -> &Message {
        &self.reply
    }

    /// Sets the columns that the text comes from.
    pub fn comes_from(&mut self, sources: Sources) {
        self.reply.sources = sources;
    }

    /// Adds text, or as much of it as a reply can hold. Returns whether all of it fits.
    pub fn push(&mut self, text: &str) -> bool {
        self.buffer.push(text)
    }

    /// Whether the reader may no longer read the reply.
    pub fn is_withheld(&self) -> bool {
        self.subscribers.is_withheld()
    }

    /// The cost of what the reply has used up to now.
    pub fn cost(&self) -> Cost {
        self.provider.cost(&self.model, &self.usage)
    }

    /// Whether the worker is about to send a call that the store does not know of. If it died right
    /// after that, the call would stay unbilled.
    pub fn is_unbilled(&self) -> bool {
        self.checkpoints.last_saved().usage == Usage::default() && self.usage != Usage::default()
    }

    /// When [`Draft::advance`] has something to do.
    pub fn due(&self) -> Instant {
        let checkpoint = self.checkpoints.due();
        let frame = self.buffer.due(self.subscribers.are_behind(self.buffer.frame_count()));
        frame.map_or(checkpoint, |frame| frame.min(checkpoint))
    }

    /// Cuts and stores what is due, and reads the commands of other functions.
    pub async fn advance(&mut self) -> Command {
        let now = Instant::now();
        let is_checkpoint = self.checkpoints.due() <= now;
        let waits = !is_checkpoint && self.subscribers.are_behind(self.buffer.frame_count());
        self.buffer.cut_if_due(now, waits);
        if is_checkpoint { self.checkpoint().await } else { Command::Continue }
    }

    /// Stores what is new, says that the worker is alive, and applies the commands of other
    /// functions.
    pub async fn checkpoint(&mut self) -> Command {
        let spent = Spent { model: self.model.clone(), usage: self.usage, cost_usd: self.cost() };
        self.checkpoints.save(&self.reply, spent, &mut self.buffer, &mut self.subscribers).await
    }

    /// Applies the commands of other functions.
    pub fn apply_commands(&mut self, head: Head) -> Command {
        self.checkpoints.apply_commands(head, &self.reply, &self.buffer, &mut self.subscribers)
    }

    /// Revision of the head up to which the commands of other functions have been applied.
    pub fn revision(&self) -> u64 {
        self.checkpoints.revision()
    }

    /// Frames that are not saved yet.
    pub fn unsaved(&self) -> Option<Frames> {
        self.buffer.unsaved(&self.reply)
    }

    /// Cuts what is left, and waits for a moment until all subscribers have it. It does not wait
    /// for a connection that stalls.
    pub async fn finish(&mut self) {
        self.buffer.cut();
        self.subscribers.catch_up(self.buffer.frame_count()).await;
    }

    /// The reply in its final state.
    pub fn ended(&self, status: MessageStatus) -> Message {
        Message { text: self.buffer.text(), status, usage: Some(self.usage), ..self.reply.clone() }
    }

    /// The subscribers that have to be told that the reply has ended.
    pub fn subscribers_at_end(&self) -> SubscribersAtEnd {
        self.subscribers.at_end(self.buffer.frame_count())
    }

    /// Sends each connection the rest of the text, and then how the reply ended. Returns whether
    /// all of them have been told.
    pub async fn send_end(&mut self, end: &ChatEnd) -> bool {
        self.subscribers.send_end(self.buffer.frame_count(), end, &self.reply).await
    }
}
