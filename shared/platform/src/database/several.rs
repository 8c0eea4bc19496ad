//! Calls for several items: batches by their keys, and pages of queries.

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
        let mut found = Vec::new();
        let mut keys = keys;
        let mut attempt = 1;
        while !keys.is_empty() {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(unavailable)?;
            let answer =
                get_batch(self.client().batch_get_item().request_items(table, wanted)).await?;
            let items =
                answer.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
            for item in items {
                found.push(read(item)?);
            }
            // DynamoDB leaves a part over if it is too much at once, or too large: the next call
            // reads the rest.
            keys = answer
                .unprocessed_keys
                .and_then(|mut tables| tables.remove(table))
                .map_or_else(Vec::new, |rest| rest.keys);
            if !keys.is_empty() {
                if attempt == ATTEMPTS {
                    return Err(StoreError::Unavailable(format!(
                        "{} keys were not read",
                        keys.len()
                    )));
                }
                backoff::pause(attempt).await;
                attempt += 1;
            }
        }
        Ok(found)
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
