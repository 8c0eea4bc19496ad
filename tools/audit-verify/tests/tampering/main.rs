//! Each way to tamper with a log, and the answer of the verifier.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod command;
mod files;
mod log;
mod signatures;

use std::fs;
use std::path::Path;

use audit_verify::{Options, Report, What, verify};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use tempfile::TempDir;

use log::{Log, START, frame, gzip, path};

/// Entries of the log.
const SIZE: usize = 3_000;
/// The sizes of its checkpoints, which are five minutes apart.
const SEALED: [usize; 8] = [300, 700, 1_000, 1_500, 2_000, 2_500, 2_900, SIZE];
/// The time of the last checkpoint.
const END: i64 = START + 300 * 7;

/// A log of [`SIZE`] entries in a directory of its own.
struct Setup {
    directory: TempDir,
    log: Log,
}

impl Setup {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let log = written(directory.path(), 1, entries());
        Self { directory, log }
    }

    fn options(&self) -> Options {
        Options {
            place: self.directory.path().to_str().unwrap().to_owned(),
            key: self.log.key.clone(),
            as_of: None,
            expected: None,
            id: None,
            retention_days: 400,
        }
    }

    async fn verify(&self) -> Report {
        verify(&self.options()).await.unwrap()
    }

    /// Verifies, and compares the findings.
    async fn expect(&self, name: &str, expected: &[(Option<u64>, What)]) {
        expect(name, &self.verify().await, expected);
    }

    /// The entries of a bundle.
    fn bundle(&self, index: usize) -> Vec<Vec<u8>> {
        let file = fs::File::open(self.directory.path().join(bundle_path(index))).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut GzDecoder::new(file), &mut bytes).unwrap();
        let mut entries = Vec::new();
        let mut rest = &bytes[..];
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let (entry, tail) = tail.split_at(u16::from_be_bytes(*length).into());
            entries.push(entry.to_vec());
            rest = tail;
        }
        entries
    }

    fn put_bundle(&self, index: usize, entries: &[Vec<u8>]) {
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| frame(entry)).collect();
        self.log.write(&bundle_path(index), &gzip(&bytes));
    }

    /// Changes the entries of one bundle, and nothing else.
    fn change_bundle(&self, index: usize, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let mut entries = self.bundle(index);
        change(&mut entries);
        self.put_bundle(index, &entries);
    }

    /// Changes all entries, and packs them into the bundles anew. The last bundle takes the rest.
    fn change_entries(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let mut entries = entries();
        change(&mut entries);
        let last = SIZE / 256;
        for index in 0..=last {
            let end = if index == last { entries.len() } else { (index + 1) * 256 };
            self.put_bundle(index, &entries[index * 256..end]);
        }
    }

    /// Changes the bytes of a file.
    fn change_file(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let file = self.directory.path().join(path);
        let mut bytes = fs::read(&file).unwrap();
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.directory.path().join(path)).unwrap();
    }

    /// Removes the tiles of a level, or the bundles, from a number on, and partial ones too.
    fn remove_from(&self, level: &str, first: usize) {
        let folder = self.directory.path().join("tile").join(level);
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name[..3].parse::<usize>().unwrap() < first {
                continue;
            }
            if entry.path().is_dir() {
                fs::remove_dir_all(entry.path()).unwrap();
            } else {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

/// A log with checkpoints at [`SEALED`].
fn written(directory: &Path, seed: u8, entries: Vec<Vec<u8>>) -> Log {
    let mut log = Log::new(directory, seed);
    let mut time = START;
    for (size, entry) in (1..).zip(entries) {
        log.append(&entry);
        if SEALED.contains(&size) {
            log.seal(time);
            time += 300;
        }
    }
    log
}

/// Writes entries, hashes and the tiles above them over those of a log, but signs nothing.
fn rewrite(directory: &Path, entries: &[Vec<u8>]) {
    let mut log = Log::new(directory, 1);
    for entry in entries {
        log.append(entry);
    }
    log.write_tiles();
}

fn entries() -> Vec<Vec<u8>> {
    (0..SIZE).map(entry).collect()
}

fn entry(number: usize) -> Vec<u8> {
    format!(r#"{{"action":"auth.login","id":"{}","number":{number}}}"#, id(number)).into_bytes()
}

fn id(number: usize) -> String {
    format!("01890000-0000-7000-8000-{number:012x}")
}

fn bundle_path(index: usize) -> String {
    path("entries", index, (SIZE - index * 256).min(256))
}

fn tile_path(index: usize) -> String {
    path("0", index, (SIZE - index * 256).min(256))
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn expect(name: &str, report: &Report, expected: &[(Option<u64>, What)]) {
    let findings: Vec<_> =
        report.findings.iter().map(|finding| (finding.index, finding.what)).collect();
    assert_eq!(findings, expected, "{name}\n{report}");
}

/// The report has this line.
fn assert_tells(report: &Report, line: &str) {
    let text = report.to_string();
    assert!(text.lines().any(|told| told == line), "{line}\n{text}");
}
