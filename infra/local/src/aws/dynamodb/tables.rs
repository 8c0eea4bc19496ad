//! The template's tables: creates the missing ones, and compares the existing ones with the
//! template.

use std::collections::BTreeMap;

use dynoxide::Database;
use dynoxide::storage::TableMetadata;
use serde_json::{Value, json};

use super::super::error::AwsError;
use super::ledger::Ledger;
use super::operations;
use crate::template::model::Table;

/// Ensures that the table exists with the template's keys, indexes and time to live. An index that
/// the template adds is built. Any other change would lose or hide data and is refused.
pub(super) fn ensure(
    database: &Database,
    ledger: Option<&Ledger>,
    table: &Table,
) -> Result<(), AwsError> {
    let existing =
        database.get_table_metadata(&table.name).map_err(|error| failed(table, &error))?;
    let Some(existing) = existing else {
        let mut create = table.create.clone();
        create["TableName"] = json!(table.name);
        run(database, table, "CreateTable", &create)?;
        return switch_ttl(database, table, None);
    };
    for index in added_indexes(table, &existing)? {
        let update = json!({
            "TableName": table.name,
            "AttributeDefinitions": table.create["AttributeDefinitions"],
            "GlobalSecondaryIndexUpdates": [{ "Create": index }],
        });
        run(database, table, "UpdateTable", &update)?;
    }
    switch_stream(database, ledger, table, &existing)?;
    switch_ttl(database, table, existing.ttl_attribute.filter(|_| existing.ttl_enabled))
}

/// The global indexes that only the template has.
fn added_indexes(table: &Table, existing: &TableMetadata) -> Result<Vec<Value>, AwsError> {
    let changed =
        |what: &str| AwsError::TableChanged { table: table.name.clone(), what: what.to_owned() };
    let parse =
        |text: Option<&str>| serde_json::from_str(text.unwrap_or("null")).unwrap_or(Value::Null);
    let kept_attributes = parse(Some(&existing.attribute_definitions));
    let wanted = &table.create;
    let attributes = &table.create["AttributeDefinitions"];

    if keys(&wanted["KeySchema"], attributes)
        != keys(&parse(Some(&existing.key_schema)), &kept_attributes)
    {
        return Err(changed("key schema"));
    }
    let kept_local = parse(existing.lsi_definitions.as_deref());
    if indexes(&wanted["LocalSecondaryIndexes"], attributes)
        != indexes(&kept_local, &kept_attributes)
    {
        return Err(changed("set of local indexes"));
    }
    let kept_global = parse(existing.gsi_definitions.as_deref());
    let kept = indexes(&kept_global, &kept_attributes);
    let wanted_indexes = indexes(&wanted["GlobalSecondaryIndexes"], attributes);
    if let Some((name, _)) =
        kept.iter().find(|(name, index)| wanted_indexes.get(*name) != Some(*index))
    {
        return Err(changed(&format!("index {name}")));
    }
    let wanted_indexes = elements(&wanted["GlobalSecondaryIndexes"]);
    Ok(wanted_indexes
        .filter(|index| !kept.contains_key(text(&index["IndexName"])))
        .cloned()
        .collect())
}

/// The properties of each index that can't change, by the index's name.
fn indexes<'a>(list: &'a Value, attributes: &Value) -> BTreeMap<&'a str, Value> {
    let index = |index: &'a Value| {
        let mut projected: Vec<_> = elements(&index["Projection"]["NonKeyAttributes"]).collect();
        projected.sort_by_key(|name| text(name));
        let shape = json!([
            keys(&index["KeySchema"], attributes),
            index["Projection"]["ProjectionType"],
            projected
        ]);
        (text(&index["IndexName"]), shape)
    };
    elements(list).map(index).collect()
}

/// Name, role and type of each key attribute.
fn keys(schema: &Value, attributes: &Value) -> Value {
    let key = |key: &Value| {
        let name = &key["AttributeName"];
        let definition = elements(attributes).find(|attribute| attribute["AttributeName"] == *name);
        json!([name, key["KeyType"], definition.map(|attribute| &attribute["AttributeType"])])
    };
    elements(schema).map(key).collect()
}

pub(super) fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn switch_stream(
    database: &Database,
    ledger: Option<&Ledger>,
    table: &Table,
    existing: &TableMetadata,
) -> Result<(), AwsError> {
    let switch = |specification: &Value| {
        run(
            database,
            table,
            "UpdateTable",
            &json!({ "TableName": table.name, "StreamSpecification": specification }),
        )
    };
    let wanted = &table.create["StreamSpecification"];
    let current = existing.stream_view_type.as_deref().filter(|_| existing.stream_enabled);
    if current == wanted["StreamViewType"].as_str() {
        return Ok(());
    }
    if current.is_some() {
        switch(&json!({ "StreamEnabled": false }))?;
        if let Some(ledger) = ledger {
            ledger.forget_ended_streams().map_err(|error| failed(table, &error))?;
        }
    }
    if wanted.is_object() { switch(wanted) } else { Ok(()) }
}

fn switch_ttl(database: &Database, table: &Table, current: Option<String>) -> Result<(), AwsError> {
    let switch = |attribute: &str, enabled: bool| {
        let specification = json!({ "AttributeName": attribute, "Enabled": enabled });
        let request = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
        run(database, table, "UpdateTimeToLive", &request)
    };
    if current == table.ttl_attribute {
        return Ok(());
    }
    if let Some(attribute) = current {
        switch(&attribute, false)?;
    }
    table.ttl_attribute.as_deref().map_or(Ok(()), |attribute| switch(attribute, true))
}

