//! The records of the streams as the embedded database keeps them in its file. It finds their
//! newest by a scan at each write and drops none. So a second connection adds an index, keeps the
//! position of each reader, and drops the records that every reader has passed.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dynoxide::storage::Storage;

use super::super::error::AwsError;

/// How long a stream keeps records that nothing reads, in seconds, as on AWS.
const RETENTION_SECONDS: i64 = 24 * 60 * 60;

/// `NORMAL` does not wait for the disk at each commit, and a crash leaves a consistent file. After
/// a power failure a position may be an older one. Then records are delivered again.
///
/// No table can have these names, because they have a colon.
const PREPARE: &str = r#"
PRAGMA synchronous = NORMAL;
CREATE INDEX IF NOT EXISTS "tally:stream_records"
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
CREATE TABLE IF NOT EXISTS "tally:stream_positions" (
    reader TEXT PRIMARY KEY,
    table_name TEXT NOT NULL,
    position INTEGER NOT NULL
);
"#;

/// The newest record of a table stays, because the database numbers the next one by it.
const BEFORE_THE_NEWEST: &str = "CAST(sequence_number AS INTEGER) < (
    SELECT MAX(CAST(newer.sequence_number AS INTEGER)) FROM _stream_records AS newer
    WHERE newer.table_name = _stream_records.table_name
)";

/// The second connection to the file of the database.
pub(super) struct Ledger(Mutex<Storage>);

impl Ledger {
    /// Prepares the file, which is created if it is missing. The database must not be open yet.
    /// Blocks.
    pub(super) fn open(file: &Path) -> Result<Self, AwsError> {
        let unusable = |error: dynoxide::DynoxideError| AwsError::Database(error.to_string());
        let path =
            file.to_str().ok_or_else(|| AwsError::Database("its path is not UTF-8".to_owned()))?;
        let storage = Storage::new(path).map_err(unusable)?;
        storage.conn().execute_batch(PREPARE).map_err(|error| unusable(error.into()))?;
        let ledger = Self(Mutex::new(storage));
        ledger.forget_ended_streams().map_err(unusable)?;
        Ok(ledger)
    }

