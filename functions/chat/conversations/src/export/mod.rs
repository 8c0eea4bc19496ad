//! `GET /conversations/{id}/export`: a whole conversation as a file to keep.
//!
//! An answer of a function can have 6 MB, so a longer conversation comes in parts. Each part is a
//! file by itself and has whole messages. The header `Link` leads to the next part, and so does
//! `next_cursor` in JSON. The last part has the messages that are added while a client goes from
//! part to part.

pub(crate) mod markdown;

use http::header;
use platform::audit::AuditDetails;
use platform::clock::{Timestamp, rfc3339};
use platform::cursor::{Cursors, Page, Paging};
use platform::database::StoreError;
use platform::http::{Answer, Header, Output, Parameters, PathParameter, Rendered, in_query};
use platform::identity::Identity;
use platform::input::{Fields, FromField, Input, RawValue};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::{Deserialize, Serialize};
use tally_chat::domain::IdleAfter;
use tally_chat::store::{First, Message};
use tally_chat::{Reading, Shown};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

use crate::{ConversationView, MessageView, PATH, weight};

/// Messages that are read at once.
const AT_ONCE: usize = 100;

/// Reads for one part, at most. Messages about many workbooks take more reads than others.
const READS: usize = 50;

/// `GET /conversations/{id}/export`.
pub struct ExportConversation {
    reading: Reading,
    cursors: Cursors,
    idle: IdleAfter,
}

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Format of the file.
    #[param(inline, required = false, default = "json")]
    pub format: Format,
    /// `next_cursor` of the previous part. Ask for the same format.
    pub cursor: Option<String>,
}

/// Format of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Everything, for programs.
    #[default]
    Json,
    /// For people.
    Markdown,
}

/// A conversation, or a part of it, as a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedConversation {
    /// The conversation as it is listed.
    #[serde(flatten)]
    pub conversation: ConversationView,
    /// Time of the export, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T10:00:00.000Z")]
    pub exported_at: String,
    /// Number of this part. Most conversations have one part.
    #[schema(example = 1)]
    pub part: u32,
    /// The messages, the oldest first.
    pub messages: Vec<MessageView>,
    /// Value of `cursor` for the next part, or null in the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A file as the endpoint answers it.
pub struct File {
    format: Format,
    export: ExportedConversation,
}

/// The position at which a part begins.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    part: u32,
    /// The last message of the part before.
    after: String,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Markdown => "markdown",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Markdown => "md",
        }
    }
}

impl FromField for Format {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let found = [Self::Json, Self::Markdown].into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| "must be json or markdown".into())
    }
}

impl Parameters for ExportQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Input for ExportQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let format = fields.optional("format");
        let cursor = fields.optional("cursor");
        Some(Self { format: format?.unwrap_or_default(), cursor: cursor? })
    }
}

impl Output for File {
    fn describe() -> Vec<Answer> {
        vec![
            Answer::json::<ExportedConversation>()
                .or_text("text/markdown")
                .header(Header::ContentDisposition),
        ]
    }

    fn render(self) -> Result<Rendered, serde_json::Error> {
        match self.format {
            Format::Json => Rendered::json(&self.export),
            // RFC 7763.
            Format::Markdown => Ok(Rendered {
                content_type: "text/markdown; charset=utf-8",
                body: markdown::document(&self.export).into_bytes(),
            }),
        }
    }
}

impl Endpoint for ExportConversation {
    const ROUTE: Route = routes::CONVERSATION_EXPORT;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Identity;
    type Body = ();
    type Query = ExportQuery;
    type Output = File;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            reading: Reading::new(platform)?,
            cursors: Cursors::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<File>, Problem> {
        let (id, user_id, ExportQuery { format, cursor }) =
            (&request.call.path_id("id")?, &request.caller.user_id, request.query);
        let paging = Paging { limit: AT_ONCE, cursor };
        let from = self.cursors.open::<Position>(&paging, user_id, request.call).await?;
        let conversation = self.reading.conversation(user_id, id, request.now).await?;
        let conversation = conversation.ok_or_else(Problem::not_found)?;
        let status = conversation.status(self.idle, request.now);
        let conversation = ConversationView::new(conversation, status);
        let part = from.as_ref().map_or(1, |from| from.part);
        let (place, after) = ((user_id.as_str(), id.as_str()), from.map(|from| from.after));
        let (messages, more) = self.part(place, after, request.now).await?;

        let details =
            AuditDetails::default().resource("conversation", id).detail("format", format.name());
        let details = details.detail("part", part).detail("messages", messages.len());
        let next = messages
            .last()
            .filter(|_| more)
            .map(|last| Position { part: part + 1, after: last.id.clone() });
        let name = if part == 1 && !more { String::new() } else { format!("-part-{part}") };
        // The name has the id and not the title, so it is a valid file name everywhere.
        let disposition =
            format!("attachment; filename=\"conversation-{id}{name}.{}\"", format.extension());
        let page = self.cursors.page(messages, next, user_id, request.call).await?;
        let file = page.map(|Page { items, next_cursor }| {
            let exported_at = rfc3339(request.now);
            let messages = items.into_iter().map(MessageView::from).collect();
            File {
                format,
                export: ExportedConversation {
                    conversation,
                    exported_at,
                    part,
                    messages,
                    next_cursor,
                },
            }
        });
        Ok(Plan::reply(file.header(header::CONTENT_DISPOSITION, &disposition)).details(details))
    }
}

impl ExportConversation {
    /// The messages of the part that begins behind a message, and whether another part follows.
    async fn part(
        &self,
        place: (&str, &str),
        after: Option<String>,
        now: Timestamp,
    ) -> Result<(Vec<Shown<Message>>, bool), StoreError> {
        let mut part = Vec::new();
        let mut bytes = 0;
        let mut after = after;
        for _ in 0..READS {
            let (messages, more) =
                self.reading.messages(place, First::Oldest, after.as_deref(), AT_ONCE, now).await?;
            for message in messages {
                bytes += weight::of(&message);
                if bytes > weight::ANSWER_BYTES && !part.is_empty() {
                    return Ok((part, true));
                }
                part.push(message);
            }
            after = part.last().map(|message| message.id.clone());
            if !more {
                return Ok((part, false));
            }
        }
        Ok((part, true))
    }
}
