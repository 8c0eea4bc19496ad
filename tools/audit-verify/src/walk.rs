//! One pass over a log, from its first entry to its last, in constant memory.
//!
//! The walk compares the hashes of the entries with the tiles of level 0, the tiles above with what
//! those below give, and the roots with those of the checkpoints. It judges nothing: which of two
//! that differ is wrong shows only when the last root is known.

use std::ops::Range;
use std::pin::pin;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use transparency::{Edge, Frontier, Hash, Kind, Tile, WIDTH};

use crate::checkpoints::Known;
use crate::error::Unreadable;
use crate::event;
use crate::files::{AHEAD, Bundle, Files, HASH, Stored};
use crate::report::Finding;

/// A checkpoint at the size at which its root is due.
pub(crate) struct Stop {
    pub size: u64,
    /// The checkpoint, or why it is none of this key.
    pub known: Result<Known, Finding>,
    /// Whether it is one of those that are kept.
    pub is_kept: bool,
}

/// What to look for on the way.
pub(crate) struct Search {
    /// Entries of the log.
    pub size: u64,
    /// The id of an event, as it stands in its entry.
    pub id: Option<String>,
    /// The time to which the nearest checkpoint is to be found, in seconds since 1970.
    pub as_of: Option<i64>,
    /// Entries whose bundles are past their time. Any of them may be gone.
    pub may_be_gone: u64,
}

/// The first place at which the entries are not those of the tiles of level 0.
pub(crate) struct Difference {
    pub index: u64,
    /// The hash of the entry that stands there, if one does.
    pub found: Option<Hash>,
    /// The hash of the tile. `None` if the bundle goes on where its tile ends.
    pub expected: Option<Hash>,
    /// Why the bundle can't be read from there on.
    pub defect: Option<String>,
}

/// What a walk has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The hashes of level 0 so far.
    pub hashes: Frontier,
    /// The same from the entries themselves. Where a bundle is gone, the hashes stand for them.
    /// `None` once there is an entry too few or too many.
    pub entries: Option<Frontier>,
    /// Size of the largest checkpoint before the first whose root is another.
    pub agreed: u64,
    /// Kept checkpoints whose roots are those of the hashes.
    pub kept: u64,
    /// The first checkpoint whose root is another.
    pub other: Option<Known>,
    /// Checkpoints that the key has not signed: the first of each kind, with the number of others.
    pub refused: Vec<Finding>,
    /// The time of a checkpoint that is nearest to the wanted one.
    pub nearest: Option<i64>,
    /// The first entry from which on all can be read, but for those that are gone too early.
    pub readable_from: Option<u64>,
    /// Entries from `readable_from` on that could not be read.
    pub unread: u64,
    /// The end of the last bundle that is there.
    pub readable_to: u64,
    /// The first entry that is gone with its whole bundle, after others that are there.
    pub gone: Option<u64>,
    pub difference: Option<Difference>,
    /// A bundle that has all its entries and ends with an error.
    pub damaged: Option<(Tile, String)>,
    /// The first tile that is not what the hashes below it give, and the entries that it covers.
    pub tile: Option<(Tile, Range<u64>)>,
    /// The event with the wanted id.
    pub event: Option<(u64, String)>,
}

/// Walks through the log. The stops come by their sizes.
pub(crate) async fn walk(
    files: &Files,
    search: &Search,
    stops: impl Stream<Item = Result<Stop, Unreadable>>,
) -> Result<Seen, Unreadable> {
    let mut stops = pin!(stops);
    let mut next = stops.try_next().await?;
    let mut seen = Seen { entries: Some(Frontier::default()), ..Seen::default() };
    let mut edge = Edge::default();
    let pairs = stream::iter(0..search.size.div_ceil(WIDTH))
        .map(|index| pair(files, index, search.size))
        .buffered(AHEAD);
    let mut pairs = pin!(pairs);
    while let Some((tile, hashes, bundle)) = pairs.try_next().await? {
        let leaves = seen.pair(files, search, tile, hashes, bundle).await?;
        for leaf in &leaves {
            while let Some(stop) = next.take_if(|stop| stop.size <= seen.hashes.size()) {
                seen.stop(search.as_of, stop);
                next = stops.try_next().await?;
            }
            seen.hashes.push(*leaf);
            for file in edge.push(*leaf) {
                seen.compare(files, file.tile, &file.bytes).await?;
            }
        }
        if leaves.len() < tile.width() {
            seen.unread += search.size - (tile.index() * WIDTH + tile.width() as u64);
            break;
        }
    }
    if seen.hashes.size() == search.size {
        for file in edge.partial_tiles() {
            seen.compare(files, file.tile, &file.bytes).await?;
        }
    }
    while let Some(stop) = next {
        seen.stop(search.as_of, stop);
        next = stops.try_next().await?;
    }
    Ok(seen)
}

type Pair = (Tile, Option<Stored>, Option<Stored>);

/// A tile of level 0 with its bundle.
async fn pair(files: &Files, index: u64, size: u64) -> Result<Pair, Unreadable> {
    let (hashes, bundle) = tiles(index, size)?;
    Ok((hashes, files.tile(hashes).await?, files.tile(bundle).await?))
}

/// The tile of level 0 and the bundle with this number.
fn tiles(index: u64, size: u64) -> Result<(Tile, Tile), Unreadable> {
    let tiles = Tile::hashes(0, index, size).zip(Tile::entries(index, size));
    tiles.ok_or_else(|| Unreadable(format!("a log of {size} entries has no tile {index}")))
}

