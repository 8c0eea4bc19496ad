//! The table of agents.
//!
//! Key: `dataset` (`agents`), `name`. All agents are one item collection, so that one query lists
//! them. A deleted agent leaves its name and its version. So its version goes on if it is set
//! again, because replies name the version that they began with. The seed does not bring a deleted
//! agent back either.

use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

use crate::domain::Agent;

/// The agents' table.
#[derive(Debug, Clone)]
pub struct Agents {
    database: Database,
    table: String,
}

/// The place of a name: its agent, and the version of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentPlace {
    /// The agent, unless it was deleted or never was.
    pub agent: Option<Agent>,
    /// Version of the agent, or of the deletion; 0 if there never was an agent.
    pub version: u64,
}

/// The item.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    dataset: String,
    name: String,
    /// The version of the agent too, so that a condition can name it.
    version: u64,
    /// Absent once the agent was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Agent>,
}

const DATASET: &str = "agents";

impl Agents {
    /// Uses the table that `AGENTS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("AGENTS_TABLE")?.to_owned(),
        })
    }

    /// The agent with this name, as it is now.
    pub async fn get(&self, name: &str) -> Result<Option<Agent>, StoreError> {
        Ok(self.find(name).await?.agent)
    }

    /// The place of a name, as it is now.
    pub async fn find(&self, name: &str) -> Result<AgentPlace, StoreError> {
        let found: Option<Stored> = self.database.get(&self.table, place(name), true).await?;
        Ok(found.map(AgentPlace::from).unwrap_or_default())
    }

    /// The same of an item that has failed a condition.
    pub fn read(&self, found: Option<Item>) -> Result<AgentPlace, StoreError> {
        let stored = found.map(read::<Stored>).transpose()?;
        Ok(stored.map(AgentPlace::from).unwrap_or_default())
    }

    /// All agents after the one with the name `after`, as they are now, by their names. One call
    /// reads at most 1 MB, that is some hundreds of agents. Gives also the name after which there
    /// are more.
    pub async fn list(
        &self,
        after: Option<&str>,
    ) -> Result<(Vec<Agent>, Option<String>), StoreError> {
        let expression =
            Expression::default().name("dataset", "dataset").value("dataset", s(DATASET));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("#dataset = :dataset")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(place))
                .consistent_read(true),
        )
        .await?;
        let is_cut = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let found = page.items.unwrap_or_default().into_iter().map(read::<Stored>);
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let last = found.last().filter(|_| is_cut).map(|last| last.name.clone());
        Ok((found.into_iter().filter_map(|stored| stored.agent).collect(), last))
    }

    /// An agent from now on. The condition fails where the place of its name has another version
    /// than `before`.
    pub fn put(&self, agent: &Agent, before: u64) -> Result<Write, StoreError> {
        self.replace(&agent.name, agent.version, Some(agent.clone()), before)
    }

    /// The end of an agent. The condition fails where it has another version than `before`.
    pub fn delete(&self, name: &str, before: u64) -> Result<Write, StoreError> {
        self.replace(name, before + 1, None, before)
    }

    fn replace(
        &self,
        name: &str,
        version: u64,
        agent: Option<Agent>,
        before: u64,
    ) -> Result<Write, StoreError> {
        let (dataset, name) = (DATASET.to_owned(), name.to_owned());
        let stored = item(Stored { dataset, name, version, agent })?;
        let (condition, expression) = if before == 0 {
            ("attribute_not_exists(#name)", Expression::default().name("name", "name"))
        } else {
            let expression = Expression::default().name("version", "version");
            ("#version = :before", expression.value("before", n(before)))
        };
        Ok(Write::put(&self.table, stored, condition, &expression))
    }
}

impl From<Stored> for AgentPlace {
    fn from(stored: Stored) -> Self {
        Self { agent: stored.agent, version: stored.version }
    }
}

fn place(name: &str) -> Item {
    key2(("dataset", DATASET), ("name", name))
}
