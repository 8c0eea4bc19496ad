//! Lets a person of the provider into their account, or makes it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::clock::Timestamp;
use platform::context::Context;
use platform::domain::Role;
use platform::plan::Retry;
use platform::store::{User, Users};
use platform::{ConfigError, Plan, Platform, Problem, ids};
use tally_accounts::sessions::{Ending, NewSession, SignIn};
use tally_accounts::tokens::TokenPair;
use tally_sso::Verified;
use tally_sso::store::Handoffs;

use crate::account::{Given, created, expelled, followed};
use crate::address::Address;
use crate::events::{changed, names, refused, tell};
use crate::proof::SignedIn;
use crate::rights::{Refused, Rights};
use crate::terms::Terms;
use crate::username::candidate;

/// The parts that a sign-in needs.
#[derive(Clone)]
pub struct Entry {
    users: Users,
    sign_in: SignIn,
    ending: Ending,
    handoffs: Handoffs,
    rights: Rights,
    terms: Terms,
}

/// A verified sign-in that asks for a session.
#[derive(Clone)]
pub struct Attempt {
    /// The sign-in.
    pub signed_in: SignedIn,
    /// Whether a new account may begin beside one with a password and the same address.
    pub new_account: bool,
    /// Circumstances of the request.
    pub context: Context,
    /// Time of the request.
    pub now: Timestamp,
}

impl Attempt {
    fn verified(&self) -> &Verified {
        &self.signed_in.verified
    }
}

