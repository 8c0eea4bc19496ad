//! The table of the texts of audit events, encrypted.
//!
//! Key: `event_id`, `piece` (`prompt#0`). An item expires with its event. The items are put before
//! the event: those of an event that was never written expire all the same.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use platform::audit::{Event, TextReference};
use platform::database::{Database, Expression, Item, StoreError, key2, n, query, s};
use platform::{ConfigError, Platform};

use crate::pieces::{self, Pieces};

/// Pieces deleted in one call: what one `BatchWriteItem` takes.
const BATCH: usize = 25;

/// Pieces of a text that are deleted, at most: 350 MB. An event that was tampered with may name any
/// number of bytes.
const MOST_PIECES: usize = 1_000;

/// The table of texts.
#[derive(Debug, Clone)]
pub struct TextPieces {
    database: Database,
    table: String,
}

impl TextPieces {
    /// Uses the table that `AUDIT_TEXTS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("AUDIT_TEXTS_TABLE")?.to_owned(),
        })
    }

    /// Stores a piece of an event to come. It replaces none. The id of the event is new: a piece
    /// that is there was stored by this same call, whose first answer was lost.
    pub async fn add(
        &self,
        event_id: &str,
        piece: String,
        bytes: &[u8],
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let item = Item::from([
            ("event_id".to_owned(), s(event_id)),
            ("piece".to_owned(), s(piece)),
            ("ciphertext".to_owned(), AttributeValue::B(Blob::new(bytes))),
            ("expires_at".to_owned(), n(expires_at)),
        ]);
        let condition = "attribute_not_exists(event_id)";
        self.database.put_if(&self.table, item, condition, &Expression::default()).await?;
        Ok(())
    }

    /// Deletes the pieces of the texts of an event, as far as they are there. The event says which
    /// there are, so none is read.
    pub async fn delete(&self, event: &Event) -> Result<(), StoreError> {
        let keys_of = |text: &TextReference| {
            pieces::keys(&text.name, text.bytes).take(MOST_PIECES).collect::<Vec<_>>()
        };
        let pieces = event.texts.iter().flat_map(keys_of);
        let mut keys = pieces.map(|piece| key2(("event_id", &event.id), ("piece", &piece)));
        loop {
            let batch: Vec<_> = keys.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.database.delete_all(&self.table, batch).await?;
        }
    }

    /// The pieces of the texts of an event as they are now.
    pub async fn of(&self, event_id: &str) -> Result<Pieces, StoreError> {
        let expression = Expression::default().value("event", s(event_id));
        let request = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("event_id = :event")
            .set_expression_attribute_values(expression.values())
            .consistent_read(true);
        let mut pieces = Pieces::new();
        let mut start = None;
        loop {
            // A page has 1 MB at most.
            let page = query(request.clone().set_exclusive_start_key(start)).await?;
            pieces.extend(page.items.unwrap_or_default().into_iter().filter_map(piece));
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(pieces);
            }
        }
    }
}

/// A piece with its sort key. An item without its bytes counts as missing.
fn piece(mut item: Item) -> Option<(String, Vec<u8>)> {
    match (item.remove("piece")?, item.remove("ciphertext")?) {
        (AttributeValue::S(piece), AttributeValue::B(bytes)) => Some((piece, bytes.into_inner())),
        _ => None,
    }
}
