//! The one way to DynamoDB: single-item reads and writes, queries, and the transaction that commits a plan.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, DeleteRequest, KeysAndAttributes, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update, WriteRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aws::{Service, describe, sdk_config};
use crate::backoff;
use crate::config::{Config, ConfigError};
use crate::ids;

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// Why a table could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table does not answer, or refuses.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// An item is not what this version of the code writes.
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
    /// The store does not answer, or goes on colliding.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One write of a plan. Stores make them, a commit carries them out.
#[derive(Debug, Clone)]
pub struct Write(pub(super) TransactWriteItem);

/// A client of DynamoDB.
#[derive(Debug, Clone)]
pub struct Database {
    client: aws_sdk_dynamodb::Client,
}

/// Attempts at a transaction that collides with another. Every reply that is asked for and every one that ends writes the budget of the
/// deployment: with pauses of three seconds in all on average, two hundred of them at the same moment come through one after another.
const COMMIT_ATTEMPTS: u32 = 12;

/// Attempts at an update that collides with a transaction, and at reading what DynamoDB leaves over.
const ATTEMPTS: u32 = 5;

impl Database {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { client: aws_sdk_dynamodb::Client::new(&sdk_config(config, Service::DynamoDb)?) })
    }

    pub(super) fn client(&self) -> &aws_sdk_dynamodb::Client {
        &self.client
    }

    /// Reads one item by its key.
    pub(super) async fn get<T: DeserializeOwned>(&self, table: &str, key: Item, consistent: bool) -> Result<Option<T>, StoreError> {
        let answer = self.client.get_item().table_name(table).set_key(Some(key)).consistent_read(consistent).send().await;
        answer.map_err(unavailable)?.item.map(read).transpose()
    }

    /// Reads the items of these keys, at most a hundred, as they are now; those that are not there are left out, and the
    /// others come in any order.
    pub(super) async fn get_all<T: DeserializeOwned>(&self, table: &str, keys: Vec<Item>) -> Result<Vec<T>, StoreError> {
        let (mut found, mut keys, mut attempt) = (Vec::new(), keys, 1);
        while !keys.is_empty() {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(unavailable)?;
            let answer = self.client.batch_get_item().request_items(table, wanted).send().await.map_err(unavailable)?;
            let items = answer.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
            for item in items {
                found.push(read(item)?);
            }
            // Too much at once, or too large: the rest is for another call.
            keys = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table)).map_or_else(Vec::new, |rest| rest.keys);
            if !keys.is_empty() {
                if attempt == ATTEMPTS {
                    return Err(StoreError::Unavailable(format!("{} keys were not read", keys.len())));
                }
                backoff::pause(attempt).await;
                attempt += 1;
            }
        }
        Ok(found)
    }

    /// Writes one item, whatever was there.
    pub(super) async fn put(&self, table: &str, item: Item) -> Result<(), StoreError> {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// Updates one item if a condition holds, and gives it as it is then; `None` where the condition does not hold.
    pub(super) async fn update_if<T: DeserializeOwned>(
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

    /// Deletes the items of these keys, at most 25, whichever of them are there.
    pub(super) async fn delete_all(&self, table: &str, keys: Vec<Item>) -> Result<(), StoreError> {
        let delete = |key| DeleteRequest::builder().set_key(Some(key)).build().map_err(unavailable);
        let request = |key| Ok::<_, StoreError>(WriteRequest::builder().delete_request(delete(key)?).build());
        let (mut rest, mut attempt) = (keys.into_iter().map(request).collect::<Result<Vec<_>, _>>()?, 1);
        while !rest.is_empty() {
            let answer = self.client.batch_write_item().request_items(table, rest).send().await.map_err(unavailable)?;
            // Too much at once: the rest is for another call.
            rest = answer.unprocessed_items.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
            if !rest.is_empty() {
                if attempt == ATTEMPTS {
                    return Err(StoreError::Unavailable(format!("{} items were not deleted", rest.len())));
                }
                backoff::pause(attempt).await;
                attempt += 1;
            }
        }
        Ok(())
    }

    /// Commits all of the writes or none.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let writes: Vec<_> = writes.into_iter().map(|write| write.0).collect();
        // One token for all attempts: an answer that was lost on its way does not make a second commit.
        let token = ids::new_secret::<16>();
        let mut attempt = 1;
        loop {
            let request = self.client.transact_write_items().client_request_token(&token);
            let Err(error) = request.set_transact_items(Some(writes.clone())).send().await else { return Ok(()) };
            let failure = judge(error);
            match failure {
                Failure::Retry(_) if attempt < COMMIT_ATTEMPTS => backoff::pause(attempt).await,
                Failure::Retry(reason) => return Err(StoreError::Unavailable(reason).into()),
                Failure::Final(error) => return Err(error),
            }
            attempt += 1;
        }
    }
}

