//! The hashes of RFC 6962, section 2.1.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Length of a hash in bytes.
const LENGTH: usize = 32;
/// The byte before the data of a leaf.
const LEAF: u8 = 0;
/// The byte before the two children of a node.
const NODE: u8 = 1;

/// The SHA-256 of a leaf, of a subtree or of a whole tree. Its text is Base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; LENGTH]);

/// A text is not the Base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the Base64 of 32 bytes")]
pub struct NotAHash;

impl Hash {
    /// The root of the empty tree: SHA-256 of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// The hash of an entry.
    pub fn leaf(data: &[u8]) -> Self {
        Self::of(&[&[LEAF][..], data].concat())
    }

    /// The hash of a node with these children.
    pub fn node(left: Self, right: Self) -> Self {
        let mut bytes = [NODE; 1 + 2 * LENGTH];
        bytes[1..=LENGTH].copy_from_slice(&left.0);
        bytes[1 + LENGTH..].copy_from_slice(&right.0);
        Self::of(&bytes)
    }

    /// The root of a tree over these hashes.
    pub(crate) fn root(hashes: &[Self]) -> Self {
        match hashes {
            [] => Self::EMPTY,
            [only] => *only,
            _ => {
                let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
                Self::node(Self::root(left), Self::root(right))
            }
        }
    }

    /// The hashes that stand one after the other in `bytes`. `None` if the last is cut.
    pub(crate) fn split(bytes: &[u8]) -> Option<Vec<Self>> {
        let (hashes, rest) = bytes.as_chunks::<LENGTH>();
        rest.is_empty().then(|| hashes.iter().map(|bytes| Self(*bytes)).collect())
    }

    /// The hashes one after the other.
    pub(crate) fn join(hashes: &[Self]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.0).collect()
    }

    fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; LENGTH];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }
}

impl From<[u8; LENGTH]> for Hash {
    fn from(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8; LENGTH]> for Hash {
    fn as_ref(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let bytes = STANDARD.decode(text).map_err(|_| NotAHash)?;
        bytes.try_into().map(Self).map_err(|_| NotAHash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_its_own_text_and_no_other_spelling() {
        let text = Hash::EMPTY.to_string();
        assert_eq!(text, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(text.parse::<Hash>(), Ok(Hash::EMPTY));
        for other in [
            "",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            " 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            // The last character has a bit that no byte takes.
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA==",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFVV",
        ] {
            assert_eq!(other.parse::<Hash>(), Err(NotAHash), "{other:?}");
        }
    }

    #[test]
    fn bytes_are_hashes_if_none_is_cut() {
        let hashes = [Hash::EMPTY, Hash::leaf(b"")];
        let bytes = Hash::join(&hashes);
        assert_eq!(Hash::split(&bytes).as_deref(), Some(&hashes[..]));
        assert_eq!(Hash::split(&[]), Some(Vec::new()));
        assert_eq!(Hash::split(&bytes[1..]), None);
    }
}
