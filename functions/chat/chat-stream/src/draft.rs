//! A reply while it is written. It joins the text, the calls, the subscribers and the checkpoints.

use std::collections::BTreeMap;

use assistant::Provider;
use assistant::domain::{Cost, Usage};
use platform::clock::Clock;
use tally_access::sources::Sources;
use tally_chat::domain::{CallStatus, Frame, MessageStatus, ToolCall, ToolResultFrame};
use tally_chat::store::{Drafts, Frames, Head, Message, Spent, Subscriber, SubscribersAtEnd};
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
    /// What the current step has used up to now.
    pub usage: Usage,
    /// What the earlier steps have used.
    earlier: Used,
    /// Whether the store knows that the current step has used something.
    is_billed: bool,
    /// What the model was asked, once it was.
    pub asked: Option<Asked>,
    buffer: Buffer,
    subscribers: Subscribers<'a>,
    checkpoints: Checkpoints<'a>,
}

/// Tokens and their cost.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    usage: Usage,
    cost: Cost,
}

/// What a reply has from before it waited for its user.
#[derive(Debug, Default)]
pub struct Earlier {
    /// The frames that are saved.
    pub frames: Vec<Frame>,
    /// What the steps have used.
    pub spent: Option<Spent>,
}

impl<'a> Draft<'a> {
    /// A reply that begins, or goes on after its user has decided about its calls. Its first text
    /// is due at once.
    pub fn new(
        reply: Message,
        earlier: Earlier,
        provider: &'a dyn Provider,
        (drafts, credentials): (&'a Drafts, &'a Credentials),
        transport: &'a Transport,
        clock: &'a Clock,
    ) -> Self {
        let now = Instant::now();
        let usage = Usage::default();
        let spent = earlier.spent.unwrap_or_else(|| {
            let chosen = reply.terms.as_ref().and_then(|terms| terms.model.as_deref());
            let model = chosen.unwrap_or(provider.model()).to_owned();
            let cost_usd = provider.cost(&model, &usage);
            Spent { model, usage, cost_usd }
        });
        Self {
            provider,
            reply,
            model: spent.model.clone(),
            usage,
            earlier: Used { usage: spent.usage, cost: spent.cost_usd },
            is_billed: false,
            asked: None,
            buffer: Buffer::new(earlier.frames, now),
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

    /// Begins the step with this number.
    pub fn begin_step(&mut self, number: u8) {
        let cost = self.provider.cost(&self.model, &self.usage);
        self.earlier.usage += std::mem::take(&mut self.usage);
        self.earlier.cost += cost;
        self.is_billed = false;
        self.reply.steps = number;
    }

    /// The next text begins a paragraph, if there is any before it.
    pub fn begin_paragraph(&mut self) {
        self.buffer.begin_paragraph();
    }

    /// Adds text, or as much of it as a reply can hold. Returns whether all of it fits.
    pub fn push(&mut self, text: &str) -> bool {
        self.buffer.push(text)
    }

    /// Shows calls of tools. Those that wait for a confirmation are sent once the reply waits.
    pub fn show_calls(&mut self, calls: Vec<ToolCall>) {
        for call in &calls {
            let frame = Frame::Call(call.clone());
            if call.status == CallStatus::AwaitingConfirmation {
                self.buffer.hold(frame);
            } else {
                self.buffer.push_frame(frame);
            }
        }
        self.reply.tool_calls.extend(calls);
    }

    /// Shows how a call ended that is shown, unless its end is shown already.
    pub fn show_result(&mut self, call_id: &str, status: CallStatus, summary: &str) {
        let call = self.reply.tool_calls.iter_mut().find(|call| call.call_id == call_id);
        let Some(call) = call else { return };
        call.status = status;
        call.summary = Some(summary.to_owned());
        call.expires_at = None;
        if !self.buffer.is_answered(call_id) {
            let (call_id, summary) = (call_id.to_owned(), summary.to_owned());
            self.buffer.push_frame(Frame::Result(ToolResultFrame { call_id, status, summary }));
        }
    }

    /// Whether a call is shown, or about to be, whose end is not.
    pub fn has_open_calls(&self) -> bool {
        self.reply.tool_calls.iter().any(|call| !self.buffer.is_answered(&call.call_id))
    }

    /// Shows the calls that were to be sent once the reply waits.
    pub fn release_calls(&mut self) {
        self.buffer.release();
    }

    /// Whether the reader may no longer read the reply.
    pub fn is_withheld(&self) -> bool {
        self.subscribers.is_withheld()
    }

    /// What the reply has used up to now.
    pub fn used(&self) -> Usage {
        let mut usage = self.earlier.usage;
        usage += self.usage;
        usage
    }

    /// The cost of what the reply has used up to now.
    pub fn cost(&self) -> Cost {
        let mut cost = self.provider.cost(&self.model, &self.usage);
        cost += self.earlier.cost;
        cost
    }

    /// The same with the model, as it is stored.
    pub fn spent(&self) -> Spent {
        Spent { model: self.model.clone(), usage: self.used(), cost_usd: self.cost() }
    }

    /// Whether the worker is about to send a call that the store does not know of. If it died right
    /// after that, the call would stay unbilled.
    pub fn is_unbilled(&self) -> bool {
        !self.is_billed && self.usage != Usage::default()
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
        let spent = self.spent();
        let command = self
            .checkpoints
            .save(&self.reply, spent.clone(), &mut self.buffer, &mut self.subscribers)
            .await;
        let is_stored = *self.checkpoints.last_saved() == spent;
        self.is_billed |= is_stored && self.usage != Usage::default();
        command
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

    /// The same with the frames that are sent once the reply waits.
    pub fn unsaved_at_wait(&self) -> Option<Frames> {
        self.buffer.unsaved_and_held(&self.reply)
    }

    /// Cuts what is left, and waits for a moment until all subscribers have it. It does not wait
    /// for a connection that stalls.
    pub async fn finish(&mut self) {
        self.buffer.cut();
        self.subscribers.catch_up(self.buffer.frame_count()).await;
    }

    /// The reply in its final state.
    pub fn ended(&self, status: MessageStatus) -> Message {
        Message { text: self.buffer.text(), usage: Some(self.used()), ..self.shown(status) }
    }

    /// The reply while it waits for its user.
    pub fn waiting(&self) -> Message {
        self.shown(MessageStatus::AwaitingConfirmation)
    }

    /// The reply with its calls, as its item has them.
    fn shown(&self, status: MessageStatus) -> Message {
        let reply = self.reply.clone();
        Message { tool_calls: ToolCall::fitting(reply.tool_calls), status, ..reply }
    }

    /// The subscribers that have to be told that the reply has ended.
    pub fn subscribers_at_end(&self) -> SubscribersAtEnd {
        self.subscribers.at_end(self.buffer.frame_count())
    }

    /// The subscribers that stay while the reply waits.
    pub fn subscribers_at_wait(&self) -> BTreeMap<String, Subscriber> {
        self.subscribers.at_wait(self.buffer.whole_count())
    }

    /// Sends the frames that were held until the reply waited. Then leaves the reply to the next
    /// worker.
    pub async fn leave(&mut self) {
        self.buffer.release();
        self.subscribers.leave(self.buffer.frame_count(), &self.reply).await;
    }

    /// Sends each connection the rest of the text, and then how the reply ended. Returns whether
    /// all of them have been told.
    pub async fn send_end(&mut self, end: &ChatEnd) -> bool {
        self.subscribers.send_end(self.buffer.frame_count(), end, &self.reply).await
    }
}
