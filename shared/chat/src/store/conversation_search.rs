//! Search in a user's conversations: their titles and the user's own messages, all the way back.
//!
//! There is no index of words. The search takes the conversations in the order of their list. It
//! looks at each title, then at the user's messages, the newest first, until one matches. A title
//! or message that its reader may no longer read does not match. One page may read only so much.
//! Where it reaches that limit, it comes back short, even empty, with the place at which the next
//! page goes on. Only a page without such a place is the end.

use std::sync::atomic::{AtomicU32, Ordering};

use assistant::domain::MessageRole;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use platform::database::{Expression, Item, StoreError, query, read, s, value};
use platform::domain::Words;
use serde::{Deserialize, Serialize};
use tally_access::domain::Action;
use tally_access::sources::{Readers, Sources};

use super::history::{Place, message_key};
use super::{Conversation, History};

/// Conversations that one page looks at, at most.
const CONVERSATIONS: usize = 200;

/// Read units that one page takes, about: 4 MB, read consistently.
const READ_UNITS: u32 = 1_000;

/// Read units that a look-up of sources takes, at most: those of two heads for each workbook.
const LOOK_UP_UNITS: f64 = 93.0;

/// Conversations that are looked at side by side.
const SIDE_BY_SIDE: usize = 8;

/// Where a search goes on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SearchPlace {
    /// The last conversation that has been looked at to its end.
    after: Option<Place>,
    /// The conversation after it, where the look at it was cut short, and the last of its messages
    /// that has been looked at.
    within: Option<(String, String)>,
}

/// Result of a look at a conversation.
enum Look {
    Found,
    Nothing,
    /// The page had no room for more. The search has looked at the conversation up to this message,
    /// if any.
    Cut(Option<String>),
}

/// The search of a page: its words, its user, and the read units that are left.
struct Seeker<'a> {
    words: &'a Words,
    user_id: &'a str,
    readers: &'a Readers,
    now: Timestamp,
    room: Room,
}

/// Read units that are left for a page.
struct Room(AtomicU32);

#[derive(Deserialize)]
struct Said {
    id: String,
    text: String,
    #[serde(default)]
    sources: Sources,
}

impl SearchPlace {
    /// The place behind a conversation.
    pub fn after(conversation: &Conversation) -> Self {
        Self { after: Some(conversation.place()), within: None }
    }
}

impl History {
    /// The user's next conversations with these words in the title or in a message of the user's,
    /// at most `limit`. Gives also where the search goes on, if it does.
    pub async fn search(
        &self,
        user_id: &str,
        words: &Words,
        from: Option<SearchPlace>,
        limit: usize,
        (readers, now): (&Readers, Timestamp),
    ) -> Result<(Vec<Conversation>, Option<SearchPlace>), StoreError> {
        let mut place = from.unwrap_or_default();
        let (conversations, more) = self.list(user_id, place.after.as_ref(), CONVERSATIONS).await?;
        let mut left = conversations.len();
        let room = Room(AtomicU32::new(READ_UNITS));
        let seeker = Seeker { words, user_id, readers, now, room };
        let within = place.within.clone();
        let looks = stream::iter(conversations).enumerate().map(|(number, conversation)| {
            // The conversation at which the last page was cut short goes on from its message. If
            // that one has moved since, another is in its place and is looked at from its end.
            let before =
                within.clone().filter(|(id, _)| *id == conversation.id).map(|(_, message)| message);
            let seeker = &seeker;
            async move {
                self.look(&conversation, seeker, before, number == 0)
                    .await
                    .map(|look| (conversation, look))
            }
        });
        let mut looks = std::pin::pin!(looks.buffered(SIDE_BY_SIDE));
        let mut found = Vec::new();
        while let Some(look) = looks.next().await {
            let (conversation, look) = look?;
            if let Look::Cut(message) = look {
                place.within = message.map(|message| (conversation.id, message));
                return Ok((found, Some(place)));
            }
            left -= 1;
            place = SearchPlace::after(&conversation);
            if matches!(look, Look::Found) {
                found.push(conversation);
            }
            if found.len() == limit {
                break;
            }
        }
        Ok((found, (more || left > 0).then_some(place)))
    }

