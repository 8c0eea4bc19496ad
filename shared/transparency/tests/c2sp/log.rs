//! A log in memory.

use std::collections::BTreeMap;

use transparency::{Edge, Hash, Tile};

/// A log that has been sealed after each entry, so that it has the partial tiles of every size.
#[derive(Default)]
pub struct Log {
    pub leaves: Vec<Hash>,
    pub edge: Edge,
    pub files: BTreeMap<Tile, Vec<u8>>,
}

impl Log {
    pub fn of(size: usize) -> Self {
        let mut log = Self::default();
        for number in 0..size {
            let leaf = Hash::leaf(format!("entry {number}").as_bytes());
            log.leaves.push(leaf);
            for file in log.edge.append([leaf]) {
                let replaced = log.files.insert(file.tile, file.bytes);
                assert!(replaced.is_none(), "{} is written twice", file.tile);
            }
        }
        log
    }

    pub fn read(&self, tile: Tile) -> Result<&[u8], String> {
        self.files.get(&tile).map(Vec::as_slice).ok_or_else(|| format!("{tile} is not there"))
    }
}
