//! The right edge of a log: all that a writer must know of it to append.

use std::mem;

use crate::frontier::Frontier;
use crate::hash::Hash;
use crate::tile::{File, HEIGHT, Kind, LEVELS, SIZE_LIMIT, Tile, TileError, WIDTH};

/// The partial tiles of a log: fewer than 256 hashes at each of 8 levels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// The hashes of the partial tile of each level.
    levels: [Vec<Hash>; LEVELS as usize],
}

impl Edge {
    /// The tiles that [`Edge::read`] reads.
    pub fn tiles(size: u64) -> Vec<Tile> {
        (0..LEVELS).filter_map(|level| last_tile(level, size)).collect()
    }

    /// The edge of a log of `size` entries. `read` reads a tile of [`Edge::tiles`]. Compare
    /// [`Edge::root`] with that of a checkpoint before you trust it.
    pub fn read<B: AsRef<[u8]>, E>(
        size: u64,
        mut read: impl FnMut(Tile) -> Result<B, E>,
    ) -> Result<Self, TileError<E>> {
        if size > SIZE_LIMIT {
            return Err(TileError::Size(size));
        }
        let mut edge = Self { size, ..Self::default() };
        for (level, hashes) in (0..).zip(&mut edge.levels) {
            if let Some(tile) = last_tile(level, size) {
                *hashes = tile.read(read(tile).map_err(TileError::Read)?.as_ref())?;
            }
        }
        Ok(edge)
    }

    /// Entries of the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        let mut frontier = Frontier::default();
        for (level, hashes) in (0..LEVELS).zip(&self.levels).rev() {
            for hash in hashes {
                frontier.merge(HEIGHT * u32::from(level), *hash);
            }
        }
        frontier.root()
    }

    /// Appends entries by their hashes. Gives the tiles that the log gets: each that has become
    /// full, and each partial one that has changed.
    pub fn append(&mut self, leaves: impl IntoIterator<Item = Hash>) -> Vec<File> {
        let old = self.size;
        let mut files = Vec::new();
        for leaf in leaves {
            files.extend(self.push(leaf));
        }
        let changed = |file: &File| file.tile.resized(old) != file.tile;
        files.extend(self.partial_tiles().into_iter().filter(changed));
        files
    }

    /// Appends one entry by its hash. Gives the tiles that have become full.
    pub fn push(&mut self, leaf: Hash) -> Vec<File> {
        self.size += 1;
        let mut full = Vec::new();
        let mut hash = leaf;
        for (level, hashes) in (0..).zip(&mut self.levels) {
            hashes.push(hash);
            if hashes.len() as u64 != WIDTH {
                break;
            }
            let hashes = mem::take(hashes);
            let index = (self.size - 1) >> (HEIGHT * u32::from(level)) >> HEIGHT;
            let tile = Tile::within(Kind::Hashes(level), index, self.size);
            full.push(File { tile, bytes: Hash::join(&hashes) });
            hash = Hash::root(&hashes);
        }
        full
    }

    /// The partial tiles of the log, which a checkpoint of this size needs.
    pub fn partial_tiles(&self) -> Vec<File> {
        let file = |(level, hashes): (u8, &Vec<Hash>)| {
            let tile = last_tile(level, self.size)?;
            Some(File { tile, bytes: Hash::join(hashes) })
        };
        (0..).zip(&self.levels).filter_map(file).collect()
    }
}

/// The partial tile of a level, if there is one.
fn last_tile(level: u8, size: u64) -> Option<Tile> {
    let items = size >> (HEIGHT * u32::from(level));
    Tile::hashes(level, items / WIDTH, size)
}
