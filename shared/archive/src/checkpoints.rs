//! Published checkpoints: how one is read, and how the next one is made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use transparency::{Checkpoint, Hash, Note, Plan, Tile, TileError, verify_consistency};

use crate::error::ArchiveError;
use crate::files::{CHECKPOINT, Files, Object};
use crate::signer::Signer;

/// The newest checkpoint.
#[derive(Debug, Clone)]
pub struct Published {
    /// The checkpoint as it is signed.
    pub note: Note,
    /// Its content.
    pub checkpoint: Checkpoint,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// Tag of the object.
    pub(crate) tag: String,
}

impl Published {
    /// The newest checkpoint of the log, which its key must have signed with a time. `None` if
    /// there is none yet.
    pub async fn read(files: &Files, signer: &Signer) -> Result<Option<Self>, ArchiveError> {
        let Some(Object { bytes, tag }) = files.checkpoint().await? else { return Ok(None) };
        let keys = signer.keys().await?;
        let differs = || ArchiveError::Differs(CHECKPOINT.to_owned());
        let note = Note::parse(&bytes).map_err(|_| differs())?;
        let checkpoint = Checkpoint::open(&note, signer.origin(), std::slice::from_ref(&keys.log))
            .map_err(|error| ArchiveError::Differs(format!("{CHECKPOINT} ({error})")))?;
        let seconds = note.time(&keys.clock).and_then(|time| i64::try_from(time).ok());
        let signed_at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let signed_at = signed_at.ok_or_else(differs)?;
        Ok(Some(Self { note, checkpoint, signed_at, tag }))
    }
}

/// The path under which a checkpoint is kept.
pub fn kept_path(size: u64, time: Timestamp) -> String {
    format!("checkpoints/{size}-{}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// Verifies by the tiles that the log has this root, and that it begins with the log of an earlier
/// checkpoint. A log must not sign anything else.
pub async fn check_growth(
    files: &Files,
    old: Option<&Checkpoint>,
    size: u64,
    root: Hash,
) -> Result<(), ArchiveError> {
    let forked =
        || ArchiveError::Contradiction(format!("the tiles do not prove the root at size {size}"));
    match old.filter(|old| old.size() > 0) {
        None => {
            let plan = Plan::root(size);
            let computed = hashes(&plan, &files.read(plan.tiles()).await?)?;
            if computed == [root] { Ok(()) } else { Err(forked()) }
        }
        Some(old) => {
            let plan = Plan::consistency(old.size(), size).map_err(|_| forked())?;
            let proof = hashes(&plan, &files.read(plan.tiles()).await?)?;
            verify_consistency(old.size(), old.root(), size, root, &proof).map_err(|_| forked())
        }
    }
}

/// The hashes of a plan whose tiles have been read.
pub fn hashes(plan: &Plan, read: &BTreeMap<Tile, Vec<u8>>) -> Result<Vec<Hash>, ArchiveError> {
    plan.hashes(|tile| read.get(&tile).ok_or(tile)).map_err(|error| match error {
        TileError::Read(tile) => ArchiveError::Missing(tile.to_string()),
        other => ArchiveError::Contradiction(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_checkpoint_is_named_by_size_and_second() {
        for (size, time, expected) in [
            (0, "2026-11-29T09:00:00Z", "checkpoints/0-20261129T090000Z"),
            (4_096, "2026-01-02T03:04:05.999Z", "checkpoints/4096-20260102T030405Z"),
        ] {
            assert_eq!(kept_path(size, time.parse().unwrap()), expected);
        }
    }
}
