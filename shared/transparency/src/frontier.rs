//! The root of a growing log in constant memory.

use crate::hash::Hash;

/// The roots of the perfect subtrees that a log consists of: at most 64 hashes. It takes the
/// entries of a log one by one, and gives the root at any size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// From left to right, each smaller than the one before.
    roots: Vec<Hash>,
}

/// A subtree does not begin where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subtree of 2^{height} entries can't begin at entry {size}")]
pub struct Unaligned {
    /// The height of the subtree.
    pub height: u32,
    /// The size of the log.
    pub size: u64,
}

impl Frontier {
    /// Entries so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds an entry by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.merge(0, leaf);
    }

    /// Adds the 2^`height` entries of a perfect subtree by its root. The entries themselves may be
    /// gone: a hash of a tile of level `n` is the root of such a subtree of height `8 * n`.
    pub fn push_subtree(&mut self, height: u32, root: Hash) -> Result<(), Unaligned> {
        let end = 1_u64.checked_shl(height).filter(|entries| self.size.is_multiple_of(*entries));
        if end.and_then(|entries| self.size.checked_add(entries)).is_none() {
            return Err(Unaligned { height, size: self.size });
        }
        self.merge(height, root);
        Ok(())
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        let roots = self.roots.iter().rev().copied();
        roots.reduce(|right, left| Hash::node(left, right)).unwrap_or(Hash::EMPTY)
    }

    /// Adds a subtree that begins where the log ends. It joins the subtrees of its own height.
    pub(crate) fn merge(&mut self, height: u32, mut hash: Hash) {
        let mut place = self.size >> height;
        while place & 1 == 1
            && let Some(left) = self.roots.pop()
        {
            hash = Hash::node(left, hash);
            place >>= 1;
        }
        self.roots.push(hash);
        self.size += 1 << height;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_stand_for_their_entries() {
        let leaf = |number: u64| Hash::leaf(&number.to_be_bytes());
        let mut entries = Frontier::default();
        let mut subtrees = Frontier::default();
        // 300 = 256 + 32 + 8 + 4.
        for (start, height) in [(0, 8), (256, 5), (288, 3), (296, 2)] {
            let leaves: Vec<_> = (start..start + (1_u64 << height)).map(leaf).collect();
            for leaf in &leaves {
                entries.push(*leaf);
            }
            subtrees.push_subtree(height, Hash::root(&leaves)).unwrap();
            assert_eq!(subtrees, entries);
        }
        assert_eq!(entries.size(), 300);
    }

    #[test]
    fn a_subtree_begins_where_one_can() {
        let mut frontier = Frontier::default();
        for height in [64, 65, u32::MAX] {
            assert!(frontier.push_subtree(height, Hash::EMPTY).is_err());
        }
        frontier.push_subtree(63, Hash::EMPTY).unwrap();
        assert!(frontier.push_subtree(63, Hash::EMPTY).is_err(), "it would end at 2^64");
        frontier.push_subtree(0, Hash::EMPTY).unwrap();
        let size = (1 << 63) + 1;
        assert_eq!(frontier.push_subtree(1, Hash::EMPTY), Err(Unaligned { height: 1, size }));
        assert_eq!(frontier.size(), size);
    }
}
