//! One event source mapping at work: it gathers records, delivers them in lanes, and stores how far
//! it has come.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::{Batch, Change, batches, lanes};
use super::delivery::{Delivery, Ending};
use super::faults::{Faults, StreamFailure};
use crate::aws::ChangeLog;
use crate::lambda::PAYLOAD_LIMIT_BYTES;

/// The most records that one read returns.
const PAGE: usize = 1_000;
/// Pause after a read that failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// A mapping at work. All positions are those of [`ChangeLog`].
pub(super) struct Poller {
    /// Name under which the position is stored.
    pub(super) reader: String,
    pub(super) partition_key: String,
    pub(super) delivery: Delivery,
    pub(super) changes: ChangeLog,
    pub(super) faults: Arc<Faults>,
    /// The stored position: all records up to it are delivered or given up.
    pub(super) position: watch::Sender<i64>,
    pub(super) outstanding: Mutex<Outstanding>,
    /// Batches that a fault holds back.
    pub(super) late: StdMutex<Vec<Batch>>,
}

/// The records that have been read, but neither delivered nor given up.
pub(super) struct Outstanding {
    /// The position after the last record that was read.
    read_to: i64,
    numbers: BTreeSet<i64>,
}

impl Outstanding {
    pub(super) fn after(position: i64) -> Self {
        Self { read_to: position, numbers: BTreeSet::new() }
    }

    fn position(&self) -> i64 {
        self.numbers.first().map_or(self.read_to, |first| first - 1)
    }
}

/// Records for the next deliveries.
struct Gathered {
    changes: Vec<Change>,
    /// The position after them, and after those that no filter lets through.
    end: i64,
}

impl Poller {
    /// Delivers records until the stack ends. `wake` comes when the table has been written.
    pub(super) async fn run(self, wake: Arc<Notify>) {
        loop {
            let gathered = match self.gather(&wake).await {
                Ok(gathered) => gathered,
                Err(error) => {
                    tracing::warn!(%error, reader = self.reader, "failed to read a stream");
                    sleep(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            };
            let is_idle = gathered.changes.is_empty();
            {
                let mut outstanding = self.outstanding.lock().await;
                outstanding.read_to = gathered.end;
                outstanding.numbers.extend(gathered.changes.iter().map(|change| change.number));
                if is_idle {
                    self.store(&outstanding).await;
                }
            }
            if is_idle {
                wake.notified().await;
            } else if self.deliver(gathered.changes).await.is_err() {
                return;
            }
        }
    }

    /// Gathers records until the batches are full or the window is over, which begins with the
    /// first record. Without a record, it ends where the stream has no more.
    async fn gather(&self, wake: &Notify) -> dynoxide::Result<Gathered> {
        let source = &self.delivery.source;
        let most = source.batch_size * source.parallel;
        let most_bytes = PAYLOAD_LIMIT_BYTES * source.parallel;
        let end = self.outstanding.lock().await.read_to;
        let mut gathered = Gathered { changes: Vec::new(), end };
        let mut bytes = 0;
        let mut window_end = None;
        loop {
            let limit = PAGE.min(most - gathered.changes.len());
            let page = self.changes.read(&source.table, gathered.end, limit).await?;
            let has_more = page.end > gathered.end;
            for (number, record) in page.records {
                let change =
                    Change::new(number, &record, source, &self.partition_key).map_err(|error| {
                        dynoxide::DynoxideError::InternalServerError(error.to_string())
                    })?;
                gathered.end = number;
                if let Some(change) = change {
                    bytes += change.json.len();
                    gathered.changes.push(change);
                }
                if gathered.changes.len() >= most || bytes >= most_bytes {
                    return Ok(gathered);
                }
            }
            gathered.end = page.end;
            if gathered.changes.is_empty() {
                if has_more {
                    continue;
                }
                return Ok(gathered);
            }
            let window_end = *window_end.get_or_insert_with(|| Instant::now() + source.window);
            // A stream that is written all the time does not make its records wait for longer.
            let is_over = Instant::now() >= window_end;
            if is_over || (!has_more && timeout_at(window_end, wake.notified()).await.is_err()) {
                return Ok(gathered);
            }
        }
    }

    async fn deliver(&self, changes: Vec<Change>) -> Result<(), Ending> {
        let source = &self.delivery.source;
        let lanes = lanes(changes, source.parallel).into_iter();
        try_join_all(lanes.map(|lane| self.run_lane(batches(lane, source.batch_size)))).await?;
        Ok(())
    }

    /// Delivers batches one after the other.
    async fn run_lane(&self, mut waiting: VecDeque<Batch>) -> Result<(), Ending> {
        while let Some(batch) = waiting.pop_front() {
            let fault = self.faults.strike(&self.delivery.function);
            match fault {
                Some(StreamFailure::Lost) => {
                    self.settle(&batch.numbers()).await;
                    continue;
                }
                Some(StreamFailure::Late) => {
                    self.late.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
                    continue;
                }
                _ => {}
            }
            let attempt = self.delivery.attempt(batch, fault).await?;
            self.settle(&attempt.settled).await;
            let next = if attempt.rest.is_empty() {
                std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner))
            } else {
                sleep(attempt.pause).await;
                attempt.rest
            };
            next.into_iter().rev().for_each(|batch| waiting.push_front(batch));
        }
        Ok(())
    }

    async fn settle(&self, numbers: &[i64]) {
        let mut outstanding = self.outstanding.lock().await;
        for number in numbers {
            outstanding.numbers.remove(number);
        }
        self.store(&outstanding).await;
    }

    /// Stores the position if it has moved. If that fails, a later call stores it. There is one
    /// whenever the stream has no more records.
    async fn store(&self, outstanding: &Outstanding) {
        let position = outstanding.position();
        if position == *self.position.borrow() {
            return;
        }
        let table = &self.delivery.source.table;
        if let Err(error) = self.changes.store(&self.reader, table, position).await {
            tracing::warn!(%error, reader = self.reader, "failed to store a stream's position");
            return;
        }
        self.position.send_replace(position);
    }
}
