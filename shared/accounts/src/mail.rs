//! Mail: requests to the worker that sends it.
//!
//! A function that needs a mail sent writes a queued mail in its transaction. After the commit it
//! starts the worker with the queued mail's id. Only the worker looks up the address, makes the
//! token and knows the mail service. So an answer takes the same time and the same work whether or
//! not an address belongs to an account. The payload has neither address nor token. If a queued
//! mail is lost on its way, the user who waits for the mail asks again.

use jiff::Timestamp;
use platform::context::Context;
use platform::worker::Invoker;
use platform::{ConfigError, Plan, Platform, Problem, ids};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::EmailKind;
use crate::store::{OutboxEmail, OutboxEmails};

/// Seconds after which a mail is not sent any more, because it would only confuse.
const MAIL_SECONDS: i64 = 3600;

/// The payload that starts the worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// Id of the queued mail.
    // The name before.
    #[serde(alias = "errand_id")]
    pub email_id: String,
}

/// The answer to a request for a mail. It is the same whether or not the server sends one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// One sentence for people.
    #[schema(example = "If the address belongs to an account, a mail is on its way.")]
    pub detail: &'static str,
}

impl Accepted {
    /// To a client that asks for a new password.
    pub const RESET: Self =
        Self { detail: "If the address belongs to an account, a mail is on its way." };
    /// To a client that asks for another token that verifies an address.
    pub const VERIFICATION: Self = Self {
        detail: "If the address belongs to an account that has yet to verify it, a mail is on its \
                 way.",
    };
}

/// Writes queued mails and starts the worker.
#[derive(Debug, Clone)]
pub struct EmailOutbox {
    emails: OutboxEmails,
    /// Absent if the deployment sends no mail.
    worker: Option<Invoker>,
}

impl EmailOutbox {
    /// Uses the table of queued mails and the worker whose ARN is the setting `SEND_MAIL_ARN`.
    /// Without a `MAIL_DOMAIN` no mail is sent.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let worker =
            config.get("MAIL_DOMAIN").map(|_| Invoker::new(config, "SEND_MAIL_ARN")).transpose()?;
        Ok(Self { emails: OutboxEmails::new(platform)?, worker })
    }

    /// Adds a mail to a plan: the queued mail, and the start of the worker after the commit. If the
    /// worker cannot be started, the answer stays the same. If the deployment sends no mail, a
    /// notice is left out, and a mail that a client waits for is refused. The refusal depends on
    /// the deployment alone, so it tells nothing about an address.
    pub fn add<O>(
        &self,
        plan: Plan<O>,
        kind: EmailKind,
        context: &Context,
        now: Timestamp,
    ) -> Result<Plan<O>, Problem> {
        let Some(worker) = &self.worker else {
            return if matches!(kind, EmailKind::Notice { .. }) {
                Ok(plan)
            } else {
                Err(Problem::no_mail())
            };
        };
        let asked_at = now.as_second();
        let id = ids::new_id(now);
        let context = context.clone();
        let expires_at = asked_at + MAIL_SECONDS;
        let task = Task { email_id: id.clone() };
        let queued = OutboxEmail { id, kind, context, asked_at, expires_at, taken: false };
        Ok(plan.write(self.emails.leave(&queued)?).after_commit(worker.start_after_commit(&task)))
    }
}