pub(super) fn run(
    database: &Database,
    table: &Table,
    operation: &str,
    request: &Value,
) -> Result<(), AwsError> {
    operations::run(database, operation, request.to_string().as_bytes())
        .map_err(|error| failed(table, &error))?;
    Ok(())
}

pub(super) fn failed(table: &Table, error: &dynoxide::DynoxideError) -> AwsError {
    AwsError::Table { table: table.name.clone(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(create: Value, ttl_attribute: Option<&str>) -> Table {
        let ttl_attribute = ttl_attribute.map(str::to_owned);
        Table { id: "UsersTable".into(), name: "tally-users".into(), create, ttl_attribute }
    }

    fn users() -> Value {
        json!({
            "AttributeDefinitions": [
                { "AttributeName": "id", "AttributeType": "S" },
                { "AttributeName": "email", "AttributeType": "S" },
            ],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [index("by_email", "email")],
        })
    }

    fn index(name: &str, key: &str) -> Value {
        json!({
            "IndexName": name,
            "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["b", "a"] },
        })
    }

    fn with(mut create: Value, pointer: &str, value: Value) -> Value {
        *create.pointer_mut(pointer).unwrap() = value;
        create
    }

    fn call(database: &Database, operation: &str, request: &Value) -> Value {
        let answer = operations::run(database, operation, request.to_string().as_bytes()).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    #[test]
    fn an_unchanged_table_keeps_its_items() {
        let database = Database::memory().unwrap();
        ensure(&database, None, &table(users(), None)).unwrap();
        call(
            &database,
            "PutItem",
            &json!({ "TableName": "tally-users", "Item": { "id": { "S": "1" } } }),
        );
        ensure(&database, None, &table(users(), None)).unwrap();
        assert_eq!(call(&database, "Scan", &json!({ "TableName": "tally-users" }))["Count"], 1);
    }

    #[test]
    fn an_added_index_is_built_over_the_items_that_exist() {
        let database = Database::memory().unwrap();
        let without = with(users(), "/GlobalSecondaryIndexes", json!([]));
        let without = with(
            without,
            "/AttributeDefinitions",
            json!([{ "AttributeName": "id", "AttributeType": "S" }]),
        );
        let mut without = without;
        without.as_object_mut().unwrap().remove("GlobalSecondaryIndexes");
        ensure(&database, None, &table(without, None)).unwrap();
        let item = json!({ "id": { "S": "1" }, "email": { "S": "a@example.com" } });
        call(&database, "PutItem", &json!({ "TableName": "tally-users", "Item": item }));
        ensure(&database, None, &table(users(), None)).unwrap();
        let query = json!({
            "TableName": "tally-users",
            "IndexName": "by_email",
            "KeyConditionExpression": "email = :email",
            "ExpressionAttributeValues": { ":email": { "S": "a@example.com" } },
        });
        assert_eq!(call(&database, "Query", &query)["Count"], 1);
    }

    #[test]
    fn a_changed_table_is_refused_with_what_changed() {
        fn check(create: Value, what: &str) {
            let database = Database::memory().unwrap();
            ensure(&database, None, &table(users(), None)).unwrap();
            let refusal = ensure(&database, None, &table(create, None)).unwrap_err().to_string();
            for part in ["tally-users", what, "--state"] {
                assert!(refusal.contains(part), "{refusal}");
            }
        }
        check(with(users(), "/KeySchema/0/AttributeName", json!("email")), "key schema");
        check(with(users(), "/AttributeDefinitions/0/AttributeType", json!("N")), "key schema");
        check(with(users(), "/AttributeDefinitions/1/AttributeType", json!("N")), "index by_email");
        check(
            with(users(), "/GlobalSecondaryIndexes/0", index("by_email", "id")),
            "index by_email",
        );
        check(
            with(users(), "/GlobalSecondaryIndexes/0/IndexName", json!("by_mail")),
            "index by_email",
        );
        check(
            with(
                users(),
                "/GlobalSecondaryIndexes/0/Projection",
                json!({ "ProjectionType": "ALL" }),
            ),
            "index by_email",
        );
    }

    #[test]
    fn time_to_live_follows_the_template() {
        let database = Database::memory().unwrap();
        for attribute in [None, Some("expires_at"), Some("expires_at"), Some("gone_at"), None] {
            ensure(&database, None, &table(users(), attribute)).unwrap();
            let answer =
                call(&database, "DescribeTimeToLive", &json!({ "TableName": "tally-users" }));
            let description = &answer["TimeToLiveDescription"];
            assert_eq!(description["AttributeName"].as_str(), attribute);
            assert_eq!(description["TimeToLiveStatus"] == "ENABLED", attribute.is_some());
        }
    }

    #[test]
    fn a_stream_follows_the_template() {
        let database = Database::memory().unwrap();
        for view in [None, Some("NEW_IMAGE"), Some("NEW_IMAGE"), Some("NEW_AND_OLD_IMAGES"), None] {
            let mut create = users();
            if let Some(view) = view {
                create["StreamSpecification"] =
                    json!({ "StreamEnabled": true, "StreamViewType": view });
            }
            ensure(&database, None, &table(create, None)).unwrap();
            let description =
                call(&database, "DescribeTable", &json!({ "TableName": "tally-users" }));
            assert_eq!(
                description["Table"]["StreamSpecification"]["StreamViewType"].as_str(),
                view
            );
        }
    }

    #[test]
    fn a_table_that_dynamodb_would_not_create_is_refused_by_name() {
        let database = Database::memory().unwrap();
        let refusal = ensure(&database, None, &table(with(users(), "/KeySchema", json!([])), None))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("tally-users can't be created or used"), "{refusal}");
    }
}
