//! Shows users their conversations. Texts, titles and states reach users by this module alone. It
//! withholds a text from cells as soon as its reader may no longer read one of the sources.

use std::ops::Deref;

use jiff::Timestamp;
use platform::database::StoreError;
use platform::domain::Words;
use platform::{ConfigError, Platform};
use tally_access::domain::Action;
use tally_access::sources::{Readers, Sources};

use crate::domain::{Frame, MessageStatus, StateValues, ToolCall};
use crate::store::{Conversation, Drafts, First, History, Message, Place, SearchPlace, State};

/// Bytes of text that replies in progress may add to a page, unless one alone has more.
const WRITTEN_BYTES: usize = 300_000;

/// Shows users their conversations.
#[derive(Debug, Clone)]
pub struct Reading {
    history: History,
    drafts: Drafts,
    readers: Readers,
}

/// A message, a conversation or a state as its reader may see it now. Only [`Reading`] makes one.
#[derive(Debug, Clone)]
pub struct Shown<T> {
    value: T,
    is_withheld: bool,
}

/// A message, a conversation or a state, which has sources.
pub trait Sourced {
    /// The sources.
    fn sources(&self) -> &Sources;

    /// Takes out the text that came from them.
    fn withhold(&mut self);
}

impl Reading {
    /// Uses the tables of [`History`], [`Drafts`] and [`Readers`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            history: History::new(platform)?,
            drafts: Drafts::new(platform)?,
            readers: Readers::new(platform)?,
        })
    }

    /// A user's conversation as it is now.
    pub async fn conversation(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Shown<Conversation>>, StoreError> {
        match self.history.conversation(user_id, id).await? {
            Some(found) => self.show(user_id, found, now).await.map(Some),
            None => Ok(None),
        }
    }

    /// At most `limit` of a user's conversations after a place, the one with the newest message
    /// first; whether there are more.
    pub async fn list(
        &self,
        user_id: &str,
        after: Option<&Place>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Shown<Conversation>>, bool), StoreError> {
        let (found, more) = self.history.list(user_id, after, limit).await?;
        self.show_page(user_id, found, more, now).await
    }

    /// The user's next conversations with these words in the title or in a message of the user's,
    /// at most `limit`. Gives also where the search goes on, if it does.
    pub async fn search(
        &self,
        user_id: &str,
        words: &Words,
        from: Option<SearchPlace>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Shown<Conversation>>, Option<SearchPlace>), StoreError> {
        let readers = (&self.readers, now);
        let (found, next) = self.history.search(user_id, words, from, limit, readers).await?;
        let (shown, is_cut) = self.show_page(user_id, found, false, now).await?;
        let cut = shown.last().filter(|_| is_cut).map(|last| SearchPlace::after(last));
        Ok((shown, cut.or(next)))
    }

    /// A message of a user's conversation as it is now, without the text of one that is being
    /// written.
    pub async fn message(
        &self,
        user_id: &str,
        conversation_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Shown<Message>>, StoreError> {
        match self.history.message(user_id, conversation_id, id).await? {
            Some(found) => self.show(user_id, found, now).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same with the text so far of a message that is being written.
    pub async fn message_so_far(
        &self,
        user_id: &str,
        conversation_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Shown<Message>>, StoreError> {
        let Some(mut found) = self.history.message(user_id, conversation_id, id).await? else {
            return Ok(None);
        };
        self.fill_in(&mut found).await?;
        self.show(user_id, found, now).await.map(Some)
    }

    /// At most `limit` messages of a user's conversation, and whether there are more. They begin at
    /// one end, or beyond the message with the id `beyond`. Messages that are being written have
    /// their text so far. The caller has found the conversation under its owner.
    pub async fn messages(
        &self,
        (user_id, conversation_id): (&str, &str),
        first: First,
        beyond: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Shown<Message>>, bool), StoreError> {
        let (mut page, mut more) =
            self.history.messages(conversation_id, first, beyond, limit).await?;
        let mut bytes = 0;
        for index in 0..page.len() {
            bytes += self.fill_in(&mut page[index]).await?;
            if bytes > WRITTEN_BYTES && index > 0 {
                page.truncate(index);
                more = true;
                break;
            }
        }
        self.show_page(user_id, page, more, now).await
    }

    /// A message, a conversation or a state as its user may see it now.
    pub async fn show<T: Sourced>(
        &self,
        user_id: &str,
        value: T,
        now: Timestamp,
    ) -> Result<Shown<T>, StoreError> {
        let rights = self.readers.rights(user_id, &[value.sources()], now).await?;
        let is_withheld = !rights.may(value.sources(), Action::Read);
        Ok(Shown::new(value, is_withheld))
    }

    /// A page as its reader may see it now. It ends before the first one whose sources can't be
    /// looked up together with the earlier ones.
    async fn show_page<T: Sourced>(
        &self,
        user_id: &str,
        mut page: Vec<T>,
        more: bool,
        now: Timestamp,
    ) -> Result<(Vec<Shown<T>>, bool), StoreError> {
        let fitting = Sources::fitting(page.iter().map(T::sources)).max(1);
        let more = more || fitting < page.len();
        page.truncate(fitting);
        let sources: Vec<_> = page.iter().map(T::sources).collect();
        let rights = self.readers.rights(user_id, &sources, now).await?;
        let show = |value: T| {
            let is_withheld = !rights.may(value.sources(), Action::Read);
            Shown::new(value, is_withheld)
        };
        Ok((page.into_iter().map(show).collect(), more))
    }

    /// Fills in the text so far of a message that has not ended, with its calls of tools and its
    /// sources. The message may have been read before all of them were known, and its calls may be
    /// newer than the frames. Returns the bytes of the text.
    async fn fill_in(&self, message: &mut Message) -> Result<usize, StoreError> {
        let has_draft = match message.status {
            MessageStatus::Streaming | MessageStatus::AwaitingConfirmation => true,
            // It goes on after a confirmation.
            MessageStatus::Pending => message.steps > 0,
            _ => false,
        };
        if !has_draft {
            return Ok(0);
        }
        let (frames, sources) = self.drafts.whole(&message.id).await?;
        // One set of sources includes the other, so they fit together.
        if !frames.is_empty() && message.sources.add(&sources) {
            message.text = Frame::text_of(&frames);
            message.tool_calls = calls_so_far(&frames, &message.tool_calls);
        }
        Ok(message.text.len())
    }
}

/// The calls of a message as far as its frames go. `stored` are those that the message has:
/// decisions about calls are there, and not in the frames.
fn calls_so_far(frames: &[Frame], stored: &[ToolCall]) -> Vec<ToolCall> {
    let mut calls = stored.to_vec();
    for frame in frames {
        match frame {
            Frame::Text(_) => {}
            Frame::Call(call) => {
                if !calls.iter().any(|known| known.call_id == call.call_id) {
                    calls.push(call.clone());
                }
            }
            Frame::Result(result) => {
                if let Some(call) = calls.iter_mut().find(|call| call.call_id == result.call_id) {
                    call.status = result.status;
                    call.summary = Some(result.summary.clone());
                    call.expires_at = None;
                }
            }
        }
    }
    ToolCall::fitting(calls)
}

impl<T: Sourced> Shown<T> {
    fn new(mut value: T, is_withheld: bool) -> Self {
        if is_withheld {
            value.withhold();
        }
        Self { value, is_withheld }
    }
}

impl<T> Shown<T> {
    /// Whether its text, its title or its values are withheld.
    pub fn is_withheld(&self) -> bool {
        self.is_withheld
    }

    /// The part that its reader may see.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Shown<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Sourced for Message {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn withhold(&mut self) {
        self.text.clear();
        // Their arguments and sentences may have what the text had.
        self.tool_calls.clear();
        self.sources = Sources::default();
    }
}

impl Sourced for Conversation {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn withhold(&mut self) {
        self.title.clear();
        self.sources = Sources::default();
    }
}

impl Sourced for State {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn withhold(&mut self) {
        self.values = StateValues::default();
        self.sources = Sources::default();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{CallStatus, ToolResultFrame};

    fn call(id: &str, status: CallStatus) -> ToolCall {
        let waits = status == CallStatus::AwaitingConfirmation;
        ToolCall {
            call_id: id.into(),
            tool: "add_task".into(),
            title: "Add a task".into(),
            arguments: json!({}),
            preview: String::new(),
            status,
            expires_at: waits.then(|| "2026-01-31T09:45:00.000Z".into()),
            summary: None,
        }
    }

    #[test]
    fn a_call_is_shown_as_its_frames_and_the_decisions_say() {
        use CallStatus::{AwaitingConfirmation, Completed, Rejected, Running};
        let result = |id: &str, status| {
            let summary = "So.".to_owned();
            Frame::Result(ToolResultFrame { call_id: id.into(), status, summary })
        };
        let frames = [
            Frame::Call(call("a", Running)),
            result("a", Completed),
            Frame::Text("And".into()),
            Frame::Call(call("b", AwaitingConfirmation)),
            Frame::Call(call("c", AwaitingConfirmation)),
            Frame::Call(call("d", AwaitingConfirmation)),
            result("d", Rejected),
            result("e", Completed),
        ];
        let approved = ToolCall { expires_at: None, ..call("b", CallStatus::Approved) };
        let stored = [call("a", Running), approved, call("d", AwaitingConfirmation)];
        let calls = calls_so_far(&frames, &stored);
        let shown: Vec<_> = calls
            .iter()
            .map(|call| (call.call_id.as_str(), call.status, call.expires_at.is_some()))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", Completed, false),
                ("b", Running, false),
                ("d", Rejected, false),
                ("c", AwaitingConfirmation, true),
            ]
        );
        assert_eq!(calls[0].summary.as_deref(), Some("So."));
    }
}
