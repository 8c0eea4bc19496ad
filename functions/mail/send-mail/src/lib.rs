//! The worker that sends mail. It takes a queued mail, makes the token that the mail carries, and
//! hands the mail to SES.
//!
//! Each queued mail is sent at most once, because the transaction that takes it also makes its
//! token. If SES refuses the mail or does not answer after that, the invocation fails. Lambda
//! starts the worker again for the same queued mail. That run fails too, because the queued mail
//! was taken and is still there. So the queued mail's id ends in the failure queue, where operators
//! see it.

mod ses;
mod texts;

use platform::audit::AuditDetails;
use platform::clock::Clock;
use platform::config::invalid;
use platform::domain::Email;
use platform::gate::{Committer, RequestInfo};
use platform::plan::Retry;
use platform::runtime::Invocation;
use platform::store::{User, Users};
use platform::worker::Worker;
use platform::{ConfigError, Plan, Platform, Problem, ids};
use tally_accounts::domain::{EmailKind, Purpose};
use tally_accounts::mail::Task;
use tally_accounts::store::{MailToken, MailTokens, OutboxEmail, OutboxEmails};

use ses::Ses;
use texts::{App, Mail};

/// The worker.
pub struct SendMail {
    emails: OutboxEmails,
    tokens: MailTokens,
    users: Users,
    committer: Committer,
    ses: Ses,
    app: App,
    clock: Clock,
}

impl Worker for SendMail {
    type Payload = Task;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let domain = config.require("MAIL_DOMAIN")?;
        let from = format!("no-reply@{domain}")
            .parse()
            .map_err(|_| invalid("MAIL_DOMAIN", domain, "it must be a domain name"))?;
        Ok(Self {
            emails: OutboxEmails::new(platform)?,
            tokens: MailTokens::new(platform)?,
            users: Users::new(platform)?,
            committer: Committer::new(platform)?,
            ses: Ses::new(config, &from)?,
            app: App::new(config),
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, task: Task, _: Invocation) -> Result<(), Problem> {
        let now = self.clock.now();
        // A queued mail that is not there has been run.
        let Some(queued) = self.emails.find(&task.email_id, now).await? else { return Ok(()) };
        if queued.taken {
            tracing::error!(
                email_id = queued.id,
                "failed to send a mail: an earlier run took its queued mail"
            );
            return Err(Problem::unavailable());
        }
        let info = RequestInfo::new(&queued.context, now, None);
        self.committer.commit(self.plan(&queued).await, None, &info).await.map(drop)
    }
}

impl SendMail {
    /// Takes the queued mail, makes the token and sends the mail. If no mail comes of a queued
    /// mail, the queued mail is dropped.
    async fn plan(&self, queued: &OutboxEmail) -> Result<Plan<()>, Problem> {
        let dropped =
            || Ok(Plan::reply(()).write_or_retry(self.emails.drop(&queued.id), nothing()));
        let plan = Plan::reply(()).write_or_retry(self.emails.take(&queued.id), nothing());
        let (plan, mail) = match &queued.kind {
            EmailKind::PasswordReset { email } => {
                let Some((user, own)) = self.owner(email).await? else { return dropped() };
                let (token, plan) =
                    self.issue(plan, &user, &own, Purpose::PasswordReset, queued)?;
                (plan, texts::password_reset(&self.app, &user.username, &own, &token))
            }
            EmailKind::EmailVerification { email, moving_to } => {
                let Some((user, own)) = self.owner(email).await? else { return dropped() };
                let Some(unverified) = &user.unverified_email else { return dropped() };
                // The mail counted for this address. If the account waits for another address by
                // now, that address has a mail of its own.
                if unverified != moving_to.as_ref().unwrap_or(&own) {
                    return dropped();
                }
                let (token, plan) =
                    self.issue(plan, &user, unverified, Purpose::EmailVerification, queued)?;
                (plan, texts::email_verification(&self.app, &user.username, unverified, &token))
            }
            EmailKind::Notice { of, username, email } => {
                (plan, texts::notice(*of, username, email))
            }
        };
        // Some addresses are older than today's rules of `Email`. SES takes none of them, or the
        // mail would go to a look-alike.
        let Ok(to) = mail.to.parse() else {
            tracing::warn!(
                email_id = queued.id,
                "failed to send a mail: the address of the account is not valid"
            );
            return dropped();
        };
        Ok(self.send(plan, &queued.id, to, mail))
    }

    /// The active account with this address, and the address as the account has it. An account with
    /// single sign-on is none, so no mail comes of it.
    async fn owner(&self, email: &str) -> Result<Option<(User, String)>, Problem> {
        let user = self.users.find(email).await?.filter(|user| user.is_active);
        Ok(user.and_then(|user| user.email.clone().map(|own| (user, own))))
    }

    /// A token for an address. If a newer request has been answered, this one counts as answered.
    fn issue(
        &self,
        plan: Plan<()>,
        user: &User,
        email: &str,
        purpose: Purpose,
        queued: &OutboxEmail,
    ) -> Result<(String, Plan<()>), Problem> {
        let token = format!("{}.{}", user.id, ids::new_secret::<32>());
        let kept = MailToken {
            user_id: user.id.clone(),
            email: email.to_owned(),
            token_hash: ids::sha256(&token),
            expires_at: queued.asked_at + purpose.lifetime_seconds(),
        };
        let details = AuditDetails::action("auth.token_mailed")
            .resource("user", &user.id)
            .detail("purpose", purpose.name());
        let plan =
            plan.details(details).write_or_retry(self.tokens.issue(purpose, kept)?, nothing());
        // An account that is deactivated meanwhile gets no token, because the token would become
        // valid again with the account.
        Ok((token, plan.write_or_retry(self.users.must_be_active(&user.id), nothing())))
    }

    fn send(&self, plan: Plan<()>, email_id: &str, to: Email, mail: Mail) -> Plan<()> {
        let ses = self.ses.clone();
        let emails = self.emails.clone();
        let email_id = email_id.to_owned();
        let send = async move {
            ses.send(to, mail).await?;
            if let Err(error) = emails.done(&email_id).await {
                // The mail is sent, so nothing has to be done again. The queued mail expires.
                tracing::warn!(
                    %error,
                    email_id,
                    "failed to delete a queued mail after it was sent; it expires"
                );
            }
            Ok(None)
        };
        plan.after_commit(Box::new(move || Box::pin(send)))
    }
}

/// The plan if another worker does the work, or the account has changed: it does nothing.
fn nothing() -> Retry<()> {
    Box::new(|_| Box::pin(async { Ok(Plan::reply(())) }))
}
