//! Pieces: deflated bytes of at most 350 KB.
//!
//! Key: `id`, `item`. Those of a range's parts are under `<id of the range>#<number of the part>`,
//! and their keys begin with the attempt that stored them. So two bodies of one part do not mix.
//! All others are under the id of the range. A piece that no head names is never read, and DynamoDB
//! deletes it at the end of the range.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use platform::database::{Database, Expression, Item, StoreError, key2, n, query, s};
use platform::{ConfigError, Platform};

use crate::domain::PARTS;

/// Pieces that are written side by side.
const AT_ONCE: usize = 16;

/// Pieces that one call reads. DynamoDB gives at most 16 MB at once.
const BATCH: usize = 40;

/// Calls that read side by side.
const BATCHES: usize = 4;

/// Pieces of ranges.
#[derive(Debug, Clone)]
pub struct Pieces {
    database: Database,
    table: String,
}

/// The key of a piece.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The range, or a part of it.
    pub id: String,
    /// The piece.
    pub item: String,
}

impl Pieces {
    /// Uses the table that `RANGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("RANGES_TABLE")?.to_owned(),
        })
    }

    /// Writes pieces that expire at this time, in seconds since 1970.
    pub async fn put(
        &self,
        pieces: Vec<(Place, Vec<u8>)>,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        stream::iter(pieces)
            .map(|(place, bytes)| self.put_one(place, bytes, expires_at))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn put_one(
        &self,
        place: Place,
        bytes: Vec<u8>,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let mut item = key(&place);
        item.insert("bytes".to_owned(), AttributeValue::B(Blob::new(bytes)));
        item.insert("expires_at".to_owned(), n(expires_at));
        self.database.put(&self.table, item).await
    }

    /// The pieces, in the order of their keys here. `None` if one has gone.
    pub async fn get(&self, places: &[Place]) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        let keys: Vec<_> = places.iter().map(|place| (self.table.clone(), key(place))).collect();
        let batches: Vec<_> = keys.chunks(BATCH).map(<[_]>::to_vec).collect();
        let found: Vec<_> = stream::iter(batches)
            .map(|keys| self.database.get_each(keys))
            .buffer_unordered(BATCHES)
            .try_collect()
            .await?;
        let items = found.into_iter().flat_map(HashMap::into_values).flatten();
        let mut found: HashMap<_, _> = items.filter_map(piece).collect();
        Ok(places.iter().map(|place| found.remove(place)).collect())
    }

    /// Whether something of a range is left.
    pub async fn has(&self, id: &str) -> Result<bool, StoreError> {
        let expression = Expression::default().name("id", "id").value("id", s(id));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("#id = :id")
                .projection_expression("#id")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .consistent_read(true)
                .limit(1),
        )
        .await?;
        Ok(!page.items.unwrap_or_default().is_empty())
    }

    /// Deletes the pieces of a range's parts, then all other items of the range. So the next run
    /// finds the remains after a crash.
    pub async fn delete(&self, id: &str) -> Result<(), StoreError> {
        stream::iter(1..=PARTS)
            .map(|number| self.delete_part(id, number))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.database.delete_collection(&self.table, ("id", id), "item").await
    }

    async fn delete_part(&self, id: &str, number: u32) -> Result<(), StoreError> {
        let id = part_id(id, number);
        self.database.delete_collection(&self.table, ("id", &id), "item").await
    }
}

impl Place {
    /// A piece of a range.
    pub fn of_range(id: &str, item: String) -> Self {
        Self { id: id.to_owned(), item }
    }

    /// A piece of a part.
    pub fn of_part(id: &str, number: u32, item: String) -> Self {
        Self { id: part_id(id, number), item }
    }
}

/// The bytes of an item, with its key.
fn piece(mut item: Item) -> Option<(Place, Vec<u8>)> {
    let (id, name) = (item.remove("id")?, item.remove("item")?);
    let AttributeValue::B(bytes) = item.remove("bytes")? else { return None };
    let place = Place { id: id.as_s().ok()?.clone(), item: name.as_s().ok()?.clone() };
    Some((place, bytes.into_inner()))
}

fn part_id(id: &str, number: u32) -> String {
    format!("{id}#{number}")
}

fn key(place: &Place) -> Item {
    key2(("id", &place.id), ("item", &place.item))
}
