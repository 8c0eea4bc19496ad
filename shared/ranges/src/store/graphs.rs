//! The graph of a workbook: for each column, the columns that its formulas read.
//!
//! Key: `id` (`graph#<id of the workbook>`), `item` (`head` or `column#<generation>#<id>`). Uploads
//! add to the sets of a column, so two at once both count, and to add again changes nothing. The
//! head counts the changes. A completion counts its change before its range is ready, so a process
//! may keep the graph of a version. One transaction for both would not do: a reader may see one
//! item of a transaction a moment before the other.
//!
//! A reset begins the next generation, in one write. The graph is empty then, because no reader
//! takes the columns of earlier generations. A completion requires that the generation in which it
//! added its columns is still the current one.
//!
//! A column that has too many sources is unresolved. So is a column beyond the pages that a reader
//! takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use cells::graph::Reads;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use platform::database::{Database, Expression, Item, StoreError, Write, key2, n, query, s};
use platform::{ConfigError, Platform};
use serde::Deserialize;
use tally_access::cell_access::Node;
use tally_access::store::Kept;

/// Columns that are written side by side.
const AT_ONCE: usize = 16;

/// Sources that an upload adds to a column, at most, and that a column has before it.
const MOST: usize = 2_000;

/// Pages of a megabyte that a reader takes.
const PAGES: usize = 8;

/// A condition that always holds.
const ALWAYS: &str = "attribute_exists(#id) OR attribute_not_exists(#id)";

/// The graphs of workbooks.
#[derive(Debug, Clone)]
pub struct Graphs {
    database: Database,
    table: String,
    kept: Kept<Node>,
}

/// A graph as it is now.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Its columns.
    pub nodes: Arc<[Node]>,
    /// The number of its resets.
    pub generation: u64,
}

#[derive(Deserialize)]
struct Head {
    version: u64,
    generation: u64,
}

/// An item of which nothing is wanted.
#[derive(Deserialize)]
struct Updated {}

