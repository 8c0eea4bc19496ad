//! Entry bundles, as a verification reads them.

use jiff::Timestamp;
use platform::store::Retention;
use transparency::{Plan, Tile, WIDTH, bundle, verify_inclusion};

use crate::checkpoints::{Published, hashes};
use crate::entry::leaf;
use crate::error::ArchiveError;
use crate::files::Files;
use crate::finding::{Finding, Stop, What, damaged, found};

/// The entries of a bundle in a log of this size. They may be forged.
pub(crate) async fn read(
    files: &Files,
    number: u64,
    size: u64,
) -> Result<Vec<String>, ArchiveError> {
    let missing = || ArchiveError::Missing(format!("tile/entries of bundle {number}"));
    let tile = Tile::entries(number, size).ok_or_else(missing)?;
    let read = files.read([tile]).await?;
    let bytes = read.get(&tile).map(Vec::as_slice).unwrap_or_default();
    let entries = bundle::read(tile, bytes).map_err(|_| ArchiveError::differs(tile))?;
    let text = |entry: &[u8]| String::from_utf8(entry.to_vec());
    let texts: Result<Vec<_>, _> = entries.into_iter().map(text).collect();
    texts.map_err(|_| ArchiveError::differs(tile))
}

/// Whether a bundle is past its retention, and may have gone. The hashes of its entries stay, and
/// were written with it.
pub(crate) async fn is_past_retention(
    files: &Files,
    number: u64,
    size: u64,
    retention: Retention,
    now: Timestamp,
) -> Result<bool, ArchiveError> {
    let Some(hash_tile) = Tile::hashes(0, number, size) else { return Ok(false) };
    match files.written_at(hash_tile).await {
        Ok(written_at) => Ok(retention.expires_at(written_at) <= now.as_second()),
        Err(error) if error.is_damage() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The entries of a bundle, whose hashes lead to the root of the checkpoint. Stops at the first
/// entry of which that is not so. A bundle that has gone after its retention has none.
pub(crate) async fn verified(
    files: &Files,
    published: &Published,
    number: u64,
    retention: Retention,
    now: Timestamp,
) -> Result<Vec<String>, Stop> {
    match verify(files, published, number).await {
        Err(Stop::Failed(error)) if error.is_damage() => {
            let is_gone = error.is_missing("tile/entries/");
            let size = published.checkpoint.size();
            if is_gone && is_past_retention(files, number, size, retention, now).await? {
                return Ok(Vec::new());
            }
            let what = if is_gone && number == 0 { What::Truncated } else { What::Damaged };
            // A tile of hashes on the way to the root belongs to other entries too.
            let index = error.is_about("tile/entries/").then_some(number * WIDTH);
            Err(Stop::Found(Finding { index, what, ..damaged(&error) }))
        }
        result => result,
    }
}

async fn verify(files: &Files, published: &Published, number: u64) -> Result<Vec<String>, Stop> {
    let (size, root) = (published.checkpoint.size(), published.checkpoint.root());
    let start = number * WIDTH;
    let lost = || ArchiveError::Missing(format!("tile/0 of entry {start}"));
    let tile = Tile::entries(number, size).ok_or_else(lost)?;
    let hash_tile = Tile::hashes(0, number, size).ok_or_else(lost)?;
    // The way from one entry to the root has the hashes of all others of its tile.
    let plan = Plan::inclusion(start, size).map_err(|_| lost())?;
    let mut tiles = plan.tiles();
    tiles.extend([tile, hash_tile]);
    let read = files.read(tiles).await?;
    let content = |tile: Tile| read.get(&tile).map(Vec::as_slice).unwrap_or_default();
    let entries = entries(content(tile), content(hash_tile))
        .map_err(|place| found(start + place, None, What::Damaged))?;
    let first = entries.first().map(leaf).ok_or_else(lost)?;
    verify_inclusion(first, start, size, &hashes(&plan, &read)?, root)
        .map_err(|_| found(start, None, What::Damaged))?;
    Ok(entries)
}

/// The entries of a bundle with these hashes. Fails with the place of the first one that differs.
fn entries(mut bytes: &[u8], hashes: &[u8]) -> Result<Vec<String>, u64> {
    let mut entries = Vec::new();
    for hash in hashes.chunks(32) {
        let place = entries.len() as u64;
        let (entry, rest) = bundle::split_first(bytes).ok_or(place)?;
        if leaf(entry).as_ref() != hash {
            return Err(place);
        }
        entries.push(String::from_utf8(entry.to_vec()).map_err(|_| place)?);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(entries.len() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(entries: &[&str]) -> Vec<u8> {
        let length = |entry: &str| u16::try_from(entry.len()).unwrap().to_be_bytes();
        entries.iter().flat_map(|entry| [&length(entry)[..], entry.as_bytes()].concat()).collect()
    }

    #[test]
    fn the_first_entry_that_differs_is_named() {
        let sealed = ["a", "bb", "ccc", "dddd"];
        let hashes = sealed.map(|entry| *leaf(entry).as_ref()).concat();
        for (bundle, expected) in [
            (&["a", "bb", "ccc", "dddd"][..], None),
            (&["a", "bb", "CCC", "dddd"], Some(2)),
            (&["a", "ccc", "dddd"], Some(1)),
            (&["a", "bb", "x", "ccc", "dddd"], Some(2)),
            (&["a", "dddd", "ccc", "bb"], Some(1)),
            (&["a", "bb", "ccc"], Some(3)),
            (&["a", "bb", "ccc", "dddd", "e"], Some(4)),
            (&[], Some(0)),
        ] {
            assert_eq!(entries(&packed(bundle), &hashes).err(), expected, "{bundle:?}");
        }
        let bytes = packed(&sealed);
        assert_eq!(entries(&bytes[..bytes.len() - 1], &hashes), Err(3));
        assert_eq!(entries(&bytes, &hashes[..64]), Err(2));
        assert_eq!(entries(&bytes, &hashes), Ok(sealed.map(str::to_owned).to_vec()));
    }
}
