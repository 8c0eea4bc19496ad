//! The body of `POST /access/changes`, and the rules that it leads to.

use std::collections::{BTreeMap, BTreeSet};

use platform::Problem;
use platform::clock::Timestamp;
use platform::domain::ResourceId;
use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde_json::Value;
use tally_access::domain::{Rule, Sheet, Subject};
use tally_access::store::Scope;
use utoipa::ToSchema;

use crate::new_rule::NewRule;

/// Rules that one call adds and removes, at most.
const MOST_RULES: usize = 40;

/// Users whose gains and losses one call lists, at most.
const MOST_USERS: usize = 20;

/// A change of the rules of one workbook, or of those for every workbook.
#[derive(Debug, ToSchema)]
pub struct AccessChange {
    /// Rules to add, all for the same workbook, or all for every workbook. A call has at most 40
    /// rules to add and remove.
    #[schema(value_type = Option<Vec<NewRule>>, max_items = 40)]
    pub add: Vec<NewRule>,
    /// Ids of rules to remove, from the same, each once.
    #[schema(value_type = Option<Vec<String>>, max_items = 40)]
    pub remove: Vec<String>,
    /// The version of the rules by which you decided about the change. If they have changed since,
    /// the answer is 409.
    pub if_version: Option<u64>,
    /// Whether to change nothing, and only list the effects.
    #[schema(value_type = Option<bool>, default = false)]
    pub dry_run: bool,
    /// Users whose gains and losses the answer lists.
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    pub user_ids: Vec<String>,
}

/// Ids, each once.
struct Ids(BTreeSet<String>);

impl FromField for Ids {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be a list of ids, each once".to_owned();
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let read = |item: &Value| item.as_str()?.parse::<ResourceId>().ok().map(String::from);
        let ids: BTreeSet<_> = items.iter().map(read).collect::<Option<_>>().ok_or_else(wrong)?;
        if ids.len() == items.len() { Ok(Self(ids)) } else { Err(wrong()) }
    }
}

impl Input for AccessChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let add = fields.optional::<Items<NewRule>>("add");
        let remove = fields.optional::<Ids>("remove");
        let if_version = fields.optional("if_version");
        let dry_run = fields.optional("dry_run");
        let user_ids = fields.optional::<Ids>("user_ids");
        let list = |ids: Option<Ids>| ids.into_iter().flat_map(|Ids(ids)| ids).collect::<Vec<_>>();
        let change = Self {
            add: add?.map(|Items(rules)| rules).unwrap_or_default(),
            remove: list(remove?),
            if_version: if_version?,
            dry_run: dry_run?.unwrap_or_default(),
            user_ids: list(user_ids?),
        };
        if !(1..=MOST_RULES).contains(&(change.add.len() + change.remove.len())) {
            fields.refuse("add", "and `remove` must have 1 to 40 rules together");
        }
        if change.user_ids.len() > MOST_USERS {
            fields.refuse("user_ids", "must be at most 20 users");
        }
        let first = change.add.first().map(|rule| &rule.workbook_id);
        if change.add.iter().any(|rule| Some(&rule.workbook_id) != first) {
            fields.refuse("add", "must have rules of one workbook, or for every workbook");
        }
        Some(change)
    }
}

impl AccessChange {
    /// The scope of the rules to add, if there are any.
    pub fn scope(&self) -> Option<Scope> {
        self.add.first().map(|rule| Scope::of(rule.workbook_id.as_deref()))
    }

    /// Users that the rules to add are about.
    pub fn named_users(&self) -> Vec<&str> {
        let named = self.add.iter().filter_map(|rule| match &rule.subject {
            Subject::User { id } => Some(id.as_str()),
            _ => None,
        });
        named.collect()
    }

    /// Groups that the rules to add are about.
    pub fn named_groups(&self) -> BTreeSet<&str> {
        self.add.iter().filter_map(|rule| rule.subject.group()).collect()
    }

    /// The rules to add, and those of the scope to remove.
    pub fn resolved(
        &self,
        rules: &[Rule],
        sheets: &[Sheet],
        created_by: &str,
        now: Timestamp,
    ) -> Result<(Vec<Rule>, Vec<Rule>), Problem> {
        let find = |id: &String| rules.iter().find(|rule| rule.id == *id).cloned();
        let removed: Option<_> = self.remove.iter().map(find).collect();
        let removed = removed.ok_or_else(|| {
            Problem::invalid_field("remove", "must have ids of rules of the same workbook")
        })?;
        let made = self.add.iter().enumerate();
        let added = made.map(|(at, rule)| rule.made(at, sheets, created_by, now));
        Ok((added.collect::<Result<_, _>>()?, removed))
    }
}

/// By how much the number of rules that name each group changes.
pub fn group_counts(added: &[Rule], removed: &[Rule]) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for (rules, change) in [(added, 1), (removed, -1)] {
        for group in rules.iter().filter_map(|rule| rule.subject.group()) {
            *counts.entry(group.to_owned()).or_default() += change;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    #[test]
    fn a_change_is_read_or_refused_field_by_field() {
        let id = |number: usize| format!("019ab9a0-0000-7000-8000-{number:012}");
        let rule = |workbook: Value| {
            json!({
                "effect": "allow", "actions": ["read"], "subject": {"type": "everyone"},
                "workbook_id": workbook,
            })
        };
        let rules = |count: usize| vec![rule(Value::Null); count];
        let ids = |count: usize| (0..count).map(id).collect::<Vec<_>>();
        for (body, expected) in [
            (json!({"add": rules(1)}), &[][..]),
            (json!({"remove": ids(40)}), &[]),
            (
                json!({"add": rules(20), "remove": ids(20), "user_ids": ids(20), "dry_run": true}),
                &[],
            ),
            (json!({}), &["/add"]),
            (json!({"add": rules(20), "remove": ids(21)}), &["/add"]),
            (json!({"add": [rule(json!(id(1))), rule(json!(id(1)))]}), &[]),
            (json!({"add": [rule(json!(id(1))), rule(json!(id(2)))]}), &["/add"]),
            (json!({"add": [rule(json!(id(1))), rule(Value::Null)]}), &["/add"]),
            (json!({"remove": [id(1), id(1)]}), &["/remove"]),
            (json!({"remove": ["r-1"]}), &["/remove"]),
            (json!({"add": rules(1), "user_ids": ids(21)}), &["/user_ids"]),
            (
                json!({"add": [{}], "if_version": "1", "dry_run": 1}),
                &["/add", "/if_version", "/dry_run"],
            ),
        ] {
            let fields: Map<_, _> = body.as_object().unwrap().clone();
            let errors = Fields::json(fields).read::<AccessChange>().err();
            let errors = errors.map(|problem| problem.errors).unwrap_or_default();
            let found: Vec<_> = errors.into_iter().filter_map(|error| error.pointer).collect();
            assert_eq!(found, expected, "{body}");
        }
    }
}
