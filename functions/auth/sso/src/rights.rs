//! Decides which roles a sign-in gives, and whether it may go on.

use platform::config::Config;
use platform::domain::Role;
use platform::store::User;
use platform::{ConfigError, Problem};
use tally_sso::{RoleMap, StepUp, Verified};

/// The settings that turn what the provider says into roles.
#[derive(Debug, Clone)]
pub struct Rights {
    map: RoleMap,
    step_up: StepUp,
}

/// Why a sign-in gives no roles.
#[derive(Debug, PartialEq)]
pub enum Refused {
    /// The provider gives the person no role of this deployment, so an account of theirs loses what
    /// it has.
    NoRole,
    /// Another reason, which changes no account.
    Because(Problem),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoRole => Self::sso_no_role(),
            Refused::Because(problem) => problem,
        }
    }
}

impl Rights {
    /// Reads the settings of both parts.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { map: RoleMap::from_config(config)?, step_up: StepUp::from_config(config) })
    }

    /// The roles of a person, for their account or a new one. Groups that the provider has cut off
    /// say nothing of roles, so they take none away.
    pub fn roles(&self, verified: &Verified, account: Option<&User>) -> Result<Vec<Role>, Refused> {
        if account.is_some_and(|user| !user.is_active) {
            return Err(Refused::Because(Problem::account_inactive()));
        }
        if verified.has_overage {
            return Err(Refused::Because(Problem::groups_overage()));
        }
        let roles = self.map.roles(&verified.roles).ok_or(Refused::NoRole)?;
        self.step_up.check(&roles, verified).map_err(Refused::Because)?;
        Ok(roles)
    }
}

#[cfg(test)]
mod tests {
    use platform::problem::Code;

    use super::*;
    use crate::samples::{sample_account, sample_sign_in};

    /// The roles, or the code and the reason against them.
    type Expected<'a> = Result<&'a [Role], (Code, Option<&'a str>)>;

    const USER: &[&str] = &["Tally.User"];
    const ADMIN: &[&str] = &["Tally.Auditor", "Tally.Admin"];

    /// Checks a sign-in with these values of the provider, into an account that is active or not.
    #[track_caller]
    fn check(
        is_active: Option<bool>,
        (values, has_overage): (&[&str], bool),
        contexts: &[&str],
        expected: Expected<'_>,
    ) {
        let settings = [("SSO_ADMIN_AUTH_CONTEXT", "c1")];
        let rights = Rights::from_config(&settings.into_iter().collect()).unwrap();
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let (roles, contexts) = (owned(values), owned(contexts));
        let verified = Verified { roles, has_overage, contexts, ..sample_sign_in() };
        let account = is_active.map(|is_active| User { is_active, ..sample_account() });
        let found = rights.roles(&verified, account.as_ref());
        assert_eq!(found == Err(Refused::NoRole), expected == Err((Code::SsoNoRole, None)));
        let found = found.map_err(Problem::from);
        let reason = |problem: &Problem| problem.sso.as_ref().and_then(|sso| sso.reason);
        let found = found.as_deref().map_err(|problem| (problem.code, reason(problem)));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sign_in_gives_the_roles_of_the_provider() {
        for account in [None, Some(true)] {
            check(account, (USER, false), &[], Ok(&[Role::User]));
            let all = [Role::User, Role::Auditor, Role::Admin];
            check(account, (ADMIN, false), &["c1"], Ok(&all));
        }
    }

    #[test]
    fn the_first_reason_against_a_sign_in_is_told() {
        let groups = Some("groups_overage");
        for account in [None, Some(true)] {
            check(account, (ADMIN, false), &["c2"], Err((Code::StepUpRequired, None)));
            check(account, (&[], false), &[], Err((Code::SsoNoRole, None)));
            check(account, (&["Other"], false), &["c1"], Err((Code::SsoNoRole, None)));
            check(account, (&[], true), &[], Err((Code::SsoNoRole, groups)));
            // A part of the groups is no better than none.
            check(account, (ADMIN, true), &["c1"], Err((Code::SsoNoRole, groups)));
        }
        for given in [(ADMIN, false), (&[][..], false), (&[][..], true)] {
            check(Some(false), given, &["c1"], Err((Code::AccountInactive, None)));
        }
    }
}
