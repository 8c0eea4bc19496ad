//! Entry bundles: up to 256 entries, each with its length before it (16 bits, big-endian).

use std::mem;

use crate::tile::{File, SIZE_LIMIT, Tile, WIDTH};

/// The most bytes of an entry.
pub const ENTRY_LIMIT: usize = u16::MAX as usize;

/// The most bytes of a bundle: 256 entries with their lengths.
pub const BUNDLE_LIMIT: usize = 256 * (2 + ENTRY_LIMIT);

/// Why bytes are not the bundle that they should be, or can't become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes end within an entry or its length.
    #[error("the bundle ends within entry {0}")]
    Cut(usize),
    /// The bundle has another number of entries than its path says.
    #[error("the bundle does not have {expected} entries")]
    Count {
        /// The number of its path.
        expected: usize,
    },
    /// An entry is longer than [`ENTRY_LIMIT`].
    #[error("an entry has {0} bytes, more than 65535")]
    TooLong(usize),
    /// No log has this size.
    #[error("no log has {0} entries")]
    Size(u64),
}

/// The entries of a bundle.
pub fn read(tile: Tile, mut bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(tile.width());
    while !bytes.is_empty() {
        let (entry, rest) = split_first(bytes).ok_or(BundleError::Cut(entries.len()))?;
        entries.push(entry);
        if entries.len() > tile.width() {
            break;
        }
        bytes = rest;
    }
    if entries.len() == tile.width() {
        Ok(entries)
    } else {
        Err(BundleError::Count { expected: tile.width() })
    }
}

/// The first entry of a bundle, and the rest of its bytes. `None` if they end before.
pub fn split_first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The files that a log of `size` entries gets with these new ones. `partial` is its last bundle if
/// that is partial, and empty otherwise.
pub fn append<E: AsRef<[u8]>>(
    size: u64,
    partial: &[u8],
    entries: impl IntoIterator<Item = E>,
) -> Result<Vec<File>, BundleError> {
    if size > SIZE_LIMIT {
        return Err(BundleError::Size(size));
    }
    match Tile::entries(size / WIDTH, size) {
        Some(tile) => drop(read(tile, partial)?),
        None if partial.is_empty() => {}
        None => return Err(BundleError::Count { expected: 0 }),
    }
    let mut files = Vec::new();
    let mut bytes = partial.to_vec();
    let mut grown = size;
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(entry.len()))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(entry);
        grown += 1;
        if grown.is_multiple_of(WIDTH) {
            let tile = Tile::entries(grown / WIDTH - 1, grown);
            files.extend(tile.map(|tile| File { tile, bytes: mem::take(&mut bytes) }));
        }
    }
    // Without a new entry, the partial bundle is there already.
    let last = Tile::entries(grown / WIDTH, grown).filter(|_| grown > size);
    files.extend(last.map(|tile| File { tile, bytes }));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_the_entries_of_its_path_and_nothing_else() {
        let check = |width: u64, bytes: &[u8], expected: Result<&[&[u8]], BundleError>| {
            let tile = Tile::entries(0, width).unwrap();
            assert_eq!(read(tile, bytes).as_deref(), expected.as_deref(), "{width} {bytes:?}");
        };
        check(1, b"\0\0", Ok(&[b""]));
        check(2, b"\0\x01a\0\x02bc", Ok(&[b"a", b"bc"]));
        check(1, b"", Err(BundleError::Count { expected: 1 }));
        check(2, b"\0\x01a", Err(BundleError::Count { expected: 2 }));
        check(1, b"\0\x01a\0\0", Err(BundleError::Count { expected: 1 }));
        check(1, b"\0", Err(BundleError::Cut(0)));
        check(1, b"\0\x01", Err(BundleError::Cut(0)));
        check(1, b"\xff\xffa", Err(BundleError::Cut(0)));
        check(2, b"\0\x01a\0", Err(BundleError::Cut(1)));
        check(1, b"\0\x01a\0\0b", Err(BundleError::Count { expected: 1 }));
    }

    #[test]
    fn new_entries_extend_the_partial_bundle_and_fill_others() {
        let entries: Vec<_> = (0..600).map(|number| format!("entry {number}")).collect();
        let bytes = |of: &[String]| -> Vec<u8> {
            let length = |entry: &String| u16::try_from(entry.len()).unwrap().to_be_bytes();
            of.iter().flat_map(|entry| [&length(entry)[..], entry.as_bytes()].concat()).collect()
        };
        for (old, new, expected) in [
            (0, 0, vec![]),
            (0, 1, vec![("tile/entries/000.p/1", 0..1)]),
            (0, 256, vec![("tile/entries/000", 0..256)]),
            (1, 3, vec![("tile/entries/000.p/3", 0..3)]),
            (3, 3, vec![]),
            (255, 257, vec![("tile/entries/000", 0..256), ("tile/entries/001.p/1", 256..257)]),
            (256, 257, vec![("tile/entries/001.p/1", 256..257)]),
            (
                100,
                600,
                vec![
                    ("tile/entries/000", 0..256),
                    ("tile/entries/001", 256..512),
                    ("tile/entries/002.p/88", 512..600),
                ],
            ),
        ] {
            let partial = bytes(&entries[old - old % 256..old]);
            let files = append(old as u64, &partial, &entries[old..new]).unwrap();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(path, range)| File {
                    tile: path.parse().unwrap(),
                    bytes: bytes(&entries[range]),
                })
                .collect();
            assert_eq!(files, expected, "{old} to {new}");
        }
    }

    #[test]
    fn what_can_not_become_a_bundle_is_refused() {
        let none: [&[u8]; 0] = [];
        assert_eq!(append(1, b"", none), Err(BundleError::Count { expected: 1 }));
        assert_eq!(append(1, b"\0", none), Err(BundleError::Cut(0)));
        assert_eq!(append(256, b"\0\0", none), Err(BundleError::Count { expected: 0 }));
        assert_eq!(append(u64::MAX, b"", none), Err(BundleError::Size(u64::MAX)));
        let entry = vec![0_u8; ENTRY_LIMIT];
        assert_eq!(append(0, b"", [&entry]).unwrap()[0].bytes.len(), 2 + ENTRY_LIMIT);
        let entry = vec![0_u8; ENTRY_LIMIT + 1];
        assert_eq!(append(0, b"", [&entry]), Err(BundleError::TooLong(ENTRY_LIMIT + 1)));
    }
}
