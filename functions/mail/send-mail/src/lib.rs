//! The worker that sends mail. It takes an errand (a queued mail), makes the token that the mail carries, and hands the mail to SES.
//!
//! Each errand is sent at most once, because the transaction that takes it also makes its token. If SES refuses the mail or does not answer
//! after that, the invocation fails. Lambda starts the worker again for the same errand. That run fails too, because the errand was taken
//! and is still there. So the errand's id ends in the failure queue, where operators see it.

mod letters;
mod ses;

use platform::audit::Note;
use platform::clock::Clock;
use platform::config::{ConfigError, invalid};
use platform::domain::Email;
use platform::gate::{Committer, RequestInfo};
use platform::ids;
use platform::plan::{Plan, Replan};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::runtime::Invocation;
use platform::store::{User, Users};
use platform::worker::Worker;
use tally_accounts::domain::{Letter, Purpose};
use tally_accounts::mail::Task;
use tally_accounts::store::{Errand, Errands, MailToken, MailTokens};

use letters::{App, Mail};
use ses::Ses;

/// The worker.
pub struct SendMail {
    errands: Errands,
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
        let (config, database) = (&platform.config, platform.database()?);
        let domain = config.require("MAIL_DOMAIN")?;
        let from = format!("no-reply@{domain}").parse().map_err(|_| invalid("MAIL_DOMAIN", domain, "it must be a domain name"))?;
        Ok(Self {
            errands: Errands::new(database.clone(), config)?,
            tokens: MailTokens::new(database.clone(), config)?,
            users: Users::new(database, config)?,
            committer: Committer::new(platform)?,
            ses: Ses::new(config, &from)?,
            app: App::new(config),
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, task: Task, _: Invocation) -> Result<(), Problem> {
        let now = self.clock.now();
        // An errand that is not there has been run.
        let Some(errand) = self.errands.find(&task.errand_id, now).await? else { return Ok(()) };
        if errand.taken {
            tracing::error!(errand_id = errand.id, "failed to send a mail: an earlier run took its errand");
            return Err(Problem::unavailable());
        }
        let info = RequestInfo::new(&errand.context, now, None);
        self.committer.commit(self.plan(&errand).await, None, &info).await.map(drop)
    }
}

impl SendMail {
    /// Takes the errand, makes the token and sends the mail. If no mail comes of an errand, the errand is dropped.
    async fn plan(&self, errand: &Errand) -> Result<Plan<()>, Problem> {
        let dropped = || Ok(Plan::reply(()).write_or_replan(self.errands.drop(&errand.id), nothing()));
        let plan = Plan::reply(()).write_or_replan(self.errands.take(&errand.id), nothing());
        let (plan, mail) = match &errand.letter {
            Letter::PasswordReset { email } => {
                let Some(user) = self.owner(email).await? else { return dropped() };
                let (token, plan) = self.issue(plan, &user, &user.email, Purpose::PasswordReset, errand)?;
                (plan, letters::password_reset(&self.app, &user, &token))
            }
            Letter::EmailVerification { email, moving_to } => {
                let Some(user) = self.owner(email).await? else { return dropped() };
                let Some(unverified) = &user.unverified_email else { return dropped() };
                // The mail counted for this address. If the account waits for another address by now, that address has a letter of its own.
                if unverified != moving_to.as_ref().unwrap_or(&user.email) {
                    return dropped();
                }
                let (token, plan) = self.issue(plan, &user, unverified, Purpose::EmailVerification, errand)?;
                (plan, letters::email_verification(&self.app, &user.username, unverified, &token))
            }
            Letter::Notice { of, username, email } => (plan, letters::notice(*of, username, email)),
        };
        // Some addresses are older than today's rules of `Email`. SES takes none of them, or the mail would go to a look-alike.
        let Ok(to) = mail.to.parse() else {
            tracing::warn!(errand_id = errand.id, "failed to send a mail: the address of the account is not valid");
            return dropped();
        };
        Ok(self.send(plan, &errand.id, to, mail))
    }

    async fn owner(&self, email: &str) -> Result<Option<User>, Problem> {
        Ok(self.users.find(email).await?.filter(|user| user.is_active))
    }

    /// A token for an address. If a newer request has been answered, this one counts as answered.
    fn issue(&self, plan: Plan<()>, user: &User, email: &str, purpose: Purpose, errand: &Errand) -> Result<(String, Plan<()>), Problem> {
        let token = format!("{}.{}", user.id, ids::new_secret::<32>());
        let kept = MailToken {
            user_id: user.id.clone(),
            email: email.to_owned(),
            token_hash: ids::sha256(&token),
            expires_at: errand.asked_at + purpose.lifetime_seconds(),
        };
        let note = Note::action("auth.token_mailed").resource("user", &user.id).detail("purpose", purpose.name());
        let plan = plan.note(note).write_or_replan(self.tokens.issue(purpose, kept)?, nothing());
        // An account that is deactivated meanwhile gets no token, because the token would become valid again with the account.
        Ok((token, plan.write_or_replan(self.users.must_be_active(&user.id), nothing())))
    }

    fn send(&self, plan: Plan<()>, errand_id: &str, to: Email, mail: Mail) -> Plan<()> {
        let (ses, errands, errand_id) = (self.ses.clone(), self.errands.clone(), errand_id.to_owned());
        let send = async move {
            ses.send(to, mail).await?;
            if let Err(error) = errands.done(&errand_id).await {
                // The mail is sent, so nothing has to be done again. The errand expires.
                tracing::warn!(%error, errand_id, "failed to delete the errand of a mail that was sent; the errand expires");
            }
            Ok(None)
        };
        plan.then(Box::new(move || Box::pin(send)))
    }
}

/// The plan if another worker does the work, or the account has changed: it does nothing.
fn nothing() -> Replan<()> {
    Box::new(|_| Box::pin(async { Ok(Plan::reply(())) }))
}
