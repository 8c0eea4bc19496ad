//! Compares the events of the audit table with the entries of the log, a piece at a time.
//!
//! A walk has two parts. The first goes through the log: each bundle leads to the root of the
//! newest checkpoint, and the table has each of its events unchanged. The second goes through the
//! table: the log has each of its events. So an event that was deleted, edited or inserted is found
//! by one part or the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::time::Duration;

use jiff::Timestamp;
use platform::audit::Event;
use platform::clock::Clock;
use platform::store::{AuditLog, EventRange, Found, Order, Retention, Room, Search};
use platform::{ConfigError, Platform, ids};
use serde::{Deserialize, Serialize};
use transparency::WIDTH;

use crate::archive::Archive;
use crate::bundles;
use crate::checkpoints::Published;
use crate::error::ArchiveError;
use crate::finding::{Finding, Stop, What, damaged, found};
use crate::store::Placed;

/// Bundles of a piece of the log.
const BUNDLES: u64 = 2;

/// Events of a piece of the table.
const EVENTS: usize = 400;

/// Items of one batch.
const BATCH: usize = 100;

/// The longest time that an event waits for its checkpoint, and the age that the newest checkpoint
/// may have.
const GRACE: Duration = Duration::from_mins(10);

/// The newest checkpoint is too old.
const STALE: Finding = Finding { index: None, id: None, what: What::Stale };

/// Verifies the audit log.
pub struct Check {
    archive: Archive,
    log: AuditLog,
    clock: Clock,
}

/// Where a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// In the log, at this bundle.
    Log(u64),
    /// In the table, at these events.
    Table(EventRange),
}

/// The result of a piece.
#[derive(Debug)]
pub struct Piece {
    /// When the newest checkpoint was signed; `None` if there is none.
    pub sealed_through: Option<Timestamp>,
    /// Entries or events that were compared.
    pub events: usize,
    /// The first one that is wrong.
    pub first_bad: Option<Finding>,
    /// Where the walk goes on.
    pub next: Option<Progress>,
}

/// A part of a walk that has found nothing wrong.
type Part = Result<(usize, Option<Progress>), Stop>;

impl Check {
    /// Uses the tables, bucket and key that the environment names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            archive: Archive::new(platform)?,
            log: AuditLog::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// How long events are kept.
    pub fn retention(&self) -> Retention {
        self.log.retention()
    }

