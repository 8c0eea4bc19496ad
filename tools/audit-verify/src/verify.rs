//! The verification, from the options to the report.

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use transparency::{Verifier, WIDTH};
use uuid::Uuid;

use crate::checkpoints::{self, Known, Name, shown};
use crate::error::Unreadable;
use crate::event::prove;
use crate::files::Files;
use crate::judge::{FRESH, Judged};
use crate::report::{Event, Finding, Report, What};
use crate::source::Source;
use crate::walk::{Search, Seen, Stop, walk};

/// Kept checkpoints that are read at once.
const NOTES_AHEAD: usize = 32;
/// Seconds of a day.
const DAY: i64 = 86_400;
/// A bundle is older than the checkpoint that shows its age, by less than this many seconds.
const SEALING: i64 = 3_600;

/// What to verify.
#[derive(Debug, Clone)]
pub struct Options {
    /// A directory, or `s3://<bucket>[/<prefix>]`.
    pub place: String,
    /// The key of the log. Its name is the log's.
    pub key: Verifier,
    /// A time to which there must be a checkpoint.
    pub as_of: Option<Timestamp>,
    /// A checkpoint that the log must continue.
    pub expected: Option<Vec<u8>>,
    /// An event that the log must have.
    pub id: Option<Uuid>,
    /// Days after which the log may delete entries.
    pub retention_days: u32,
}

/// A checkpoint that the walk compares with its root.
enum Due {
    Kept(Name),
    Given(Box<Known>),
}

impl Due {
    fn size(&self) -> u64 {
        match self {
            Self::Kept(name) => name.size,
            Self::Given(known) => known.size,
        }
    }
}

/// Verifies a log.
pub async fn verify(options: &Options) -> Result<Report, Unreadable> {
    let Options { place, key, .. } = options;
    let files = &Files { source: Source::open(place)? };
    let expected = match &options.expected {
        Some(bytes) => Some(expected(bytes, key)?),
        None => None,
    };
    // The kept ones come first. So the published one is not older than they are.
    let (names, other_files) = checkpoints::list(files).await?;
    let mut report = Report {
        origin: key.name().to_owned(),
        kept_files: names.len() as u64,
        other_files,
        ..Report::default()
    };
    let published = match checkpoints::published(files, key).await? {
        Some(Ok(known)) => Some(known),
        Some(Err(finding)) => {
            report.add(finding);
            None
        }
        None if names.is_empty() => {
            return Err(Unreadable(format!(
                "{place} has no file `checkpoint` and no kept checkpoint: it is not an audit log"
            )));
        }
        None => {
            report.add(Finding::new(What::RolledBack, "the file `checkpoint` is missing".into()));
            None
        }
    };
    let kept = newest(files, &names, key).await?;
    report.findings.extend(rolled_back(published.as_ref(), kept.as_ref()));
    let base = match (&published, &kept) {
        (Some(published), Some(kept)) if kept.size > published.size => kept,
        (Some(published), _) => published,
        (None, Some(kept)) => kept,
        (None, None) => {
            refusal(files, &names, key).await?.into_iter().for_each(|finding| report.add(finding));
            return Ok(report);
        }
    };
    describe(&mut report, base);
    let search = Search {
        size: base.size,
        id: options.id.map(|id| id.to_string()),
        as_of: options.as_of.map(Timestamp::as_second),
        may_be_gone: may_be_gone(options, files, &names, base).await?,
    };
    let mut due: Vec<_> = names.into_iter().map(Due::Kept).collect();
    if let Some(known) = expected {
        if known.size > base.size {
            report.add(ahead(&known, base));
        } else {
            due.push(Due::Given(Box::new(known)));
        }
    }
    // As they were read: the verdict is about one of them.
    due.extend(published.iter().chain(&kept).map(|known| Due::Given(Box::new(known.clone()))));
    due.sort_by_key(Due::size);
    let stops = stream::iter(due).map(|due| stop(files, due, key)).buffered(NOTES_AHEAD);
    let mut seen = walk(files, &search, stops).await?;
    let refused: u64 = seen.refused.iter().map(|finding| 1 + finding.more).sum();
    report.kept_valid = report.kept_files.saturating_sub(refused);
    for finding in seen.refused.drain(..) {
        report.add(finding);
    }
    let judged = Judged {
        files,
        base,
        seen: &seen,
        retention_days: options.retention_days,
        may_be_gone: search.may_be_gone,
        as_of: search.as_of,
    };
    for finding in judged.findings().await? {
        report.add(finding);
    }
    report.kept_checkpoints = seen.kept;
    report.readable_from = seen.readable_from;
    report.unread = seen.unread;
    report.freshness_checked = options.as_of.is_some();
    if let Some(id) = options.id {
        event(&mut report, files, base, key, id, &seen).await?;
    }
    report.sort();
    Ok(report)
}

