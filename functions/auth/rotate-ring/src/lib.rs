//! Rotates a key ring. Secrets Manager asks for the shift next -> current -> previous in four
//! steps. In an emergency, one call replaces every key.
//!
//! Each step may be repeated and may be the last one for a while. The version that a rotation makes
//! is stored under the rotation's token. It is in force from the last step on, or not at all.
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html>

mod keys;
mod vault;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::clock::{Clock, rfc3339};
use platform::context::Context;
use platform::gate::{Committer, RequestInfo};
use platform::runtime::Invocation;
use platform::secrets::Secret;
use platform::tokens::{Ring, RingKind};
use platform::worker::Worker;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Deserialize;
use tally_accounts::tokens::Lifetimes;

use keys::Keys;
use vault::{CURRENT, PENDING, Vault, Version, VersionStatus};

/// The worker.
pub struct RotateRing {
    vault: Arc<Vault>,
    /// ARN of each ring's secret.
    rings: [(RingKind, String); 2],
    lifetimes: Lifetimes,
    committer: Committer,
    clock: Clock,
}

/// The payload of an invocation.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Payload {
    /// Secrets Manager rotates a secret.
    Step {
        /// ARN of the secret.
        #[serde(rename = "SecretId")]
        secret_arn: String,
        /// The rotation's token, and the id of the version that it makes.
        #[serde(rename = "ClientRequestToken")]
        token: String,
        /// The step that is asked for.
        #[serde(rename = "Step")]
        step: Step,
    },
    /// A caller that may invoke the function replaces every key of a ring, because others know one
    /// of them.
    Emergency {
        /// Always `true`: a caller that signs all users out has to say so in full.
        emergency: bool,
        /// The ring.
        ring: RingKind,
    },
}

/// The steps of a rotation.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Make the next version.
    CreateSecret,
    /// Tell other services of it. There are none.
    SetSecret,
    /// Check that it can be used.
    TestSecret,
    /// Put it in force.
    FinishSecret,
}

/// One ring, and the invocation that concerns it.
struct Case<'a> {
    kind: RingKind,
    arn: &'a str,
    context: Context,
}

impl Worker for RotateRing {
    type Payload = Payload;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let arn = |kind: RingKind| Ok((kind, platform.config.require(kind.setting())?.to_owned()));
        Ok(Self {
            vault: Arc::new(Vault::new(&platform.config)?),
            rings: [arn(RingKind::Access)?, arn(RingKind::Refresh)?],
            lifetimes: Lifetimes::from_config(&platform.config)?,
            committer: Committer::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, payload: Payload, invocation: Invocation) -> Result<(), Problem> {
        let ring = self.rings.iter().find(|(kind, arn)| match &payload {
            Payload::Step { secret_arn, .. } => arn == secret_arn,
            Payload::Emergency { ring, .. } => kind == ring,
        });
        let (kind, arn) =
            ring.ok_or_else(|| refused("The secret is not a key ring of this deployment."))?;
        let address = "internal".into();
        let user_agent = "rotate-ring".into();
        let context = Context {
            request_id: invocation.request_id,
            address,
            user_agent,
            ..Context::default()
        };
        let case = Case { kind: *kind, arn, context };
        match payload {
            Payload::Step { token, step, .. } => self.step(&case, &token, step).await,
            Payload::Emergency { emergency: true, .. } => self.replace(&case).await,
            Payload::Emergency { .. } => Err(refused(
                "`emergency` must be true. For a planned rotation, call RotateSecret of Secrets \
                 Manager.",
            )),
        }
    }
}

impl RotateRing {
    async fn step(&self, case: &Case<'_>, token: &str, step: Step) -> Result<(), Problem> {
        let status = self.vault.status(case.arn, token).await?;
        let is_staged = |stage: &str| status.stages.iter().any(|found| found == stage);
        if is_staged(CURRENT) {
            // The version is in force already, but the answer to its last step was lost.
            return Ok(());
        }
        if !is_staged(PENDING) {
            return Err(refused(
                "The rotation is not in progress, or an emergency rotation has ended it.",
            ));
        }
        match step {
            Step::CreateSecret => self.create(case, token, &status).await,
            Step::SetSecret => Ok(()),
            Step::TestSecret => self.test(case, token).await.map(|_| ()),
            Step::FinishSecret => {
                let (current, pending) = self.test(case, token).await?;
                let vault = Arc::clone(&self.vault);
                let arn = case.arn.to_owned();
                let promote = async move { vault.promote(&arn, &current.id, &pending.id).await };
                self.commit(case, &current.text, &pending.text, false, promote.boxed()).await
            }
        }
    }

