//! The table of groups.
//!
//! Key: `owner` and `item`. A group has the items `group#<id>`, `head` and `group#<id>`,
//! `user#<user id>` for each member. A user has one item, `user#<id>`, `groups`, with the ids of
//! their groups: a request reads it together with the heads of the rules. One transaction writes
//! both sides of a membership, under the conditions that neither has too many.
//!
//! The head counts the rules that name the group, so that its deletion can have the condition that
//! none does. A deleted group leaves the item `deleted`, `<id>` until its memberships have gone
//! ([`super::Purge`]). Index `all`: `dataset`, `owner`. It lists the groups.

use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

/// The table of groups.
#[derive(Debug, Clone)]
pub struct Groups {
    pub(super) database: Database,
    pub(super) table: String,
}

/// A group without its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// UUIDv7.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its id in another directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Counts its members.
    pub members: u64,
    /// Counts the rules that name it.
    pub rules: u64,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 of the last change of its name, description or external id.
    pub updated_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Stored<T> {
    pub(super) owner: String,
    pub(super) item: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dataset: Option<String>,
    #[serde(flatten)]
    pub(super) value: T,
}

/// A deleted group of which memberships are left.
#[derive(Serialize, Deserialize)]
struct Left {
    item: String,
}

const HEAD: &str = "head";
pub(super) const DATASET: &str = "groups";
const DELETED: &str = "deleted";

impl Groups {
    /// Uses the table that `GROUPS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("GROUPS_TABLE")?.to_owned(),
        })
    }

    /// The group with this id, as it is now.
    pub async fn get(&self, id: &str) -> Result<Option<Group>, StoreError> {
        let found: Option<Stored<Group>> = self.database.get(&self.table, head(id), true).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// At most `limit` groups after the one with the id `after`, the oldest first, and whether
    /// there are more. A group is listed a moment after it was made.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Group>, bool), StoreError> {
        let expression =
            Expression::default().name("dataset", "dataset").value("dataset", s(DATASET));
        let start = after.map(|id| {
            let mut start = head(id);
            start.insert("dataset".to_owned(), s(DATASET));
            start
        });
        let request = self.database.client().query().table_name(&self.table).index_name("all");
        let page = query(
            request
                .key_condition_expression("#dataset = :dataset")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(start)
                .limit(one_more(limit)),
        )
        .await?;
        cut(page.items.unwrap_or_default(), limit)
    }

    /// A new group.
    pub fn create(&self, group: &Group) -> Result<Write, StoreError> {
        let stored = Stored {
            owner: owner(&group.id),
            item: HEAD.to_owned(),
            dataset: Some(DATASET.to_owned()),
            value: group,
        };
        Ok(Write::put(&self.table, item(stored)?, "attribute_not_exists(#owner)", &named()))
    }

    /// The name, description and external id of a group from now on. The condition fails where it
    /// has gone.
    pub fn describe(&self, group: &Group) -> Write {
        let mut expression = named()
            .name("name", "name")
            .value("name", s(&group.name))
            .value("now", n(group.updated_at));
        let mut set = vec!["#name = :name".to_owned(), "updated_at = :now".to_owned()];
        let mut removed = Vec::new();
        for (name, text) in
            [("description", &group.description), ("external_id", &group.external_id)]
        {
            expression = expression.name(name, name);
            match text {
                Some(text) => {
                    expression = expression.value(name, s(text));
                    set.push(format!("#{name} = :{name}"));
                }
                None => removed.push(format!("#{name}")),
            }
        }
        let remove = if removed.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", removed.join(", "))
        };
        let update = format!("SET {}{remove}", set.join(", "));
        let condition = "attribute_exists(#owner)";
        Write::update(&self.table, head(&group.id), &update, condition, &expression)
    }

    /// The end of a group. The condition fails where it has gone, or a rule names it.
    pub fn delete(&self, id: &str) -> Write {
        let expression = Expression::default().name("rules", "rules").value("none", n(0));
        Write::delete_if(&self.table, head(id), "#rules = :none", &expression)
    }

    /// A note that memberships of a deleted group are left.
    pub fn leave(&self, id: &str) -> Result<Write, StoreError> {
        let stored = Stored {
            owner: DELETED.to_owned(),
            item: id.to_owned(),
            dataset: None,
            value: serde_json::Map::new(),
        };
        Ok(Write::put(&self.table, item(stored)?, "attribute_not_exists(#owner)", &named()))
    }

    /// Counts rules that name a group from now on, or no longer do. The condition fails where the
    /// group has gone.
    pub fn count_rules(&self, id: &str, change: i64) -> Write {
        let expression = named().name("rules", "rules").value("change", n(change));
        let condition = "attribute_exists(#owner)";
        Write::update(&self.table, head(id), "ADD #rules :change", condition, &expression)
    }

    /// Deleted groups of which memberships are left; not all if there are many.
    pub(super) async fn left(&self) -> Result<Vec<String>, StoreError> {
        let expression = Expression::default().name("owner", "owner").value("owner", s(DELETED));
        let page = query(
            self.database
                .client()
                .query()
                .table_name(&self.table)
                .key_condition_expression("#owner = :owner")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .consistent_read(true),
        )
        .await?;
        let found = page.items.unwrap_or_default().into_iter();
        found.map(|item| Ok(read::<Left>(item)?.item)).collect()
    }

    /// The end of the note about a deleted group.
    pub(super) async fn done(&self, id: &str) -> Result<(), StoreError> {
        let place = key2(("owner", DELETED), ("item", id));
        self.database.delete_all(&self.table, vec![place]).await
    }
}

pub(super) fn owner(id: &str) -> String {
    format!("group#{id}")
}

pub(super) fn head(id: &str) -> Item {
    key2(("owner", &owner(id)), ("item", HEAD))
}

pub(super) fn named() -> Expression {
    Expression::default().name("owner", "owner")
}

/// One more than the limit tells whether this is the last page.
pub(super) fn one_more(limit: usize) -> i32 {
    i32::try_from(limit + 1).unwrap_or(i32::MAX)
}

/// The values of a page, and whether there are more.
pub(super) fn cut<T: serde::de::DeserializeOwned>(
    items: Vec<Item>,
    limit: usize,
) -> Result<(Vec<T>, bool), StoreError> {
    let more = items.len() > limit;
    let kept = items.into_iter().take(limit);
    let values = kept.map(|item| Ok(read::<Stored<T>>(item)?.value));
    Ok((values.collect::<Result<_, StoreError>>()?, more))
}
