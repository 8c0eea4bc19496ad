//! Which tiles a root or a proof needs, and what it is once they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::hash::Hash;
use crate::tile::{HEIGHT, Kind, Tile, TileError, WIDTH};

/// A way to compute hashes from tiles: a root, or the hashes of a proof. A caller that reads
/// asynchronously reads [`Plan::tiles`] first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The nodes that each hash is made of, from left to right.
    hashes: Vec<Vec<Node>>,
}

/// The root of a perfect subtree, as the hashes of a tile that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    tile: Tile,
    hashes: Range<usize>,
}

/// Why there is no such proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The tree ends before this entry.
    #[error("a tree of {size} entries has no entry {index}")]
    NoEntry {
        /// Number of the entry.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// A tree does not shrink.
    #[error("a tree of {new} entries does not begin with one of {old}")]
    Shrinks {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer tree.
        new: u64,
    },
}

impl Plan {
    /// The root of a tree: one hash.
    pub fn root(size: u64) -> Self {
        Self { hashes: vec![nodes(&(0..size), size)] }
    }

    /// The proof that a tree has an entry (RFC 6962, section 2.1.1), from the leaf's sibling up.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, PlanError> {
        if index >= size {
            return Err(PlanError::NoEntry { index, size });
        }
        let mut ranges = Vec::new();
        let mut rest = 0..size;
        while rest.end - rest.start > 1 {
            let (left, right) = halves(&rest);
            let (inside, outside) = if index < left.end { (left, right) } else { (right, left) };
            ranges.push(outside);
            rest = inside;
        }
        ranges.reverse();
        Ok(Self::new(size, &ranges))
    }

    /// The proof that a tree begins with an older one (RFC 6962, section 2.1.2). It is empty if
    /// the older one is empty or the same.
    pub fn consistency(old: u64, new: u64) -> Result<Self, PlanError> {
        if old > new {
            return Err(PlanError::Shrinks { old, new });
        }
        let mut ranges = Vec::new();
        let mut rest = if old == 0 { 0..0 } else { 0..new };
        while rest.end > old {
            let (left, right) = halves(&rest);
            let (inside, outside) = if old <= left.end { (left, right) } else { (right, left) };
            ranges.push(outside);
            rest = inside;
        }
        // The verifier knows the root of the old tree. It does not know that of a part.
        if rest.start > 0 {
            ranges.push(rest);
        }
        ranges.reverse();
        Ok(Self::new(new, &ranges))
    }

    /// The tiles that it needs.
    pub fn tiles(&self) -> BTreeSet<Tile> {
        self.hashes.iter().flatten().map(|node| node.tile).collect()
    }

    /// The hashes. `read` reads a tile of [`Plan::tiles`].
    pub fn hashes<B: AsRef<[u8]>, E>(
        &self,
        mut read: impl FnMut(Tile) -> Result<B, E>,
    ) -> Result<Vec<Hash>, TileError<E>> {
        let mut tiles = BTreeMap::new();
        for tile in self.tiles() {
            let bytes = read(tile).map_err(TileError::Read)?;
            tiles.insert(tile, tile.read(bytes.as_ref())?);
        }
        let root = |node: &Node| Hash::root(&tiles[&node.tile][node.hashes.clone()]);
        let hash = |nodes: &Vec<Node>| {
            let roots = nodes.iter().rev().map(root);
            roots.reduce(|right, left| Hash::node(left, right)).unwrap_or(Hash::EMPTY)
        };
        Ok(self.hashes.iter().map(hash).collect())
    }

    fn new(size: u64, ranges: &[Range<u64>]) -> Self {
        Self { hashes: ranges.iter().map(|range| nodes(range, size)).collect() }
    }
}

/// The two subtrees of a tree with more than one entry. The left one is the largest perfect tree
/// that leaves something for the right.
fn halves(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let middle = range.start + (1 << (range.end - range.start - 1).ilog2());
    (range.start..middle, middle..range.end)
}

/// The perfect subtrees of a subtree, from left to right.
fn nodes(range: &Range<u64>, size: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let height = (range.end - start).ilog2();
        nodes.push(node(start, height, size));
        start += 1 << height;
    }
    nodes
}

/// The perfect subtree of this height that begins at entry `start`.
fn node(start: u64, height: u32, size: u64) -> Node {
    let level = height / HEIGHT;
    let first = start >> (level * HEIGHT);
    let hashes = 1 << (height % HEIGHT);
    #[expect(clippy::cast_possible_truncation, reason = "a level is below 8, a place below 256")]
    let (level, place) = (level as u8, (first % WIDTH) as usize);
    let tile = Tile::within(Kind::Hashes(level), first / WIDTH, size);
    Node { tile, hashes: place..place + hashes }
}
