//! The verification of proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use crate::hash::Hash;

/// A proof does not lead to the root, or is not one of this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root")]
pub struct InvalidProof;

/// Verifies that the tree of `size` entries with this root has the leaf at `index`.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), InvalidProof> {
    let last = size.checked_sub(1).filter(|last| index <= *last).ok_or(InvalidProof)?;
    let mut walk = Walk { node: index, last };
    let mut hash = leaf;
    for &sibling in proof {
        hash = match walk.up()? {
            Side::Left => Hash::node(sibling, hash),
            Side::Right => Hash::node(hash, sibling),
        };
    }
    if walk.last == 0 && hash == root { Ok(()) } else { Err(InvalidProof) }
}

/// Verifies that the tree of `new_size` entries begins with that of `old_size`.
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), InvalidProof> {
    let is_valid = match old_size {
        _ if old_size == new_size => proof.is_empty() && old_root == new_root,
        // Any tree begins with the empty one.
        0 => proof.is_empty() && old_root == Hash::EMPTY,
        _ if old_size < new_size => leads(old_size, old_root, new_size, new_root, proof)?,
        _ => false,
    };
    if is_valid { Ok(()) } else { Err(InvalidProof) }
}

/// Whether a proof leads to both roots. The old tree is smaller, and not empty.
fn leads(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<bool, InvalidProof> {
    // The proof begins with the last perfect subtree of the old tree. Where that is the whole old
    // tree, the verifier has its hash already.
    let (first, rest) = match proof {
        _ if old_size.is_power_of_two() => (old_root, proof),
        [first, rest @ ..] => (*first, rest),
        [] => return Err(InvalidProof),
    };
    let levels = (old_size - 1).trailing_ones();
    let mut walk = Walk { node: (old_size - 1) >> levels, last: (new_size - 1) >> levels };
    let (mut old, mut new) = (first, first);
    for &hash in rest {
        match walk.up()? {
            Side::Left => {
                old = Hash::node(hash, old);
                new = Hash::node(hash, new);
            }
            Side::Right => new = Hash::node(new, hash),
        }
    }
    Ok(walk.last == 0 && old == old_root && new == new_root)
}

/// The way from a node up to the root.
struct Walk {
    /// Number of the node at its level.
    node: u64,
    /// Number of the last node at this level.
    last: u64,
}

/// The side on which a sibling stands.
enum Side {
    Left,
    Right,
}

impl Walk {
    /// Goes up one level. The last node of a level may have no sibling there. Then it goes up to
    /// the level at which it has one. Fails at the root.
    fn up(&mut self) -> Result<Side, InvalidProof> {
        if self.last == 0 {
            return Err(InvalidProof);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            let levels = self.node.trailing_zeros();
            self.node >>= levels;
            self.last >>= levels;
            Side::Left
        } else {
            Side::Right
        };
        self.node >>= 1;
        self.last >>= 1;
        Ok(side)
    }
}
