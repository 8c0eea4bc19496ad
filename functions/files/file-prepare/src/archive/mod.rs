//! Zips: each text of an archive becomes parts of its own.

mod directory;
mod path;
#[cfg(test)]
mod samples;

use std::cell::Cell;
use std::io::Read as _;

use tally_files::domain::{MOST_SKIPPED, MOST_SKIPPED_BYTES, Reason, Skipped, SkippedBecause};

use crate::form::{Form, form};
use crate::piece::Pieces;
use crate::text;

use directory::Archive;

/// Bytes of an entry, at most.
const MOST_OF_ENTRY: u64 = 1_000_000;

/// Bytes of all entries, at most, as counted while they are inflated.
const MOST_OF_ALL: u64 = 20_000_000;

/// Bytes that show whether an entry is text. If it is not, the rest is not inflated.
const FIRST: u64 = 8_192;

/// The content of an entry.
enum Content {
    /// Bytes that may be text.
    Bytes(Vec<u8>),
    /// An archive.
    Archive,
    /// No text.
    Binary,
}

/// The parts of a zip, and the entries that have none. An empty text has no part and is not listed.
pub fn split(bytes: &[u8]) -> Result<(Pieces, Vec<Skipped>), Reason> {
    let meter = Cell::new(0);
    let mut archive = directory::open(bytes, &meter)?;
    let mut pieces = Pieces::default();
    let mut list = List::default();
    let mut left = MOST_OF_ALL;
    for entry in directory::entries(&mut archive)? {
        if let Some(folder) = path::left_out(&entry.path, entry.is_folder) {
            list.add(folder, SkippedBecause::Folder);
        } else if !entry.is_folder {
            match read(&mut archive, entry.index, &mut left)? {
                Content::Bytes(bytes) => match text::decode(&bytes) {
                    Ok(text) => text::split(text, Some(&entry.path), &mut pieces)?,
                    Err(Reason::Empty) => {}
                    Err(_) => list.add(&entry.path, SkippedBecause::Binary),
                },
                Content::Archive => list.add(&entry.path, SkippedBecause::NestedArchive),
                Content::Binary => list.add(&entry.path, SkippedBecause::Binary),
            }
        }
    }
    if pieces.is_empty() { Err(Reason::Empty) } else { Ok((pieces, list.entries)) }
}

/// Inflates an entry as far as it is text. An entry with another compression than deflate makes the
/// archive unreadable, and so does a wrong checksum.
fn read(archive: &mut Archive<'_>, index: usize, left: &mut u64) -> Result<Content, Reason> {
    let mut entry = archive.by_index(index).map_err(|_| Reason::Unreadable)?;
    let most = MOST_OF_ENTRY.min(*left);
    let mut bytes = Vec::new();
    // The declared size is not trusted: `take` ends each read.
    let first = (&mut entry).take(FIRST.min(most + 1)).read_to_end(&mut bytes);
    first.map_err(|_| Reason::Unreadable)?;
    let content = match form(&bytes) {
        Some(Form::Zip) => Some(Content::Archive),
        known if text::begins_binary(&bytes) => {
            let is_archive = known == Some(Form::Archive);
            Some(if is_archive { Content::Archive } else { Content::Binary })
        }
        Some(Form::Pdf) => Some(Content::Binary),
        _ => None,
    };
    if content.is_none() {
        let rest = (most + 1).saturating_sub(bytes.len() as u64);
        (&mut entry).take(rest).read_to_end(&mut bytes).map_err(|_| Reason::Unreadable)?;
    }
    *left = left.checked_sub(bytes.len() as u64).ok_or(Reason::TooLarge)?;
    if bytes.len() as u64 > most {
        return Err(Reason::TooLarge);
    }
    Ok(content.unwrap_or(Content::Bytes(bytes)))
}

/// The list of skipped entries.
#[derive(Default)]
struct List {
    entries: Vec<Skipped>,
    bytes: usize,
}

impl List {
    /// Adds an entry, or a folder that may be there already. A full list stays as it is.
    fn add(&mut self, path: &str, reason: SkippedBecause) {
        let is_full =
            self.entries.len() == MOST_SKIPPED || self.bytes + path.len() > MOST_SKIPPED_BYTES;
        if is_full || self.entries.iter().any(|entry| entry.path == path) {
            return;
        }
        self.bytes += path.len();
        self.entries.push(Skipped { path: path.to_owned(), reason });
    }
}

#[cfg(test)]
mod tests;
