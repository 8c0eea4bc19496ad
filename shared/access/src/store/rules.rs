//! The table of rules.
//!
//! Key: `workbook` (an id, or `*` for every workbook), `item` (`head` or `rule#<id>`). A rule never
//! changes. The head counts the changes of its workbook's rules, and every change has the condition
//! that the head is the one it was decided by. So no change is decided by rules that another has
//! replaced, and a process may keep the rules of a version.
//!
//! `DynamoDB` shows the items of one transaction one after another. So the head also has a digest
//! of the ids of its rules. A list with another digest is read again, and never decided by.
//!
//! Index `by_subject`: `subject_key`, `workbook`. It has the workbooks that rules about a subject
//! name. Index `by_id`: `id`. It has the workbook of a rule. Both may lag, so the store reads the
//! found items again.

use std::sync::Arc;

use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::{ConfigError, Platform, backoff};
use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::rule_head::{RuleHead, Scope};
use crate::domain::{ColumnMatch, Rule, Subject};

/// The table of rules.
#[derive(Debug, Clone)]
pub struct Rules {
    database: Database,
    pub(super) table: String,
    kept: Kept<Rule>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    workbook: String,
    item: String,
    subject_key: String,
    #[serde(flatten)]
    rule: Rule,
}

/// A rule as an index has it.
#[derive(Deserialize)]
struct Listed {
    workbook: String,
}

/// An item that is left of a deleted workbook.
#[derive(Debug, Deserialize)]
pub(super) struct LeftRule {
    pub(super) item: String,
    #[serde(default)]
    pub(super) subject: Option<Subject>,
}

const HEAD: &str = "head";

/// Attempts to read the rules of a head.
const ATTEMPTS: u32 = 4;

