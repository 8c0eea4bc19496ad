//! The end of the log: what a sealer must know of it to append.

use std::collections::BTreeMap;

use transparency::bundle::{self, BundleError};
use transparency::{Edge, File, Hash, Kind, Tile, WIDTH};

use crate::entry::leaf;
use crate::error::ArchiveError;
use crate::files::Files;
use crate::store::Head;

/// The partial tiles of the log, and its partial bundle.
#[derive(Debug, Clone, Default)]
pub struct Tip {
    edge: Edge,
    /// Empty if the last bundle is full.
    partial: Vec<u8>,
}

impl Tip {
    /// The end of the log with this head. Files that contradict the head or each other are
    /// refused, so nothing is built on them.
    pub async fn read(files: &Files, head: &Head) -> Result<Self, ArchiveError> {
        let size = head.integrated;
        let last = Tile::entries(size / WIDTH, size);
        let tiles = Edge::tiles(size).into_iter().chain(last);
        Self::of(head, last, &files.read(tiles).await?)
    }

    /// Whether this is the end of the log with this head.
    pub fn is_of(&self, head: &Head) -> bool {
        self.size() == head.integrated && self.root() == head.root
    }

    /// Entries of the log.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Appends entries. Gives the files that the log gets.
    pub fn append(&mut self, entries: &[String]) -> Result<Vec<File>, BundleError> {
        let mut files = bundle::append(self.edge.size(), &self.partial, entries)?;
        if let Some(last) = files.last() {
            self.partial = if last.tile.is_full() { Vec::new() } else { last.bytes.clone() };
        }
        files.extend(self.edge.append(entries.iter().map(leaf)));
        Ok(files)
    }

    fn of(
        head: &Head,
        last: Option<Tile>,
        read: &BTreeMap<Tile, Vec<u8>>,
    ) -> Result<Self, ArchiveError> {
        let edge = Edge::read(head.integrated, |tile| read.get(&tile).ok_or(tile));
        let edge = edge.map_err(|error| ArchiveError::Contradiction(error.to_string()))?;
        if edge.root() != head.root {
            let text = format!("the tiles do not have the root at size {}", head.integrated);
            return Err(ArchiveError::Contradiction(text));
        }
        let Some(last) = last else { return Ok(Self { edge, partial: Vec::new() }) };
        let partial = read.get(&last).cloned().unwrap_or_default();
        let hashes = read.iter().find(|(tile, _)| tile.kind() == Kind::Hashes(0));
        let entries = bundle::read(last, &partial).map_err(|_| ArchiveError::differs(last))?;
        let leaves: Vec<u8> = entries.into_iter().flat_map(|entry| *leaf(entry).as_ref()).collect();
        if hashes.is_none_or(|(_, hashes)| *hashes != leaves) {
            return Err(ArchiveError::differs(last));
        }
        Ok(Self { edge, partial })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(range: std::ops::Range<u64>) -> Vec<String> {
        range.map(|number| format!("entry {number}")).collect()
    }

    fn head(tip: &Tip) -> Head {
        Head {
            size: tip.size(),
            integrated: tip.size(),
            root: tip.root(),
            started_at: None,
            reconciled_to: None,
        }
    }

    #[test]
    fn sealers_that_go_on_at_any_size_write_the_same_files() {
        let mut kept = BTreeMap::new();
        let mut tip = Tip::default();
        let mut write = |files: Vec<File>| {
            for File { tile, bytes } in files {
                let first = kept.entry(tile).or_insert_with(|| bytes.clone());
                assert_eq!(*first, bytes, "{tile}");
            }
            kept.clone()
        };
        for size in [1, 2, 90, 255, 256, 257, 512, 700, 1_300] {
            let read = write(tip.append(&entries(tip.size()..size)).unwrap());
            let head = head(&tip);
            assert!(tip.is_of(&head));
            let last = Tile::entries(size / WIDTH, size);
            let of_log: BTreeMap<_, _> = Edge::tiles(size)
                .into_iter()
                .chain(last)
                .map(|tile| (tile, read[&tile].clone()))
                .collect();
            let again = Tip::of(&head, last, &of_log).unwrap();
            assert_eq!((again.size(), again.root()), (size, tip.root()));
            assert_eq!(again.partial, tip.partial);
            // One step instead of many.
            let mut whole = Tip::default();
            write(whole.append(&entries(0..size)).unwrap());
            assert!(whole.is_of(&head));
            // Nothing is built on altered files.
            for tile in of_log.keys() {
                let mut altered = of_log.clone();
                altered.get_mut(tile).unwrap()[2] ^= 1;
                assert!(Tip::of(&head, last, &altered).is_err(), "{size} {tile}");
                altered.remove(tile);
                assert!(Tip::of(&head, last, &altered).is_err(), "{size} {tile}");
            }
        }
    }
}