/// The checkpoint that the auditor holds.
fn expected(bytes: &[u8], key: &Verifier) -> Result<Known, Unreadable> {
    let known = checkpoints::open("the expected checkpoint", bytes, key);
    // It does not show at which times this log had checkpoints.
    known.map(|known| Known { time: None, ..known }).map_err(|finding| Unreadable(finding.text))
}

/// The largest kept checkpoint that the key has signed.
async fn newest(
    files: &Files,
    names: &[Name],
    key: &Verifier,
) -> Result<Option<Known>, Unreadable> {
    for name in names.iter().rev() {
        if let Ok(known) = checkpoints::kept(files, *name, key).await? {
            return Ok(Some(known));
        }
    }
    Ok(None)
}

/// Why the newest kept checkpoint is none of this key.
async fn refusal(
    files: &Files,
    names: &[Name],
    key: &Verifier,
) -> Result<Option<Finding>, Unreadable> {
    match names.last() {
        Some(name) => Ok(checkpoints::kept(files, *name, key).await?.err()),
        None => Ok(None),
    }
}

/// The published checkpoint is older than one that is kept. The log keeps a checkpoint before it
/// publishes it, so a short lag is none of these.
fn rolled_back(published: Option<&Known>, kept: Option<&Known>) -> Option<Finding> {
    let published = published?;
    let kept = kept.filter(|kept| kept.size > published.size)?;
    let times = published.time.zip(kept.time);
    if times.is_some_and(|(published, kept)| kept.abs_diff(published) <= FRESH) {
        return None;
    }
    let (size, path) = (published.size, &kept.path);
    let text = format!("`checkpoint` ends here, but the key has also signed {path}");
    Some(Finding::at(What::RolledBack, size, text))
}

/// The auditor holds a checkpoint that is larger than the log.
fn ahead(known: &Known, base: &Known) -> Finding {
    let (size, path, base_size) = (known.size, &base.path, base.size);
    let text = format!(
        "your checkpoint has {size} entries, but the newest here, {path}, has only {base_size}"
    );
    Finding::at(What::RolledBack, base_size, text)
}

fn describe(report: &mut Report, base: &Known) {
    report.checkpoint = Some(base.path.clone());
    report.entries = base.size;
    report.root = Some(base.root.to_string());
    report.time = base.time.map(shown);
}

/// How many entries may be gone. The largest kept checkpoint that is old enough shows their age.
/// The walk compares its root, as it does for each kept checkpoint.
async fn may_be_gone(
    options: &Options,
    files: &Files,
    names: &[Name],
    base: &Known,
) -> Result<u64, Unreadable> {
    let retention = i64::from(options.retention_days) * DAY;
    let Some(now) = options.as_of.map(Timestamp::as_second).max(base.time) else { return Ok(0) };
    let end = now.saturating_sub(retention).saturating_add(SEALING);
    for name in names.iter().rev().filter(|name| name.time <= end && name.size <= base.size) {
        let known = checkpoints::kept(files, *name, &options.key).await?;
        // A name alone tells no time.
        if known.is_ok_and(|known| known.time.is_some()) {
            let size = name.size;
            // A full bundle goes when its last entry is old enough.
            return Ok(if size == base.size { size } else { size - size % WIDTH });
        }
    }
    Ok(0)
}

async fn stop(files: &Files, due: Due, key: &Verifier) -> Result<Stop, Unreadable> {
    let size = due.size();
    Ok(match due {
        Due::Kept(name) => {
            let known = checkpoints::kept(files, name, key).await?;
            Stop { size, known, is_kept: true }
        }
        Due::Given(known) => Stop { size, known: Ok(*known), is_kept: false },
    })
}

/// Adds the event with this id and its proof, or that there is none.
async fn event(
    report: &mut Report,
    files: &Files,
    base: &Known,
    key: &Verifier,
    id: Uuid,
    seen: &Seen,
) -> Result<(), Unreadable> {
    let Some((index, event)) = &seen.event else {
        let text = format!(
            "no entry that can be read is the event {id}. An event of the last minutes may not be \
             sealed yet: copy the log later, and search it again"
        );
        report.add(Finding::new(What::Absent, text));
        return Ok(());
    };
    match prove(files, base, key, *index, event.as_bytes()).await? {
        Ok(proof) => report.event = Some(Event { index: *index, event: event.clone(), proof }),
        Err(error) => {
            let text = format!("the event {id} is there, but nothing proves it: {error}");
            report.add(Finding::at(What::Unproven, *index, text));
        }
    }
    Ok(())
}
