//! Checkpoints: another key, two logs of one key, and times.

use std::fs;

use audit_verify::{Unreadable, What, verify};
use tempfile::TempDir;

use crate::log::{Log, START, kept};
use crate::{END, SEALED, SIZE, Setup, assert_tells, entries, expect, rewrite, time, written};

/// A log by the same key that differs from the other in one entry.
fn fork() -> (TempDir, Log) {
    let directory = TempDir::new().unwrap();
    let mut all = entries();
    all[1_234][3] ^= 1;
    let log = written(directory.path(), 1, all);
    (directory, log)
}

/// The content of a kept checkpoint.
fn kept_note(directory: &TempDir, number: usize) -> Vec<u8> {
    fs::read(directory.path().join(kept_path(number))).unwrap()
}

fn kept_path(number: usize) -> String {
    kept(SEALED[number], START + 300 * i64::try_from(number).unwrap())
}

#[tokio::test]
async fn another_key_has_signed() {
    let setup = Setup::new();
    let mut all = entries();
    all[1_234][3] ^= 1;
    // The published checkpoint alone.
    let other = Log::new(TempDir::new().unwrap().path(), 2);
    setup.log.write("checkpoint", other.checkpoint(END).as_bytes());
    setup.expect("published", &[(None, What::Resigned)]).await;
    // The entries and tiles too: the kept checkpoints still tell where.
    rewrite(setup.directory.path(), &all);
    setup.expect("rewritten", &[(Some(1_000), What::Rewritten), (None, What::Resigned)]).await;
    // Everything.
    written(setup.directory.path(), 2, all);
    setup.expect("all", &[(None, What::Resigned)]).await;
    let told = "kept checkpoints: none of 8 is a valid checkpoint by this key";
    assert_tells(&setup.verify().await, told);
    fs::remove_dir_all(setup.directory.path().join("checkpoints")).unwrap();
    assert_tells(&setup.verify().await, "kept checkpoints: there are none");
}

#[tokio::test]
async fn the_key_is_of_a_log_with_another_name() {
    let setup = Setup::new();
    let mut options = setup.options();
    // The same example as in the specification of signed notes.
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    options.key = key.parse().unwrap();
    let report = verify(&options).await.unwrap();
    expect("another name", &report, &[(None, What::OtherLog)]);
    let told = "the log tally.example/audit, but your key is that of example.com/foo";
    assert!(report.findings[0].text.ends_with(told), "{report}");
    // The text of a checkpoint that nobody verified is short and printable.
    let note =
        setup.log.checkpoint(END).replacen("tally", &format!("a\u{9b}{}", "x".repeat(10_000)), 1);
    setup.log.write("checkpoint", note.as_bytes());
    let report = verify(&options).await.unwrap();
    expect("a long name", &report, &[(None, What::OtherLog)]);
    let text = &report.findings[0].text;
    assert!(text.contains("a\\u{9b}xx") && text.len() < 500, "{text}");
}

#[tokio::test]
async fn a_signer_of_any_name_leaves_the_report_one_short_text() {
    let setup = Setup::new();
    let name = format!("a\u{9b}31m{}", "x".repeat(10_000));
    let note = setup.log.checkpoint(END).replace("— tally.example/audit ", &format!("— {name} "));
    setup.log.write("checkpoint", note.as_bytes());
    let report = setup.verify().await;
    expect("renamed", &report, &[(None, What::Resigned)]);
    let text = &report.findings[0].text;
    assert!(text.contains("by a\\u{9b}31mxx") && text.len() < 500, "{text}");
}

#[tokio::test]
async fn a_checkpoint_may_claim_a_size_that_no_log_has() {
    for size in [u64::MAX, 1 << 62, 4_000] {
        let setup = Setup::new();
        setup.log.write("checkpoint", setup.log.claim(size, END).as_bytes());
        setup.expect("claimed", &[(Some(SIZE as u64), What::Truncated)]).await;
    }
}

#[tokio::test]
async fn a_changed_checkpoint_is_forged() {
    let setup = Setup::new();
    setup.change_file("checkpoint", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\n3000\n", "\n2999\n").into_bytes();
    });
    setup.expect("published", &[(None, What::Forged)]).await;
    let setup = Setup::new();
    setup.change_file(&kept_path(2), |bytes| bytes.truncate(20));
    setup.expect("kept", &[(None, What::Damaged)]).await;
    let setup = Setup::new();
    setup.log.write(&kept(1_001, START), &kept_note(&setup.directory, 2));
    setup.log.write(&kept(1_000, START), &kept_note(&setup.directory, 2));
    let report = setup.verify().await;
    expect("renamed", &report, &[(None, What::Misnamed)]);
    assert_eq!(report.findings[0].more, 1);
}

