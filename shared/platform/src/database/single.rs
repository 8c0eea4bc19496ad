//! Calls for one item: it is read, written, updated or deleted.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::{ATTEMPTS, Database, Expression, Item, StoreError, read, resend, unavailable};

impl Database {
    /// Reads one item by its key.
    pub async fn get<T: DeserializeOwned>(
        &self,
        table: &str,
        key: Item,
        consistent: bool,
    ) -> Result<Option<T>, StoreError> {
        let request = self
            .client()
            .get_item()
            .table_name(table)
            .set_key(Some(key))
            .consistent_read(consistent);
        get(request).await?.map(read).transpose()
    }

    /// Writes one item, and replaces one that was there.
    pub fn put<'a>(&'a self, table: &'a str, item: Item) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let request = self.client().put_item().table_name(table).set_item(Some(item));
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
            let request = self.client().put_item().table_name(table).set_item(Some(item));
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
            .client()
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
        let request = self.client().update_item().table_name(table).set_key(Some(key));
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
}

/// Reads an item.
pub fn get(request: GetItemFluentBuilder) -> BoxFuture<'static, Result<Option<Item>, StoreError>> {
    async move { Ok(request.send().await.map_err(unavailable)?.item) }.boxed()
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