impl Entry {
    /// Builds its parts from the platform.
    pub fn new(platform: &Platform, handoffs: Handoffs) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            sign_in: SignIn::new(platform)?,
            ending: Ending::new(platform)?,
            handoffs,
            rights: Rights::from_config(&platform.config)?,
            terms: Terms::from_config(&platform.config)?,
        })
    }

    /// Plans a session for the person who signed in.
    pub async fn plan(&self, attempt: Attempt) -> Result<Plan<TokenPair>, Problem> {
        let account = self.users.find_by_sso(&attempt.verified().identity).await?;
        self.clone().judge(account, attempt, 0).await
    }

    /// Boxed, because a lost race leads back here. `names_tried` counts the usernames that other
    /// accounts have.
    fn judge(
        self,
        account: Option<User>,
        attempt: Attempt,
        names_tried: u32,
    ) -> BoxFuture<'static, Result<Plan<TokenPair>, Problem>> {
        async move {
            match (self.rights.roles(attempt.verified(), account.as_ref()), account) {
                (Ok(roles), Some(account)) => self.enter(account, roles, attempt).await,
                (Ok(roles), None) => self.provision(roles, attempt, names_tried).await,
                (Err(Refused::NoRole), Some(account)) => self.expel(account, attempt).await,
                (Err(reason), account) => {
                    Ok(refused(reason.into(), Some(attempt.verified()), account.as_ref()))
                }
            }
        }
        .boxed()
    }

    /// Makes a new plan, because another request was faster. `found` is the account as it stands.
    async fn overtaken(
        self,
        found: Option<User>,
        attempt: Attempt,
    ) -> Result<Plan<TokenPair>, Problem> {
        // An administrator may have bound the account to another person.
        let account = match found.filter(|user| user.belongs_to(&attempt.verified().identity)) {
            Some(account) => Some(account),
            None => self.users.find_by_sso(&attempt.verified().identity).await?,
        };
        self.judge(account, attempt, 0).await
    }

    /// The reaction to an account that has changed meanwhile.
    fn if_overtaken(&self, attempt: &Attempt) -> Retry<TokenPair> {
        let (entry, attempt) = (self.clone(), attempt.clone());
        Box::new(move |found| {
            async move {
                let found = found.map(|item| entry.users.read(item)).transpose()?;
                entry.overtaken(found, attempt).await
            }
            .boxed()
        })
    }

    /// A session in an account that exists, which follows the provider.
    async fn enter(
        &self,
        before: User,
        roles: Vec<Role>,
        attempt: Attempt,
    ) -> Result<Plan<TokenPair>, Problem> {
        let address = Address::of(&self.users, attempt.verified(), Some(&before)).await?;
        let keys_until = self.terms.keys_until(attempt.now);
        let given = Given { roles, email: address.shown(), keys_until };
        let after = followed(&before, attempt.verified(), given);
        let new = self.session(&after, &attempt).await?;
        let after = with_session(after, &new);
        let plan = self.told(new, &attempt, &after).await?;
        let plan = plan.detail("provisioned", false).detail("roles_before", names(&before.roles));
        let plan =
            if before.roles == after.roles { plan } else { plan.also(changed(&before, &after)) };
        let plan = self.change(plan, &before, &after, &attempt)?;
        self.set_admins(plan, Some(&before), &after).await
    }

    /// A session in a new account.
    async fn provision(
        &self,
        roles: Vec<Role>,
        attempt: Attempt,
        names_tried: u32,
    ) -> Result<Plan<TokenPair>, Problem> {
        let address = Address::of(&self.users, attempt.verified(), None).await?;
        if address == Address::Login && !attempt.new_account {
            return Ok(refused(Problem::link_required(), Some(attempt.verified()), None));
        }
        let preferred = attempt.verified().preferred_username.as_deref();
        let username = candidate(preferred, names_tried, ids::random());
        let username = username.map_err(|_| Problem::internal())?;
        let keys_until = self.terms.keys_until(attempt.now);
        let given = Given { roles, email: address.shown(), keys_until };
        let user = created(attempt.verified(), given, &username, attempt.now);
        let new = self.session(&user, &attempt).await?;
        let user = with_session(user, &new);
        let mut plan = self.told(new, &attempt, &user).await?.detail("provisioned", true);
        let mut writes = self.users.create_by_sso(&user, &username)?.into_iter();
        // Another request has made the account.
        if let Some(identity) = writes.next() {
            let (entry, attempt) = (self.clone(), attempt.clone());
            let taken: Retry<TokenPair> =
                Box::new(move |_| async move { entry.overtaken(None, attempt).await }.boxed());
            plan = plan.write_or_retry(identity, taken);
        }
        // Another account has the username.
        if let Some(name) = writes.next() {
            let entry = self.clone();
            let taken: Retry<TokenPair> =
                Box::new(move |_| entry.judge(None, attempt, names_tried + 1));
            plan = plan.write_or_retry(name, taken);
        }
        let plan = writes.fold(plan, Plan::write);
        self.set_admins(plan, None, &user).await
    }

    /// The refusal of a person without a role, whose account loses its roles, sessions and API keys
    /// with it.
    async fn expel(&self, before: User, attempt: Attempt) -> Result<Plan<TokenPair>, Problem> {
        let verified = attempt.verified();
        let plan = refused(Problem::sso_no_role(), Some(verified), Some(&before));
        let Some(after) = expelled(&before) else { return Ok(plan) };
        let ended: Vec<_> = before.sessions.keys().cloned().collect();
        let plan = self.ending.add(attempt.signed_in.take(plan, &self.handoffs), &ended).await?;
        let plan = plan.also(changed(&before, &after).detail("ended_sessions", ended));
        let plan = self.change(plan, &before, &after, &attempt)?;
        self.set_admins(plan, Some(&before), &after).await
    }

    async fn session(&self, user: &User, attempt: &Attempt) -> Result<NewSession, Problem> {
        let ends_at = self.terms.session_end(attempt.now);
        self.sign_in.session(user, Some(ends_at), &attempt.context, attempt.now).await
    }

    /// The plan of a session without its account. It takes the handoff, and its event tells of the
    /// sign-in.
    async fn told(
        &self,
        new: NewSession,
        attempt: &Attempt,
        user: &User,
    ) -> Result<Plan<TokenPair>, Problem> {
        let plan = self.sign_in.begin(new).await?;
        let plan = attempt.signed_in.take(plan, &self.handoffs);
        Ok(tell(plan, attempt.verified()).detail("roles", names(&user.roles)))
    }

    /// Adds the change of an account. Its own write comes first: if its state were stale, the other
    /// writes would judge an old one.
    fn change(
        &self,
        plan: Plan<TokenPair>,
        before: &User,
        after: &User,
        attempt: &Attempt,
    ) -> Result<Plan<TokenPair>, Problem> {
        let mut writes = self.users.become_as(before, after)?.into_iter();
        let plan = match writes.next() {
            Some(account) => plan.write_or_retry(account, self.if_overtaken(attempt)),
            None => plan,
        };
        Ok(writes.fold(plan, Plan::write))
    }

    /// Adds the change of the set of administrators, if there is one. The provider may take away
    /// the last one.
    async fn set_admins(
        &self,
        plan: Plan<TokenPair>,
        before: Option<&User>,
        after: &User,
    ) -> Result<Plan<TokenPair>, Problem> {
        match (before.is_some_and(User::is_admin), after.is_admin()) {
            (false, true) => Ok(plan.write(self.users.admit_admin(&after.id))),
            (true, false) => {
                let is_last = self.users.is_last_admin(&after.id).await?;
                let plan = plan.write(self.users.drop_admin(&after.id));
                Ok(if is_last { warn_after_commit(plan, after.id.clone()) } else { plan })
            }
            _ => Ok(plan),
        }
    }
}

/// The account with another session, and without those that make room for it.
fn with_session(mut user: User, new: &NewSession) -> User {
    for id in new.sessions_to_evict.evicted.iter().chain(&new.sessions_to_evict.idle) {
        user.sessions.remove(id);
    }
    user.sessions.insert(new.session.id.clone(), new.session.expires_at);
    user
}

fn warn_after_commit(plan: Plan<TokenPair>, user_id: String) -> Plan<TokenPair> {
    let warn = async move {
        tracing::error!(
            user_id,
            "the identity provider has taken the role of the last administrator: invoke \
             bootstrap-admin"
        );
        Ok(None)
    };
    plan.after_commit(Box::new(|| warn.boxed()))
}
