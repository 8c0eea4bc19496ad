//! Gives an account another address: at once, or, where addresses are verified, once this one is verified. The old address is told, and a
//! token that was mailed to it opens nothing any more. If the account has the address already, nothing changes, except that it gives up
//! another address that it waits for.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use platform::audit::{Actor, Note};
use platform::clock::Timestamp;
use platform::config::ConfigError;
use platform::context::Context;
use platform::domain::Email;
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::store::{User, Users};
use tally_accounts::domain::{Hasher, Letter, Notice, Purpose};
use tally_accounts::mail::Postbox;
use tally_accounts::sessions::Confirmed;
use tally_accounts::store::{MailToken, MailTokens};

use crate::Changed;

/// The parts that a change of address needs.
#[derive(Clone)]
pub struct Mover {
    pub users: Users,
    pub hasher: Hasher,
    pub tokens: MailTokens,
    postbox: Postbox,
    /// The setting `EMAIL_VERIFICATION`.
    verifies: bool,
}

/// The authority to give an account an address.
pub enum Warrant {
    /// A session in which the caller gave the password.
    Session(Confirmed),
    /// A token that was mailed to that address.
    Mail(MailToken),
}

/// The move of an account to an address.
pub struct Move {
    pub warrant: Warrant,
    pub email: Email,
    pub context: Context,
    pub now: Timestamp,
}

/// What a move does to the account.
#[derive(Clone, Copy)]
enum Step {
    /// The account has the address already.
    Stay,
    /// The account has the address already, and no longer waits for another.
    GiveUp,
    /// The account waits until the address is verified.
    Wait,
    /// The account gets the address.
    Relocate,
}

impl Warrant {
    /// The warrant for the account as it stands, if it is one. A token can verify only the address that the account waits for now.
    async fn still(self, user: &User) -> Result<Self, Problem> {
        match self {
            Self::Session(confirmed) => Ok(Self::Session(confirmed.still(user).await?)),
            Self::Mail(token) if user.is_active && user.unverified_email.as_ref() == Some(&token.email) => Ok(Self::Mail(token)),
            Self::Mail(_) => Err(Problem::invalid_mail_token()),
        }
    }
}

impl Mover {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform.database()?, &platform.config)?,
            hasher: Hasher::from_config(&platform.config)?,
            tokens: MailTokens::new(platform.database()?, &platform.config)?,
            postbox: Postbox::new(platform)?,
            verifies: platform.config.switch("EMAIL_VERIFICATION")?,
        })
    }

    /// Whether an account waits for another address until that is verified.
    pub fn verifies(&self) -> bool {
        self.verifies
    }

    /// The claims, the account and the mail, all or nothing. Boxed, because it calls this function again if the account changes meanwhile.
    pub fn plan(self, user: User, to: Move) -> BoxFuture<'static, Result<Plan<Changed>, Problem>> {
        async move {
            let step = self.step(&user, &to);
            let note = step.note(&user, &to);
            let warrant = match to.warrant.still(&user).await {
                Ok(warrant) => warrant,
                Err(problem) => return Ok(Plan::refuse(problem).note(note)),
            };
            let to = Move { warrant, ..to };
            let (plan, writes) = match step {
                Step::Stay => (Plan::reply(Changed { user: user.account() }), Vec::new()),
                Step::GiveUp => {
                    let after = User { unverified_email: None, ..user.clone() };
                    (Plan::reply(Changed { user: after.account() }), vec![self.users.keep_email(&user)])
                }
                Step::Wait => (self.wait(&user, &to)?, vec![self.users.await_email(&user, &to.email)]),
                Step::Relocate => (self.relocate(&user, &to)?, self.users.move_email(&user, &to.email)?),
            };
            let mut overtaken = Some(move |found: Option<_>| {
                async move {
                    let user = found.map(|item| self.users.read(item)).transpose()?.ok_or_else(Problem::invalid_token)?;
                    self.plan(user, to).await
                }
                .boxed()
            });
            // The account's own write comes first. If its state were stale, the account itself might have the address already.
            Ok(writes.into_iter().fold(plan.note(note), |plan, write| match overtaken.take() {
                Some(overtaken) => plan.write_or_replan(write, Box::new(overtaken)),
                None => plan.write_or(write, Problem::account_exists()),
            }))
        }
        .boxed()
    }

    fn step(&self, user: &User, to: &Move) -> Step {
        let by_mail = matches!(to.warrant, Warrant::Mail(_));
        match &user.unverified_email {
            _ if by_mail => Step::Relocate,
            Some(_) if user.email == to.email.to_string() && !user.is_unverified() => Step::GiveUp,
            _ if user.email == to.email.to_string() => Step::Stay,
            _ if self.verifies => Step::Wait,
            _ => Step::Relocate,
        }
    }

    /// The plan for an account that waits for another address. It sends a mail there.
    fn wait(&self, user: &User, to: &Move) -> Result<Plan<Changed>, Problem> {
        let after = User { unverified_email: Some(to.email.to_string()), ..user.clone() };
        let plan = Plan::reply(Reply::new(Changed { user: after.account() }).status(StatusCode::ACCEPTED));
        let letter = Letter::EmailVerification { email: user.email.clone(), moving_to: Some(to.email.to_string()) };
        self.postbox.add(plan, letter, &to.context, to.now)
    }

    /// The plan for an account that gets another address. It uses up the token and tells the old address.
    fn relocate(&self, user: &User, to: &Move) -> Result<Plan<Changed>, Problem> {
        let after = User { email: to.email.to_string(), unverified_email: None, ..user.clone() };
        let plan = Plan::reply(Changed { user: after.account() });
        let plan = match &to.warrant {
            Warrant::Session(_) => plan,
            Warrant::Mail(token) => {
                plan.write_or(self.tokens.spend(Purpose::EmailVerification, token, to.now), Problem::invalid_mail_token())
            }
        };
        if after.email == user.email {
            return Ok(plan);
        }
        let plan = plan.write(self.tokens.forget(Purpose::PasswordReset, &user.id));
        self.postbox.add(plan, Letter::notice(Notice::EmailChanged, user), &to.context, to.now)
    }
}

impl Step {
    fn note(self, user: &User, to: &Move) -> Note {
        let note = match (self, &to.warrant) {
            (Self::Stay, _) => Note::default().detail("changed", Vec::<&str>::new()),
            (Self::GiveUp | Self::Wait, _) => Note::default().detail("changed", vec!["unverified_email"]),
            (Self::Relocate, Warrant::Mail(token)) if token.email == user.email => Note::action("auth.email_verified"),
            (Self::Relocate, _) => Note::action("auth.email_changed"),
        };
        let note = note.resource("user", &user.id);
        match &to.warrant {
            Warrant::Session(_) => note,
            Warrant::Mail(_) => note.actor(Actor::user(&user.id, &user.username)),
        }
    }
}