impl Rules {
    /// Uses the table that `ACCESS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("ACCESS_TABLE")?.to_owned(),
            kept: Kept::default(),
        })
    }

    /// The rules of a scope whose head is this one. If another head has replaced it meanwhile,
    /// these are the rules of the present head.
    pub(super) async fn of(
        &self,
        scope: &Scope,
        known: RuleHead,
    ) -> Result<(RuleHead, Arc<[Rule]>), StoreError> {
        let mut current = known;
        for attempt in 1..=ATTEMPTS {
            let kept = self.kept.get(scope.key(), current.version);
            if let Some(kept) = kept.filter(|rules| current.has(rules)) {
                return Ok((current, kept));
            }
            let found = if current.version == 0 { Vec::new() } else { self.all(scope).await? };
            if current.has(&found) {
                let bytes = found.iter().map(bytes).sum();
                let rules: Arc<[Rule]> = found.into();
                self.kept.keep(scope.key(), current.version, &rules, bytes);
                return Ok((current, rules));
            }
            backoff::pause(attempt).await;
            let present = self.database.get_all(&self.table, vec![key_of(scope)]).await?;
            current = present.into_iter().next().unwrap_or_default();
        }
        Err(StoreError::Unavailable("rules are not those of their head".to_owned()))
    }

    async fn all(&self, scope: &Scope) -> Result<Vec<Rule>, StoreError> {
        let (workbook, rules) = (("workbook", scope.key()), ("item", "rule#"));
        let found: Vec<Stored> =
            self.database.collection(&self.table, workbook, Some(rules)).await?;
        Ok(found.into_iter().map(|stored| stored.rule).collect())
    }

    /// The scope of the rule with this id, if there is one. The rule itself may have gone since.
    pub async fn scope_of(&self, rule_id: &str) -> Result<Option<Scope>, StoreError> {
        let expression = Expression::default().value("id", s(rule_id));
        let request = self.database.client().query().table_name(&self.table).index_name("by_id");
        let page = query(
            request
                .key_condition_expression("id = :id")
                .set_expression_attribute_values(expression.values())
                .limit(1),
        )
        .await?;
        let Some(found) = page.items.unwrap_or_default().into_iter().next() else {
            return Ok(None);
        };
        let Listed { workbook } = read(found)?;
        Ok(Some(Scope::of(Some(workbook.as_str()).filter(|workbook| *workbook != "*"))))
    }

    /// Ids of workbooks that rules about this subject name, in order, after one; and whether there
    /// may be more. An id may come several times.
    pub async fn named(
        &self,
        subject: &Subject,
        after: Option<&str>,
        look_at: usize,
    ) -> Result<(Vec<String>, bool), StoreError> {
        // The rules for every workbook come first, and name none.
        let expression = Expression::default()
            .value("subject", s(subject.to_string()))
            .value("after", s(after.unwrap_or("*")));
        let request =
            self.database.client().query().table_name(&self.table).index_name("by_subject");
        let page = query(
            request
                .key_condition_expression("subject_key = :subject AND workbook > :after")
                .set_expression_attribute_values(expression.values())
                .limit(i32::try_from(look_at).unwrap_or(i32::MAX)),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key: Item| !key.is_empty());
        let found = page.items.unwrap_or_default().into_iter();
        let ids = found.map(|item| Ok(read::<Listed>(item)?.workbook));
        Ok((ids.collect::<Result<_, StoreError>>()?, more))
    }

    /// Puts the next head, with these rules, in the place of one. The condition fails where that
    /// one is no longer current.
    pub fn change(&self, scope: &Scope, head: RuleHead, rules: &[Rule]) -> Write {
        let expression = Expression::default()
            .name("version", "version")
            .name("rules", "rules")
            .value("next", n(head.version + 1))
            .value("rules", n(rules.len()))
            .value("digest", n(RuleHead::digest(rules)));
        let (condition, expression) = current(head, expression);
        let update = "SET #version = :next, #rules = :rules, digest = :digest";
        Write::update(&self.table, key_of(scope), update, condition, &expression)
    }

    /// Requires that a head is still current when the other writes are committed.
    pub fn must_be(&self, scope: &Scope, head: RuleHead) -> Write {
        let (condition, expression) =
            current(head, Expression::default().name("version", "version"));
        Write::check(&self.table, key_of(scope), condition, &expression)
    }

    /// A new rule.
    pub fn add(&self, rule: &Rule) -> Result<Write, StoreError> {
        let stored = Stored {
            workbook: Scope::of(rule.workbook_id.as_deref()).key().to_owned(),
            item: format!("rule#{}", rule.id),
            subject_key: rule.subject.to_string(),
            rule: rule.clone(),
        };
        let none = Expression::default().name("item", "item");
        Ok(Write::put(&self.table, item(stored)?, "attribute_not_exists(#item)", &none))
    }

    /// The end of a rule. The condition fails where it has gone.
    pub fn remove(&self, scope: &Scope, rule_id: &str) -> Write {
        let place = key2(("workbook", scope.key()), ("item", &format!("rule#{rule_id}")));
        let expression = Expression::default().name("item", "item");
        Write::delete_if(&self.table, place, "attribute_exists(#item)", &expression)
    }

    /// The next items of a workbook that has been deleted, the head included.
    pub(super) async fn left(&self, workbook: &str) -> Result<Vec<LeftRule>, StoreError> {
        let expression = Expression::default()
            .name("item", "item")
            .name("subject", "subject")
            .value("workbook", s(workbook));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("workbook = :workbook")
                .projection_expression("#item, #subject")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .consistent_read(true)
                .limit(40),
        )
        .await?;
        page.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// The end of an item of a workbook that has been deleted, if it is there.
    pub(super) fn drop(&self, workbook: &str, left: &LeftRule) -> Write {
        let place = key2(("workbook", workbook), ("item", &left.item));
        let expression = Expression::default().name("item", "item");
        Write::delete_if(&self.table, place, "attribute_exists(#item)", &expression)
    }

    /// The table and the key of a head, for a batch that reads several tables.
    pub(super) fn place(&self, scope: &Scope) -> (String, Item) {
        (self.table.clone(), key_of(scope))
    }
}

fn key_of(scope: &Scope) -> Item {
    key2(("workbook", scope.key()), ("item", HEAD))
}

/// The condition that a head is current.
fn current(head: RuleHead, expression: Expression) -> (&'static str, Expression) {
    if head.version == 0 {
        ("attribute_not_exists(#version)", expression)
    } else {
        ("#version = :version", expression.value("version", n(head.version)))
    }
}

/// About the bytes of a rule.
fn bytes(rule: &Rule) -> usize {
    let ids = match &rule.column {
        Some(ColumnMatch::Ids(ids)) => ids.len(),
        Some(ColumnMatch::Header(_)) | None => 0,
    };
    500 + rule.note.len() + 60 * ids
}
