//! The streams as their readers in this process see them: records after a position, and a call that
//! wakes a reader when its table is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::{
    GetShardIteratorRequest, decode_shard_iterator, encode_shard_iterator,
};
use dynoxide::streams::shard_id;
use dynoxide::{Database, DynoxideError};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::ledger::Ledger;
use super::served;
use super::touched::Touched;

/// The database adds this to the number that it stores for a record. Clients see the sum.
const NUMBER_OFFSET: u128 = 100_000_000_000_000_000_000;

/// The streams of a database. A position is the stored number of the last record passed.
#[derive(Clone)]
pub(crate) struct ChangeLog {
    database: Database,
    ledger: Arc<Ledger>,
    readers: Arc<Readers>,
}

/// Records of a stream.
pub(crate) struct Page {
    pub(crate) records: Vec<(i64, Record)>,
    /// The position after them, and after those that were left out.
    pub(crate) end: i64,
}

impl ChangeLog {
    pub(super) fn new(database: Database, ledger: Arc<Ledger>, readers: Arc<Readers>) -> Self {
        Self { database, ledger, readers }
    }

    /// Reads at most `limit` records after a position.
    pub(crate) async fn read(
        &self,
        table: &str,
        after: i64,
        limit: usize,
    ) -> dynoxide::Result<Page> {
        let iterator = encode_shard_iterator(table, &shard_id(table), after);
        self.blocking(move |log| {
            let request = GetRecordsRequest { shard_iterator: iterator, limit: Some(limit) };
            let response = served::get_records(&log.database, request)?;
            let end = response.next_shard_iterator.as_deref().and_then(position).unwrap_or(after);
            let numbered = |record: Record| -> dynoxide::Result<(i64, Record)> {
                let number = stored_number(&record.dynamodb.sequence_number)?;
                Ok((number, record))
            };
            let records = response.records.into_iter().map(numbered);
            Ok(Page { records: records.collect::<dynoxide::Result<_>>()?, end })
        })
        .await
    }

    /// The position of the newest record, or 0 if there is none.
    pub(crate) async fn end(&self, table: &str) -> dynoxide::Result<i64> {
        let request = GetShardIteratorRequest {
            stream_arn: dynoxide::streams::stream_arn(table, ""),
            shard_id: shard_id(table),
            shard_iterator_type: "LATEST".to_owned(),
            sequence_number: None,
        };
        self.blocking(move |log| {
            let response = log.database.get_shard_iterator(request)?;
            Ok(response.shard_iterator.as_deref().and_then(position).unwrap_or_default())
        })
        .await
    }

    /// Forgets the positions of all readers but these.
    pub(crate) async fn keep_readers(&self, readers: Vec<String>) -> dynoxide::Result<()> {
        self.blocking(move |log| log.ledger.keep_readers(&readers)).await
    }

    /// The stored position of a reader.
    pub(crate) async fn position(&self, reader: &str) -> dynoxide::Result<Option<i64>> {
        let reader = reader.to_owned();
        self.blocking(move |log| log.ledger.position(&reader)).await
    }

    /// Stores the position of a reader of a table.
    pub(crate) async fn store(
        &self,
        reader: &str,
        table: &str,
        position: i64,
    ) -> dynoxide::Result<()> {
        let (reader, table) = (reader.to_owned(), table.to_owned());
        self.blocking(move |log| log.ledger.store(&reader, &table, position)).await
    }

    /// The call that wakes a reader of a table. A call that comes while the reader is busy is kept.
    pub(crate) fn subscribe(&self, table: &str) -> Arc<Notify> {
        self.readers.add(table)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> dynoxide::Result<T> + Send + 'static,
    ) -> dynoxide::Result<T> {
        let log = self.clone();
        spawn_blocking(move || work(&log))
            .await
            .unwrap_or_else(|panic| Err(DynoxideError::InternalServerError(panic.to_string())))
    }
}

fn position(iterator: &str) -> Option<i64> {
    decode_shard_iterator(iterator).map(|(_table, _shard, position)| position)
}

