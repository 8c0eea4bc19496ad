//! The answer: what was verified, and what is wrong.

use std::fmt;

use serde::Serialize;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The content of an entry was changed, or the entry was replaced.
    Edited,
    /// A logged entry is gone.
    Deleted,
    /// An entry stands there that was never logged at this place.
    Inserted,
    /// A logged entry stands at another place.
    Reordered,
    /// The first or the last entries are gone.
    Truncated,
    /// Entries and their hashes were changed together.
    Rewritten,
    /// A file can't be read as what it should be.
    Damaged,
    /// The entries are right, but a hash in a tile is not theirs.
    WrongHashes,
    /// A checkpoint is signed by another key.
    Resigned,
    /// A checkpoint names the key, but has another signature.
    Forged,
    /// A checkpoint is one of another log.
    OtherLog,
    /// The name of a kept checkpoint differs from its content.
    Misnamed,
    /// The key has signed two logs of which neither continues the other.
    Forked,
    /// An older checkpoint stands in the place of the newest.
    RolledBack,
    /// There is no checkpoint of that time.
    Stale,
    /// The log has no event with this id.
    Absent,
    /// The event is there, but the tiles do not prove it.
    Unproven,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub what: What,
    /// The first entry that it concerns, from 0.
    pub index: Option<u64>,
    /// A sentence for the reader.
    pub text: String,
    /// Further findings of this kind. Only the first is told.
    pub more: u64,
}

/// The event with the id that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The entry, byte for byte: JSON.
    pub event: String,
    /// The C2SP tlog-proof of its inclusion.
    pub proof: String,
}

/// What was verified, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Name of the log.
    pub origin: String,
    /// The file of the newest checkpoint that the key has signed.
    pub checkpoint: Option<String>,
    /// Entries of that checkpoint.
    pub entries: u64,
    /// Root of that checkpoint.
    pub root: Option<String>,
    /// Its time, if the key has signed it.
    pub time: Option<String>,
    /// Kept checkpoints, by their names.
    pub kept_files: u64,
    /// Kept checkpoints that the key has signed, and whose content is as their names say.
    pub kept_valid: u64,
    /// Valid kept checkpoints whose roots are those of the hashes in the tiles.
    pub kept_checkpoints: u64,
    /// Files among the kept checkpoints that are none by their names. They were not read.
    pub other_files: u64,
    /// First entry from which on all can be read that should be there. Of those before it, some or
    /// all are gone, and their hashes are verified alone.
    pub readable_from: Option<u64>,
    /// Entries from `readable_from` on that could not be read.
    pub unread: u64,
    /// Whether a time was given to compare the checkpoints with.
    pub freshness_checked: bool,
    /// What is wrong, by the first entry that it concerns.
    pub findings: Vec<Finding>,
    /// The event that was asked for.
    pub event: Option<Event>,
}

impl What {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Rewritten => "rewritten",
            Self::Damaged => "damaged",
            Self::WrongHashes => "wrong hashes",
            Self::Resigned => "re-signed",
            Self::Forged => "forged",
            Self::OtherLog => "another log",
            Self::Misnamed => "misnamed",
            Self::Forked => "forked",
            Self::RolledBack => "rolled back",
            Self::Stale => "stale",
            Self::Absent => "absent",
            Self::Unproven => "unproven",
        }
    }
}

impl Finding {
    /// A finding about no entry in particular.
    pub(crate) fn new(what: What, text: String) -> Self {
        Self { what, index: None, text, more: 0 }
    }

    /// A finding that begins at an entry.
    pub(crate) fn at(what: What, index: u64, text: String) -> Self {
        Self { index: Some(index), ..Self::new(what, text) }
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first bad entry and what is wrong with it.
    pub fn first_bad(&self) -> Option<(u64, What)> {
        self.findings.iter().find_map(|finding| Some((finding.index?, finding.what)))
    }

    /// Adds a finding. Of each kind the first is kept, and the others are counted. So the report
    /// stays small, however much is wrong.
    pub(crate) fn add(&mut self, finding: Finding) {
        match self.findings.iter_mut().find(|earlier| earlier.what == finding.what) {
            Some(earlier) => earlier.more += 1 + finding.more,
            None => self.findings.push(finding),
        }
    }

    /// Sorts the findings: by their first entry, then those about no entry.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by_key(|finding| finding.index.unwrap_or(u64::MAX));
    }
}

/// One fact a line.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "log: {}", self.origin)?;
        if let (Some(path), Some(root)) = (&self.checkpoint, &self.root) {
            writeln!(formatter, "checkpoint: {path}, {} entries, root {root}", self.entries)?;
        }
        match &self.time {
            Some(time) => writeln!(formatter, "time: {time}")?,
            None => writeln!(formatter, "time: the key has not signed one")?,
        }
        let (files, valid, kept) = (self.kept_files, self.kept_valid, self.kept_checkpoints);
        let told = match (files, valid) {
            (0, _) => "there are none".to_owned(),
            (_, 0) => format!("none of {files} is a valid checkpoint by this key"),
            _ if kept == files => format!("{kept} are signed, and this log continues them"),
            _ => format!("{valid} of {files} are valid, and the tiles agree with {kept} of these"),
        };
        writeln!(formatter, "kept checkpoints: {told}")?;
        if self.other_files > 0 {
            let files = self.other_files;
            writeln!(formatter, "kept checkpoints: {files} files with other names were not read")?;
        }
        match self.readable_from {
            _ if self.entries == 0 => {}
            Some(0) if self.unread == 0 => writeln!(formatter, "entries: all can be read")?,
            Some(0) => {
                let (unread, size) = (self.unread, self.entries);
                writeln!(formatter, "entries: {unread} of {size} could not be read")?;
            }
            Some(first) => {
                let last = first - 1;
                match self.unread {
                    0 => writeln!(formatter, "entries: {first} and later can be read")?,
                    unread => writeln!(
                        formatter,
                        "entries: {unread} of entry {first} and later could not be read"
                    )?,
                }
                writeln!(
                    formatter,
                    "entries: some or all of 0 to {last} are gone, only their hashes are left"
                )?;
            }
            None => writeln!(formatter, "entries: none can be read")?,
        }
        if !self.freshness_checked {
            writeln!(formatter, "freshness: not checked, because --as-of was not given")?;
        }
        for Finding { what, index, text, more } in &self.findings {
            let what = what.word();
            match index {
                Some(index) => write!(formatter, "bad: entry {index}: {what}: {text}")?,
                None => write!(formatter, "bad: {what}: {text}")?,
            }
            if *more > 0 {
                write!(formatter, " (and {more} more)")?;
            }
            writeln!(formatter)?;
        }
        if let Some(Event { index, event, .. }) = &self.event {
            writeln!(formatter, "event: {event}")?;
            writeln!(formatter, "index: {index}")?;
        }
        match (self.is_good(), self.first_bad()) {
            (true, _) => writeln!(formatter, "verdict: good")?,
            (false, Some((index, what))) => {
                writeln!(formatter, "verdict: bad, first at entry {index}: {}", what.word())?;
            }
            (false, None) => writeln!(formatter, "verdict: bad")?,
        }
        if let Some(Event { proof, .. }) = &self.event {
            write!(formatter, "proof: the lines below\n{proof}")?;
        }
        Ok(())
    }
}
