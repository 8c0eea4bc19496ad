//! Writes the log.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::clock::Clock;
use platform::store::Retention;
use platform::{ConfigError, Platform};
use tokio::sync::Mutex;
use transparency::{Checkpoint, Tile, WIDTH};

use crate::checkpoints::{Published, check_growth, kept_path};
use crate::entry::Entry;
use crate::error::ArchiveError;
use crate::files::{Files, Lock};
use crate::signer::Signer;
use crate::store::{Head, Sequence};
use crate::tip::Tip;

/// The most entries of one transaction. `TransactWriteItems` takes 100 items.
pub const CHUNK: usize = 90;

/// The most bytes of the entries of one transaction. It takes 4 MB.
const CHUNK_BYTES: usize = 3_000_000;

/// Entries that one step writes to files, about.
const STEP: usize = 1_024;

/// Attempts at a checkpoint while other sealers publish theirs.
const ATTEMPTS: usize = 8;

/// The writer of the log. Several may run at once.
pub struct Sealer {
    sequence: Sequence,
    files: Files,
    signer: Signer,
    lock: Option<Lock>,
    clock: Clock,
    /// The end of the log as this process has left it.
    tip: Mutex<Option<Tip>>,
}

impl Sealer {
    /// Uses the table, bucket and key that the environment names. Nothing is sent yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sequence: Sequence::new(platform)?,
            files: Files::new(platform)?,
            signer: Signer::new(platform)?,
            lock: Lock::of(platform)?,
            clock: platform.clock.clone(),
            tip: Mutex::default(),
        })
    }

    /// The head as it is now.
    pub async fn head(&self) -> Result<Head, ArchiveError> {
        self.sequence.head().await
    }

    /// Gives the entries of one of the [`chunks`] their places. Entries that have one keep it.
    pub async fn append(&self, chunk: &[Entry]) -> Result<(), ArchiveError> {
        self.sequence.append(chunk, self.clock.now()).await
    }

    /// The ids of those of these events, at most a hundred, that have no place.
    pub async fn without_place(&self, ids: &[&str]) -> Result<HashSet<String>, ArchiveError> {
        let placed = self.sequence.places(ids).await?;
        let missing = ids.iter().filter(|id| !placed.contains_key(**id));
        Ok(missing.map(|id| (*id).to_owned()).collect())
    }

    /// Notes that reconciliation has looked at all events before this time.
    pub async fn reconciled(&self, to: Timestamp) -> Result<(), ArchiveError> {
        self.sequence.reconciled(to).await
    }

    /// Writes the files of all entries that have a place, and gives the head after that.
    pub fn integrate(&self) -> BoxFuture<'_, Result<Head, ArchiveError>> {
        async move {
            loop {
                let head = self.sequence.head().await?;
                if head.integrated == head.size {
                    return Ok(head);
                }
                let mut tip = self.tip(&head).await?;
                let entries = self.next_entries(&head).await?;
                let files = tip.append(&entries);
                // An entry has been bounded before it got its place.
                let files =
                    files.map_err(|error| ArchiveError::Contradiction(error.to_string()))?;
                self.files.write(files).await?;
                // If another sealer has been faster, it has written the same files, or more.
                if self.sequence.integrated(&head, tip.size(), tip.root()).await? {
                    *self.tip.lock().await = Some(tip);
                }
            }
        }
        .boxed()
    }

    /// Publishes a checkpoint of the files, unless the newest one is younger than `renewed_after`
    /// and covers all entries that the files have now. Gives whether it has published one.
    pub fn publish(&self, renewed_after: Duration) -> BoxFuture<'_, Result<bool, ArchiveError>> {
        async move {
            let mut needed = None;
            for _ in 0..ATTEMPTS {
                // The order counts. So the files are never behind a checkpoint that was read.
                let newest = Published::read(&self.files, &self.signer).await?;
                let head = self.sequence.head().await?;
                let now = self.clock.now();
                // While others append, a sealer that waited for the newest size would never end.
                let needed = *needed.get_or_insert(head.integrated);
                if newest.as_ref().is_some_and(|newest| {
                    let age = now.duration_since(newest.signed_at).unsigned_abs();
                    newest.checkpoint.size() >= needed && age < renewed_after
                }) {
                    return Ok(false);
                }
                let (size, root) = (head.integrated, head.root);
                let old = newest.as_ref().map(|newest| &newest.checkpoint);
                check_growth(&self.files, old, size, root).await?;
                let checkpoint = Checkpoint::new(self.signer.origin(), size, root);
                let checkpoint =
                    checkpoint.map_err(|error| ArchiveError::Contradiction(error.to_string()))?;
                let time = u64::try_from(now.as_second()).unwrap_or(0);
                let note = self.signer.sign(&checkpoint, time).await?.to_string();
                let lock = self.lock.as_ref();
                self.files.keep_checkpoint(kept_path(size, now), &note, lock, now).await?;
                let tag = newest.map(|newest| newest.tag);
                if self.files.replace_checkpoint(&note, tag).await? {
                    return Ok(true);
                }
            }
            Err(ArchiveError::Overtaken)
        }
        .boxed()
    }

    /// Writes the last bundle again if it has room and half of its retention is over. Otherwise the
    /// lifecycle rule would delete a bundle whose entries the next one begins with.
    pub async fn renew_last_bundle(&self, retention: Retention) -> Result<(), ArchiveError> {
        let size = self.sequence.head().await?.integrated;
        let Some(last) = Tile::entries(size / WIDTH, size) else { return Ok(()) };
        let written_at = self.files.written_at(last).await?;
        let age = self.clock.now().as_second() - written_at.as_second();
        if age > retention.seconds() / 2 { self.files.renew(last).await } else { Ok(()) }
    }

    /// The end of the log with this head, from memory if this process has left it there.
    async fn tip(&self, head: &Head) -> Result<Tip, ArchiveError> {
        let kept = self.tip.lock().await.take().filter(|tip| tip.is_of(head));
        match kept {
            Some(tip) => Ok(tip),
            None => Tip::read(&self.files, head).await,
        }
    }

    /// The next entries that the files lack, in whole transactions.
    async fn next_entries(&self, head: &Head) -> Result<Vec<String>, ArchiveError> {
        let mut entries = Vec::new();
        let mut end = head.integrated;
        while end < head.size && entries.len() < STEP {
            let next = self.sequence.appended_at(end).await?;
            end += next.len() as u64;
            entries.extend(next);
        }
        Ok(entries)
    }
}

