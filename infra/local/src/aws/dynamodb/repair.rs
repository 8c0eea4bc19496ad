//! Repairs the tables of a start that was killed while it made them. The database describes a table
//! first and then makes its parts one by one. An added index it makes before it describes it.

use std::path::Path;

use dynoxide::Database;
use dynoxide::storage::{Storage, TableMetadata};
use serde_json::{Value, json};

use super::super::error::AwsError;
use super::operations;
use super::tables::{elements, failed, run, text};
use crate::template::model::Table;

/// Deletes a table that lacks one of its parts, so that it can be made again.
pub(super) fn delete_half_made(database: &Database, table: &Table) -> Result<(), AwsError> {
    match database.get_table_metadata(&table.name).map_err(|error| failed(table, &error))? {
        Some(existing) if is_half_made(database, table, &existing)? => {
            run(database, table, "DeleteTable", &json!({ "TableName": table.name }))
        }
        _ => Ok(()),
    }
}

/// Whether a described table lacks one of its parts. Such a table must be empty, because a write
/// goes to all parts or none. If it has items all the same, it is damaged in another way, and the
/// function returns an error.
fn is_half_made(
    database: &Database,
    table: &Table,
    existing: &TableMetadata,
) -> Result<bool, AwsError> {
    let scan = |index: Option<&str>| {
        let mut request = json!({ "TableName": table.name, "Limit": 1 });
        if let Some(index) = index {
            request["IndexName"] = index.into();
        }
        operations::run(database, "Scan", request.to_string().as_bytes())
    };
    let Ok(items) = scan(None) else { return Ok(true) };
    let kept = |definitions: Option<&str>| {
        serde_json::from_str::<Value>(definitions.unwrap_or("[]")).unwrap_or_default()
    };
    let global = kept(existing.gsi_definitions.as_deref());
    let local = kept(existing.lsi_definitions.as_deref());
    let missing = elements(&global)
        .chain(elements(&local))
        .find_map(|index| scan(Some(text(&index["IndexName"]))).err());
    match missing {
        None => Ok(false),
        Some(_) if serde_json::from_str::<Value>(&items).is_ok_and(|items| items["Count"] == 0) => {
            Ok(true)
        }
        Some(error) => Err(failed(table, &error)),
    }
}

/// Removes indexes that were made but never described. Otherwise the database could not make them
/// again.
pub(super) fn drop_undescribed_indexes(file: &Path, tables: &[Table]) -> Result<(), AwsError> {
    let unusable = |error: dynoxide::DynoxideError| AwsError::Database(error.to_string());
    let path =
        file.to_str().ok_or_else(|| AwsError::Database("its path is not UTF-8".to_owned()))?;
    let storage = Storage::new(path).map_err(unusable)?;
    for table in tables {
        let Some(existing) = storage.get_table_metadata(&table.name).map_err(unusable)? else {
            continue;
        };
        let described: Value =
            serde_json::from_str(existing.gsi_definitions.as_deref().unwrap_or("[]"))
                .unwrap_or_default();
        for index in
            elements(&table.create["GlobalSecondaryIndexes"]).map(|index| text(&index["IndexName"]))
        {
            if elements(&described).all(|known| known["IndexName"] != index) {
                storage.drop_gsi_table(&table.name, index).map_err(unusable)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tables::ensure;
    use super::*;

    fn table(indexes: &Value) -> Table {
        let mut create = json!({
            "AttributeDefinitions": [
                { "AttributeName": "id", "AttributeType": "S" },
                { "AttributeName": "at", "AttributeType": "N" },
            ],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "BillingMode": "PAY_PER_REQUEST",
        });
        if indexes.as_array().is_some_and(|indexes| !indexes.is_empty()) {
            create["GlobalSecondaryIndexes"] = indexes.clone();
        } else {
            create["AttributeDefinitions"] =
                json!([{ "AttributeName": "id", "AttributeType": "S" }]);
        }
        Table { id: "Items".into(), name: "tally-items".into(), create, ttl_attribute: None }
    }

    fn index() -> Value {
        let keys = json!([{ "AttributeName": "at", "KeyType": "HASH" }]);
        json!([
            { "IndexName": "by_time", "KeySchema": keys, "Projection": { "ProjectionType": "ALL" } },
        ])
    }

    /// Opens a database file as a start does, and tries to use the table.
    fn start(file: &Path, table: &Table) -> Result<usize, AwsError> {
        drop_undescribed_indexes(file, std::slice::from_ref(table))?;
        let database = Database::new(file.to_str().unwrap()).unwrap();
        delete_half_made(&database, table)?;
        ensure(&database, None, table)?;
        let call = |operation: &str, request: Value| {
            operations::run(&database, operation, request.to_string().as_bytes()).unwrap()
        };
        call(
            "PutItem",
            json!({
                "TableName": "tally-items", "Item": { "id": { "S": "1" }, "at": { "N": "7" } },
            }),
        );
        let found = call("Scan", json!({ "TableName": "tally-items", "IndexName": "by_time" }));
        Ok(serde_json::from_str::<Value>(&found).unwrap()["Count"]
            .as_u64()
            .unwrap()
            .try_into()
            .unwrap())
    }

    /// The state that a start leaves if it is killed after `work`.
    fn killed(work: impl FnOnce(&Storage)) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dynamodb.sqlite");
        work(&Storage::new(file.to_str().unwrap()).unwrap());
        (directory, file)
    }

    #[test]
    fn a_table_whose_making_was_broken_off_is_made_again() {
        let (_directory, file) = killed(|_| {});
        start(&file, &table(&index())).unwrap();
        for part in ["table", "index"] {
            let (_directory, file) = killed(|_| {});
            let database = Database::new(file.to_str().unwrap()).unwrap();
            ensure(&database, None, &table(&index())).unwrap();
            drop(database);
            let storage = Storage::new(file.to_str().unwrap()).unwrap();
            storage.drop_gsi_table("tally-items", "by_time").unwrap();
            if part == "table" {
                storage.drop_data_table("tally-items").unwrap();
            }
            drop(storage);
            assert_eq!(start(&file, &table(&index())).unwrap(), 1, "without the {part}");
        }
    }

    #[test]
    fn an_index_whose_adding_was_broken_off_is_added() {
        let (_directory, file) = killed(|_| {});
        let database = Database::new(file.to_str().unwrap()).unwrap();
        ensure(&database, None, &table(&json!([]))).unwrap();
        drop(database);
        let storage = Storage::new(file.to_str().unwrap()).unwrap();
        storage.create_gsi_table("tally-items", "by_time").unwrap();
        drop(storage);
        assert_eq!(start(&file, &table(&index())).unwrap(), 1);
    }

    #[test]
    fn a_table_with_items_and_without_an_index_is_refused() {
        let (_directory, file) = killed(|_| {});
        start(&file, &table(&index())).unwrap();
        let storage = Storage::new(file.to_str().unwrap()).unwrap();
        storage.drop_gsi_table("tally-items", "by_time").unwrap();
        drop(storage);
        assert!(start(&file, &table(&index())).unwrap_err().to_string().contains("tally-items"));
    }
}