fn stored_number(sequence_number: &str) -> dynoxide::Result<i64> {
    let number = sequence_number.parse::<u128>().ok();
    number.and_then(|number| i64::try_from(number.checked_sub(NUMBER_OFFSET)?).ok()).ok_or_else(
        || {
            DynoxideError::InternalServerError(format!(
                "{sequence_number} is not a sequence number"
            ))
        },
    )
}

/// Wakes the readers of each table.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<BTreeMap<String, Vec<Arc<Notify>>>>);

impl Readers {
    fn add(&self, table: &str) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.entry(table.to_owned()).or_default().push(Arc::clone(&wake));
        wake
    }

    /// Wakes the readers of the tables that an operation may have written.
    pub(super) fn wake(&self, operation: &str, touched: &Touched) {
        match operation {
            "BatchWriteItem" | "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem" => {
                let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let tables = touched.tables();
                let written = tables.iter().filter_map(|table| readers.get(table)).flatten();
                written.for_each(|reader| reader.notify_one());
            }
            // A statement names its table in its text.
            "BatchExecuteStatement" | "ExecuteStatement" | "ExecuteTransaction" => self.wake_all(),
            _ => {}
        }
    }

    pub(super) fn wake_all(&self) {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.values().flatten().for_each(|reader| reader.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::super::super::calls::CallLog;
    use super::super::DynamoDb;
    use super::*;
    use crate::template::model::Table;

    fn table(name: &str, view: &str) -> Table {
        let create = json!({
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": view},
        });
        Table { id: name.to_owned(), name: name.to_owned(), create, ttl_attribute: None }
    }

    fn in_memory() -> DynamoDb {
        let tables =
            [table("tally-local-one", "NEW_IMAGE"), table("tally-local-other", "NEW_IMAGE")];
        DynamoDb::open(None, &tables, Arc::default()).unwrap()
    }

    async fn call(dynamodb: &DynamoDb, operation: &str, request: Value) -> Value {
        let body = request.to_string().into();
        let answer = dynamodb.answer(operation, body, &CallLog::default()).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap();
        assert!(status.is_success(), "{operation}: {body}");
        body
    }

    fn item(table: &str, id: &str) -> Value {
        json!({"TableName": table, "Item": {"id": {"S": id}}})
    }

    async fn put(dynamodb: &DynamoDb, table: &str, id: &str) {
        call(dynamodb, "PutItem", item(table, id)).await;
    }

    async fn ids(changes: &ChangeLog, table: &str, after: i64, limit: usize) -> (Vec<String>, i64) {
        let page = changes.read(table, after, limit).await.unwrap();
        let id = |(_, record): (i64, Record)| {
            let keys = serde_json::to_value(&record.dynamodb.keys).unwrap();
            keys["id"]["S"].as_str().unwrap().to_owned()
        };
        (page.records.into_iter().map(id).collect(), page.end)
    }

    fn is_awake(wake: &Notify) -> bool {
        wake.notified().now_or_never().is_some()
    }

    #[tokio::test]
    async fn records_are_read_in_order_after_a_position() {
        let dynamodb = in_memory();
        let changes = dynamodb.changes().unwrap();
        assert_eq!(changes.end("tally-local-one").await.unwrap(), 0);
        for id in ["1", "2", "3"] {
            put(&dynamodb, "tally-local-one", id).await;
        }
        let (first, position) = ids(&changes, "tally-local-one", 0, 2).await;
        assert_eq!(first, ["1", "2"]);
        let (rest, end) = ids(&changes, "tally-local-one", position, 2).await;
        assert_eq!(rest, ["3"]);
        assert_eq!(changes.end("tally-local-one").await.unwrap(), end);
        assert_eq!(ids(&changes, "tally-local-one", end, 2).await, (vec![], end));
    }

    #[tokio::test]
    async fn a_write_wakes_the_readers_of_its_table() {
        let dynamodb = in_memory();
        let changes = dynamodb.changes().unwrap();
        let one = changes.subscribe("tally-local-one");
        let other = changes.subscribe("tally-local-other");
        let put_item = json!({"PutRequest": {"Item": {"id": {"S": "1"}}}});
        let put_one = json!({"Put": item("tally-local-one", "2")});
        for (operation, request, wakes_one, wakes_other) in [
            ("PutItem", item("tally-local-one", "1"), true, false),
            ("PutItem", item("tally-local-other", "1"), false, true),
            ("TransactWriteItems", json!({"TransactItems": [put_one]}), true, false),
            (
                "BatchWriteItem",
                json!({"RequestItems": {"tally-local-other": [put_item]}}),
                false,
                true,
            ),
            (
                "ExecuteStatement",
                json!({"Statement": "INSERT INTO \"tally-local-one\" VALUE {'id': '9'}"}),
                true,
                true,
            ),
            ("Scan", json!({"TableName": "tally-local-one"}), false, false),
        ] {
            call(&dynamodb, operation, request).await;
            let awake = (is_awake(&one), is_awake(&other));
            assert_eq!(awake, (wakes_one, wakes_other), "{operation}");
        }
        dynamodb.expire().await;
        assert!(is_awake(&one));
    }

    #[tokio::test]
    async fn a_write_whose_caller_has_gone_wakes_all_the_same() {
        let dynamodb = in_memory();
        let changes = dynamodb.changes().unwrap();
        let wake = changes.subscribe("tally-local-one");
        let body = item("tally-local-one", "1").to_string().into();
        let calls = CallLog::default();
        // The first poll begins the call, and then it is dropped.
        drop(dynamodb.answer("PutItem", body, &calls).now_or_never());
        wake.notified().await;
        assert_eq!(ids(&changes, "tally-local-one", 0, 9).await.0, ["1"]);
    }

    #[tokio::test]
    async fn a_stream_that_is_switched_off_and_on_has_no_records_from_before() {
        let dynamodb = in_memory();
        let changes = dynamodb.changes().unwrap();
        put(&dynamodb, "tally-local-one", "old").await;
        let create = table("tally-local-one", "NEW_IMAGE").create;
        let mut named = create.clone();
        named["TableName"] = "tally-local-one".into();
        let name = json!({"TableName": "tally-local-one"});
        let switch = |on: Value| json!({"TableName": "tally-local-one", "StreamSpecification": on});
        let on = switch(create["StreamSpecification"].clone());
        for (stop, request, start, restart) in [
            ("UpdateTable", switch(json!({"StreamEnabled": false})), "UpdateTable", on),
            ("DeleteTable", name, "CreateTable", named),
        ] {
            call(&dynamodb, stop, request).await;
            call(&dynamodb, start, restart).await;
            put(&dynamodb, "tally-local-one", start).await;
            assert_eq!(ids(&changes, "tally-local-one", 0, 9).await.0, [start]);
        }
    }

    #[tokio::test]
    async fn a_stream_with_another_view_has_no_records_from_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dynamodb.sqlite");
        for (view, left) in [("NEW_IMAGE", 1), ("NEW_IMAGE", 2), ("KEYS_ONLY", 1)] {
            let tables = [table("tally-local-one", view)];
            let dynamodb = DynamoDb::open(Some(&file), &tables, Arc::default()).unwrap();
            put(&dynamodb, "tally-local-one", view).await;
            let page = dynamodb.changes().unwrap().read("tally-local-one", 0, 9).await.unwrap();
            assert_eq!(page.records.len(), left, "{view}");
        }
    }

    #[tokio::test]
    async fn a_stream_goes_on_in_a_copy_where_the_image_has_it() {
        let dynamodb = in_memory();
        put(&dynamodb, "tally-local-one", "1").await;
        let copy = DynamoDb::copy(&dynamodb.image().unwrap(), Arc::default()).unwrap();
        put(&dynamodb, "tally-local-one", "2").await;
        put(&copy, "tally-local-one", "3").await;
        put(&copy, "tally-local-other", "4").await;
        let changes = copy.changes().unwrap();
        assert_eq!(ids(&changes, "tally-local-one", 0, 9).await.0, ["1", "3"]);
        assert_eq!(ids(&changes, "tally-local-other", 0, 9).await.0, ["4"]);
    }

    #[test]
    fn a_database_without_streams_stays_in_memory() {
        let mut plain = table("tally-local-one", "NEW_IMAGE");
        plain.create.as_object_mut().unwrap().remove("StreamSpecification");
        assert!(DynamoDb::open(None, &[plain], Arc::default()).unwrap().changes().is_none());
    }
}