/// Divides entries into those of one transaction each. An id that comes again is left out.
pub fn chunks(entries: impl IntoIterator<Item = Entry>) -> Vec<Vec<Entry>> {
    let mut known = HashSet::new();
    let mut chunks: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        if !known.insert(entry.id.clone()) {
            continue;
        }
        bytes += entry.text.len();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK && bytes <= CHUNK_BYTES => chunk.push(entry),
            _ => {
                bytes = entry.text.len();
                chunks.push(vec![entry]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize, bytes: usize) -> Entry {
        let (id, text) = (number.to_string(), "x".repeat(bytes));
        Entry { id, text, made_at: Timestamp::UNIX_EPOCH, is_late: false }
    }

    #[test]
    fn a_transaction_is_bounded_in_number_and_bytes_and_has_no_id_twice() {
        for (count, bytes, expected) in [
            (0, 1, &[][..]),
            (1, 1, &[1]),
            (90, 1, &[90]),
            (91, 1, &[90, 1]),
            (90, 60_000, &[50, 40]),
            (100, 65_535, &[45, 45, 10]),
        ] {
            let twice = (0..count).chain(0..count).map(|number| entry(number, bytes));
            let chunks = chunks(twice);
            let sizes: Vec<_> = chunks.iter().map(Vec::len).collect();
            assert_eq!(sizes, expected, "{count} of {bytes} bytes");
            let ids: Vec<_> = chunks.concat().into_iter().map(|entry| entry.id).collect();
            assert_eq!(ids, (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
        }
    }
}
