//! One event: its place in the log, and the proof of it.

use std::collections::BTreeMap;
use std::slice::from_ref;

use serde_json::Value;
use transparency::{Hash, Plan, Tile, TlogProof, Verifier};

use crate::checkpoints::Known;
use crate::error::Unreadable;
use crate::files::{Bundle, Files, Stored};

/// The event with this id in a bundle whose first entry is `start`, with its index.
pub(crate) fn find(bundle: &Bundle, start: u64, id: &str) -> Option<(u64, String)> {
    let member = format!("\"id\":\"{id}\"");
    (start..).zip(bundle.entries()).find_map(|(index, entry)| {
        let text = str::from_utf8(entry).ok()?;
        (text.contains(&member) && is_event(text, id)).then(|| (index, text.to_owned()))
    })
}

/// Whether an entry is the event with this id. The same characters may also stand deeper in it.
fn is_event(text: &str, id: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|event| event["id"] == *id)
}

/// Proves by the tiles that an entry is at this place. Gives the C2SP tlog-proof, or why the tiles
/// prove nothing.
pub(crate) async fn prove(
    files: &Files,
    base: &Known,
    key: &Verifier,
    index: u64,
    entry: &[u8],
) -> Result<Result<String, String>, Unreadable> {
    let plan = match Plan::inclusion(index, base.size) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut tiles = BTreeMap::new();
    for tile in plan.tiles() {
        let stored = files.tile(tile).await?;
        tiles.extend(stored.map(|stored| (tile, Stored::into_hash_bytes(stored))));
    }
    let read = |tile: Tile| tiles.get(&tile).ok_or_else(|| format!("{tile} is missing"));
    let hashes = match plan.hashes(read) {
        Ok(hashes) => hashes,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let proof = TlogProof { extra: None, index, hashes, checkpoint: base.note.clone() };
    Ok(match proof.verify(Hash::leaf(entry), key.name(), from_ref(key)) {
        Ok(_) => Ok(proof.to_string()),
        Err(error) => Err(error.to_string()),
    })
}
