//! Calls for several items: batches by their keys, and pages of queries.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, WriteRequest};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::{ATTEMPTS, Database, Expression, Item, StoreError, read, s, unavailable};
use crate::backoff;

/// Items that one `BatchWriteItem` takes.
const BATCH: i32 = 25;

impl Database {
    /// Reads the items of these keys, at most a hundred, as they are now. Keys without an item are
    /// left out, and the items come in any order.
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        table: &str,
        keys: Vec<Item>,
    ) -> Result<Vec<T>, StoreError> {
        let places = keys.into_iter().map(|key| (table.to_owned(), key)).collect();
        let items = self.get_each(places).await?.remove(table).unwrap_or_default();
        items.into_iter().map(read).collect()
    }

    /// All items of a partition key in the order of their sort keys, as they are now. With a prefix,
    /// those whose sort key begins with it. `sort` is the name of the sort key. It is for
    /// collections that have a bound, because it reads every page.
    pub async fn collection<T: DeserializeOwned>(
        &self,
        table: &str,
        (name, value): (&str, &str),
        sort_begins: Option<(&str, &str)>,
    ) -> Result<Vec<T>, StoreError> {
        let mut expression = Expression::default().name("key", name).value("key", s(value));
        let mut condition = "#key = :key".to_owned();
        if let Some((sort, prefix)) = sort_begins {
            expression = expression.name("sort", sort).value("prefix", s(prefix));
            condition.push_str(" AND begins_with(#sort, :prefix)");
        }
        let request = self
            .client()
            .query()
            .table_name(table)
            .key_condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true);
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let page = query(request.clone().set_exclusive_start_key(start)).await?;
            for item in page.items.unwrap_or_default() {
                found.push(read(item)?);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes all items of a partition key, by batches. `sort` is the name of the sort key.
    pub async fn delete_collection(
        &self,
        table: &str,
        (name, value): (&str, &str),
        sort: &str,
    ) -> Result<(), StoreError> {
        let expression =
            Expression::default().name("key", name).name("sort", sort).value("key", s(value));
        let request = self
            .client()
            .query()
            .table_name(table)
            .key_condition_expression("#key = :key")
            .projection_expression("#key, #sort")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true)
            .limit(BATCH);
        loop {
            let keys = query(request.clone()).await?.items.unwrap_or_default();
            if keys.is_empty() {
                return Ok(());
            }
            self.delete_all(table, keys).await?;
        }
    }

    /// Reads items of several tables by one call, at most a hundred, as they are now. Gives those
    /// of each table, in any order. Keys without an item are left out.
    pub fn get_each(
        &self,
        places: Vec<(String, Item)>,
    ) -> BoxFuture<'_, Result<HashMap<String, Vec<Item>>, StoreError>> {
        self.get_each_with(places, ("", &[]))
    }

    /// The same, but of the items of one table it reads only these attributes.
    pub fn get_each_with<'a>(
        &'a self,
        places: Vec<(String, Item)>,
        (partly, attributes): (&'a str, &'a [&'a str]),
    ) -> BoxFuture<'a, Result<HashMap<String, Vec<Item>>, StoreError>> {
        async move {
            let mut by_table = HashMap::<_, Vec<_>>::new();
            for (table, key) in places {
                by_table.entry(table).or_default().push(key);
            }
            let names =
                attributes.iter().fold(Expression::default(), |names, name| names.name(name, name));
            let part: Vec<_> = attributes.iter().map(|name| format!("#{name}")).collect();
            let wanted = |(table, keys): (String, Vec<Item>)| {
                let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
                let keys = if table == partly {
                    keys.projection_expression(part.join(", "))
                        .set_expression_attribute_names(names.names())
                } else {
                    keys
                };
                Ok::<_, StoreError>((table, keys.build().map_err(unavailable)?))
            };
            let mut rest =
                by_table.into_iter().map(wanted).collect::<Result<HashMap<_, _>, _>>()?;
            let mut found = HashMap::<String, Vec<Item>>::new();
            let mut attempt = 1;
            while !rest.is_empty() {
                let request = self.client().batch_get_item().set_request_items(Some(rest));
                let answer = get_batch(request).await?;
                for (table, items) in answer.responses.unwrap_or_default() {
                    found.entry(table).or_default().extend(items);
                }
                // DynamoDB leaves a part over if it is too much at once: the next call reads the
                // rest.
                rest = answer.unprocessed_keys.unwrap_or_default();
                if !rest.is_empty() {
                    if attempt == ATTEMPTS {
                        return Err(StoreError::Unavailable(format!(
                            "keys of {} tables were not read",
                            rest.len()
                        )));
                    }
                    backoff::pause(attempt).await;
                    attempt += 1;
                }
            }
            Ok(found)
        }
        .boxed()
    }

    /// Deletes the items of these keys, at most 25, as far as they are there. `BatchWriteItem` has
    /// no error for a collision with a transaction, so a batch does not go through
    /// [`super::resend`]. DynamoDB leaves over what it cannot delete, and that is sent again. If
    /// DynamoDB throttles the whole batch, the SDK sends it again.
    pub fn delete_all<'a>(
        &'a self,
        table: &'a str,
        keys: Vec<Item>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let delete =
                |key| DeleteRequest::builder().set_key(Some(key)).build().map_err(unavailable);
            let request = |key| {
                Ok::<_, StoreError>(WriteRequest::builder().delete_request(delete(key)?).build())
            };
            let (mut rest, mut attempt) =
                (keys.into_iter().map(request).collect::<Result<Vec<_>, _>>()?, 1);
            while !rest.is_empty() {
                let answer = self
                    .client()
                    .batch_write_item()
                    .request_items(table, rest)
                    .send()
                    .await
                    .map_err(unavailable)?;
                // DynamoDB leaves a part over if it is too much at once: the next call deletes the
                // rest.
                rest = answer
                    .unprocessed_items
                    .and_then(|mut tables| tables.remove(table))
                    .unwrap_or_default();
                if !rest.is_empty() {
                    if attempt == ATTEMPTS {
                        return Err(StoreError::Unavailable(format!(
                            "{} items were not deleted",
                            rest.len()
                        )));
                    }
                    backoff::pause(attempt).await;
                    attempt += 1;
                }
            }
            Ok(())
        }
        .boxed()
    }
}

/// Reads items, as many as DynamoDB gives at once.
fn get_batch(
    request: BatchGetItemFluentBuilder,
) -> BoxFuture<'static, Result<BatchGetItemOutput, StoreError>> {
    async move { request.send().await.map_err(unavailable) }.boxed()
}

/// Reads a page of a query.
pub fn query(request: QueryFluentBuilder) -> BoxFuture<'static, Result<QueryOutput, StoreError>> {
    async move { request.send().await.map_err(unavailable) }.boxed()
}
