//! The one way to DynamoDB: single-item reads and writes, queries, and the transaction that commits
//! a plan. Only the stores of each area use this module (`store/` of each crate in `shared/`).
//!
//! Calls return boxed futures. So the compiler makes the SDK's code of such a call once, here. For
//! an `async fn` it makes that code anew in each function that awaits it.

mod resend;
mod write;

pub use resend::{Collision, resend};
pub use write::{Expression, Write};

use std::collections::HashMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, ReturnValue, WriteRequest,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aws::{Service, describe, sdk_config};
use crate::config::{Config, ConfigError};
use crate::{backoff, ids};

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// Why a table could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table does not answer, or refuses.
    #[error("DynamoDB does not answer, or refuses: {0}")]
    Unavailable(String),
    /// An item does not have the form that this version of the code writes.
    #[error("an item could not be read: {0}")]
    Malformed(#[from] serde_dynamo::Error),
}

/// Why a transaction was not committed; nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold.
    #[error("the condition of write {position} did not hold")]
    Condition {
        /// Index of the write.
        position: usize,
        /// The item as it stands, if there is one.
        old: Option<Item>,
    },
    /// The store does not answer, or the transaction still collides after all attempts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A client of DynamoDB.
#[derive(Debug, Clone)]
pub struct Database {
    client: aws_sdk_dynamodb::Client,
}

/// Attempts at a transaction that collides with another. Every reply writes the budget of the
/// deployment when it is asked for and when it ends. The pauses take three seconds in all on
/// average. With them two hundred such transactions at the same moment come through one after
/// another.
const COMMIT_ATTEMPTS: u32 = 12;

/// Attempts at a write that collides with a transaction, and at a batch of which DynamoDB leaves a
/// part over.
pub const ATTEMPTS: u32 = 5;

impl Database {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { client: aws_sdk_dynamodb::Client::new(&sdk_config(config, Service::DynamoDb)?) })
    }

    /// The SDK's client, from which stores build their requests.
    pub fn client(&self) -> &aws_sdk_dynamodb::Client {
        &self.client
    }

    /// Reads one item by its key.
    pub async fn get<T: DeserializeOwned>(
        &self,
        table: &str,
        key: Item,
        consistent: bool,
    ) -> Result<Option<T>, StoreError> {
        let request =
            self.client.get_item().table_name(table).set_key(Some(key)).consistent_read(consistent);
        get(request).await?.map(read).transpose()
    }

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
                get_batch(self.client.batch_get_item().request_items(table, wanted)).await?;
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

    /// Writes one item, and replaces one that was there.
    pub fn put<'a>(&'a self, table: &'a str, item: Item) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let request = self.client.put_item().table_name(table).set_item(Some(item));
            resend(ATTEMPTS, || request.clone().send()).await.map_err(unavailable)?;
            Ok(())
        }
        .boxed()
    }

    /// Writes one item if a condition holds. Gives whether it did.
    pub fn put_if<'a>(
        &'a self,
        table: &'a str,
        item: Item,
        condition: &'a str,
        expression: &'a Expression,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let request = self.client.put_item().table_name(table).set_item(Some(item));
            let request = request
                .condition_expression(condition)
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values());
            met(resend(ATTEMPTS, || request.clone().send()).await)
        }
        .boxed()
    }

    /// Deletes one item, if it is there, and gives it.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        table: &str,
        key: Item,
    ) -> Result<Option<T>, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(table)
            .set_key(Some(key))
            .return_values(ReturnValue::AllOld);
        delete(request).await?.map(read).transpose()
    }

    /// Updates one item if a condition holds, and gives it as it is then; `None` where the
    /// condition does not hold.
    pub async fn update_if<T: DeserializeOwned>(
        &self,
        table: &str,
        key: Item,
        update: &str,
        condition: &str,
        expression: &Expression,
    ) -> Result<Option<T>, StoreError> {
        let request = self.client.update_item().table_name(table).set_key(Some(key));
        let request = request
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew);
        match attempt(request).await? {
            Ok(updated) => updated.attributes.map(read).transpose(),
            Err(_) => Ok(None),
        }
    }

    /// Deletes the items of these keys, at most 25, as far as they are there.
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
                    .client
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

    /// Commits all of the writes or none.
    pub fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<(), CommitError>> {
        async move {
            let writes: Vec<_> = writes.into_iter().map(|write| write.0).collect();
            // All attempts have one token: if an answer is lost on its way, the next attempt does
            // not commit again.
            let token = ids::new_secret::<16>();
            let request = self
                .client
                .transact_write_items()
                .client_request_token(token)
                .set_transact_items(Some(writes));
            resend(COMMIT_ATTEMPTS, || request.clone().send()).await.map(drop).map_err(refused)
        }
        .boxed()
    }
}

