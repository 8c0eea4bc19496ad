//! RFC 6962's definitions, as they stand in its section 2.1.

use std::collections::HashMap;

use transparency::Hash;

/// The definitions, with what they have computed already: `MTH` of the leaves of a range.
pub struct Definitions<'l> {
    leaves: &'l [Hash],
    known: HashMap<(usize, usize), Hash>,
}

impl<'l> Definitions<'l> {
    pub fn new(leaves: &'l [Hash]) -> Self {
        Self { leaves, known: HashMap::new() }
    }

    /// `MTH(D[start:end])`.
    pub fn root(&mut self, start: usize, end: usize) -> Hash {
        if let Some(hash) = self.known.get(&(start, end)) {
            return *hash;
        }
        let hash = match end - start {
            0 => Hash::EMPTY,
            1 => self.leaves[start],
            size => {
                let middle = start + split(size);
                Hash::node(self.root(start, middle), self.root(middle, end))
            }
        };
        self.known.insert((start, end), hash);
        hash
    }

    /// `PATH(m, D[start:end])`.
    pub fn path(&mut self, m: usize, start: usize, end: usize) -> Vec<Hash> {
        let size = end - start;
        if size == 1 {
            return Vec::new();
        }
        let k = split(size);
        let middle = start + k;
        let (mut path, sibling) = if m < k {
            (self.path(m, start, middle), self.root(middle, end))
        } else {
            (self.path(m - k, middle, end), self.root(start, middle))
        };
        path.push(sibling);
        path
    }

    /// `SUBPROOF(m, D[start:end], b)`.
    pub fn subproof(&mut self, m: usize, start: usize, end: usize, b: bool) -> Vec<Hash> {
        let size = end - start;
        if m == size {
            return if b { Vec::new() } else { vec![self.root(start, end)] };
        }
        let k = split(size);
        let middle = start + k;
        let (mut proof, sibling) = if m <= k {
            (self.subproof(m, start, middle, b), self.root(middle, end))
        } else {
            (self.subproof(m - k, middle, end, false), self.root(start, middle))
        };
        proof.push(sibling);
        proof
    }
}

/// The largest power of two below `size`.
fn split(size: usize) -> usize {
    (1..usize::BITS).map(|bits| 1 << bits).take_while(|power| *power < size).last().unwrap_or(1)
}