impl Graphs {
    /// Uses the table that `RANGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("RANGES_TABLE")?.to_owned(),
            kept: Kept::default(),
        })
    }

    /// The graph of a workbook as it is now.
    pub async fn get(&self, workbook_id: &str) -> Result<Graph, StoreError> {
        let head: Option<Head> = self.database.get(&self.table, head(workbook_id), true).await?;
        let Some(Head { version, generation }) = head else { return Ok(Graph::default()) };
        if let Some(nodes) = self.kept.get(workbook_id, version) {
            return Ok(Graph { nodes, generation });
        }
        let nodes: Arc<[Node]> = self.read(workbook_id, generation).await?.into();
        let bytes = nodes.iter().map(|(id, reads)| id.len() * (3 + 2 * reads.columns.len())).sum();
        self.kept.keep(workbook_id, version, &nodes, bytes);
        Ok(Graph { nodes, generation })
    }

    async fn read(&self, workbook_id: &str, generation: u64) -> Result<Vec<Node>, StoreError> {
        let prefix = prefix(generation);
        let expression = Expression::default()
            .name("id", "id")
            .name("item", "item")
            .value("id", s(id(workbook_id)))
            .value("prefix", s(prefix.as_str()));
        let request = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("#id = :id AND begins_with(#item, :prefix)")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true);
        let (mut nodes, mut start) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = query(request.clone().set_exclusive_start_key(start)).await?;
            let items = page.items.unwrap_or_default().into_iter();
            nodes.extend(items.filter_map(|item| node(item, &prefix)));
            start = page.last_evaluated_key.filter(|key: &Item| !key.is_empty());
            if start.is_none() {
                return Ok(nodes);
            }
        }
        tracing::warn!(
            workbook_id,
            "the graph is too large: columns that were not read are closed"
        );
        Ok(nodes)
    }

    /// Adds the sources of an upload's columns to a generation, and counts the change. Processes
    /// that keep the graph read it again then. The change counts even if there are no nodes. A
    /// failed upload may have added them, and other processes may keep the graph without them.
    pub async fn add(
        &self,
        workbook_id: &str,
        generation: u64,
        nodes: Vec<Node>,
    ) -> Result<(), StoreError> {
        stream::iter(nodes)
            .map(|(column, reads)| {
                self.add_one(column_key(workbook_id, generation, &column), reads)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        // In another generation the completion fails by its condition, and is planned anew.
        let expression = counting().value("generation", n(generation));
        let update = "SET #generation = :generation ADD #version :one";
        let is_current = "attribute_not_exists(#id) OR #generation = :generation";
        let _: Option<Updated> = self
            .database
            .update_if(&self.table, head(workbook_id), update, is_current, &expression)
            .await?;
        Ok(())
    }

    /// Requires that the graph still has this generation, to which an upload has added its columns.
    pub fn must_be(&self, workbook_id: &str, generation: u64) -> Write {
        let expression = Expression::default()
            .name("generation", "generation")
            .value("generation", n(generation));
        let condition = "#generation = :generation";
        Write::check(&self.table, head(workbook_id), condition, &expression)
    }

    /// Begins the next generation.
    pub fn reset(&self, workbook_id: &str) -> Write {
        let update = "ADD #version :one, #generation :one";
        Write::update(&self.table, head(workbook_id), update, ALWAYS, &counting())
    }

    async fn add_one(&self, place: Item, reads: Reads<String>) -> Result<(), StoreError> {
        let named = || Expression::default().name("unresolved", "unresolved");
        if !reads.is_unresolved && reads.columns.len() <= MOST {
            let mut update = "SET #unresolved = if_not_exists(#unresolved, :no)".to_owned();
            let mut expression = named()
                .name("reads", "reads")
                .value("no", AttributeValue::Bool(false))
                .value("most", n(MOST));
            if !reads.columns.is_empty() {
                update.push_str(" ADD #reads :reads");
                let ids = reads.columns.into_iter().collect();
                expression = expression.value("reads", AttributeValue::Ss(ids));
            }
            let has_room = "attribute_not_exists(#reads) OR size(#reads) <= :most";
            let added: Option<Updated> = self
                .database
                .update_if(&self.table, place.clone(), &update, has_room, &expression)
                .await?;
            if added.is_some() {
                return Ok(());
            }
        }
        let expression = named().name("id", "id").value("yes", AttributeValue::Bool(true));
        let _: Option<Updated> = self
            .database
            .update_if(&self.table, place, "SET #unresolved = :yes", ALWAYS, &expression)
            .await?;
        Ok(())
    }

    /// Deletes the graph of a workbook that has gone.
    pub async fn delete(&self, workbook_id: &str) -> Result<(), StoreError> {
        self.database.delete_collection(&self.table, ("id", &id(workbook_id)), "item").await
    }
}

fn id(workbook_id: &str) -> String {
    format!("graph#{workbook_id}")
}

fn head(workbook_id: &str) -> Item {
    key2(("id", &id(workbook_id)), ("item", "head"))
}

/// The beginning of `item` for the columns of a generation, and for no others.
fn prefix(generation: u64) -> String {
    format!("column#{generation}#")
}

fn column_key(workbook_id: &str, generation: u64, column: &str) -> Item {
    key2(("id", &id(workbook_id)), ("item", &format!("{}{column}", prefix(generation))))
}

fn counting() -> Expression {
    let names = Expression::default().name("id", "id").name("version", "version");
    names.name("generation", "generation").value("one", n(1))
}

/// The column of an item. An item of another form is none, so that its column is unresolved.
fn node(mut item: Item, prefix: &str) -> Option<Node> {
    let place = item.remove("item")?;
    let column = place.as_s().ok()?.strip_prefix(prefix)?.to_owned();
    let is_unresolved = *item.get("unresolved")?.as_bool().ok()?;
    let columns = match item.remove("reads") {
        Some(reads) => reads.as_ss().ok()?.iter().cloned().collect(),
        None => BTreeSet::new(),
    };
    Some((column, Reads { columns, is_unresolved }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_other_generations_are_not_in_the_graph() {
        for (stored, wanted, expected) in
            [(1, 1, true), (0, 1, false), (2, 1, false), (10, 1, false), (1, 10, false)]
        {
            let mut item = column_key("w", stored, "c");
            item.insert("unresolved".to_owned(), AttributeValue::Bool(false));
            let found = node(item, &prefix(wanted));
            let expected = expected.then(|| ("c".to_owned(), Reads::default()));
            assert_eq!(found, expected, "{stored} {wanted}");
        }
    }
}
