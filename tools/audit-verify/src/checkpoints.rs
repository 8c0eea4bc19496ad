//! Checkpoints: the published one, and those that are kept with their size and time as a name.

use std::fmt;
use std::slice::from_ref;

use jiff::Timestamp;
use transparency::{Checkpoint, CheckpointError, Hash, Note, NoteError, Verifier};

use crate::error::Unreadable;
use crate::files::Files;
use crate::report::{Finding, What};

/// The path of the published checkpoint.
pub(crate) const PUBLISHED: &str = "checkpoint";
/// The folder of kept checkpoints.
const KEPT: &str = "checkpoints";
/// The most bytes of a note that are read.
const NOTE_LIMIT: usize = 1_000_000;
/// The most signers that a finding names.
const SIGNERS: usize = 4;
/// The most characters that a finding shows of a name that is not verified.
const NAME_LIMIT: usize = 64;
/// The form of the time in a name.
const NAME_TIME: &str = "%Y%m%dT%H%M%SZ";

/// A checkpoint that the key has signed.
#[derive(Clone)]
pub(crate) struct Known {
    pub path: String,
    pub note: Note,
    pub size: u64,
    pub root: Hash,
    /// Its time in seconds since 1970, if the key has signed it: by a cosignature, which the log
    /// adds to its own checkpoints ([tlog-cosignature](https://c2sp.org/tlog-cosignature)).
    pub time: Option<i64>,
}

/// The name of a kept checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub size: u64,
    /// Seconds since 1970.
    pub time: i64,
}

/// Opens a note that must be a checkpoint of the key's log. By the specification, a log's key is
/// named like its origin.
pub(crate) fn open(path: &str, bytes: &[u8], key: &Verifier) -> Result<Known, Finding> {
    let damaged = |error: &dyn fmt::Display| {
        Finding::new(What::Damaged, format!("{path} can't be read: {error}"))
    };
    let note = Note::parse(bytes).map_err(|error| damaged(&error))?;
    match Checkpoint::open(&note, key.name(), from_ref(key)) {
        Ok(checkpoint) => Ok(Known {
            path: path.to_owned(),
            size: checkpoint.size(),
            root: checkpoint.root(),
            time: note.time(&key.cosigner()).and_then(|time| time.try_into().ok()),
            note,
        }),
        Err(CheckpointError::Form) => Err(damaged(&CheckpointError::Form)),
        Err(CheckpointError::Origin(origin)) => {
            let text = format!("{path} is a checkpoint of the log {origin}");
            Err(Finding::new(What::OtherLog, text))
        }
        Err(CheckpointError::Note(NoteError::Unsigned)) => Err(unsigned(path, &note, key)),
        Err(CheckpointError::Note(error)) => {
            let text = format!("{path}: {error}: another key signed it, or its text was changed");
            Err(Finding::new(What::Forged, text))
        }
    }
}

/// The names of the kept checkpoints, by size and then by time, and the number of other files.
pub(crate) async fn list(files: &Files) -> Result<(Vec<Name>, u64), Unreadable> {
    let mut names = Vec::new();
    let mut others = 0;
    let each = |name: &str| match Name::parse(name) {
        Some(name) => names.push(name),
        None => others += 1,
    };
    files.source.list(KEPT, each).await?;
    names.sort_unstable();
    Ok((names, others))
}

/// Reads the published checkpoint, if it is there.
pub(crate) async fn published(
    files: &Files,
    key: &Verifier,
) -> Result<Option<Result<Known, Finding>>, Unreadable> {
    let bytes = files.source.read(PUBLISHED, NOTE_LIMIT).await?;
    Ok(bytes.map(|bytes| open(PUBLISHED, &bytes, key)))
}

/// Reads a kept checkpoint.
pub(crate) async fn kept(
    files: &Files,
    name: Name,
    key: &Verifier,
) -> Result<Result<Known, Finding>, Unreadable> {
    let path = name.to_string();
    let Some(bytes) = files.source.read(&path, NOTE_LIMIT).await? else {
        let text = format!("{path} was listed, but is not there");
        return Ok(Err(Finding::new(What::Damaged, text)));
    };
    Ok(open(&path, &bytes, key).and_then(|known| named(known, name)))
}

/// A kept checkpoint whose content is as its name says.
fn named(known: Known, name: Name) -> Result<Known, Finding> {
    let Known { path, size, time, .. } = &known;
    if *size != name.size {
        let text = format!("{path} is a checkpoint of {size} entries");
        return Err(Finding::new(What::Misnamed, text));
    }
    if let Some(time) = time.filter(|time| *time != name.time) {
        let text = format!("{path} was signed at {}", shown(time));
        return Err(Finding::new(What::Misnamed, text));
    }
    Ok(known)
}

/// The key has not signed it: it is of another log by its first line, or another key has signed it.
fn unsigned(path: &str, note: &Note, key: &Verifier) -> Finding {
    let origin = note.text().lines().next().unwrap_or_default();
    if origin == key.name() {
        return Finding::new(What::Resigned, resigned(path, note, key));
    }
    let (origin, name) = (printable(origin), key.name());
    let text =
        format!("{path} is a checkpoint of the log {origin}, but your key is that of {name}");
    Finding::new(What::OtherLog, text)
}

/// Says who has signed.
fn resigned(path: &str, note: &Note, key: &Verifier) -> String {
    let signers: Vec<_> = note
        .signatures()
        .iter()
        .take(SIGNERS)
        .map(|signature| format!("{}+{:08x}", printable(signature.name()), signature.id()))
        .collect();
    let (signers, name, id) = (signers.join(", "), key.name(), key.id());
    format!("{path} is signed by {signers}, and not by {name}+{id:08x}")
}

/// A name that is not verified. It may be long, or have characters that control a terminal.
fn printable(name: &str) -> String {
    name.chars().take(NAME_LIMIT).flat_map(char::escape_debug).collect()
}

/// A time for the reader.
pub(crate) fn shown(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

impl Name {
    /// Reads `<size>-<time>`. A name in another spelling is none.
    fn parse(text: &str) -> Option<Self> {
        let (size, time) = text.split_once('-')?;
        let name = Self { size: size.parse().ok()?, time: name_time(time)? };
        let canonical = name.to_string();
        (canonical.strip_prefix(KEPT)?.strip_prefix('/')? == text).then_some(name)
    }
}

fn name_time(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(9, 11)?, part(11, 13)?, part(13, 15)?);
    let time = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    time.parse().ok().map(Timestamp::as_second)
}

/// The path of the file.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.time).unwrap_or_default();
        write!(formatter, "{KEPT}/{}-{}", self.size, time.strftime(NAME_TIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_checkpoint_has_one_name() {
        let name = Name { size: 10_000, time: 1_795_942_800 };
        assert_eq!(name.to_string(), "checkpoints/10000-20261129T090000Z");
        assert_eq!(Name::parse("10000-20261129T090000Z"), Some(name));
        for text in [
            "",
            "-",
            "10000",
            "10000-",
            "010000-20261129T090000Z",
            "+10000-20261129T090000Z",
            "-1-20261129T090000Z",
            "10000-20261129T090000",
            "10000-20261129T090000Zx",
            "10000-20261329T090000Z",
            "10000-20261129 090000Z",
            "10000-2026-11-29T09:00:00Z",
            "18446744073709551616-20261129T090000Z",
            "10000-20261129T09000\u{660}Z",
        ] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
    }
}
