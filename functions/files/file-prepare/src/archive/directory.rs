//! The directory of a zip: its entries, checked before one of them is inflated.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use tally_files::domain::Reason;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::path;

/// Entries, at most.
const MOST_ENTRIES: usize = 2_000;

/// Bytes that are read to find the entries, at most: 2 KB for each. The structures that are made of
/// them in memory are many times as large.
const MOST_READ: u64 = 4 << 20;

/// The type of a file, in the mode that Unix systems give an entry.
const TYPE: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// An open zip.
pub type Archive<'a> = ZipArchive<Metered<'a>>;

/// An entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index in the archive.
    pub index: usize,
    /// Path within the archive.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A reader that fails when it has read more bytes than are left.
#[derive(Debug)]
pub struct Metered<'a> {
    bytes: Cursor<&'a [u8]>,
    left: &'a Cell<u64>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.unwrap_or(0));
        left.map(|_| read).ok_or_else(|| io::Error::other("too many bytes are read"))
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(place)
    }
}

/// Opens a zip that begins with the first byte. `meter` bounds how much this call reads.
pub fn open<'a>(bytes: &'a [u8], meter: &'a Cell<u64>) -> Result<Archive<'a>, Reason> {
    meter.set(MOST_READ);
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let reader = Metered { bytes: Cursor::new(bytes), left: meter };
    let archive = ZipArchive::with_config(config, reader);
    // Entries are read without this limit, and have limits of their own.
    let is_used_up = meter.replace(u64::MAX) == 0;
    archive.map_err(|_| if is_used_up { Reason::TooLarge } else { Reason::Unreadable })
}

/// The entries of a zip. It is refused whole if one of them is unsafe or encrypted.
///
/// Two names that differ in case alone are two entries, because nothing unpacks the archive.
pub fn entries(archive: &mut Archive<'_>) -> Result<Vec<Entry>, Reason> {
    if archive.len() > MOST_ENTRIES {
        return Err(Reason::TooLarge);
    }
    if archive.has_duplicate_names() {
        return Err(Reason::UnsafeArchive);
    }
    let mut entries = Vec::with_capacity(archive.len());
    let mut paths = HashSet::new();
    let mut is_encrypted = false;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|_| Reason::Unreadable)?;
        let name = entry.name().map_err(|_| Reason::Unreadable)?;
        let path = path::safe(&name)?;
        // A link, a pipe and a device have other types. Entries of systems without types have none.
        let is_usual = matches!((entry.external_attributes() >> 16) & TYPE, 0 | FILE | FOLDER);
        let is_root = path.is_empty() && entry.is_dir();
        if !is_usual || (path.is_empty() && !is_root) || !paths.insert(path.clone()) {
            return Err(Reason::UnsafeArchive);
        }
        is_encrypted |= entry.encrypted();
        if !is_root {
            entries.push(Entry { index, path, is_folder: entry.is_dir() });
        }
    }
    if archive.has_overlapping_entries().map_err(|_| Reason::Unreadable)? {
        return Err(Reason::UnsafeArchive);
    }
    if is_encrypted { Err(Reason::Encrypted) } else { Ok(entries) }
}