    /// Verifies the next piece of the events of a range: that at `progress`, or the first one.
    pub async fn piece(
        &self,
        range: EventRange,
        progress: Option<Progress>,
    ) -> Result<Piece, ArchiveError> {
        let now = self.clock.now();
        let nothing = Piece { sealed_through: None, events: 0, first_bad: None, next: None };
        let published = match self.archive.checkpoint().await {
            Ok(Some(published)) => published,
            Ok(None) => {
                let started_at = self.archive.started_at().await?;
                let first_bad = started_at.filter(|time| is_past(*time, now)).map(|_| STALE);
                return Ok(Piece { first_bad, ..nothing });
            }
            Err(error) if error.is_damage() => {
                return Ok(Piece { first_bad: Some(damaged(&error)), ..nothing });
            }
            Err(error) => return Err(error),
        };
        let piece = Piece { sealed_through: Some(published.signed_at), ..nothing };
        let part = match progress {
            _ if is_past(published.signed_at, now) => Err(Stop::Found(STALE)),
            Some(Progress::Table(rest)) => self.table(&published, rest, now).await,
            Some(Progress::Log(bundle)) => self.log(&published, range, bundle, now).await,
            None => match self.first_bundle(&published, range, now).await {
                Ok(bundle) => self.log(&published, range, bundle, now).await,
                Err(stop) => Err(stop),
            },
        };
        match part {
            Ok((events, next)) => Ok(Piece { events, next, ..piece }),
            Err(Stop::Found(finding)) => Ok(Piece { first_bad: Some(finding), ..piece }),
            Err(Stop::Failed(error)) if error.is_damage() => {
                Ok(Piece { first_bad: Some(damaged(&error)), ..piece })
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// The bundle with which the range begins. Bundles that are past their retention have gone. All
    /// others are part of the walk, even if they are missing.
    async fn first_bundle(
        &self,
        published: &Published,
        range: EventRange,
        now: Timestamp,
    ) -> Result<u64, Stop> {
        let size = published.checkpoint.size();
        let files = &self.archive.files;
        let retention = self.log.retention();
        let (mut low, mut high) = (0, size.div_ceil(WIDTH));
        while low < high {
            let middle = low.midpoint(high);
            // Reconciliation seals events late, so the last one need not be the newest.
            let read = bundles::read(files, middle, size).await;
            let is_missing = matches!(read, Err(ArchiveError::Missing(_)));
            if is_missing && bundles::is_past_retention(files, middle, size, retention, now).await?
            {
                low = middle + 1;
                continue;
            }
            let newest = match read {
                Ok(entries) => entries.iter().filter_map(|text| Some(event(text)?.id)).max(),
                // The walk says what is wrong with it, unless there is something before it.
                Err(error) if error.is_damage() => None,
                Err(error) => return Err(error.into()),
            };
            if newest.is_some_and(|id| range.begins_after(&id)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Verifies bundles from this one on.
    async fn log(
        &self,
        published: &Published,
        range: EventRange,
        first: u64,
        now: Timestamp,
    ) -> Part {
        let count = published.checkpoint.size().div_ceil(WIDTH);
        let mut events = 0;
        for number in first..count.min(first.saturating_add(BUNDLES)) {
            let entries = self.bundle(published, number, now).await?;
            let start = number * WIDTH;
            let read = |(index, text): (u64, &String)| match event(text) {
                Some(event) => Ok((index, event)),
                None => Err(found(index, None, What::Damaged)),
            };
            let read = (start..).zip(&entries).map(read).collect::<Result<Vec<_>, Stop>>()?;
            if read.first().is_some_and(|(_, event)| range.ends_before(&event.id)) {
                return Ok((events, Some(Progress::Table(range))));
            }
            for part in read.chunks(BATCH) {
                self.compare(part, now).await?;
            }
            events += read.len();
        }
        let next = first.saturating_add(BUNDLES);
        let next = if next < count { Progress::Log(next) } else { Progress::Table(range) };
        Ok((events, Some(next)))
    }

    /// The entries of a bundle, none if it has gone after its retention.
    async fn bundle(
        &self,
        published: &Published,
        number: u64,
        now: Timestamp,
    ) -> Result<Vec<String>, Stop> {
        let retention = self.log.retention();
        bundles::verified(&self.archive.files, published, number, retention, now).await
    }

    /// The table has these events of the log, unless they are past their retention.
    async fn compare(&self, part: &[(u64, Event)], now: Timestamp) -> Result<(), Stop> {
        let ids: Vec<&str> = part.iter().map(|(_, event)| event.id.as_str()).collect();
        let kept = self.log.get_all(&ids).await.map_err(ArchiveError::from)?;
        for (index, sealed) in part {
            let made_at = ids::made_at(&sealed.id);
            let expires_at = made_at.map_or(0, |time| self.log.retention().expires_at(time));
            match kept.get(&sealed.id) {
                Some(Some(event)) if is_unchanged(event, &sealed.canonical()) => {}
                Some(_) => return Err(found(*index, Some(&sealed.id), What::Edited)),
                None if expires_at <= now.as_second() => {}
                None => return Err(found(*index, Some(&sealed.id), What::Deleted)),
            }
        }
        Ok(())
    }

    /// The log has the events of this range of the table.
    async fn table(&self, published: &Published, range: EventRange, now: Timestamp) -> Part {
        let search = Search { order: Order::Ascending, ..Search::default() };
        let found = self.log.search(&search, range, Room::of(EVENTS), |_| 0).await;
        let Found { events, malformed, rest, .. } = found.map_err(ArchiveError::from)?;
        if let Some(id) = malformed.into_iter().next() {
            // An item that is no event may have any text for an id.
            let id = Some(id).filter(|id| ids::made_at(id).is_some());
            return Err(Stop::Found(Finding { index: None, id, what: What::Inserted }));
        }
        let mut bundles = BTreeMap::new();
        for part in events.chunks(BATCH) {
            let ids: Vec<&str> = part.iter().map(|event| event.id.as_str()).collect();
            let places = self.archive.sequence.places(&ids).await?;
            for event in part {
                let place = places.get(&event.id);
                self.find(published, event, place, &mut bundles, now).await?;
            }
        }
        Ok((events.len(), rest.map(Progress::Table)))
    }

    /// The log has an event of the table at the place that the sequence gives it.
    async fn find(
        &self,
        published: &Published,
        event: &Event,
        placed: Option<&Placed>,
        bundles: &mut BTreeMap<u64, Vec<String>>,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let size = published.checkpoint.size();
        let Some(placed) = placed.filter(|placed| placed.index < size) else {
            let made_at = ids::made_at(&event.id).unwrap_or(Timestamp::UNIX_EPOCH);
            if !is_past(made_at, now) {
                return Ok(());
            }
            let index = placed.map(|placed| placed.index);
            let (id, what) = (Some(event.id.clone()), What::Inserted);
            return Err(Stop::Found(Finding { index, id, what }));
        };
        let number = placed.index / WIDTH;
        if let Slot::Vacant(vacant) = bundles.entry(number) {
            vacant.insert(self.bundle(published, number, now).await?);
        }
        let place = usize::try_from(placed.index % WIDTH).unwrap_or_default();
        let sealed = bundles.get(&number).and_then(|entries| entries.get(place));
        match sealed {
            Some(sealed) if is_unchanged(event, sealed) => Ok(()),
            Some(sealed) if sealed.contains(&event.id) => {
                Err(found(placed.index, Some(&event.id), What::Edited))
            }
            _ => Err(found(placed.index, Some(&event.id), What::Inserted)),
        }
    }
}

/// Whether a time is more than [`GRACE`] away.
fn is_past(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time).unsigned_abs() > GRACE
}

/// Whether an event of the table is the one that was sealed, with the hash that belongs to it.
fn is_unchanged(event: &Event, sealed: &str) -> bool {
    event.canonical() == sealed && event.hash == ids::sha256(sealed)
}

/// The event of an entry; its hash is empty.
fn event(text: &str) -> Option<Event> {
    serde_json::from_str(text).ok()
}
