//! One write of a transaction, and the names and values of its expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use super::Item;

/// One write of a plan. Stores make them, a commit carries them out.
#[derive(Debug, Clone)]
pub struct Write(pub TransactWriteItem);

/// The names and values of an expression, stated together so that none is forgotten.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Adds a value `:name`.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Adds a name `#name`, for attributes that are reserved words or chosen at run time.
    #[must_use]
    pub fn name(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(format!("#{name}"), attribute.to_owned());
        self
    }

    /// The names, or nothing: DynamoDB refuses an empty map.
    pub fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The values, or nothing.
    pub fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

// The builders fail only without a table or a key, which these functions always have.
impl Write {
    /// Puts an item, under a condition if there is one.
    pub fn put<'a>(
        table: &str,
        item: Item,
        condition: impl Into<Option<&'a str>>,
        expression: &Expression,
    ) -> Self {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(condition.into().map(str::to_owned))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Self(TransactWriteItem::builder().set_put(put.ok()).build())
    }

    /// Writes nothing, but requires that a condition holds for an item.
    pub fn check(table: &str, key: Item, condition: &str, expression: &Expression) -> Self {
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
    pub fn update<'a>(
        table: &str,
        key: Item,
        update: &str,
        condition: impl Into<Option<&'a str>>,
        expression: &Expression,
    ) -> Self {
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
    pub fn delete_if(table: &str, key: Item, condition: &str, expression: &Expression) -> Self {
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
    pub fn delete(table: &str, key: Item) -> Self {
        let delete = Delete::builder().table_name(table).set_key(Some(key)).build();
        Self(TransactWriteItem::builder().set_delete(delete.ok()).build())
    }
}
