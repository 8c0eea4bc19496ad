//! Memberships of groups, in the table of groups.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use platform::clock::Timestamp;
use platform::database::{Expression, Item, StoreError, Write, item, key2, n, query, s};
use serde::{Deserialize, Serialize};

use super::groups::{DATASET, Groups, Stored, cut, head, named, one_more, owner};

/// Groups of a user, at most.
pub const GROUPS_PER_USER: usize = 50;

/// Members of a group, at most.
pub const MEMBERS_PER_GROUP: u64 = 5_000;

/// A membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Id of the user.
    pub user_id: String,
    /// Milliseconds since 1970.
    pub added_at: i64,
}

/// The groups of a user.
#[derive(Default, Deserialize)]
pub(super) struct OfUser {
    #[serde(default)]
    pub(super) groups: BTreeSet<String>,
}

impl Groups {
    /// A user's membership in a group, if there is one.
    pub async fn member(&self, id: &str, user_id: &str) -> Result<Option<Member>, StoreError> {
        let found: Option<Stored<Member>> =
            self.database.get(&self.table, membership(id, user_id), true).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// At most `limit` members of a group after the one with the id `after`, and whether there are
    /// more.
    pub async fn members(
        &self,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Member>, bool), StoreError> {
        let expression = Expression::default()
            .name("owner", "owner")
            .name("item", "item")
            .value("owner", s(owner(id)))
            .value("user", s("user#"));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("#owner = :owner AND begins_with(#item, :user)")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(|user_id| membership(id, user_id)))
                .consistent_read(true)
                .limit(one_more(limit)),
        )
        .await?;
        cut(page.items.unwrap_or_default(), limit)
    }

    /// The three writes of a new membership. Their conditions fail where the group has gone or is
    /// full, where the user is a member, and where the user has too many groups.
    pub fn join(&self, id: &str, user_id: &str, now: Timestamp) -> Result<[Write; 3], StoreError> {
        let count = Expression::default()
            .name("members", "members")
            .value("one", n(1))
            .value("most", n(MEMBERS_PER_GROUP));
        let stored = Stored {
            owner: owner(id),
            item: user(user_id),
            dataset: None,
            value: Member { user_id: user_id.to_owned(), added_at: now.as_millisecond() },
        };
        let groups = one_group(id).value("most", n(GROUPS_PER_USER));
        let has_room = "attribute_not_exists(#groups) OR size(#groups) < :most";
        Ok([
            Write::update(&self.table, head(id), "ADD #members :one", "#members < :most", &count),
            Write::put(&self.table, item(stored)?, "attribute_not_exists(#owner)", &named()),
            Write::update(&self.table, of_user(user_id), "ADD #groups :group", has_room, &groups),
        ])
    }

    /// The three writes that end a membership. The condition of the first fails where there is
    /// none.
    pub fn part(&self, id: &str, user_id: &str) -> [Write; 3] {
        let [groups, membership] = self.forget(id, user_id);
        let count = named().name("members", "members").value("one", n(-1));
        let condition = "attribute_exists(#owner)";
        let head = Write::update(&self.table, head(id), "ADD #members :one", condition, &count);
        [membership, groups, head]
    }

    /// The two sides of a membership, the user's first. Each condition fails where there is none.
    pub(super) fn forget(&self, id: &str, user_id: &str) -> [Write; 2] {
        let condition = "attribute_exists(#owner)";
        let groups = one_group(id).name("owner", "owner");
        [
            Write::update(
                &self.table,
                of_user(user_id),
                "DELETE #groups :group",
                condition,
                &groups,
            ),
            Write::delete_if(&self.table, membership(id, user_id), condition, &named()),
        ]
    }

    /// The groups of a user, as they are now.
    pub(super) async fn of(&self, user_id: &str) -> Result<BTreeSet<String>, StoreError> {
        let found: Option<OfUser> = self.database.get(&self.table, of_user(user_id), true).await?;
        Ok(found.unwrap_or_default().groups)
    }

    /// The end of a user's own item.
    pub(super) async fn end_user(&self, user_id: &str) -> Result<(), StoreError> {
        self.database.delete_all(&self.table, vec![of_user(user_id)]).await
    }
}

/// The key of the item with a user's groups.
pub(super) fn of_user(user_id: &str) -> Item {
    key2(("owner", &user(user_id)), ("item", DATASET))
}

/// The user of such an item.
pub(super) fn user_of(item: &Item) -> Option<&str> {
    item.get("owner")?.as_s().ok()?.strip_prefix("user#")
}

fn user(user_id: &str) -> String {
    format!("user#{user_id}")
}

fn membership(id: &str, user_id: &str) -> Item {
    key2(("owner", &owner(id)), ("item", &user(user_id)))
}

fn one_group(id: &str) -> Expression {
    Expression::default()
        .name("groups", "groups")
        .value("group", AttributeValue::Ss(vec![id.to_owned()]))
}
