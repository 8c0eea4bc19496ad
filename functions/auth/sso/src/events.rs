//! What events tell of a sign-in at the provider. They have no token, no code and no description
//! of the provider's.

use platform::audit::{Actor, AuditDetails};
use platform::domain::Role;
use platform::problem::Code;
use platform::store::User;
use platform::{Plan, Problem};
use tally_sso::Verified;

/// The way in that all these events name.
const METHOD: &str = "sso";

/// The facts of a verified sign-in: the tenant, the client that asked for the token, and the
/// token's name in the provider's logs.
pub fn facts(verified: &Verified) -> impl Iterator<Item = (&'static str, &str)> {
    let facts = [
        ("tenant", Some(verified.identity.tenant.as_str())),
        ("azp", verified.client.as_deref()),
        ("uti", verified.token_id.as_deref()),
    ];
    facts.into_iter().filter_map(|(name, text)| Some((name, text?)))
}

/// Adds the facts of a sign-in to the event of a plan.
pub fn tell<O>(plan: Plan<O>, verified: &Verified) -> Plan<O> {
    let plan = plan.detail("method", METHOD);
    facts(verified).fold(plan, |plan, (name, text)| plan.detail(name, text))
}

/// The refusal of a sign-in, as far as it has been verified, with its event. `account` is the
/// person's, if they have one.
pub fn refused<O>(
    problem: Problem,
    verified: Option<&Verified>,
    account: Option<&User>,
) -> Plan<O> {
    let details =
        AuditDetails::default().detail("method", METHOD).detail("reason", reason(&problem));
    let facts = verified.into_iter().flat_map(facts);
    let details = facts.fold(details, |details, (name, text)| details.detail(name, text));
    Plan::refuse(problem).details(match account {
        Some(user) => details.actor(actor(user)).resource("user", &user.id),
        None => details,
    })
}

/// The event of an account that a sign-in changes.
pub fn changed(before: &User, after: &User) -> AuditDetails {
    AuditDetails::action("user.updated")
        .actor(actor(after))
        .resource("user", &after.id)
        .detail("method", METHOD)
        .detail("roles_before", names(&before.roles))
        .detail("roles", names(&after.roles))
}

/// Roles as events have them.
pub fn names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.as_str()).collect()
}

fn actor(user: &User) -> Actor {
    Actor::user(&user.id, &user.username)
}

/// The check that refused a sign-in.
fn reason(problem: &Problem) -> &'static str {
    let own = problem.sso.as_ref().and_then(|sso| sso.reason);
    own.unwrap_or(match problem.code {
        Code::SsoNoRole => "no_role",
        other => other.as_str(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::sample_sign_in;

    #[test]
    fn a_refusal_names_its_check() {
        for (problem, expected) in [
            (Problem::invalid_sso_token("audience"), "audience"),
            (Problem::invalid_sso_code(), "invalid_sso_code"),
            (Problem::step_up_required("e30=".into()), "step_up_required"),
            (Problem::sso_no_role(), "no_role"),
            (Problem::groups_overage(), "groups_overage"),
            (Problem::account_inactive(), "account_inactive"),
            (Problem::link_required(), "link_required"),
            (Problem::unavailable(), "unavailable"),
        ] {
            assert_eq!(reason(&problem), expected);
        }
    }

    #[test]
    fn facts_are_those_that_the_provider_gave() {
        let some = |text: &str| Some(text.to_owned());
        let all = Verified { client: some("c"), token_id: some("t"), ..sample_sign_in() };
        let found: Vec<_> = facts(&all).collect();
        assert_eq!(found, [("tenant", "tenant"), ("azp", "c"), ("uti", "t")]);
        assert_eq!(facts(&sample_sign_in()).collect::<Vec<_>>(), [("tenant", "tenant")]);
    }
}