    /// Looks at a conversation, from its title on, or beyond the message `before`. The first one of
    /// a page is looked at even without room, so that every page makes progress.
    async fn look(
        &self,
        conversation: &Conversation,
        seeker: &Seeker<'_>,
        before: Option<String>,
        is_first: bool,
    ) -> Result<Look, StoreError> {
        let room = &seeker.room;
        let mut before = before;
        let mut may_read = is_first || !room.is_used_up();
        if before.is_none() && seeker.words.are_in(&conversation.title) {
            let sources = &conversation.sources;
            if sources.is_empty() || may_read && seeker.may_read(&[sources]).await?.0 {
                return Ok(Look::Found);
            }
        }
        while may_read {
            let (said, last) = self.said_by_user(&conversation.id, before.as_deref(), room).await?;
            let look = seeker.look_at(&said).await?;
            if !matches!(look, Look::Nothing) || last.is_none() {
                return Ok(look);
            }
            (before, may_read) = (last, !room.is_used_up());
        }
        Ok(Look::Cut(before))
    }

    /// The user's messages in 1 MB of a conversation, the newest first. Gives also the message at
    /// which it stopped, if there are more.
    async fn said_by_user(
        &self,
        conversation_id: &str,
        before: Option<&str>,
        room: &Room,
    ) -> Result<(Vec<Said>, Option<String>), StoreError> {
        let expression = Expression::default()
            .name("role", "role")
            .name("text", "text")
            .value("conversation", s(conversation_id))
            .value("user", value(MessageRole::User)?);
        let answer = query(
            self.database
                .client()
                .query()
                .table_name(&self.messages)
                .key_condition_expression("conversation_id = :conversation")
                .filter_expression("#role = :user")
                .projection_expression("id, #text, sources")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(before.map(|id| message_key(conversation_id, id)))
                .scan_index_forward(false)
                .consistent_read(true)
                .return_consumed_capacity(aws_sdk_dynamodb::types::ReturnConsumedCapacity::Total),
        )
        .await?;
        room.take(answer.consumed_capacity.and_then(|capacity| capacity.capacity_units));
        let last = answer
            .last_evaluated_key
            .as_ref()
            .and_then(|key: &Item| key.get("id")?.as_s().ok().cloned());
        let said =
            answer.items.unwrap_or_default().into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((said, last))
    }
}

impl Seeker<'_> {
    /// Looks at messages, the newest first.
    async fn look_at(&self, said: &[Said]) -> Result<Look, StoreError> {
        let matches: Vec<_> = said.iter().filter(|said| self.words.are_in(&said.text)).collect();
        if matches.iter().any(|said| said.sources.is_empty()) {
            return Ok(Look::Found);
        }
        let mut rest = &matches[..];
        while !rest.is_empty() {
            let sources: Vec<_> = rest.iter().map(|said| &said.sources).collect();
            let (is_readable, count) = self.may_read(&sources).await?;
            if is_readable {
                return Ok(Look::Found);
            }
            if count < rest.len() && self.room.is_used_up() {
                return Ok(Look::Cut(Some(rest[count - 1].id.clone())));
            }
            rest = &rest[count..];
        }
        Ok(Look::Nothing)
    }

    /// Whether the reader may read all sources of one of these texts, and the number of texts that
    /// were looked up.
    async fn may_read(&self, texts: &[&Sources]) -> Result<(bool, usize), StoreError> {
        let count = Sources::fitting(texts.iter().copied()).max(1);
        let texts = &texts[..count];
        if texts.iter().any(|sources| !sources.is_empty()) {
            self.room.take(Some(LOOK_UP_UNITS));
        }
        let rights = self.readers.rights(self.user_id, texts, self.now).await?;
        Ok((texts.iter().any(|sources| rights.may(sources, Action::Read)), count))
    }
}

impl Room {
    fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// A query that does not report its cost counts as the most expensive one.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a query takes between half a unit and 256"
    )]
    fn take(&self, units: Option<f64>) {
        let units = units.map_or(256, |units| units.ceil() as u32);
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |left| left.saturating_sub(units));
    }
}
