//! Signs in with a password. `POST /auth/login` and OAuth 2.0's password grant share this code.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::audit::{Actor, AuditDetails};
use platform::context::Context;
use platform::database::Write;
use platform::domain::{Fingerprint, Identifier};
use platform::fingerprinter::Fingerprinter;
use platform::limits::attempt_subject;
use platform::store::{LimitCounters, User, Users};
use platform::{ConfigError, Plan, Platform, Problem};

use super::SignIn;
use crate::domain::{Hasher, Password};
use crate::tokens::TokenPair;

/// Signs users in with a password.
#[derive(Clone)]
pub struct PasswordLogin {
    users: Users,
    hasher: Hasher,
    sign_in: SignIn,
    counters: LimitCounters,
    fingerprinter: Fingerprinter,
    /// The setting `EMAIL_VERIFICATION`.
    verifies: bool,
}

/// An attempt to sign in.
#[derive(Clone)]
pub struct Attempt {
    /// Username or email address that the caller gave.
    pub identifier: Identifier,
    /// Password that the caller gave.
    pub password: Password,
    /// Circumstances of the request.
    pub context: Context,
    /// Time of the attempt.
    pub now: Timestamp,
}

/// A password that was right.
struct Proof {
    /// The hash that it matched.
    hash: String,
    /// The hash that replaces it, if it is weaker than the setting asks for.
    stronger: Option<String>,
}

impl PasswordLogin {
    /// Builds its parts from the platform.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            hasher: Hasher::from_config(&platform.config)?,
            sign_in: SignIn::new(platform)?,
            counters: LimitCounters::new(platform)?,
            fingerprinter: Fingerprinter::new(platform)?,
            verifies: platform.config.switch("EMAIL_VERIFICATION")?,
        })
    }

    /// The fingerprint under which attempts for an identifier are counted. A route that takes
    /// attempts has to be limited by it.
    pub async fn fingerprint(&self, identifier: &Identifier) -> Result<Fingerprint, Problem> {
        self.fingerprinter.identifier(identifier.as_str()).await
    }

    /// Plans a session for this user. A wrong password, an unknown user and an inactive account get
    /// the same answer, after the same work.
    pub async fn plan(&self, attempt: Attempt) -> Result<Plan<TokenPair>, Problem> {
        let user = self.users.find(attempt.identifier.as_str()).await?;
        self.clone().judge(user, attempt, None).await
    }

    /// Boxed, because a lost race leads back here. A password that was proven is hashed again only
    /// if the stored hash has changed meanwhile. That may be the hash of a new password, or a
    /// stronger one of the same password that another login has just made.
    fn judge(
        self,
        user: Option<User>,
        attempt: Attempt,
        proof: Option<Proof>,
    ) -> BoxFuture<'static, Result<Plan<TokenPair>, Problem>> {
        async move {
            let hash = user.as_ref().and_then(|user| user.password_hash.as_deref());
            let proof = match proof.filter(|proof| hash == Some(&proof.hash)) {
                Some(proof) => Some(proof),
                None => self.check(&attempt.password, user.as_ref()).await?,
            };
            match (user, proof) {
                // Only a caller who knows the password learns this, so the attempt was no guess.
                (Some(user), Some(_))
                    if user.is_active && self.verifies && user.is_unverified() =>
                {
                    let forgive = self.forgive(&attempt).await?;
                    Ok(self
                        .refuse(Some(user), attempt, Problem::email_unverified())
                        .await?
                        .write(forgive))
                }
                (Some(user), Some(proof)) if user.is_active => {
                    let stronger = proof.stronger.clone();
                    let context = attempt.context.clone();
                    let now = attempt.now;
                    let forgive = self.forgive(&attempt).await?;
                    let sign_in = self.sign_in.clone();
                    let overtaken = Box::new(move |found: Option<_>| {
                        async move {
                            let user = found.map(|item| self.users.read(item)).transpose()?;
                            self.judge(user, attempt, Some(proof)).await
                        }
                        .boxed()
                    });
                    Ok(sign_in
                        .plan(&user, stronger.as_deref(), &context, now, overtaken)
                        .await?
                        .write(forgive))
                }
                // A wrong password, an unknown user and an inactive account get the same answer,
                // after the same work.
                (user, _) => self.refuse(user, attempt, Problem::invalid_credentials()).await,
            }
        }
        .boxed()
    }

    /// Returns a proof if this is the password of a user who may sign in.
    async fn check(
        &self,
        password: &Password,
        user: Option<&User>,
    ) -> Result<Option<Proof>, Problem> {
        let hash = user.and_then(|user| user.password_hash.as_deref());
        let check = self.hasher.check(password, hash).await?;
        let is_right = check.matches && user.is_some_and(|user| user.is_active);
        let Some(hash) = hash.filter(|_| is_right) else {
            return Ok(None);
        };
        let stronger = if check.outdated { Some(self.hasher.hash(password).await?) } else { None };
        Ok(Some(Proof { hash: hash.to_owned(), stronger }))
    }

    /// Clears the failures that are counted for this identifier and address. An attempt is counted
    /// before its password is checked, and this one was no guess.
    async fn forgive(&self, attempt: &Attempt) -> Result<Write, Problem> {
        let subject = attempt_subject(
            &attempt.context.address,
            &self.fingerprint(&attempt.identifier).await?,
        );
        Ok(self.counters.forgive(&subject, attempt.now))
    }

    async fn refuse(
        &self,
        user: Option<User>,
        attempt: Attempt,
        problem: Problem,
    ) -> Result<Plan<TokenPair>, Problem> {
        let fingerprint = self.fingerprint(&attempt.identifier).await?;
        let details = AuditDetails::default().identifier(&fingerprint);
        Ok(Plan::refuse(problem).details(match user {
            Some(user) => {
                details.resource("user", &user.id).actor(Actor::user(&user.id, &user.username))
            }
            None => details,
        }))
    }
}
