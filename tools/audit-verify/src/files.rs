//! The files of a log: tiles of hashes, and bundles of entries.

use std::io::Read;
use std::ops::Range;

use flate2::bufread::MultiGzDecoder;
use transparency::bundle::BUNDLE_LIMIT;
use transparency::{Hash, Kind, Tile, WIDTH};

use crate::error::Unreadable;
use crate::source::Source;

/// Files that are read ahead of their use.
pub(crate) const AHEAD: usize = 8;
/// Length of a hash in bytes.
pub(crate) const HASH: usize = 32;
/// The most bytes of a packed bundle. Gzip makes a file that can't be packed a little longer.
const PACKED_LIMIT: usize = BUNDLE_LIMIT + BUNDLE_LIMIT / 256;

/// A reader of the files of a log.
pub(crate) struct Files {
    pub(crate) source: Source,
}

/// A file as it is stored. It may be longer or shorter than it should be.
pub(crate) struct Stored {
    /// The tile that was asked for.
    tile: Tile,
    /// The tile as which it is stored: a log that has grown may have only the full one.
    form: Tile,
    bytes: Vec<u8>,
}

/// The entries of a bundle, as many as can be read.
pub(crate) struct Bundle {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
    /// Why the rest of the file can't be read.
    pub defect: Option<String>,
}

impl Files {
    /// A tile or bundle, if it is there.
    pub(crate) async fn tile(&self, tile: Tile) -> Result<Option<Stored>, Unreadable> {
        let full = resized(tile, u64::MAX);
        for form in [Some(tile), full.filter(|full| *full != tile)].into_iter().flatten() {
            let limit = match tile.kind() {
                Kind::Entries => PACKED_LIMIT,
                Kind::Hashes(_) => form.width() * HASH,
            };
            if let Some(bytes) = self.source.read(&form.to_string(), limit).await? {
                return Ok(Some(Stored { tile, form, bytes }));
            }
        }
        Ok(None)
    }

    /// The longest beginning of an absent tile of level 0, or of an absent bundle, that is there as
    /// a partial one.
    pub(crate) async fn beginning(&self, tile: Tile) -> Result<Option<Stored>, Unreadable> {
        for width in (1..tile.width() as u64).rev() {
            let size = tile.index() * WIDTH + width;
            if let Some(part) = resized(tile, size)
                && let Some(bytes) = self.source.read(&part.to_string(), PACKED_LIMIT).await?
            {
                return Ok(Some(Stored { tile: part, form: part, bytes }));
            }
        }
        Ok(None)
    }
}

/// The tile or bundle in a log of another size, if that log has it.
fn resized(tile: Tile, size: u64) -> Option<Tile> {
    match tile.kind() {
        Kind::Entries => Tile::entries(tile.index(), size),
        Kind::Hashes(level) => Tile::hashes(level, tile.index(), size),
    }
}

impl Stored {
    /// The bytes of a tile of hashes, without what a fuller form has more.
    pub(crate) fn into_hash_bytes(mut self) -> Vec<u8> {
        if self.form != self.tile {
            self.bytes.truncate(self.tile.width() * HASH);
        }
        self.bytes
    }

    /// The hashes of a tile, as many as can be read and as the tile should have. `true` if the file
    /// has these and nothing else.
    pub(crate) fn into_hashes(self) -> (Vec<Hash>, bool) {
        let width = self.tile.width();
        let bytes = self.into_hash_bytes();
        let is_exact = bytes.len() == width * HASH;
        let (hashes, _) = bytes.as_chunks::<HASH>();
        (hashes.iter().take(width).map(|bytes| Hash::from(*bytes)).collect(), is_exact)
    }

    /// The entries of a bundle.
    pub(crate) fn unpack(&self) -> Bundle {
        let mut bytes = Vec::new();
        let limit = BUNDLE_LIMIT as u64 + 1;
        let unpacked = MultiGzDecoder::new(&self.bytes[..]).take(limit).read_to_end(&mut bytes);
        let mut defect = unpacked.err().map(|error| format!("it can't be unpacked: {error}"));
        let mut places = Vec::new();
        let mut start = 0;
        // One entry more than a bundle has shows that there are too many. A small file may hold
        // millions of empty ones.
        while start < bytes.len() && places.len() as u64 <= WIDTH {
            let length =
                bytes[start..].first_chunk::<2>().map(|length| u16::from_be_bytes(*length));
            let end = length.map(|length| start + 2 + usize::from(length));
            let Some(end) = end.filter(|end| *end <= bytes.len()) else {
                defect.get_or_insert_with(|| format!("it ends within entry {}", places.len()));
                break;
            };
            places.push(start + 2..end);
            start = end;
        }
        if self.form != self.tile {
            places.truncate(self.tile.width());
        }
        Bundle { bytes, places, defect }
    }
}

impl Bundle {
    /// The entries, in their order.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.clone()])
    }

    /// The hashes of the entries.
    pub(crate) fn hashes(&self) -> Vec<Hash> {
        self.entries().map(Hash::leaf).collect()
    }
}
