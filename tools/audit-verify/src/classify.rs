//! What happened to the first entry that is not the logged one.
//!
//! The hashes of the tiles are proven here, so they say which entry belongs where. Two more passes
//! answer: does the entry that stands there belong elsewhere, and does the logged one stand
//! elsewhere? An entry that was replaced, and one that was deleted while another was inserted in
//! its place, look the same.

use std::pin::pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use transparency::{Hash, Tile, WIDTH};

use crate::error::Unreadable;
use crate::files::{AHEAD, Files, Stored};
use crate::report::{Finding, What};
use crate::walk::Difference;

/// Says what happened in a log of `size` entries.
pub(crate) async fn classify(
    files: &Files,
    size: u64,
    difference: &Difference,
) -> Result<Finding, Unreadable> {
    let Difference { index, found, expected, defect } = difference;
    let index = *index;
    if let Some(defect) = defect.as_ref().filter(|_| found.is_none()) {
        let text = format!("its bundle can't be read from here on: {defect}");
        return Ok(Finding::at(What::Damaged, index, text));
    }
    let belongs = match found {
        Some(found) => home(files, size, *found).await?,
        None => None,
    };
    let stands = match expected {
        Some(expected) => place(files, size, index, *expected).await?,
        None => None,
    };
    let (what, text) = explain(index, found.is_some(), expected.is_some(), belongs, stands);
    let defect =
        defect.as_ref().map(|defect| format!(". Further on, its bundle is damaged: {defect}"));
    Ok(Finding::at(what, index, text + &defect.unwrap_or_default()))
}

/// The kind and the sentence. `belongs` is the place of which the entry is that stands here, and
/// `stands` is the place at which the logged entry is.
fn explain(
    index: u64,
    is_found: bool,
    is_expected: bool,
    belongs: Option<u64>,
    stands: Option<u64>,
) -> (What, String) {
    match (is_found, belongs, stands) {
        (false, _, None) => (What::Deleted, "it is missing, and stands nowhere else".into()),
        (false, _, Some(place)) => (What::Reordered, format!("it stands at {place}")),
        (true, None, _) if !is_expected => {
            (What::Inserted, "an entry that was never logged stands before it".into())
        }
        (true, Some(home), _) if !is_expected && home < index => {
            (What::Inserted, format!("a second copy of entry {home} stands before it"))
        }
        (true, Some(home), _) if !is_expected => {
            (What::Reordered, format!("entry {home} stands before it"))
        }
        (true, None, None) => (
            What::Edited,
            "the content there was never logged, and the logged content is nowhere".into(),
        ),
        (true, None, Some(place)) => (
            What::Inserted,
            format!("an entry that was never logged stands there, and the logged one at {place}"),
        ),
        (true, Some(home), None) if home < index => {
            (What::Edited, format!("a copy of entry {home} replaces it"))
        }
        (true, Some(home), None) => {
            (What::Deleted, format!("it is nowhere, and entry {home} stands in its place"))
        }
        (true, Some(home), Some(place)) if home < index => (
            What::Inserted,
            format!("a second copy of entry {home} stands there, and the logged one at {place}"),
        ),
        (true, Some(home), Some(place)) => {
            (What::Reordered, format!("entry {home} stands in its place, and it stands at {place}"))
        }
    }
}

/// The place to which an entry belongs by the tiles of level 0.
async fn home(files: &Files, size: u64, hash: Hash) -> Result<Option<u64>, Unreadable> {
    let hashes = |index| async move {
        let stored = read(files, Tile::hashes(0, index, size)).await?;
        Ok::<_, Unreadable>(stored.map(|stored| stored.into_hashes().0).unwrap_or_default())
    };
    find(size, 0, hash, hashes).await
}

/// The place at which an entry stands, from the bundle of entry `from` on. The bundles before have
/// their own entries.
async fn place(files: &Files, size: u64, from: u64, hash: Hash) -> Result<Option<u64>, Unreadable> {
    let hashes = |index| async move {
        let stored = read(files, Tile::entries(index, size)).await?;
        Ok::<_, Unreadable>(stored.map(|stored| stored.unpack().hashes()).unwrap_or_default())
    };
    find(size, from / WIDTH, hash, hashes).await
}

async fn read(files: &Files, tile: Option<Tile>) -> Result<Option<Stored>, Unreadable> {
    match tile {
        Some(tile) => files.tile(tile).await,
        None => Ok(None),
    }
}

/// The first place of a hash, from a tile on.
async fn find<F: Future<Output = Result<Vec<Hash>, Unreadable>>>(
    size: u64,
    first: u64,
    hash: Hash,
    hashes: impl Fn(u64) -> F,
) -> Result<Option<u64>, Unreadable> {
    let tiles = stream::iter(first..size.div_ceil(WIDTH))
        .map(|index| {
            let hashes = hashes(index);
            async move { Ok::<_, Unreadable>((index, hashes.await?)) }
        })
        .buffered(AHEAD);
    let mut tiles = pin!(tiles);
    while let Some((index, hashes)) = tiles.try_next().await? {
        if let Some(place) = hashes.iter().position(|other| *other == hash) {
            return Ok(Some(index * WIDTH + place as u64));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_both_entries_tells_what_happened() {
        let check = |found: bool, expected: bool, belongs, stands, what: What| {
            let (told, text) = explain(10, found, expected, belongs, stands);
            assert_eq!(told, what, "{belongs:?} {stands:?} {text}");
        };
        check(true, true, None, None, What::Edited);
        check(true, true, Some(3), None, What::Edited);
        check(true, true, Some(11), None, What::Deleted);
        check(false, true, None, None, What::Deleted);
        check(true, true, None, Some(11), What::Inserted);
        check(true, true, Some(3), Some(11), What::Inserted);
        check(true, false, None, None, What::Inserted);
        check(true, false, Some(3), None, What::Inserted);
        check(true, false, Some(40), None, What::Reordered);
        check(true, true, Some(11), Some(11), What::Reordered);
        check(true, true, Some(11), Some(40), What::Reordered);
        check(false, true, None, Some(40), What::Reordered);
    }
}
