//! Links an account to a person of the provider. From then on its owner signs in there alone.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::store::{Account, Sessions, User, Users};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_accounts::domain::Hasher;
use tally_accounts::sessions::{Confirmed, Ending};
use tally_accounts::store::MailTokens;
use tally_sso::Verified;
use tally_sso::store::Handoffs;
use utoipa::ToSchema;

use crate::account::{Given, followed};
use crate::address::Address;
use crate::events::{changed, names, refused, tell};
use crate::proof::SignedIn;
use crate::rights::Rights;
use crate::terms::Terms;

/// The parts that a link needs.
#[derive(Clone)]
pub struct Linker {
    /// Accounts.
    pub users: Users,
    /// Checks the password.
    pub hasher: Hasher,
    sessions: Sessions,
    tokens: MailTokens,
    ending: Ending,
    handoffs: Handoffs,
    rights: Rights,
    terms: Terms,
}

/// A verified sign-in of the person to whom the account is linked.
#[derive(Clone)]
pub struct Linking {
    /// The sign-in.
    pub signed_in: SignedIn,
    /// Time of the request.
    pub now: Timestamp,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Linked {
    /// The account as it is now.
    pub user: Account,
}

impl Linker {
    /// Builds its parts from the platform.
    pub fn new(platform: &Platform, handoffs: Handoffs) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            hasher: Hasher::from_config(&platform.config)?,
            sessions: Sessions::new(platform)?,
            tokens: MailTokens::new(platform)?,
            ending: Ending::new(platform)?,
            handoffs,
            rights: Rights::from_config(&platform.config)?,
            terms: Terms::from_config(&platform.config)?,
        })
    }

    /// Plans the link of an account whose owner has given the password. A person without a role
    /// changes nothing: the account keeps its password.
    ///
    /// Boxed, because it calls itself again if the account or the caller's session changes
    /// meanwhile. That session goes on, but ends as one by single sign-on. Every other one ends.
    pub fn plan(
        self,
        before: User,
        confirmed: Confirmed,
        linking: Linking,
    ) -> BoxFuture<'static, Result<Plan<Linked>, Problem>> {
        async move {
            let confirmed = confirmed.still(&before).await?;
            let verified = &linking.signed_in.verified;
            let roles = match self.rights.roles(verified, Some(&before)) {
                Ok(roles) => roles,
                Err(reason) => return Ok(refused(reason.into(), Some(verified), Some(&before))),
            };
            let session = self.sessions.of(&confirmed.caller, linking.now).await?;
            let session = session.ok_or_else(Problem::invalid_token)?;
            let email = Address::of(&self.users, verified, Some(&before)).await?.shown();
            let given = Given { roles, email, keys_until: self.terms.keys_until(linking.now) };
            let ends_at = self.terms.session_end(linking.now);
            let kept = session.clone().bounded(ends_at);
            let after = User {
                sessions: [(kept.id, kept.expires_at)].into(),
                ..followed(&before, verified, given)
            };
            let plan = self.end(&before, &after, verified).await?;
            let plan = linking.signed_in.take(plan, &self.handoffs);

            let bound = self.sessions.bound(&session, ends_at);
            let (linker, still, again) = (self.clone(), confirmed.clone(), linking.clone());
            let plan = plan.write_or_retry(
                bound,
                Box::new(move |_| linker.overtaken(None, still, again).boxed()),
            );
            let mut writes = self.users.become_as(&before, &after)?.into_iter();
            let admins = match (before.is_admin(), after.is_admin()) {
                (false, true) => Some(self.users.admit_admin(&after.id)),
                (true, false) => Some(self.users.dismiss_admin(&after.id)),
                _ => None,
            };
            // The account's own write comes before the others. If its state were stale, they would
            // judge an old one.
            let plan = match writes.next() {
                Some(account) => plan.write_or_retry(
                    account,
                    Box::new(move |found| {
                        async move {
                            let found = found.map(|item| self.users.read(item)).transpose()?;
                            self.overtaken(found, confirmed, linking).await
                        }
                        .boxed()
                    }),
                ),
                None => plan,
            };
            let plan = writes
                .fold(plan, |plan, write| plan.write_or(write, Problem::sso_identity_taken()));
            Ok(admins
                .into_iter()
                .fold(plan, |plan, write| plan.write_or(write, Problem::last_admin())))
        }
        .boxed()
    }

    /// The plan of the answer, and of what ends with the password: the other sessions, and mailed
    /// tokens.
    async fn end(
        &self,
        before: &User,
        after: &User,
        verified: &Verified,
    ) -> Result<Plan<Linked>, Problem> {
        let ended = before.sessions.keys().filter(|id| !after.sessions.contains_key(*id));
        let ended: Vec<_> = ended.cloned().collect();
        let details = AuditDetails::default()
            .resource("user", &after.id)
            .detail("identity", verified.identity.fingerprint())
            .detail("roles_before", names(&before.roles))
            .detail("roles", names(&after.roles))
            .detail("ended_sessions", ended.clone());
        let plan = Plan::reply(Linked { user: after.account() }).details(details);
        let plan = tell(plan, verified);
        let has_changed = before.roles != after.roles;
        let plan = if has_changed { plan.also(changed(before, after)) } else { plan };
        let plan = self.tokens.forget_all(&after.id).into_iter().fold(plan, Plan::write);
        Ok(self.ending.add(plan, &ended).await?)
    }

    /// Makes a new plan, because another request has changed the account, which is `found` then, or
    /// the caller's session.
    async fn overtaken(
        self,
        found: Option<User>,
        confirmed: Confirmed,
        linking: Linking,
    ) -> Result<Plan<Linked>, Problem> {
        let user = match found {
            Some(user) => Some(user),
            None => self.users.get(&confirmed.caller.user_id).await?,
        };
        self.plan(user.ok_or_else(Problem::invalid_token)?, confirmed, linking).await
    }
}
