//! Names of columns, prepared for patterns.

/// A name, prepared for [`super::Glob`]: its folded text, and the pairs of bytes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) pairs: u128,
}

impl<'a> Name<'a> {
    /// A name from its folded text.
    pub fn new(text: &'a str) -> Self {
        Self { text, pairs: pairs(text) }
    }
}

/// The pairs of neighbouring bytes of a text, as a set of hashes. A text that contains another has
/// all of its pairs.
pub(super) fn pairs(text: &str) -> u128 {
    let hash = |pair: &[u8]| (pair[0].wrapping_mul(31) ^ pair[1]) & 127;
    text.as_bytes().windows(2).fold(0, |set, pair| set | 1 << hash(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contains_a_text_has_its_pairs() {
        let whole = pairs("base salary (eur)");
        for part in ["salary", "base", "", "y", "(eur)"] {
            assert_eq!(pairs(part) & !whole, 0, "{part}");
        }
        assert_ne!(pairs("bonus") & !whole, 0);
    }
}
