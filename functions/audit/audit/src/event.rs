//! `GET /audit/{id}`: one event, and its texts in clear for those who may read them.

use archive::Archive;
use futures_util::future::join;
use platform::audit::{AuditDetails, Event, TextReference};
use platform::clock::Timestamp;
use platform::domain::Role;
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::{Credential, Principal};
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::store::{AuditLog, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::domain::Action;
use tally_access::sources::{Readers, Source, Sources};
use texts::{SOURCES, Texts, Unreadable};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

/// `GET /audit/{id}`.
pub struct ReadAuditEvent {
    log: AuditLog,
    archive: Archive,
    users: Users,
    texts: Texts,
    readers: Readers,
}

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Whether the texts are wanted in clear.
    #[param(required = false, default = false)]
    pub texts: bool,
}

/// An event with its texts.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEventWithTexts)]
pub struct EventView {
    /// The event as it is listed. Its hash covers the references to its texts, without `text` and
    /// `unreadable`.
    #[serde(flatten)]
    pub event: Event,
    /// Number of its entry in the sealed log, from 0. Absent if it has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub index: Option<u64>,
    /// Its texts. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub texts: Vec<TextView>,
}

/// A text of an event. It is in clear only with `texts=true`.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditText)]
pub struct TextView {
    /// The reference as the event has it.
    #[serde(flatten)]
    pub reference: TextReference,
    /// The text in clear. Empty if it is withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// Whether the text is withheld, because it came from cells that you may not read. Absent if it
    /// is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// Why the text cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unreadable: Option<Unreadable>,
}

impl Endpoint for ReadAuditEvent {
    const ROUTE: Route = routes::AUDIT_EVENT;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the event.")];
    type Caller = Principal;
    type Body = ();
    type Query = EventQuery;
    type Output = EventView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            log: AuditLog::new(platform)?,
            archive: Archive::new(platform)?,
            users: Users::new(platform)?,
            texts: Texts::new(platform)?,
            readers: Readers::new(platform)?,
        })
    }

    /// A read of texts leaves an event of its own, also if it fails.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        let audit = if request.query.texts { Some("audit.text_read") } else { Self::ROUTE.audit };
        Route { audit, ..Self::ROUTE }
    }

    /// Every user reads their own events, which leaves no event. Auditors and administrators read
    /// all of them. Texts are for the actor and for auditors, in a session: a leaked API key shows
    /// no text.
    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<EventView>, Problem> {
        let id = request.call.path_id("id")?;
        let caller = &request.caller;
        let wants_texts = request.query.texts;
        if wants_texts && matches!(caller.credential, Credential::KeyId(_)) {
            return Err(Problem::forbidden(
                "The texts of an event are shown in a session, and to no API key.",
            ));
        }
        let read = join(self.log.get(&id, request.now), self.archive.place(&id)).await;
        let (found, place) = (read.0?, read.1?);
        let index = place.map(|placed| placed.index);
        let actor = found.as_ref().and_then(|event| event.actor.as_ref());
        let is_own = actor.is_some_and(|actor| actor.user_id == caller.user_id);
        let user = if is_own { None } else { self.users.get(&caller.user_id).await? };
        let has =
            |role| user.as_ref().is_some_and(|user| user.is_active && user.roles.contains(&role));
        let is_auditor = has(Role::Auditor);
        let event = found
            .filter(|_| is_own || is_auditor || has(Role::Admin))
            .ok_or_else(Problem::not_found)?;
        if wants_texts && !is_own && !is_auditor {
            return Err(Problem::forbidden(
                "You need the role auditor for the texts of another user's event.",
            ));
        }
        if wants_texts {
            return self.show_texts(event, index, &caller.user_id, request.now).await;
        }
        let details = AuditDetails::default();
        let details = if is_own { details.silent() } else { details };
        Ok(Plan::reply(EventView::new(event, index)).details(details))
    }
}

impl ReadAuditEvent {
    /// The event with its texts in clear, if their reader may read their sources.
    async fn show_texts(
        &self,
        event: Event,
        index: Option<u64>,
        reader_id: &str,
        now: Timestamp,
    ) -> Result<Plan<EventView>, Problem> {
        let read = self.texts.read(&event).await?;
        let mut view = EventView::new(event, index);
        let may_read = match sources(&view.texts, &read) {
            Some(sources) => {
                let rights = self.readers.rights(reader_id, &[&sources], now).await?;
                rights.may(&sources, Action::Read)
            }
            None => false,
        };
        for (shown, read) in view.texts.iter_mut().zip(read) {
            match read {
                Ok(text) if may_read => shown.text = Some(text),
                Ok(_) => (shown.text, shown.withheld) = (Some(String::new()), true),
                Err(why) => shown.unreadable = Some(why),
            }
        }
        let names = view.texts.iter().filter(|shown| shown.text.is_some() && !shown.withheld);
        let names: Vec<_> = names.map(|shown| shown.reference.name.clone()).collect();
        Ok(Plan::reply(view).details(AuditDetails::default().detail("texts", names)))
    }
}

/// The sources of an event's texts; `None` if they cannot be read.
fn sources(texts: &[TextView], read: &[Result<String, Unreadable>]) -> Option<Sources> {
    let mut all = texts.iter().zip(read).filter(|(shown, _)| shown.reference.name == SOURCES);
    let Some((_, listed)) = all.next() else { return Some(Sources::default()) };
    let listed: Vec<Source> = serde_json::from_str(listed.as_ref().ok()?).ok()?;
    Sources::of(&listed)
}

impl EventView {
    fn new(mut event: Event, index: Option<u64>) -> Self {
        let texts = std::mem::take(&mut event.texts).into_iter();
        let shown =
            |reference| TextView { reference, text: None, withheld: false, unreadable: None };
        Self { event, index, texts: texts.map(shown).collect() }
    }
}

impl Input for EventQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let texts = fields.optional("texts");
        Some(Self { texts: texts?.unwrap_or_default() })
    }
}

impl Parameters for EventQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}
