//! `GET /audit/{id}/proof`: the proof that the sealed log has an event.

use archive::{Archive, Seal, TlogProof};
use platform::audit::{AuditDetails, Event};
use platform::domain::Role;
use platform::http::{Answer, Output, Parameters, PathParameter, Rendered};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AuditLog, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use serde::Serialize;
use utoipa::ToSchema;

/// `GET /audit/{id}/proof`.
pub struct ReadProof {
    archive: Archive,
    log: AuditLog,
    users: Users,
}

/// The form of a proof, which the caller chooses by `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofForm {
    /// An object.
    Json,
    /// A text of `c2sp.org/tlog-proof@v1`.
    Text,
}

/// The header `Accept`, read as a query.
pub struct ProofQuery(ProofForm);

/// A proof that the sealed log has an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditProof)]
pub struct ProofView {
    /// The event as it was sealed. Its leaf in the log is the RFC 8785 form of all its fields but
    /// `hash`.
    pub event: Event,
    /// Number of the entry in the log, from 0.
    pub index: u64,
    /// The signed checkpoint whose root the proof leads to.
    pub checkpoint: String,
    /// The hashes from the leaf's sibling up (RFC 6962, section 2.1.1), each in Base64.
    pub inclusion_proof: Vec<String>,
}

/// A proof in the form that the caller has chosen.
pub struct ProofAnswer {
    form: ProofForm,
    event: Event,
    proof: TlogProof,
}

impl Endpoint for ReadProof {
    const ROUTE: Route = routes::AUDIT_PROOF;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the event.")];
    const PROBLEMS: &'static [Code] = &[Code::NotAcceptable, Code::NotSealed];
    type Caller = Principal;
    type Body = ();
    type Query = ProofQuery;
    type Output = ProofAnswer;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            archive: Archive::new(platform)?,
            log: AuditLog::new(platform)?,
            users: Users::new(platform)?,
        })
    }

    /// Every user proves their own events, which leaves no event. Auditors prove all of them.
    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ProofAnswer>, Problem> {
        let id = request.call.path_id("id")?;
        let caller_id = &request.caller.user_id;
        // DynamoDB deletes late.
        let expires_at = ids::made_at(&id).map_or(0, |time| self.log.retention().expires_at(time));
        let is_kept = request.now.as_second() < expires_at;
        let placed = self.archive.place(&id).await?.filter(|_| is_kept);
        let event = if let Some(placed) = &placed {
            sealed_event(&id, &placed.entry)?
        } else {
            let found = self.log.get(&id, request.now).await?;
            found.ok_or_else(Problem::not_found)?
        };
        let is_own = event.actor.as_ref().is_some_and(|actor| actor.user_id == *caller_id);
        if !is_own {
            let user = self.users.get(caller_id).await?;
            user.filter(|user| user.is_active && user.roles.contains(&Role::Auditor))
                .ok_or_else(Problem::not_found)?;
        }
        let placed = placed.ok_or_else(Problem::not_sealed)?;
        let Seal::Sealed(proof) = self.archive.proof(placed).await? else {
            return Err(Problem::not_sealed());
        };
        let details = AuditDetails::default();
        let details = if is_own { details.silent() } else { details };
        let ProofQuery(form) = request.query;
        Ok(Plan::reply(ProofAnswer { form, event, proof: *proof }).details(details))
    }
}

/// The event of an entry, with its hash.
fn sealed_event(id: &str, entry: &str) -> Result<Event, Problem> {
    let event: Event = serde_json::from_str(entry).map_err(|error| {
        tracing::error!(%error, id, "failed to read a sealed event");
        Problem::internal()
    })?;
    Ok(Event { hash: event.fingerprint(), ..event })
}

impl Output for ProofAnswer {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        let Self { form, event, proof } = self;
        match form {
            ProofForm::Text => Ok(Rendered {
                content_type: "text/plain; charset=utf-8",
                body: proof.to_string().into_bytes(),
            }),
            ProofForm::Json => Rendered::json(&ProofView {
                event,
                index: proof.index,
                checkpoint: proof.checkpoint.to_string(),
                inclusion_proof: proof.hashes.iter().map(ToString::to_string).collect(),
            }),
        }
    }

    fn describe() -> Vec<Answer> {
        let text = "The same as a text of c2sp.org/tlog-proof@v1, which stands by itself. Its line \
                    `extra` has the entry: the RFC 8785 form of the event without `hash`.";
        vec![Answer::json::<ProofView>().or_lines("text/plain", text)]
    }
}

impl ProofForm {
    const OFFERS: &'static [(&'static str, Self)] =
        &[("application/json", Self::Json), ("text/plain", Self::Text)];
}

impl Input for ProofQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.accepted(ProofForm::OFFERS).map(Self)
    }
}

impl Parameters for ProofQuery {}
