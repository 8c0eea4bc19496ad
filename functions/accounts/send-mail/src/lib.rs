//! The worker that sends mail: it takes an errand, makes the token that the mail carries, and hands the mail to SES.
//!
//! Each errand is sent at most once: the transaction that takes it is the one that makes its token. Where SES does not answer
//! after that, nothing comes, the invocation has failed, and whoever waits asks again.

mod letters;
mod ses;

use std::time::Instant;

use platform::audit::Note;
use platform::clock::Clock;
use platform::config::{ConfigError, invalid};
use platform::gate::{Gate, Passage};
use platform::ids;
use platform::mail::{Letter, Purpose, Task};
use platform::plan::{Plan, Replan};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::store::{Errand, Errands, MailToken, MailTokens, User, Users};
use platform::worker::{Invocation, Worker};

use letters::{App, Mail};
use ses::Ses;

/// The worker.
pub struct SendMail {
    errands: Errands,
    tokens: MailTokens,
    users: Users,
    gate: Gate,
    ses: Ses,
    app: App,
    clock: Clock,
}

impl Worker for SendMail {
    type Payload = Task;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let (config, database) = (&platform.config, platform.database()?);
        let from = config.require("MAIL_FROM")?;
        let from = from.parse().map_err(|_| invalid("MAIL_FROM", from, "it must be an address: set the parameter MailDomain"))?;
        Ok(Self {
            errands: Errands::new(database.clone(), config)?,
            tokens: MailTokens::new(database.clone(), config)?,
            users: Users::new(database, config)?,
            gate: Gate::for_workers(platform)?,
            ses: Ses::new(config, &from)?,
            app: App::new(config),
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, task: Task, _: Invocation) -> Result<(), Problem> {
        let now = self.clock.now();
        // Where it is not there, it has been run.
        let Some(errand) = self.errands.find(&task.errand_id, now).await? else { return Ok(()) };
        let passage = Passage { context: &errand.context, now, since: Instant::now(), action: None, claim: None };
        self.gate.commit(self.plan(&errand).await, None, &passage).await.map(drop)
    }
}

impl SendMail {
    /// Takes the errand; where someone has its address, makes the token and sends the mail.
    async fn plan(&self, errand: &Errand) -> Result<Plan<()>, Problem> {
        let plan = Plan::reply(()).write_or_replan(self.errands.take(&errand.id), nothing());
        match &errand.letter {
            Letter::PasswordReset { email } => {
                let Some(user) = self.owner(email).await? else { return Ok(plan) };
                let (token, plan) = self.issue(plan, &user, &user.email, Purpose::PasswordReset, errand)?;
                Ok(self.send(plan, letters::password_reset(&self.app, &user, &token)))
            }
            Letter::EmailVerification { email } => {
                let Some(user) = self.owner(email).await? else { return Ok(plan) };
                let Some(unverified) = &user.unverified_email else { return Ok(plan) };
                let (token, plan) = self.issue(plan, &user, unverified, Purpose::EmailVerification, errand)?;
                Ok(self.send(plan, letters::email_verification(&self.app, &user.username, unverified, &token)))
            }
            Letter::Notice { of, username, email } => Ok(self.send(plan, letters::notice(*of, username, email))),
        }
    }

    async fn owner(&self, email: &str) -> Result<Option<User>, Problem> {
        Ok(self.users.find(email).await?.filter(|user| user.is_active))
    }

    /// A token for an address; where a newer request has been answered, this one is.
    fn issue(&self, plan: Plan<()>, user: &User, email: &str, purpose: Purpose, errand: &Errand) -> Result<(String, Plan<()>), Problem> {
        let token = format!("{}.{}", user.id, ids::new_secret::<32>());
        let kept = MailToken {
            user_id: user.id.clone(),
            email: email.to_owned(),
            token_hash: ids::sha256(&token),
            expires_at: errand.asked_at + purpose.lifetime_seconds(),
        };
        let note = Note::action("auth.token_mailed").resource("user", &user.id).detail("purpose", purpose.name());
        Ok((token, plan.note(note).write_or_replan(self.tokens.issue(purpose, kept)?, nothing())))
    }

    fn send(&self, plan: Plan<()>, mail: Mail) -> Plan<()> {
        let ses = self.ses.clone();
        plan.then(Box::new(move || Box::pin(async move { ses.send(mail).await.map(|()| None) })))
    }
}

/// What is done where someone else has done it.
fn nothing() -> Replan<()> {
    Box::new(|_| Box::pin(async { Ok(Plan::reply(())) }))
}
