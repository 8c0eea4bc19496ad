//! Items and values, and their conversions from and to Rust values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

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