enum Failure {
    Retry(String),
    Final(CommitError),
}

/// Tells a condition that did not hold, by its position, from a collision that can be tried again.
fn judge(error: SdkError<TransactWriteItemsError>) -> Failure {
    if let SdkError::ServiceError(service) = &error {
        match service.err() {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                let reasons = cancelled.cancellation_reasons();
                let failed = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"));
                if let Some(position) = failed {
                    return Failure::Final(CommitError::Condition { position, old: reasons[position].item.clone() });
                }
                let codes: Vec<_> = reasons.iter().filter_map(|reason| reason.code()).filter(|code| *code != "None").collect();
                let transient = |code: &&str| matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded");
                if !codes.is_empty() && codes.iter().all(transient) {
                    return Failure::Retry(codes.join(", "));
                }
            }
            TransactWriteItemsError::TransactionInProgressException(_) => return Failure::Retry("the transaction is in progress".into()),
            _ => {}
        }
    }
    Failure::Final(unavailable(error).into())
}

/// Sends a conditional update, again where it collides with a transaction. Where the condition fails, gives what it found, if that
/// was asked for.
pub(super) async fn attempt(request: UpdateItemFluentBuilder) -> Result<Result<UpdateItemOutput, Item>, StoreError> {
    let mut tries = 1;
    loop {
        let error = match request.clone().send().await {
            Ok(updated) => return Ok(Ok(updated)),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => return Ok(Err(failed.item.clone().unwrap_or_default())),
            Some(UpdateItemError::TransactionConflictException(_)) if tries < ATTEMPTS => backoff::pause(tries).await,
            _ => return Err(unavailable(error)),
        }
        tries += 1;
    }
}

/// What the log says of a failed call. The SDK's errors hold no item and no key.
pub(super) fn unavailable<E: std::error::Error + 'static>(error: E) -> StoreError {
    StoreError::Unavailable(describe(&error))
}

/// An item as a Rust value.
pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

/// A Rust value as an item.
pub(super) fn item(value: impl Serialize) -> Result<Item, StoreError> {
    Ok(serde_dynamo::to_item(value)?)
}

/// A Rust value as that of an attribute.
pub(super) fn value(value: impl Serialize) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::to_attribute_value(value)?)
}

/// A key of one string attribute.
pub(super) fn key(name: &str, value: &str) -> Item {
    HashMap::from([(name.to_owned(), AttributeValue::S(value.to_owned()))])
}

/// A key of two string attributes.
pub(super) fn key2(partition: (&str, &str), sort: (&str, &str)) -> Item {
    [partition, sort].into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).collect()
}

/// A string value.
pub(super) fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number value.
#[allow(clippy::needless_pass_by_value, reason = "numbers are copied")]
pub(super) fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An expression with its names and values, whose parts are stated together so that none is forgotten.
#[derive(Debug, Clone, Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Adds a value `:name`.
    pub(super) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Adds a name `#name`, for attributes that are reserved words or chosen at run time.
    pub(super) fn name(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(format!("#{name}"), attribute.to_owned());
        self
    }

    /// The names, or nothing: DynamoDB refuses an empty map.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The values, or nothing.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

// The builders fail only without a table or a key, which these functions always have.
impl Write {
    /// Puts an item, under a condition.
    pub(super) fn put(table: &str, item: Item, condition: &str, expression: &Expression) -> Self {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Self(TransactWriteItem::builder().set_put(put.ok()).build())
    }

    /// Writes nothing, and asks that a condition holds for an item.
    pub(super) fn check(table: &str, key: Item, condition: &str, expression: &Expression) -> Self {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .build();
        Self(TransactWriteItem::builder().set_condition_check(check.ok()).build())
    }

    /// Updates an item, under a condition if there is one.
    pub(super) fn update<'a>(table: &str, key: Item, update: &str, condition: impl Into<Option<&'a str>>, expression: &Expression) -> Self {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(update)
            .set_condition_expression(condition.into().map(str::to_owned))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Self(TransactWriteItem::builder().set_update(update.ok()).build())
    }

    /// Deletes an item under a condition.
    pub(super) fn delete_if(table: &str, key: Item, condition: &str, expression: &Expression) -> Self {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Self(TransactWriteItem::builder().set_delete(delete.ok()).build())
    }

    /// Deletes an item if it is there.
    pub(super) fn delete(table: &str, key: Item) -> Self {
        let delete = Delete::builder().table_name(table).set_key(Some(key)).build();
        Self(TransactWriteItem::builder().set_delete(delete.ok()).build())
    }
}