impl Seen {
    /// Compares a tile of level 0 with its bundle, and gives the hashes to go on with. They are too
    /// few where neither has the rest.
    async fn pair(
        &mut self,
        files: &Files,
        search: &Search,
        tile: Tile,
        hashes: Option<Stored>,
        bundle: Option<Stored>,
    ) -> Result<Vec<Hash>, Unreadable> {
        let start = tile.index() * WIDTH;
        let (_, of_entries) = tiles(tile.index(), search.size)?;
        if bundle.is_none() && start < search.may_be_gone {
            // The storage deletes old bundles in any order.
            (self.readable_from, self.unread) = (None, 0);
        }
        // Where the first file is missing that should be there, its beginning may still be.
        let mut is_cut = false;
        let bundle = match bundle {
            None if self.readable_from.is_some() && self.gone.is_none() => {
                is_cut = true;
                files.beginning(of_entries).await?
            }
            bundle => bundle,
        };
        let bundle = bundle.map(|stored| stored.unpack());
        let hashes = match hashes {
            None if bundle.is_none() || is_cut => files.beginning(tile).await?,
            hashes => hashes,
        };
        let (mut hashes, is_exact) = hashes.map(Stored::into_hashes).unwrap_or_default();
        let leaves = bundle.as_ref().map(Bundle::hashes);
        if let Some(bundle) = &bundle {
            if let Some(id) = &search.id {
                self.event = self.event.take().or_else(|| event::find(bundle, start, id));
            }
            self.readable_from.get_or_insert(start);
            self.readable_to = start + bundle.entries().len() as u64;
        }
        if self.readable_from.is_some() {
            let read = leaves.as_ref().map_or(0, Vec::len);
            self.unread += tile.width().saturating_sub(read) as u64;
        }
        if is_cut {
            self.gone = Some(start + leaves.as_ref().map_or(0, Vec::len) as u64);
        }
        if !is_exact || hashes.len() < tile.width() {
            let covered = start..start + tile.width() as u64;
            self.tile.get_or_insert((tile, covered));
            // The entries have hashes too. Whether they are right, the root shows.
            if let Some(leaves) = &leaves
                && leaves.len() <= tile.width()
            {
                hashes.extend(leaves.iter().skip(hashes.len()));
            }
        }
        self.push_entries(leaves.as_deref(), &hashes);
        if let (Some(leaves), Some(bundle)) = (leaves, bundle) {
            self.differ(start, &leaves, &hashes, bundle.defect, is_cut, of_entries);
        }
        Ok(hashes)
    }

    /// Finds the first entry that is not the one of its hash.
    fn differ(
        &mut self,
        start: u64,
        leaves: &[Hash],
        hashes: &[Hash],
        defect: Option<String>,
        is_cut: bool,
        bundle: Tile,
    ) {
        let same = leaves.iter().zip(hashes).take_while(|(leaf, hash)| leaf == hash).count();
        let (found, expected) = (leaves.get(same).copied(), hashes.get(same).copied());
        let differs = found.is_some() || (expected.is_some() && !is_cut);
        if differs {
            let index = start + same as u64;
            self.difference.get_or_insert(Difference { index, found, expected, defect });
        } else if let Some(defect) = defect {
            self.damaged.get_or_insert((bundle, defect));
        }
    }

    /// Adds the entries of a bundle to the log that they make.
    fn push_entries(&mut self, leaves: Option<&[Hash]>, hashes: &[Hash]) {
        let leaves = leaves.unwrap_or(hashes);
        if leaves.len() == hashes.len()
            && let Some(entries) = &mut self.entries
        {
            for leaf in leaves {
                entries.push(*leaf);
            }
        } else {
            self.entries = None;
        }
    }

    /// Takes a checkpoint: one at the size that the walk has reached, or one beyond its end.
    fn stop(&mut self, as_of: Option<i64>, stop: Stop) {
        let known = match stop.known {
            Ok(known) => known,
            Err(finding) => return self.refuse(finding),
        };
        if let (Some(time), Some(wanted)) = (known.time, as_of)
            && self.nearest.is_none_or(|near| time.abs_diff(wanted) < near.abs_diff(wanted))
        {
            self.nearest = Some(time);
        }
        if known.size != self.hashes.size() {
            return;
        }
        if known.root != self.hashes.root() {
            self.other.get_or_insert(known);
            return;
        }
        self.kept += u64::from(stop.is_kept);
        if self.other.is_none() {
            self.agreed = known.size;
        }
    }

    fn refuse(&mut self, finding: Finding) {
        match self.refused.iter_mut().find(|earlier| earlier.what == finding.what) {
            Some(earlier) => earlier.more += 1,
            None => self.refused.push(finding),
        }
    }

    /// Compares a tile with what the hashes below it give.
    async fn compare(
        &mut self,
        files: &Files,
        tile: Tile,
        expected: &[u8],
    ) -> Result<(), Unreadable> {
        let Kind::Hashes(level @ 1..) = tile.kind() else { return Ok(()) };
        if self.tile.is_some() {
            return Ok(());
        }
        let stored = files.tile(tile).await?.map(Stored::into_hash_bytes).unwrap_or_default();
        if stored != expected {
            let pairs = stored.chunks(HASH).zip(expected.chunks(HASH));
            let same = pairs.take_while(|(stored, expected)| stored == expected).count();
            let height = 8 * u32::from(level);
            // Bytes after the last hash concern the whole tile.
            let (first, hashes) = if same == tile.width() { (0, same) } else { (same, 1) };
            let first = tile.index() * WIDTH + first as u64;
            let covered = first << height..(first + hashes as u64) << height;
            self.tile = Some((tile, covered));
        }
        Ok(())
    }
}