/// Reads an item.
pub fn get(request: GetItemFluentBuilder) -> BoxFuture<'static, Result<Option<Item>, StoreError>> {
    async move { Ok(request.send().await.map_err(unavailable)?.item) }.boxed()
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

/// Deletes an item, and gives the attributes that the request asks for.
fn delete(
    request: DeleteItemFluentBuilder,
) -> BoxFuture<'static, Result<Option<Item>, StoreError>> {
    async move {
        let deleted = resend(ATTEMPTS, || request.clone().send()).await.map_err(unavailable)?;
        Ok(deleted.attributes)
    }
    .boxed()
}

/// Reads why a transaction was not committed: the position of a condition that did not hold, if
/// there is one.
fn refused(error: SdkError<TransactWriteItemsError>) -> CommitError {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    {
        let reasons = cancelled.cancellation_reasons();
        if let Some(position) =
            reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"))
        {
            return CommitError::Condition { position, old: reasons[position].item.clone() };
        }
        let codes: Vec<_> = reasons
            .iter()
            .filter_map(|reason| reason.code())
            .filter(|code| *code != "None")
            .collect();
        return StoreError::Unavailable(format!(
            "the transaction was cancelled: {}",
            codes.join(", ")
        ))
        .into();
    }
    unavailable(error).into()
}

/// Whether the condition of a write held.
fn met<T, E: ProvideErrorMetadata + std::error::Error + 'static>(
    written: Result<T, SdkError<E>>,
) -> Result<bool, StoreError> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(unavailable(error)),
    }
}

/// Sends a conditional update. Where the condition fails, gives the item that it found, if the
/// request asks for it.
pub fn attempt(
    request: UpdateItemFluentBuilder,
) -> BoxFuture<'static, Result<Result<UpdateItemOutput, Item>, StoreError>> {
    async move {
        match resend(ATTEMPTS, || request.clone().send()).await {
            Ok(updated) => Ok(Ok(updated)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Err(failed.item.clone().unwrap_or_default()))
                }
                _ => Err(unavailable(error)),
            },
        }
    }
    .boxed()
}

/// The error of a failed call, with the text for the log. The SDK's errors hold no item and no key.
pub fn unavailable<E: std::error::Error + 'static>(error: E) -> StoreError {
    StoreError::Unavailable(describe(&error))
}

/// An item as a Rust value.
pub fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

/// A Rust value as an item.
pub fn item(value: impl Serialize) -> Result<Item, StoreError> {
    Ok(serde_dynamo::to_item(value)?)
}

/// A Rust value as the value of an attribute.
pub fn value(value: impl Serialize) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::to_attribute_value(value)?)
}

/// A key of one string attribute.
pub fn key(name: &str, value: &str) -> Item {
    HashMap::from([(name.to_owned(), AttributeValue::S(value.to_owned()))])
}

/// A key of two string attributes.
pub fn key2(partition: (&str, &str), sort: (&str, &str)) -> Item {
    [partition, sort]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .collect()
}

/// A string value.
pub fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number value.
#[allow(clippy::needless_pass_by_value, reason = "numbers are copied")]
pub fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
