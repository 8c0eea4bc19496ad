//! Gives an account another address. The old one is told, and what was mailed to it opens nothing any more.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::Note;
use platform::clock::Timestamp;
use platform::config::ConfigError;
use platform::context::Context;
use platform::domain::{Email, Hasher};
use platform::mail::{Letter, Notice, Postbox, Purpose};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::sessions::Confirmed;
use platform::store::{MailTokens, User, Users};

use crate::update::Changed;

/// What giving an account another address needs.
#[derive(Clone)]
pub struct Mover {
    pub users: Users,
    pub hasher: Hasher,
    tokens: MailTokens,
    postbox: Postbox,
}

/// The move of an account to an address, by its owner in a session.
pub struct Move {
    pub confirmed: Confirmed,
    pub email: Email,
    pub context: Context,
    pub now: Timestamp,
}

impl Mover {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform.database()?, &platform.config)?,
            hasher: Hasher::from_config(&platform.config)?,
            tokens: MailTokens::new(platform.database()?, &platform.config)?,
            postbox: Postbox::new(platform)?,
        })
    }

    /// The claims, the account and the notice, all or nothing. Boxed, because an account that changes meanwhile leads back here.
    pub fn plan(self, user: User, to: Move) -> BoxFuture<'static, Result<Plan<Changed>, Problem>> {
        async move {
            let note = Note::action("auth.email_changed").resource("user", &user.id);
            let confirmed = match to.confirmed.still(&user).await {
                Ok(confirmed) => confirmed,
                Err(problem) => return Ok(Plan::refuse(problem).note(note)),
            };
            let to = Move { confirmed, ..to };
            let after = User { email: to.email.to_string(), ..user.clone() };
            let claims = self.users.move_email_claim(&user, &to.email)?;
            let (mover, email) = (self.clone(), to.email.clone());
            let plan = Plan::reply(Changed { user: after.account() }).note(note);
            let plan = plan.write(self.tokens.forget(Purpose::PasswordReset, &user.id));
            let plan = self.postbox.add(plan, Letter::notice(Notice::EmailChanged, &user), &to.context, to.now)?;
            let plan = plan.write_or_replan(
                self.users.set_email(&user, &email),
                Box::new(move |found| {
                    async move {
                        let user = found.map(|item| mover.users.read(item)).transpose()?.ok_or_else(Problem::invalid_token)?;
                        mover.plan(user, to).await
                    }
                    .boxed()
                }),
            );
            // After the account's own write: were that stale, the address might be taken by the account itself.
            Ok(claims.into_iter().flatten().fold(plan, |plan, claim| plan.write_or(claim, Problem::account_exists())))
        }
        .boxed()
    }
}