#[tokio::test]
async fn one_key_has_signed_two_logs() {
    let (other, _) = fork();
    let setup = Setup::new();
    // Both are the same up to 1,000 entries.
    for (number, is_same) in [(2, true), (3, false), (7, false)] {
        let mut options = setup.options();
        options.expected = Some(kept_note(&other, number));
        let report = verify(&options).await.unwrap();
        let expected = [(None, What::Forked)];
        expect("expected", &report, if is_same { &[] } else { &expected });
    }
    setup.log.write(&kept_path(4), &kept_note(&other, 4));
    setup.expect("kept", &[(None, What::Forked)]).await;
    // An expected checkpoint must be one of the key.
    let mut options = setup.options();
    options.expected = Some(b"none".to_vec());
    assert!(matches!(verify(&options).await, Err(Unreadable(_))));
}

#[tokio::test]
async fn an_older_checkpoint_is_published() {
    let setup = Setup::new();
    let newest = kept_note(&setup.directory, 7);
    setup.log.write("checkpoint", &kept_note(&setup.directory, 4));
    setup.expect("newer ones are kept", &[(Some(2_000), What::RolledBack)]).await;
    // Ten minutes may pass between the two.
    setup.log.write("checkpoint", &kept_note(&setup.directory, 5));
    setup.expect("while the log is sealed", &[]).await;
    setup.remove("checkpoint");
    setup.expect("none", &[(None, What::RolledBack)]).await;
    // No newer one is kept. What is left is a good log, but it is not new.
    setup.log.write("checkpoint", &kept_note(&setup.directory, 4));
    (5..8).for_each(|number| setup.remove(&kept_path(number)));
    setup.expect("none newer is kept", &[]).await;
    let mut options = setup.options();
    options.as_of = Some(time(END));
    expect("stale", &verify(&options).await.unwrap(), &[(None, What::Stale)]);
    options.expected = Some(newest);
    let report = verify(&options).await.unwrap();
    expect("expected", &report, &[(Some(2_000), What::RolledBack), (None, What::Stale)]);
}

#[tokio::test]
async fn a_checkpoint_is_near_the_time() {
    let setup = Setup::new();
    for (seconds, is_fresh) in [
        (END, true),
        (END + 600, true),
        (END + 601, false),
        (START - 600, true),
        (START - 601, false),
    ] {
        let mut options = setup.options();
        options.as_of = Some(time(seconds));
        let report = verify(&options).await.unwrap();
        assert_eq!(report.is_good(), is_fresh, "{seconds}\n{report}");
    }
}

#[tokio::test]
async fn a_time_that_the_key_has_not_signed_is_none() {
    // A thief of the files takes the times off, and names old checkpoints anew.
    let setup = Setup::new();
    for (number, size) in (0..).zip(SEALED) {
        let note = String::from_utf8(kept_note(&setup.directory, number)).unwrap();
        let (untimed, _) = note.rsplit_once("— ").unwrap();
        setup.remove(&kept_path(number));
        setup.log.write(&kept(size, END + 86_400), untimed.as_bytes());
        setup.log.write("checkpoint", untimed.as_bytes());
    }
    setup.expect("without a time to compare with", &[]).await;
    let mut options = setup.options();
    options.as_of = Some(time(END + 86_400));
    expect("stale", &verify(&options).await.unwrap(), &[(None, What::Stale)]);
}

#[tokio::test]
async fn a_log_that_has_grown_since_needs_no_partial_files() {
    // Full tiles may replace partial ones while the auditor reads.
    let setup = Setup::new();
    let (old, size) = (kept_note(&setup.directory, 4), SIZE as u64);
    setup.log.write("checkpoint", &old);
    (5..8).for_each(|number| setup.remove(&kept_path(number)));
    for level in ["entries", "0"] {
        setup.remove(&format!("tile/{level}/007.p/208"));
    }
    let report = setup.verify().await;
    assert!(report.is_good() && report.entries < size, "{report}");
}
