//! The directory of accounts: all of them by username, or those whose username or email begins with
//! a text.
//!
//! The index `claims` gives the order, and a batch of consistent reads gives the accounts as they
//! are now. The index may lag, so an account is found a moment after it was made. Each kind of
//! unique name is one partition of the index, which takes 1,000 new or renamed accounts a second.
//! However many accounts there are, a page reads only those that it shows, and with a filter at
//! most [`ROUNDS`] batches.
//!
//! The addresses of accounts with single sign-on are in the partition of emails, too. Several
//! accounts may have one address, and stand in the order in which they were made.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::users::{NameKind, Stored, account_key};
use super::{User, Users};
use crate::database::{Expression, Item, StoreError, key, key2, query, read, s};
use crate::domain::Role;

/// Batches that one page looks at, at most. The next page looks at the rest.
const ROUNDS: usize = 10;

/// Accounts in a batch: what one `BatchGetItem` takes.
const BATCH: usize = 100;

/// Criteria for accounts: an account must meet all that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Beginning of the username or the email, in lower case.
    pub prefix: Option<String>,
    /// Only accounts with this role.
    pub role: Option<Role>,
    /// Only accounts that may sign in (`true`), or that may not (`false`).
    pub is_active: Option<bool>,
}

/// Where a list of accounts goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    kind: NameKind,
    /// Key of the last unique name that has been looked at.
    after: Option<String>,
}

/// A unique name as the index has it.
#[derive(Deserialize)]
struct Listed {
    key: String,
    user_id: String,
}

impl Users {
    /// At most `limit` accounts, and where the list goes on, if it does. A page may be short, even
    /// empty, before the end. With a prefix, the accounts whose username begins with it come first,
    /// by username. Those whose email alone begins with it follow, by email.
    pub async fn list(
        &self,
        filter: &AccountFilter,
        from: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<User>, Option<Place>), StoreError> {
        let mut found = Vec::new();
        let mut next = from.or(Some(filter.start()));
        for _ in 0..ROUNDS {
            // One more than the limit tells whether this is the last page.
            let Some(place) = next.take_if(|_| found.len() <= limit) else { break };
            let look_at = if filter.leaves_out(place.kind) {
                BATCH
            } else {
                (limit + 1 - found.len()).min(BATCH)
            };
            let (claims, is_last) = self.claims(filter, &place, look_at).await?;
            next = match claims.last() {
                Some(last) if !is_last => {
                    Some(Place { after: Some(last.key.clone()), ..place.clone() })
                }
                _ => filter.after(place.kind),
            };
            let mut users = self.by_id(&claims).await?;
            let users = claims
                .into_iter()
                .filter_map(|claim| Some((claim.key, users.remove(&claim.user_id)?)));
            found.extend(
                users
                    .filter(|(_, user)| filter.wants(user, place.kind))
                    .map(|(key, user)| (place.kind, key, user)),
            );
        }
        if found.len() > limit {
            found.truncate(limit);
            next =
                found.last().map(|(kind, key, _)| Place { kind: *kind, after: Some(key.clone()) });
        }
        Ok((found.into_iter().map(|(.., user)| user).collect(), next))
    }

    /// The next unique names of a kind, and whether they are the last.
    async fn claims(
        &self,
        filter: &AccountFilter,
        place: &Place,
        look_at: usize,
    ) -> Result<(Vec<Listed>, bool), StoreError> {
        let kind = place.kind;
        let expression = Expression::default().name("kind", "kind").value("kind", s(kind.as_str()));
        let (condition, expression) = match &filter.prefix {
            Some(prefix) => {
                let expression = expression.name("key", "key").value("prefix", s(kind.key(prefix)));
                ("#kind = :kind AND begins_with(#key, :prefix)", expression)
            }
            None => ("#kind = :kind", expression),
        };
        let answer = query(
            self.database
                .client()
                .query()
                .table_name(&self.table)
                .index_name("claims")
                .key_condition_expression(condition)
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(
                    place.after.as_ref().map(|key| key2(("kind", kind.as_str()), ("key", key))),
                )
                .limit(i32::try_from(look_at).unwrap_or(i32::MAX)),
        )
        .await?;
        let is_last = answer.last_evaluated_key.is_none_or(|key: Item| key.is_empty());
        Ok((
            answer.items.unwrap_or_default().into_iter().map(read).collect::<Result<_, _>>()?,
            is_last,
        ))
    }

    async fn by_id(&self, claims: &[Listed]) -> Result<HashMap<String, User>, StoreError> {
        // The index may have the address before and the one after a change at once. A batch takes
        // no key twice.
        let ids: BTreeSet<_> = claims.iter().map(|claim| &claim.user_id).collect();
        let keys = ids.into_iter().map(|id| key("key", &account_key(id))).collect();
        let stored: Vec<Stored> = self.database.get_all(&self.table, keys).await?;
        Ok(stored.into_iter().map(|stored| (stored.user.id.clone(), stored.user)).collect())
    }
}

impl AccountFilter {
    /// Where a list begins: with the emails, if the prefix has a character that no username can
    /// have.
    fn start(&self) -> Place {
        let is_name =
            |prefix: &String| prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let kind =
            if self.prefix.as_ref().is_none_or(is_name) { NameKind::Name } else { NameKind::Email };
        Place { kind, after: None }
    }

    /// Where the list goes on after the last unique name of a kind.
    fn after(&self, kind: NameKind) -> Option<Place> {
        (kind == NameKind::Name && self.prefix.is_some())
            .then_some(Place { kind: NameKind::Email, after: None })
    }

    /// Whether the filter may leave out many of the accounts that are looked at.
    fn leaves_out(&self, kind: NameKind) -> bool {
        self.role.is_some() || self.is_active.is_some() || kind == NameKind::Email
    }

    fn wants(&self, user: &User, kind: NameKind) -> bool {
        // These accounts have been listed by their usernames.
        let is_listed = kind == NameKind::Email
            && self
                .prefix
                .as_ref()
                .is_some_and(|prefix| user.username.to_lowercase().starts_with(prefix));
        !is_listed
            && self.role.is_none_or(|role| user.roles.contains(&role))
            && self.is_active.is_none_or(|active| active == user.is_active)
    }
}