    /// Drops the records of tables without a stream. Otherwise they would be in the table's next
    /// stream. Blocks.
    pub(super) fn forget_ended_streams(&self) -> dynoxide::Result<()> {
        let sql = "DELETE FROM _stream_records WHERE table_name NOT IN (
            SELECT table_name FROM _tables WHERE stream_enabled = 1
        )";
        self.storage().conn().execute(sql, ())?;
        Ok(())
    }

    /// Drops the positions of all readers but these, and the records of tables that have none when
    /// they are older than a day. Blocks.
    pub(super) fn keep_readers(&self, readers: &[String]) -> dynoxide::Result<()> {
        let readers = serde_json::Value::from(readers).to_string();
        let positions = r#"DELETE FROM "tally:stream_positions"
            WHERE reader NOT IN (SELECT value FROM json_each(?1))"#;
        let records = format!(
            r#"DELETE FROM _stream_records
            WHERE created_at < unixepoch() - ?1 AND {BEFORE_THE_NEWEST}
            AND table_name NOT IN (SELECT table_name FROM "tally:stream_positions")"#
        );
        let storage = self.storage();
        storage.conn().execute(positions, [readers])?;
        storage.conn().execute(&records, [RETENTION_SECONDS])?;
        Ok(())
    }

    /// The last record that a reader has passed, by its stored number. Blocks.
    pub(super) fn position(&self, reader: &str) -> dynoxide::Result<Option<i64>> {
        let sql = r#"SELECT MAX(position) FROM "tally:stream_positions" WHERE reader = ?1"#;
        Ok(self.storage().conn().query_row(sql, [reader], |row| row.get(0))?)
    }

    /// Stores the position of a reader, and drops the records that all readers of the table have
    /// passed. Blocks.
    pub(super) fn store(&self, reader: &str, table: &str, position: i64) -> dynoxide::Result<()> {
        let store = r#"INSERT INTO "tally:stream_positions" (reader, table_name, position)
            VALUES (?1, ?2, ?3) ON CONFLICT (reader) DO UPDATE SET position = excluded.position"#;
        let drop_passed = format!(
            r#"DELETE FROM _stream_records WHERE table_name = ?1 AND {BEFORE_THE_NEWEST}
            AND CAST(sequence_number AS INTEGER) <= (
                SELECT MIN(position) FROM "tally:stream_positions" WHERE table_name = ?1
            )"#
        );
        let storage = self.storage();
        let transaction = storage.conn().unchecked_transaction()?;
        transaction.execute(store, (reader, table, position))?;
        transaction.execute(&drop_passed, [table])?;
        Ok(transaction.commit()?)
    }

    fn storage(&self) -> MutexGuard<'_, Storage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use dynoxide::Database;
    use serde_json::{Value, json};

    use super::super::operations;
    use super::*;

    struct Setup {
        database: Database,
        ledger: Ledger,
        directory: tempfile::TempDir,
    }

    impl Setup {
        /// A database with streams of the tables `tally-one` and `tally-other`.
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("dynamodb.sqlite");
            let ledger = Ledger::open(&file).unwrap();
            let database = Database::new(file.to_str().unwrap()).unwrap();
            let setup = Self { database, ledger, directory };
            for table in ["tally-one", "tally-other"] {
                setup.call(
                    "CreateTable",
                    &json!({
                        "TableName": table,
                        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                        "BillingMode": "PAY_PER_REQUEST",
                        "StreamSpecification": {
                            "StreamEnabled": true, "StreamViewType": "KEYS_ONLY",
                        },
                    }),
                );
            }
            setup
        }

        fn call(&self, operation: &str, request: &Value) {
            operations::run(&self.database, operation, request.to_string().as_bytes()).unwrap();
        }

        fn put(&self, table: &str, id: &str) {
            self.call("PutItem", &json!({"TableName": table, "Item": {"id": {"S": id}}}));
        }

        /// The stored numbers of a table's records.
        fn numbers(&self, table: &str) -> Vec<i64> {
            let storage = self.ledger.storage();
            let shard = dynoxide::streams::shard_id(table);
            let records = storage.get_stream_records(table, &shard, 0, 1_000).unwrap();
            records.iter().map(|record| record.sequence_number.parse().unwrap()).collect()
        }

        fn query(&self, sql: &str) -> String {
            self.ledger.storage().conn().query_row(sql, (), |row| row.get("detail")).unwrap()
        }
    }

    #[test]
    fn the_database_finds_its_newest_record_and_a_page_by_the_index() {
        let setup = Setup::new();
        for sql in [
            "SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records \
             WHERE table_name = 'a'",
            "SELECT new_image FROM _stream_records WHERE table_name = 'a' AND shard_id = 'b' AND \
             CAST(sequence_number AS INTEGER) > 7 ORDER BY CAST(sequence_number AS INTEGER) LIMIT 9",
        ] {
            let plan = setup.query(&format!("EXPLAIN QUERY PLAN {sql}"));
            assert!(plan.contains("INDEX tally:stream_records"), "{plan}");
        }
    }

    #[test]
    fn records_that_all_readers_have_passed_are_dropped_but_the_newest() {
        let setup = Setup::new();
        for id in ["1", "2", "3", "4"] {
            setup.put("tally-one", id);
            setup.put("tally-other", id);
        }
        let numbers = setup.numbers("tally-one");
        setup.ledger.store("slow", "tally-one", 0).unwrap();
        setup.ledger.store("fast", "tally-one", numbers[2]).unwrap();
        assert_eq!(setup.numbers("tally-one"), numbers);
        setup.ledger.store("slow", "tally-one", numbers[1]).unwrap();
        assert_eq!(setup.numbers("tally-one"), numbers[2..]);
        for reader in ["slow", "fast"] {
            setup.ledger.store(reader, "tally-one", numbers[3]).unwrap();
        }
        assert_eq!(setup.numbers("tally-one"), numbers[3..]);
        assert_eq!(setup.numbers("tally-other").len(), 4);
        setup.put("tally-one", "5");
        assert!(setup.numbers("tally-one")[1] > numbers[3]);
    }

    #[test]
    fn positions_outlive_the_ledger_until_their_readers_are_gone() {
        let Setup { database, ledger, directory } = Setup::new();
        assert_eq!(ledger.position("one").unwrap(), None);
        ledger.store("one", "tally-one", 7).unwrap();
        ledger.store("one", "tally-one", 9).unwrap();
        ledger.store("two", "tally-one", 8).unwrap();
        drop((database, ledger));
        let ledger = Ledger::open(&directory.path().join("dynamodb.sqlite")).unwrap();
        assert_eq!(ledger.position("one").unwrap(), Some(9));
        ledger.keep_readers(&["two".to_owned()]).unwrap();
        assert_eq!(
            (ledger.position("one").unwrap(), ledger.position("two").unwrap()),
            (None, Some(8))
        );
    }

    #[test]
    fn records_that_nothing_reads_are_dropped_after_a_day() {
        let setup = Setup::new();
        for table in ["tally-one", "tally-other"] {
            setup.put(table, "1");
            setup.put(table, "2");
        }
        let age = "UPDATE _stream_records SET created_at = created_at - 86500";
        setup.ledger.storage().conn().execute(age, ()).unwrap();
        setup.put("tally-one", "3");
        setup.ledger.store("reader", "tally-other", 0).unwrap();
        setup.ledger.keep_readers(&["reader".to_owned()]).unwrap();
        assert_eq!((setup.numbers("tally-one").len(), setup.numbers("tally-other").len()), (1, 2));
    }

    #[test]
    fn the_records_of_ended_streams_are_forgotten() {
        let setup = Setup::new();
        setup.put("tally-one", "1");
        setup.put("tally-other", "1");
        let off = json!({"StreamEnabled": false});
        setup.call("UpdateTable", &json!({"TableName": "tally-one", "StreamSpecification": off}));
        setup.ledger.forget_ended_streams().unwrap();
        assert_eq!((setup.numbers("tally-one").len(), setup.numbers("tally-other").len()), (0, 1));
        setup.call("DeleteTable", &json!({"TableName": "tally-other"}));
        setup.ledger.forget_ended_streams().unwrap();
        assert!(setup.numbers("tally-other").is_empty());
    }
}
