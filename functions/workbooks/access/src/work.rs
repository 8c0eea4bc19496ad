//! A change of rules while it is decided: who may ask for it, and the details of its event.

use std::sync::Arc;

use platform::Problem;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::domain::Role;
use platform::identity::Identity;
use tally_access::domain::Rule;
use tally_access::store::{RuleHead, Scope, Snapshot};

use crate::change::AccessChange;

/// A change while it is decided.
pub struct Work {
    /// The caller.
    pub caller: Identity,
    /// The body of the request.
    pub change: AccessChange,
    /// The scope of its rules.
    pub scope: Scope,
    /// The time of the request.
    pub now: Timestamp,
}

impl Work {
    /// Requires that the caller may change these rules. Gives whether they may by their role alone.
    pub fn must_manage(&self, snapshot: &Snapshot) -> Result<bool, Problem> {
        let user_id = &self.caller.user_id;
        let standing = snapshot.standing(user_id).ok_or_else(Problem::invalid_token)?;
        let is_admin = standing.has(Role::Admin);
        if self.scope == Scope::Every {
            // Without rules to add, the caller has named a rule that they may not know of.
            return match (is_admin, self.change.add.is_empty()) {
                (true, _) => Ok(true),
                (false, true) => Err(Problem::not_found()),
                (false, false) => Err(Problem::forbidden(
                    "You need the role admin for rules that are for every workbook.",
                )),
            };
        }
        if snapshot.workbook.is_none() {
            return Err(Problem::not_found());
        }
        let decision = snapshot.decision(user_id, self.now);
        match (decision.manages(), is_admin) {
            (true, _) => Ok(false),
            (false, true) => Ok(true),
            (false, false) if decision.sees_workbook() && !self.change.add.is_empty() => {
                Err(Problem::not_granted("manage"))
            }
            (false, false) => Err(Problem::not_found()),
        }
    }

    /// The head and the rules of the scope.
    pub fn rules<'a>(&self, snapshot: &'a Snapshot) -> (RuleHead, &'a Arc<[Rule]>) {
        match self.scope {
            Scope::Every => (snapshot.every_head, &snapshot.every),
            Scope::Workbook(_) => (snapshot.head, &snapshot.rules),
        }
    }

    /// Ids and counts, never a note or a pattern.
    pub fn details(&self, added: &[Rule], version: u64) -> AuditDetails {
        let action = if self.change.dry_run { "access.simulated" } else { "access.changed" };
        let details = AuditDetails::action(action)
            .detail("version", version)
            .detail("removed", self.change.remove.clone());
        let details = self.scoped(details);
        if self.change.dry_run {
            return details
                .detail("added", added.len())
                .detail("users", self.change.user_ids.len());
        }
        details.detail("added", added.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>())
    }

    /// Details with the workbook of the rules, or that they are for every one.
    pub fn scoped(&self, details: AuditDetails) -> AuditDetails {
        match self.scope.workbook_id() {
            Some(id) => details.resource("workbook", id),
            None => details.detail("every_workbook", true),
        }
    }

    /// The rules that were added, as an idempotency key remembers them.
    pub fn record(&self, added: &[Rule]) -> String {
        let ids = added.iter().map(|rule| rule.id.as_str());
        let scope = self.scope.workbook_id().unwrap_or_default();
        [scope].into_iter().chain(ids).collect::<Vec<_>>().join(",")
    }
}

/// The scope of such a record, and the ids of its rules.
pub fn recorded(record: &str) -> (Scope, Vec<&str>) {
    let (scope, ids) = record.split_once(',').unwrap_or((record, ""));
    let scope = Scope::of(Some(scope).filter(|id| !id.is_empty()));
    (scope, ids.split(',').filter(|id| !id.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_the_scope_and_the_rules() {
        for (record, scope, ids) in [
            ("w,a,b", Scope::Workbook("w".into()), &["a", "b"][..]),
            ("w", Scope::Workbook("w".into()), &[]),
            (",a", Scope::Every, &["a"]),
            ("", Scope::Every, &[]),
        ] {
            assert_eq!(recorded(record), (scope, ids.to_vec()), "{record}");
        }
    }
}
