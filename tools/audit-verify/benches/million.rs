//! Measures the time and the peak memory of the verification of a million entries:
//! `cargo bench -p audit-verify --bench million`. Another number of entries may follow after `--`.
//! The memory is Linux's `VmHWM`.

#![allow(clippy::unwrap_used)]

#[path = "../tests/tampering/log.rs"]
mod log;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::{Log, START};
use serde_json::json;
use tempfile::TempDir;
use transparency::Hash;

fn main() {
    let size = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let size = size.unwrap_or(1_000_000_usize);
    let directory = TempDir::new().unwrap();
    let mut log = Log::new(directory.path(), 1);
    // Each checkpoint hashes the whole log anew here, so there are few.
    let sealed = (size / 10).max(1);
    for number in 1..=size {
        log.append(&entry(number));
        if number % sealed == 0 {
            log.seal(START + i64::try_from(number).unwrap());
        }
    }
    log.seal(START + i64::try_from(size).unwrap() + 1);
    println!("{size} entries, {} MB", megabytes(directory.path()));
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-verify"))
        .arg(directory.path())
        .args(["--vkey", &log.key.to_string()])
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = command.try_wait().unwrap() {
            break status;
        }
        peak = peak.max(peak_kilobytes(command.id()).unwrap_or(0));
        sleep(Duration::from_millis(5));
    };
    println!("{status}, {:.1} s, peak {} MB", start.elapsed().as_secs_f64(), peak / 1_024);
}

/// An event, about as long as a real one.
fn entry(number: usize) -> Vec<u8> {
    let digest = Hash::leaf(&number.to_be_bytes()).to_string();
    let id = |kind: &str| format!("{kind}-0000-7000-8000-{number:012x}");
    let event = json!({
        "action": "chat.message",
        "actor": {"id": id("018f0000"), "roles": ["user"]},
        "id": id("01890000"),
        "ip": "203.0.113.7",
        "outcome": "success",
        "resource": {"conversation": id("018d0000"), "message": id("018c0000")},
        "texts": [{"bytes": 2_048, "key_id": id("018e0000"), "name": "prompt", "sha256": digest}],
    });
    event.to_string().into_bytes()
}

/// The size of all files under a directory.
fn megabytes(directory: &Path) -> u64 {
    let mut directories = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    bytes / 1_000_000
}

/// The peak memory of a process so far.
fn peak_kilobytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
