//! Gives an account another address: at once, or, where addresses are verified, once this one is
//! verified. The old address is told, and a token that was mailed to it opens nothing any more. If
//! the account has the address already, nothing changes, except that it gives up another address
//! that it waits for.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use platform::audit::{Actor, AuditDetails};
use platform::clock::Timestamp;
use platform::context::Context;
use platform::domain::Email;
use platform::plan::Reply;
use platform::store::{User, Users};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_accounts::domain::{EmailKind, Hasher, Notice, Purpose};
use tally_accounts::mail::EmailOutbox;
use tally_accounts::sessions::Confirmed;
use tally_accounts::store::{MailToken, MailTokens};

use crate::Changed;

/// The parts that a change of address needs.
#[derive(Clone)]
pub struct EmailChanger {
    pub users: Users,
    pub hasher: Hasher,
    pub tokens: MailTokens,
    outbox: EmailOutbox,
    /// The setting `EMAIL_VERIFICATION`.
    verifies: bool,
}

/// The authority to give an account an address.
pub enum Authority {
    /// A session in which the caller gave the password.
    Session(Confirmed),
    /// A token that was mailed to that address.
    Mail(MailToken),
}

/// The move of an account to an address.
pub struct EmailChange {
    pub authority: Authority,
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

impl Authority {
    /// The authority for the account as it stands, if it is one. A token can verify only the
    /// address that the account waits for now. An account with single sign-on waits for none.
    async fn still(self, user: &User) -> Result<Self, Problem> {
        match self {
            Self::Session(confirmed) => Ok(Self::Session(confirmed.still(user).await?)),
            Self::Mail(token)
                if user.is_active
                    && user.sso.is_none()
                    && user.unverified_email.as_ref() == Some(&token.email) =>
            {
                Ok(Self::Mail(token))
            }
            Self::Mail(_) => Err(Problem::invalid_mail_token()),
        }
    }
}

impl EmailChanger {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            hasher: Hasher::from_config(&platform.config)?,
            tokens: MailTokens::new(platform)?,
            outbox: EmailOutbox::new(platform)?,
            verifies: platform.config.switch("EMAIL_VERIFICATION")?,
        })
    }

    /// Whether an account waits for another address until that is verified.
    pub fn verifies(&self) -> bool {
        self.verifies
    }

    /// The claims, the account and the mail, all or nothing. Boxed, because it calls this function
    /// again if the account changes meanwhile.
    pub fn plan(
        self,
        user: User,
        to: EmailChange,
    ) -> BoxFuture<'static, Result<Plan<Changed>, Problem>> {
        async move {
            let step = self.step(&user, &to);
            let details = step.details(&user, &to);
            let authority = match to.authority.still(&user).await {
                Ok(authority) => authority,
                Err(problem) => return Ok(Plan::refuse(problem).details(details)),
            };
            let to = EmailChange { authority, ..to };
            let (plan, writes) = match step {
                Step::Stay => (Plan::reply(Changed { user: user.account() }), Vec::new()),
                Step::GiveUp => {
                    let after = User { unverified_email: None, ..user.clone() };
                    (
                        Plan::reply(Changed { user: after.account() }),
                        vec![self.users.keep_email(&user)],
                    )
                }
                Step::Wait => {
                    (self.wait(&user, &to)?, vec![self.users.await_email(&user, &to.email)])
                }
                Step::Relocate => {
                    (self.relocate(&user, &to)?, self.users.move_email(&user, &to.email)?)
                }
            };
            let mut overtaken = Some(move |found: Option<_>| {
                async move {
                    let user = found
                        .map(|item| self.users.read(item))
                        .transpose()?
                        .ok_or_else(Problem::invalid_token)?;
                    self.plan(user, to).await
                }
                .boxed()
            });
            // The account's own write comes first. If its state were stale, the account itself
            // might have the address already.
            Ok(writes.into_iter().fold(plan.details(details), |plan, write| {
                match overtaken.take() {
                    Some(overtaken) => plan.write_or_retry(write, Box::new(overtaken)),
                    None => plan.write_or(write, Problem::account_exists()),
                }
            }))
        }
        .boxed()
    }

    fn step(&self, user: &User, to: &EmailChange) -> Step {
        let by_mail = matches!(to.authority, Authority::Mail(_));
        let is_same = user.email.as_ref() == Some(&to.email.to_string());
        match &user.unverified_email {
            _ if by_mail => Step::Relocate,
            Some(_) if is_same && !user.is_unverified() => Step::GiveUp,
            _ if is_same => Step::Stay,
            _ if self.verifies => Step::Wait,
            _ => Step::Relocate,
        }
    }

    /// The plan for an account that waits for another address. It sends a mail there.
    fn wait(&self, user: &User, to: &EmailChange) -> Result<Plan<Changed>, Problem> {
        let after = User { unverified_email: Some(to.email.to_string()), ..user.clone() };
        let plan =
            Plan::reply(Reply::new(Changed { user: after.account() }).status(StatusCode::ACCEPTED));
        let kind = EmailKind::EmailVerification {
            email: user.email.clone().unwrap_or_default(),
            moving_to: Some(to.email.to_string()),
        };
        self.outbox.add(plan, kind, &to.context, to.now)
    }

    /// The plan for an account that gets another address. It uses up the token and tells the old
    /// address.
    fn relocate(&self, user: &User, to: &EmailChange) -> Result<Plan<Changed>, Problem> {
        let email = Some(to.email.to_string());
        let after = User { email, unverified_email: None, ..user.clone() };
        let plan = Plan::reply(Changed { user: after.account() });
        let plan = match &to.authority {
            Authority::Session(_) => plan,
            Authority::Mail(token) => plan.write_or(
                self.tokens.spend(Purpose::EmailVerification, token, to.now),
                Problem::invalid_mail_token(),
            ),
        };
        if after.email == user.email {
            return Ok(plan);
        }
        let plan = plan.write(self.tokens.forget(Purpose::PasswordReset, &user.id));
        self.outbox.add(plan, EmailKind::notice(Notice::EmailChanged, user), &to.context, to.now)
    }
}

impl Step {
    fn details(self, user: &User, to: &EmailChange) -> AuditDetails {
        let details = match (self, &to.authority) {
            (Self::Stay, _) => AuditDetails::default().detail("changed", Vec::<&str>::new()),
            (Self::GiveUp | Self::Wait, _) => {
                AuditDetails::default().detail("changed", vec!["unverified_email"])
            }
            (Self::Relocate, Authority::Mail(token))
                if Some(&token.email) == user.email.as_ref() =>
            {
                AuditDetails::action("auth.email_verified")
            }
            (Self::Relocate, _) => AuditDetails::action("auth.email_changed"),
        };
        let details = details.resource("user", &user.id);
        match &to.authority {
            Authority::Session(_) => details,
            Authority::Mail(_) => details.actor(Actor::user(&user.id, &user.username)),
        }
    }
}
