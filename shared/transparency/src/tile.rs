//! Tiles: where the hashes and the entries of a log stand. A tile's text is its path.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;

/// Hashes of a full tile, and entries of a full bundle.
pub const WIDTH: u64 = 256;

/// The largest log that this crate appends to. Below it no sum overflows.
pub const SIZE_LIMIT: u64 = 1 << 62;

/// Levels of a tree that a tile covers.
pub(crate) const HEIGHT: u32 = WIDTH.ilog2();
/// Levels of tiles that a log has whose size fits into 64 bits.
pub(crate) const LEVELS: u8 = 8;

/// One file of a log: consecutive hashes of one level, or consecutive entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    kind: Kind,
    index: u64,
    width: u16,
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Entries: the tile is an entry bundle.
    Entries,
    /// Hashes at this level of tiles. Level 0 has the hashes of entries, and each hash of another
    /// level is the root of a full tile of the level below.
    Hashes(u8),
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its place.
    pub tile: Tile,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A text is not the path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the path of a tile")]
pub struct PathError;

/// Why the hashes of a tile can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError<E> {
    /// The caller could not read it.
    #[error("{0}")]
    Read(E),
    /// It has another length than its path says.
    #[error("{tile} has {bytes} bytes, not {}", .tile.width() * 32)]
    Length {
        /// The tile.
        tile: Tile,
        /// Its length in bytes.
        bytes: usize,
    },
    /// No log has this size.
    #[error("no log has {0} entries")]
    Size(u64),
}

impl Tile {
    /// The tile of hashes at this place in a log of `size` entries, if the log has it.
    pub fn hashes(level: u8, index: u64, size: u64) -> Option<Self> {
        Some(Self::within(Kind::Hashes(level), index, size)).filter(|tile| tile.width > 0)
    }

    /// The entry bundle at this place in a log of `size` entries, if the log has it.
    pub fn entries(index: u64, size: u64) -> Option<Self> {
        Some(Self::within(Kind::Entries, index, size)).filter(|tile| tile.width > 0)
    }

    /// The tile in a log of another size. Its width is 0 where that log does not reach it.
    pub(crate) fn resized(self, size: u64) -> Self {
        Self::within(self.kind, self.index, size)
    }

    pub(crate) fn within(kind: Kind, index: u64, size: u64) -> Self {
        let level = if let Kind::Hashes(level) = kind { level } else { 0 };
        let items = size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0);
        let width = items.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
        Self { kind, index, width: u16::try_from(width).unwrap_or(0) }
    }

    /// What it holds.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Its number at its level, from 0.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds: 1 to 256.
    pub fn width(self) -> usize {
        self.width.into()
    }

    /// Whether it holds all that it ever will. A full tile never changes.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// The hashes of a tile with this content.
    pub(crate) fn read<E>(self, bytes: &[u8]) -> Result<Vec<Hash>, TileError<E>> {
        Hash::split(bytes)
            .filter(|hashes| hashes.len() == self.width())
            .ok_or(TileError::Length { tile: self, bytes: bytes.len() })
    }
}

/// The tiles of hashes that a log of `size` entries has, level by level.
pub fn hash_tiles(size: u64) -> impl Iterator<Item = Tile> {
    let of_level = move |level| (0..).map_while(move |index| Tile::hashes(level, index, size));
    (0..LEVELS).flat_map(of_level)
}

/// The entry bundles that a log of `size` entries has.
pub fn bundles(size: u64) -> impl Iterator<Item = Tile> {
    (0..).map_while(move |index| Tile::entries(index, size))
}

impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => formatter.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(formatter, "tile/{level}/")?,
        }
        let mut groups = vec![format!("{:03}", self.index % 1_000)];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        groups.reverse();
        formatter.write_str(&groups.join("/"))?;
        if self.is_full() { Ok(()) } else { write!(formatter, ".p/{}", self.width) }
    }
}

impl FromStr for Tile {
    type Err = PathError;

    /// Reads a path. A tile has one path, so any other spelling is refused.
    fn from_str(path: &str) -> Result<Self, PathError> {
        parse(path).filter(|tile| tile.to_string() == path).ok_or(PathError)
    }
}