    /// Makes the shifted ring, once for each rotation, and not before the last shift has settled.
    async fn create(
        &self,
        case: &Case<'_>,
        token: &str,
        status: &VersionStatus,
    ) -> Result<(), Problem> {
        if self.vault.pending(case.arn, token).await?.is_some() {
            return Ok(());
        }
        let current = self.vault.current(case.arn).await?;
        let keys = keys(&current.text)?;
        // A version got its value when its rotation began. The old key went on signing until that
        // rotation ended.
        let last_shift = status
            .rotated_at
            .map_or(current.created_at, |rotated_at| rotated_at.max(current.created_at));
        let settling = keys.settling(self.lifetimes.key_needed(case.kind));
        let settled_at = last_shift.checked_add(settling).unwrap_or(Timestamp::MAX);
        if self.clock.now() < settled_at {
            return Err(too_early(settled_at));
        }
        self.vault.prepare(case.arn, token, keys.shifted().to_text()).await
    }

    /// The ring in force and the pending ring, which must follow from it. An emergency may have
    /// replaced the ring that the pending one was made from.
    async fn test(&self, case: &Case<'_>, token: &str) -> Result<(Version, Version), Problem> {
        let current = self.vault.current(case.arn).await?;
        let pending = self
            .vault
            .pending(case.arn, token)
            .await?
            .ok_or_else(|| refused("The rotation has not created its pending ring yet."))?;
        if keys(&pending.text)?.follow(&keys(&current.text)?) {
            Ok((current, pending))
        } else {
            Err(refused("The pending ring does not follow from the current ring."))
        }
    }

    /// Replaces every key. Only one call to Secrets Manager can fail, so the ring is the old one or
    /// the new one.
    async fn replace(&self, case: &Case<'_>) -> Result<(), Problem> {
        let current = self.vault.current(case.arn).await?;
        let fresh = Keys::fresh().to_text();
        let vault = Arc::clone(&self.vault);
        let arn = case.arn.to_owned();
        let text = fresh.clone();
        let replace = async move { vault.replace(&arn, text).await };
        self.commit(case, &current.text, &fresh, true, replace.boxed()).await
    }

    /// Writes the event, then puts the ring in force. So a change that cannot be recorded is not
    /// made. If a change fails after its event, the caller tries again, which leaves a second
    /// event.
    async fn commit(
        &self,
        case: &Case<'_>,
        before: &str,
        after: &str,
        emergency: bool,
        change: BoxFuture<'static, Result<(), Problem>>,
    ) -> Result<(), Problem> {
        let Case { kind, context, .. } = case;
        let ring = match kind {
            RingKind::Access => "access",
            RingKind::Refresh => "refresh",
        };
        let details = AuditDetails::default()
            .resource("ring", ring)
            .detail("ring", ring)
            .detail("emergency", emergency);
        let details = details
            .detail("kids_before", kids(*kind, before))
            .detail("kids_after", kids(*kind, after));
        let then = || async { change.await.map(|()| None) }.boxed();
        let info = RequestInfo::new(context, self.clock.now(), Some("key.rotated"));
        self.committer
            .commit(Ok(Plan::reply(()).details(details).after_commit(Box::new(then))), None, &info)
            .await
            .map(|_| ())
    }
}

fn keys(text: &str) -> Result<Keys, Problem> {
    let secret: Option<Secret> = serde_json::from_str(text).ok();
    secret
        .and_then(|secret| Keys::of(&secret))
        .ok_or_else(|| refused("The ring has no usable key. An emergency rotation replaces it."))
}

/// The key ids of a ring, as far as it can be used. The first one is the id of the key that signs.
fn kids(kind: RingKind, text: &str) -> Vec<String> {
    let secret: Option<Secret> = serde_json::from_str(text).ok();
    let ring = secret.and_then(|secret| Ring::derive(kind, &secret).ok());
    ring.map(|ring| ring.kids().map(str::to_owned).collect()).unwrap_or_default()
}

fn too_early(settled_at: Timestamp) -> Problem {
    refused(&format!(
        "Tokens that the oldest key of the ring has signed are valid until {}. An emergency \
         rotation ends them before that.",
        rfc3339(settled_at)
    ))
}

fn refused(detail: &str) -> Problem {
    Problem { detail: detail.to_owned(), ..Problem::conflict() }
}
