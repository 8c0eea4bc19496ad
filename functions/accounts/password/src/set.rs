//! Sets a password. Sessions that began with the old one end, and the owner is told by mail.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::{Actor, AuditDetails};
use platform::clock::Timestamp;
use platform::context::Context;
use platform::input::Fields;
use platform::store::{User, Users};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_accounts::domain::{EmailKind, Hasher, Notice, Password, Purpose};
use tally_accounts::mail::EmailOutbox;
use tally_accounts::sessions::{Confirmed, Ending};
use tally_accounts::store::{MailToken, MailTokens};

/// The parts that setting a password needs.
#[derive(Clone)]
pub struct Setter {
    pub users: Users,
    pub hasher: Hasher,
    tokens: MailTokens,
    ending: Ending,
    outbox: EmailOutbox,
}

/// The authority to set an account's password.
pub enum Authority {
    /// A token that was mailed.
    Mail(MailToken),
    /// A session in which the caller gave the current password. That session goes on.
    Session(Confirmed),
}

/// The password to set, and the authority for it.
pub struct Change {
    pub authority: Authority,
    pub new_password: Password,
    pub context: Context,
    pub now: Timestamp,
}

/// The field `new_password`, checked by the rules that need no other field.
pub fn new_password(fields: &mut Fields) -> Option<Password> {
    let password: Password = fields.required("new_password")?;
    if let Some(objection) = password.objection(None) {
        fields.refuse("new_password", objection);
    }
    Some(password)
}

/// Whether an account may have the password.
pub fn judge(new_password: &Password, username: &str) -> Result<(), Problem> {
    let objection = new_password.objection(username.parse().ok().as_ref());
    objection.map_or(Ok(()), |objection| Err(Problem::invalid_field("new_password", objection)))
}

impl Authority {
    /// The authority for the account as it stands, if it is one. A token is refused if its address
    /// is no longer the account's. An account with single sign-on gets no password.
    async fn still(self, user: &User) -> Result<Self, Problem> {
        match self {
            Self::Mail(token)
                if user.is_active
                    && user.sso.is_none()
                    && user.email.as_ref() == Some(&token.email) =>
            {
                Ok(Self::Mail(token))
            }
            Self::Mail(_) => Err(Problem::invalid_mail_token()),
            Self::Session(confirmed) => Ok(Self::Session(confirmed.still(user).await?)),
        }
    }

    fn session_id(&self) -> Option<&str> {
        match self {
            Self::Mail(_) => None,
            Self::Session(confirmed) => Some(&confirmed.caller.session_id),
        }
    }
}

impl Setter {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            tokens: MailTokens::new(platform)?,
            hasher: Hasher::from_config(&platform.config)?,
            ending: Ending::new(platform)?,
            outbox: EmailOutbox::new(platform)?,
        })
    }

    /// Sets a password that the account may have, invalidates any mailed token for a password and
    /// ends the account's other sessions. A mailed token ends its API keys too.
    pub async fn set(&self, user: User, change: Change) -> Result<Plan<()>, Problem> {
        let Change { authority, new_password, context, now } = change;
        let authority = authority.still(&user).await?;
        let hash = self.hasher.hash(&new_password).await?;
        self.clone().plan(user, authority, hash, context, now).await
    }

    /// Boxed, because it calls this function again if a session begins meanwhile. That session ends
    /// as well.
    fn plan(
        self,
        user: User,
        authority: Authority,
        hash: String,
        context: Context,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let authority = authority.still(&user).await?;
            let kept = authority.session_id().map(str::to_owned);
            let ended: Vec<_> =
                user.sessions.keys().filter(|id| Some(*id) != kept.as_ref()).cloned().collect();
            let actor = Actor { session_id: kept.clone(), ..Actor::user(&user.id, &user.username) };
            let details = AuditDetails::default()
                .actor(actor)
                .resource("user", &user.id)
                .detail("ended_sessions", ended.clone());
            let token = match &authority {
                Authority::Mail(token) => self.tokens.spend(Purpose::PasswordReset, token, now),
                Authority::Session(_) => self.tokens.forget(Purpose::PasswordReset, &user.id),
            };
            let (details, notice) = match &authority {
                Authority::Mail(_) => (
                    details.detail(
                        "ended_api_keys",
                        user.api_keys.keys().cloned().collect::<Vec<_>>(),
                    ),
                    Notice::PasswordReset,
                ),
                Authority::Session(_) => (details, Notice::PasswordChanged),
            };
            let plan =
                Plan::reply(()).details(details).write_or(token, Problem::invalid_mail_token());
            let plan = self.ending.add(plan, &ended).await?;
            let plan = self.outbox.add(plan, EmailKind::notice(notice, &user), &context, now)?;
            let set = self.users.set_password(&user, &hash, kept.as_deref());
            Ok(plan.write_or_retry(
                set,
                Box::new(move |found| {
                    async move {
                        let user = found
                            .map(|item| self.users.read(item))
                            .transpose()?
                            .ok_or_else(Problem::invalid_token)?;
                        self.plan(user, authority, hash, context, now).await
                    }
                    .boxed()
                }),
            ))
        }
        .boxed()
    }
}