fn parse(path: &str) -> Option<Tile> {
    let (kind, place) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => Kind::Entries,
        level => Kind::Hashes(level.parse().ok()?),
    };
    let (groups, width) = match place.split_once(".p/") {
        Some((groups, width)) => (groups, Some(width.parse().ok()?)),
        None => (place, None),
    };
    let mut index = 0_u64;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 {
            return None;
        }
        index = index.checked_mul(1_000)?.checked_add(digits.parse::<u16>().ok()?.into())?;
    }
    // A tile that no log can have is none.
    let largest = Tile::within(kind, index, u64::MAX);
    let width = width.unwrap_or(u16::try_from(WIDTH).ok()?);
    (1..=largest.width).contains(&width).then_some(Tile { width, ..largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tiles: impl Iterator<Item = Tile>) -> Vec<String> {
        tiles.map(|tile| tile.to_string()).collect()
    }

    #[test]
    fn a_path_is_that_of_the_specification() {
        for (path, kind, index, width) in [
            ("tile/0/000", Kind::Hashes(0), 0, 256),
            ("tile/0/000.p/1", Kind::Hashes(0), 0, 1),
            ("tile/3/x001/x234/067", Kind::Hashes(3), 1_234_067, 256),
            ("tile/3/x001/x234/067.p/255", Kind::Hashes(3), 1_234_067, 255),
            ("tile/entries/x001/000.p/17", Kind::Entries, 1_000, 17),
            ("tile/entries/999", Kind::Entries, 999, 256),
            ("tile/7/000.p/255", Kind::Hashes(7), 0, 255),
            // The last tile of a log whose size fits into 64 bits.
            (
                "tile/0/x072/x057/x594/x037/x927/935.p/255",
                Kind::Hashes(0),
                72_057_594_037_927_935,
                255,
            ),
        ] {
            let tile: Tile = path.parse().unwrap_or_else(|_| panic!("{path}"));
            assert_eq!((tile.kind(), tile.index(), tile.width()), (kind, index, width), "{path}");
            assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn a_path_in_another_spelling_or_out_of_the_log_is_refused() {
        for path in [
            "",
            "/",
            "tile",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "./tile/0/000",
            "tile//000",
            "tile/0/000/",
            "tile/0/../1/000",
            "tile/../tile/0/000",
            "tile/0/..",
            "tile/0/000.p/../001",
            "tile/0/000.p/1/2",
            "tile/entries/../../checkpoint",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001/067",
            "tile/0/x001/x067",
            "tile/0/X001/067",
            "tile/0/x001/67",
            "tile/0/+01",
            "tile/0/-01",
            "tile/00/000",
            "tile/+0/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/8/0/000",
            "tile/8/000",
            "tile/63/000",
            "tile/64/000",
            "tile/256/000",
            "tile/7/000",
            "tile/7/001.p/1",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/-1",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/65536",
            "tile/0/x072/x057/x594/x037/x927/935",
            "tile/0/x072/x057/x594/x037/x927/936.p/1",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/\u{660}\u{660}\u{660}",
            "tile/0/000\0",
            "TILE/0/000",
            "checkpoint",
        ] {
            assert_eq!(path.parse::<Tile>(), Err(PathError), "{path:?}");
        }
        let long = format!("tile/0/{}000", "x000/".repeat(100_000));
        assert_eq!(long.parse::<Tile>(), Err(PathError));
    }

    #[test]
    fn a_log_has_the_tiles_of_the_specification() {
        // Of 70,000 entries: 273 full tiles and one of 112; one full and one of 17; one of 1.
        let tiles = paths(hash_tiles(70_000));
        assert_eq!(tiles.len(), 277);
        assert_eq!(tiles[..2], ["tile/0/000", "tile/0/001"]);
        assert_eq!(
            tiles[272..],
            ["tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
        );
        assert_eq!(paths(hash_tiles(256)), ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(paths(hash_tiles(1)), ["tile/0/000.p/1"]);
        assert_eq!(paths(hash_tiles(0)), [""; 0]);
        assert_eq!(
            paths(bundles(513)),
            ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/1"]
        );
    }

    #[test]
    fn a_tile_out_of_the_log_is_none() {
        for (level, index, size) in
            [(0, 0, 0), (0, 1, 256), (1, 0, 255), (8, 0, u64::MAX), (0, u64::MAX, u64::MAX)]
        {
            assert_eq!(Tile::hashes(level, index, size), None, "{level} {index} {size}");
        }
        let tile = Tile::hashes(0, 0, 2).unwrap();
        for bytes in [0, 32, 63, 65, 96] {
            let error = TileError::<()>::Length { tile, bytes };
            assert_eq!(tile.read(&vec![0; bytes]), Err(error));
        }
        assert!(tile.read::<()>(&[0; 64]).is_ok());
    }
}
