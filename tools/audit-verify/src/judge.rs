//! What the differences that a walk has seen mean.

use transparency::{Tile, WIDTH};

use crate::checkpoints::{Known, shown};
use crate::classify::classify;
use crate::error::Unreadable;
use crate::files::Files;
use crate::report::{Finding, What};
use crate::walk::{Difference, Seen};

/// How old the newest checkpoint may be, in seconds. The log publishes one at least every
/// five minutes.
pub(crate) const FRESH: u64 = 600;

/// Tiles that are looked for behind the end of what is left. A checkpoint can claim more tiles than
/// a program can look for.
const GAP: u64 = 1_024;

/// A walk through the log of a checkpoint.
pub(crate) struct Judged<'w> {
    pub files: &'w Files,
    /// The newest checkpoint.
    pub base: &'w Known,
    pub seen: &'w Seen,
    /// Days after which a bundle of entries may be gone.
    pub retention_days: u32,
    /// Entries whose bundles are past that time.
    pub may_be_gone: u64,
    /// The time to which there must be a checkpoint, in seconds since 1970.
    pub as_of: Option<i64>,
}

impl Judged<'_> {
    /// All that is wrong, except with checkpoints that the key has not signed.
    pub(crate) async fn findings(&self) -> Result<Vec<Finding>, Unreadable> {
        let differs = match self.seen.difference.as_ref() {
            Some(difference) => self.difference(difference).await?,
            None => None,
        };
        let findings = [
            self.end().await?,
            differs,
            self.rewritten(),
            self.forked(),
            self.tile(),
            self.damaged(),
            self.gone(),
            self.head(),
            self.stale(),
        ];
        Ok(findings.into_iter().flatten().collect())
    }

    /// Whether the tiles of level 0 have the hashes that were signed.
    fn hashes_are_signed(&self) -> bool {
        self.is_whole() && self.seen.hashes.root() == self.base.root
    }

    /// Whether the entries are those that were signed.
    fn entries_are_signed(&self) -> bool {
        let entries = self.seen.entries.as_ref();
        self.is_whole() && entries.is_some_and(|entries| entries.root() == self.base.root)
    }

    fn is_whole(&self) -> bool {
        self.seen.hashes.size() == self.base.size
    }

    /// The walk has ended before the log does.
    async fn end(&self) -> Result<Option<Finding>, Unreadable> {
        let (end, size) = (self.seen.hashes.size(), self.base.size);
        if self.is_whole() {
            return Ok(None);
        }
        let known = match self.seen.agreed {
            0 => "no kept checkpoint verifies what is left".to_owned(),
            signed => format!("kept checkpoints verify the entries below {signed}"),
        };
        if !self.goes_on(end / WIDTH + 1).await? {
            let path = &self.base.path;
            let text = format!("the log ends here, but {path} has {size} entries; {known}");
            return Ok(Some(Finding::at(What::Truncated, end, text)));
        }
        let what = if end == 0 { What::Truncated } else { What::Deleted };
        let text = format!(
            "neither the entry nor its hash is there, but later ones are. Without the hash, no \
             later entry is verified; {known}"
        );
        Ok(Some(Finding::at(what, end, text)))
    }

    /// Whether one of the next tiles or bundles is there, from this number on.
    async fn goes_on(&self, first: u64) -> Result<bool, Unreadable> {
        let size = self.base.size;
        for index in first..size.div_ceil(WIDTH).min(first + GAP) {
            let tiles = [Tile::hashes(0, index, size), Tile::entries(index, size)];
            for tile in tiles.into_iter().flatten() {
                if self.files.tile(tile).await?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// An entry differs from its hash.
    async fn difference(&self, difference: &Difference) -> Result<Option<Finding>, Unreadable> {
        let index = difference.index;
        if self.hashes_are_signed() || index < self.seen.agreed {
            return classify(self.files, self.base.size, difference).await.map(Some);
        }
        Ok(self.entries_are_signed().then(|| {
            let text = "the entry is the logged one, but the hash in its tile is another".into();
            Finding::at(What::WrongHashes, index, text)
        }))
    }

    /// Entries and their hashes were changed together. The first of them is between two
    /// checkpoints, and within the first tile that is not what its hashes give.
    fn rewritten(&self) -> Option<Finding> {
        let other = self.seen.other.as_ref()?;
        if self.hashes_are_signed() || self.entries_are_signed() {
            return None;
        }
        let (mut first, mut end) = (self.seen.agreed, other.size);
        if let Some((_, covered)) = &self.seen.tile
            && covered.start < end
            && covered.end > first
        {
            (first, end) = (first.max(covered.start), end.min(covered.end));
        }
        let last = end.saturating_sub(1);
        let place = if first == last {
            "it is not the one that was signed".to_owned()
        } else {
            format!(
                "the first entry that is not the one that was signed is one of {first} to {last}. \
                 Its hash was changed with it, so this can't be told more closely"
            )
        };
        let differs = self.seen.difference.as_ref().filter(|found| found.index <= last);
        let differs = differs.map(|found| format!(". Entry {} has another hash", found.index));
        let text = place + &differs.unwrap_or_default();
        Some(Finding::at(What::Rewritten, first, text))
    }

    /// The log is whole, and the key has signed another one too.
    fn forked(&self) -> Option<Finding> {
        let other = self.seen.other.as_ref().filter(|_| self.hashes_are_signed())?;
        let (path, size, base) = (&other.path, other.size, &self.base.path);
        let text = format!(
            "the key has signed {path} and {base}, but the log of {base} does not begin with the \
             {size} entries of {path}"
        );
        Some(Finding::new(What::Forked, text))
    }

    /// A tile does not have the hashes that it should have.
    fn tile(&self) -> Option<Finding> {
        let (tile, covered) = self.seen.tile.as_ref().filter(|_| self.hashes_are_signed())?;
        let last = covered.end.min(self.base.size) - 1;
        let text = format!(
            "{tile} is missing, or is not what the entries give. The entries are the logged ones, \
             but others can't prove entries {} to {last} by this file",
            covered.start
        );
        Some(Finding::at(What::WrongHashes, covered.start, text))
    }

    fn damaged(&self) -> Option<Finding> {
        let (tile, defect) = self.seen.damaged.as_ref()?;
        let text = format!("{tile} has all its entries, but {defect}");
        Some(Finding::new(What::Damaged, text))
    }

    /// Bundles are gone that are not the oldest.
    fn gone(&self) -> Option<Finding> {
        let first = self.seen.gone.filter(|first| *first < self.seen.hashes.size())?;
        Some(if self.seen.readable_to > first {
            let text = "its bundle is missing, but earlier and later ones are there".into();
            Finding::at(What::Deleted, first, text)
        } else {
            let last = self.base.size - 1;
            let text =
                format!("entries {first} to {last} are missing, and only their hashes are left");
            Finding::at(What::Truncated, first, text)
        })
    }

    /// The oldest bundles are gone before their time.
    fn head(&self) -> Option<Finding> {
        let gone = self.seen.readable_from.unwrap_or(self.seen.hashes.size());
        let (may_be_gone, days) = (self.may_be_gone, self.retention_days);
        (gone > may_be_gone).then(|| {
            let last = gone - 1;
            let text = format!(
                "entries {may_be_gone} to {last} are missing, and no kept checkpoint shows that \
                 they are older than {days} days"
            );
            Finding::at(What::Truncated, may_be_gone, text)
        })
    }

    /// There is no checkpoint of the wanted time.
    fn stale(&self) -> Option<Finding> {
        let wanted = self.as_of?;
        let is_fresh = |nearest: i64| nearest.abs_diff(wanted) <= FRESH;
        if self.seen.nearest.is_some_and(is_fresh) {
            return None;
        }
        let nearest = self.seen.nearest.map(|time| format!("the nearest is of {}", shown(time)));
        let nearest = nearest.unwrap_or_else(|| "the key has signed no time".to_owned());
        let text = format!("no checkpoint is within 10 minutes of {}: {nearest}", shown(wanted));
        Some(Finding::new(What::Stale, text))
    }
}
