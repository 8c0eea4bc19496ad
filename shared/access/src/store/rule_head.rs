//! Where rules hold, and the head of such a place.

use serde::{Deserialize, Serialize};

use crate::domain::Rule;

/// Rules of a workbook, at most.
pub const RULES_PER_WORKBOOK: u64 = 500;

/// Rules for every workbook, at most.
pub const RULES_FOR_ALL: u64 = 200;

/// Where rules hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In every workbook.
    Every,
    /// In the workbook with this id.
    Workbook(String),
}

/// The head of a scope's rules. Before the first change there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHead {
    /// Counts the changes.
    pub version: u64,
    /// Counts the rules.
    pub rules: u64,
    /// [`RuleHead::digest`] of the rules.
    #[serde(default)]
    digest: u64,
}

impl Scope {
    /// The scope of rules with this workbook.
    pub fn of(workbook_id: Option<&str>) -> Self {
        workbook_id.map_or(Self::Every, |id| Self::Workbook(id.to_owned()))
    }

    /// The workbook, unless the scope is every one.
    pub fn workbook_id(&self) -> Option<&str> {
        match self {
            Self::Every => None,
            Self::Workbook(id) => Some(id),
        }
    }

    /// The most rules that it may have.
    pub fn most(&self) -> u64 {
        match self {
            Self::Every => RULES_FOR_ALL,
            Self::Workbook(_) => RULES_PER_WORKBOOK,
        }
    }

    pub(super) fn key(&self) -> &str {
        self.workbook_id().unwrap_or("*")
    }
}

impl RuleHead {
    /// Whether these rules are those of the head.
    pub(super) fn has(&self, rules: &[Rule]) -> bool {
        usize::try_from(self.rules) == Ok(rules.len()) && self.digest == Self::digest(rules)
    }

    /// A digest of the ids of rules, in any order. Rules never change, so their ids stand for them.
    /// No client chooses an id, so the digest need not withstand one.
    pub(super) fn digest(rules: &[Rule]) -> u64 {
        // FNV-1a, which gives the same in every build.
        let hash = |id: &str| {
            let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            id.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
        };
        rules.iter().fold(0, |all, rule| all ^ hash(&rule.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_knows_its_own_rules() {
        let rule = |id: &str| -> Rule {
            let rule = serde_json::json!({
                "id": id, "effect": "allow", "actions": ["read"], "subject": {"type": "everyone"},
                "created_by": "u", "created_at": 0,
            });
            serde_json::from_value(rule).unwrap()
        };
        let rules = |ids: &[&str]| ids.iter().map(|id| rule(id)).collect::<Vec<_>>();
        let own = rules(&["a", "b", "c"]);
        let head = RuleHead { version: 1, rules: 3, digest: RuleHead::digest(&own) };
        for (ids, expected) in [
            (&["a", "b", "c"][..], true),
            (&["c", "a", "b"], true),
            // A change of which only a part is to be seen yet.
            (&["a", "b"], false),
            (&["a", "b", "c", "d"], false),
            (&["a", "b", "d"], false),
            (&[], false),
        ] {
            assert_eq!(head.has(&rules(ids)), expected, "{ids:?}");
        }
        assert!(RuleHead::default().has(&[]));
    }
}
