//! The table of budgets.
//!
//! Key: `subject` (`user#<id>` or `deployment`), `period`. The item of the period `limit` has the
//! amount that an administrator has set, as `monthly`. The item of a month (UTC), such as
//! `2026-11`, has as `used` the amount that was spent or is held in it. `held` is the part that is
//! held. Amounts are whole nano-dollars.
//!
//! A condition cannot add, so `used` is one number: a hold is written only where `used` leaves room
//! for it.

use assistant::domain::Cost;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use platform::database::{Database, Expression, Item, StoreError, Write, key2, n};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

/// The budgets' table.
#[derive(Debug, Clone)]
pub struct Budgets {
    database: Database,
    table: String,
}

/// Whose budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A user's, by their id.
    User(&'a str),
    /// That of all users together.
    Deployment,
}

/// The reservation for a reply until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Amount that the reply can cost.
    pub cost: Cost,
    /// Month whose budgets have it, such as `2026-11`.
    pub month: String,
    /// Tokens of the conversation that it pays for, at most: the model is shown no more.
    pub tokens: u64,
}

/// Spending of a budget in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// Amount spent by replies that have ended.
    pub spent: Cost,
    /// Amount held by replies that have not ended, at worst.
    pub held: Cost,
}

#[derive(Deserialize)]
struct Limit {
    subject: String,
    monthly: i64,
}

#[derive(Deserialize)]
struct Used {
    used: i64,
    held: i64,
}

#[derive(Deserialize)]
struct UsedBy {
    subject: String,
    used: i64,
}

impl Hold {
    /// The month (UTC) in which a call is paid.
    pub fn month(now: Timestamp) -> String {
        now.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m").to_string()
    }
}

impl Limit {
    fn amount(&self) -> Cost {
        Cost::from_nanos(self.monthly)
    }
}

impl Subject<'_> {
    fn name(&self) -> String {
        match self {
            Self::User(id) => format!("user#{id}"),
            Self::Deployment => "deployment".to_owned(),
        }
    }
}

impl Budgets {
    /// Uses the table that `BUDGETS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("BUDGETS_TABLE")?.to_owned(),
        })
    }

    /// The limit for a month, where an administrator has set one.
    pub async fn limit(&self, subject: Subject<'_>) -> Result<Option<Cost>, StoreError> {
        let limit: Option<Limit> =
            self.database.get(&self.table, key(subject, LIMIT), true).await?;
        Ok(limit.as_ref().map(Limit::amount))
    }

    /// The limits for a month of a user and of all users together, where an administrator has set
    /// them.
    pub async fn limits(&self, user_id: &str) -> Result<[Option<Cost>; 2], StoreError> {
        let subjects = [Subject::User(user_id), Subject::Deployment];
        let found: Vec<Limit> = self
            .database
            .get_all(&self.table, subjects.map(|subject| key(subject, LIMIT)).into())
            .await?;
        Ok(subjects.map(|subject| {
            found.iter().find(|limit| limit.subject == subject.name()).map(Limit::amount)
        }))
    }

    /// Sets the limit for a month. `None` leaves it to the deployment's setting again.
    pub fn set_limit(&self, subject: Subject<'_>, monthly: Option<Cost>) -> Write {
        let key = key(subject, LIMIT);
        match monthly {
            Some(monthly) => {
                let expression = Expression::default().value("monthly", n(monthly.nanos()));
                Write::update(&self.table, key, "SET monthly = :monthly", None, &expression)
            }
            None => Write::delete(&self.table, key),
        }
    }

    /// Deletes the budget of a user, and what it was used for. No reply may hold a part of it.
    pub async fn forget(&self, user_id: &str) -> Result<(), StoreError> {
        let subject = Subject::User(user_id).name();
        self.database.delete_collection(&self.table, ("subject", &subject), "period").await
    }

    /// Amounts that a user and all users together have spent or hold in a month.
    pub async fn used(&self, user_id: &str, month: &str) -> Result<[Cost; 2], StoreError> {
        let subjects = [Subject::User(user_id), Subject::Deployment];
        let found: Vec<UsedBy> = self
            .database
            .get_all(&self.table, subjects.map(|subject| key(subject, month)).into())
            .await?;
        Ok(subjects.map(|subject| {
            let used = found.iter().find(|used| used.subject == subject.name());
            used.map_or(Cost::ZERO, |used| Cost::from_nanos(used.used))
        }))
    }

    /// Spending of a subject in a month.
    pub async fn spending(
        &self,
        subject: Subject<'_>,
        month: &str,
    ) -> Result<Spending, StoreError> {
        let used: Option<Used> = self.database.get(&self.table, key(subject, month), true).await?;
        let spending = |Used { used, held }| Spending {
            spent: Cost::from_nanos(used - held),
            held: Cost::from_nanos(held),
        };
        Ok(used.map(spending).unwrap_or_default())
    }

    /// Holds the amount that a reply can cost. The condition fails where the limit does not leave
    /// as much.
    pub fn reserve(&self, subject: Subject<'_>, hold: &Hold, limit: Cost) -> Write {
        let left = limit.nanos() - hold.cost.nanos();
        let expression = Expression::default()
            .value("hold", n(hold.cost.nanos()))
            .value("left", n(left))
            .value("nothing", n(0));
        // Nothing is used where there is no item yet.
        let condition = "used <= :left OR (attribute_not_exists(used) AND :nothing <= :left)";
        Write::update(
            &self.table,
            key(subject, &hold.month),
            "ADD used :hold, held :hold",
            condition,
            &expression,
        )
    }

    /// Replaces a hold by what the reply has cost.
    pub fn settle(&self, subject: Subject<'_>, hold: &Hold, cost: Cost) -> Write {
        let released = hold.cost.nanos();
        let expression = Expression::default()
            .value("more", n(cost.nanos() - released))
            .value("released", n(-released));
        Write::update(
            &self.table,
            key(subject, &hold.month),
            "ADD used :more, held :released",
            None,
            &expression,
        )
    }
}

/// Period of the item that an administrator has set.
const LIMIT: &str = "limit";

fn key(subject: Subject<'_>, period: &str) -> Item {
    key2(("subject", &subject.name()), ("period", period))
}
