//! Sets a password. Sessions that began with the old one end, and the owner is told by mail.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::{Actor, Note};
use platform::clock::Timestamp;
use platform::config::ConfigError;
use platform::context::Context;
use platform::domain::Hasher;
use platform::mail::{Letter, Postbox, Purpose};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::sessions::Ending;
use platform::store::{MailToken, MailTokens, User, Users};

/// What setting a password needs.
#[derive(Clone)]
pub struct Setter {
    pub users: Users,
    pub tokens: MailTokens,
    pub hasher: Hasher,
    ending: Ending,
    postbox: Postbox,
}

/// What entitles to set an account's password.
#[derive(Clone)]
pub enum Warrant {
    /// A token that was mailed.
    Mail(MailToken),
}

/// What is to be set.
#[derive(Clone)]
pub struct Change {
    pub warrant: Warrant,
    pub password_hash: String,
    pub context: Context,
    pub now: Timestamp,
}

impl Warrant {
    /// Whether it is one for the account as it stands: an address that is not the account's any more lets nobody in.
    pub fn admits(&self, user: &User) -> bool {
        user.is_active
            && match self {
                Warrant::Mail(token) => user.email == token.email,
            }
    }

    /// What is answered where it is not.
    pub fn refusal(&self) -> Problem {
        match self {
            Warrant::Mail(_) => Problem::invalid_mail_token(),
        }
    }

    /// The session that goes on.
    fn session_id(&self) -> Option<&str> {
        match self {
            Warrant::Mail(_) => None,
        }
    }
}

impl Setter {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform.database()?, &platform.config)?,
            tokens: MailTokens::new(platform.database()?, &platform.config)?,
            hasher: Hasher::from_config(&platform.config)?,
            ending: Ending::new(platform)?,
            postbox: Postbox::new(platform)?,
        })
    }

    /// Sets the password, makes any mailed token worthless and ends the sessions that the account has; if another begins
    /// meanwhile, a new plan ends that one too.
    pub fn plan(self, user: User, change: Change) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            if !change.warrant.admits(&user) {
                return Err(change.warrant.refusal());
            }
            let kept = change.warrant.session_id().map(str::to_owned);
            let ended: Vec<_> = user.sessions.keys().filter(|id| Some(*id) != kept.as_ref()).cloned().collect();
            let actor = Actor { session_id: kept.clone(), ..Actor::user(&user.id, &user.username) };
            let note = Note::default().actor(actor).resource("user", &user.id).detail("ended_sessions", ended.clone());
            let plan = Plan::reply(()).note(note);
            let plan = match &change.warrant {
                Warrant::Mail(token) => {
                    let spend = self.tokens.spend(Purpose::PasswordReset, token, change.now);
                    plan.write_or(spend, change.warrant.refusal())
                }
            };
            let plan = self.ending.add(plan, ended);
            let letter = Letter::PasswordChanged { user_id: user.id.clone() };
            let plan = self.postbox.add(plan, letter, &change.context, change.now)?;
            let set = self.users.set_password(&user, &change.password_hash, kept.as_deref());
            Ok(plan.write_or_replan(
                set,
                Box::new(move |found| {
                    async move {
                        let user = found.map(|item| self.users.read(item)).transpose()?;
                        self.plan(user.ok_or_else(|| change.warrant.refusal())?, change).await
                    }
                    .boxed()
                }),
            ))
        }
        .boxed()
    }
}
