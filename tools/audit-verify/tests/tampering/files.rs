//! Files that were changed, by a tamperer who has not the key.

use std::fs;

use audit_verify::{What, verify};

use crate::log::{Log, START, gzip, path};
use crate::{SEALED, SIZE, Setup, assert_tells, bundle_path, entries, entry, rewrite, tile_path};

#[tokio::test]
async fn a_log_as_it_was_written_is_good() {
    let setup = Setup::new();
    let report = setup.verify().await;
    assert!(report.is_good(), "{report}");
    assert_eq!(report.entries, SIZE as u64);
    assert_eq!(report.kept_checkpoints, SEALED.len() as u64);
    assert_eq!(report.readable_from, Some(0));
    assert_tells(&report, "entries: all can be read");
    assert_tells(&report, "kept checkpoints: 8 are signed, and this log continues them");
    assert_eq!(report.time.as_deref(), Some("2026-11-29T09:35:00Z"));
}

#[tokio::test]
async fn a_log_of_any_size_is_good() {
    for size in [0, 1, 2, 255, 256, 257, 512, 700, 65_536, 65_537] {
        let mut setup = Setup::new();
        fs::remove_dir_all(setup.directory.path().join("tile")).unwrap();
        fs::remove_dir_all(setup.directory.path().join("checkpoints")).unwrap();
        setup.log = Log::new(setup.directory.path(), 1);
        (0..size).for_each(|number| setup.log.append(&entry(number)));
        setup.log.seal(START);
        setup.expect(&size.to_string(), &[]).await;
    }
}

/// A change of entries: the name, the change, and the first bad entry with what is wrong.
type Change = (&'static str, fn(&Setup), u64, What);

const CHANGES: &[Change] = &[
    ("edited", |setup| setup.change_bundle(4, |of| of[210][3] ^= 1), 1_234, What::Edited),
    (
        "two edited",
        |setup| {
            setup.change_bundle(4, |of| of[210][3] ^= 1);
            setup.change_bundle(9, |of| of[0][3] ^= 1);
        },
        1_234,
        What::Edited,
    ),
    ("the first edited", |setup| setup.change_bundle(0, |of| of[0][3] ^= 1), 0, What::Edited),
    ("the last edited", |setup| setup.change_bundle(11, |of| of[183][3] ^= 1), 2_999, What::Edited),
    (
        "another's copy",
        |setup| setup.change_bundle(4, |of| of[210] = entry(100)),
        1_234,
        What::Edited,
    ),
    (
        "deleted from its bundle",
        |setup| setup.change_bundle(4, |of| drop(of.remove(210))),
        1_234,
        What::Deleted,
    ),
    (
        "the last of a bundle deleted",
        |setup| setup.change_bundle(4, |of| drop(of.remove(255))),
        1_279,
        What::Deleted,
    ),
    (
        "deleted, and the rest moved up",
        |setup| setup.change_entries(|all| drop(all.remove(1_234))),
        1_234,
        What::Deleted,
    ),
    (
        "a hundred deleted",
        |setup| setup.change_entries(|all| drop(all.drain(1_234..1_334))),
        1_234,
        What::Deleted,
    ),
    (
        "the head deleted, and the rest moved up",
        |setup| setup.change_entries(|all| drop(all.drain(..100))),
        0,
        What::Deleted,
    ),
    (
        "inserted into its bundle",
        |setup| setup.change_bundle(4, |of| of.insert(210, b"{}".to_vec())),
        1_234,
        What::Inserted,
    ),
    (
        "inserted, and the rest moved down",
        |setup| setup.change_entries(|all| all.insert(1_234, b"{}".to_vec())),
        1_234,
        What::Inserted,
    ),
    (
        "inserted at the end of a bundle",
        |setup| setup.change_bundle(4, |of| of.push(b"{}".to_vec())),
        1_280,
        What::Inserted,
    ),
    (
        "inserted at the end of the log",
        |setup| setup.change_bundle(11, |of| of.push(b"{}".to_vec())),
        3_000,
        What::Inserted,
    ),
    (
        "a second copy inserted",
        |setup| setup.change_entries(|all| all.insert(1_234, entry(7))),
        1_234,
        What::Inserted,
    ),
    (
        "neighbours swapped",
        |setup| setup.change_bundle(4, |of| of.swap(210, 211)),
        1_234,
        What::Reordered,
    ),
    (
        "distant ones swapped",
        |setup| setup.change_entries(|all| all.swap(1_234, 2_345)),
        1_234,
        What::Reordered,
    ),
    (
        "moved to the end",
        |setup| setup.change_entries(|all| all[1_234..].rotate_left(1)),
        1_234,
        What::Reordered,
    ),
];

#[tokio::test]
async fn changed_entries_are_found() {
    for (name, change, index, what) in CHANGES {
        let setup = Setup::new();
        change(&setup);
        setup.expect(name, &[(Some(*index), *what)]).await;
    }
}

#[tokio::test]
async fn the_place_of_an_entry_that_moved_is_told() {
    let setup = Setup::new();
    setup.change_entries(|all| all.swap(1_234, 2_345));
    let text = setup.verify().await.findings[0].text.clone();
    assert_eq!(text, "entry 2345 stands in its place, and it stands at 2345");
}

#[tokio::test]
async fn damaged_bundles_are_found() {
    // The file ends within an entry.
    let setup = Setup::new();
    setup.change_file(&bundle_path(4), |bytes| bytes.truncate(bytes.len() / 2));
    let report = setup.verify().await;
    assert_eq!(report.findings.len(), 1, "{report}");
    let finding = &report.findings[0];
    assert_eq!(finding.what, What::Damaged, "{report}");
    assert!((1_024..1_280).contains(&finding.index.unwrap()), "{report}");
    // It is no gzip file.
    let setup = Setup::new();
    setup.change_file(&bundle_path(4), |bytes| bytes[0] ^= 1);
    setup.expect("no gzip", &[(Some(1_024), What::Damaged)]).await;
    // It goes on after its end.
    let setup = Setup::new();
    setup.change_file(&bundle_path(4), |bytes| bytes.extend(b"more"));
    setup.expect("longer", &[(None, What::Damaged)]).await;
    // It has millions of empty entries.
    let setup = Setup::new();
    setup.log.write(&bundle_path(4), &gzip(&vec![0; 16_000_000]));
    setup.expect("empty entries", &[(Some(1_024), What::Edited)]).await;
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let setup = Setup::new();
    setup.remove(&bundle_path(4));
    let path = setup.directory.path().join(bundle_path(4));
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let unreadable = verify(&setup.options()).await.unwrap_err().to_string();
    assert!(unreadable.ends_with("tile/entries/004: it is not a file"), "{unreadable}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(verify(&setup.options()).await.is_err());
}

#[tokio::test]
async fn entries_changed_with_their_hashes_are_found() {
    // The tile of level 1 still has the hash of the tile of level 0.
    let setup = Setup::new();
    rewrite_entry(&setup, 1_234);
    let tile = path("1", 0, SIZE / 256);
    let bytes = fs::read(Setup::new().directory.path().join(&tile)).unwrap();
    setup.log.write(&tile, &bytes);
    setup.expect("up to level 0", &[(Some(1_024), What::Rewritten)]).await;
    // All tiles are changed. Checkpoints at 1,000 and 1,500 enclose the entry.
    let setup = Setup::new();
    rewrite_entry(&setup, 1_234);
    setup.expect("up to the root", &[(Some(1_000), What::Rewritten)]).await;
    // So they do if one entry is inserted.
    let setup = Setup::new();
    let mut all = entries();
    all.insert(1_400, b"{}".to_vec());
    all.pop();
    rewrite(setup.directory.path(), &all);
    setup.expect("inserted", &[(Some(1_000), What::Rewritten)]).await;
}

fn rewrite_entry(setup: &Setup, index: usize) {
    let mut all = entries();
    all[index][3] ^= 1;
    rewrite(setup.directory.path(), &all);
}

#[tokio::test]
async fn changed_hashes_are_found() {
    let setup = Setup::new();
    setup.change_file(&tile_path(4), |bytes| bytes[210 * 32] ^= 1);
    setup.expect("level 0", &[(Some(1_234), What::WrongHashes)]).await;
    let told = "kept checkpoints: 8 of 8 are valid, and the tiles agree with 3 of these";
    assert_tells(&setup.verify().await, told);
    let setup = Setup::new();
    setup.change_file(&path("1", 0, SIZE / 256), |bytes| bytes[2 * 32] ^= 1);
    setup.expect("level 1", &[(Some(512), What::WrongHashes)]).await;
    let setup = Setup::new();
    setup.remove(&tile_path(6));
    setup.expect("missing", &[(Some(1_536), What::WrongHashes)]).await;
    let setup = Setup::new();
    setup.change_file(&tile_path(6), |bytes| bytes.push(0));
    setup.expect("longer", &[(Some(1_536), What::WrongHashes)]).await;
    let setup = Setup::new();
    setup.change_file(&tile_path(6), |bytes| bytes.truncate(40));
    setup.expect("cut", &[(Some(1_536), What::WrongHashes)]).await;
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found() {
    let setup = Setup::new();
    setup.remove_from("entries", 8);
    setup.expect("entries", &[(Some(2_048), What::Truncated)]).await;
    setup.remove_from("0", 8);
    setup.expect("entries and hashes", &[(Some(2_048), What::Truncated)]).await;
    // The log looks as it did at 2,000 entries, but for its checkpoint.
    let setup = Setup::new();
    for level in ["entries", "0"] {
        setup.remove_from(level, 8);
        setup.remove(&path(level, 7, 256));
    }
    setup.expect("as it was earlier", &[(Some(2_000), What::Truncated)]).await;
}

#[tokio::test]
async fn missing_files_within_are_found() {
    let setup = Setup::new();
    setup.remove(&bundle_path(6));
    setup.expect("a bundle", &[(Some(1_536), What::Deleted)]).await;
    assert_tells(&setup.verify().await, "entries: 256 of 3000 could not be read");
    setup.remove(&tile_path(6));
    setup.expect("with its hashes", &[(Some(1_536), What::Deleted)]).await;
    assert_tells(&setup.verify().await, "entries: 1464 of 3000 could not be read");
    // A partial bundle with 220 entries is left of it.
    let setup = Setup::new();
    setup.remove(&bundle_path(5));
    setup.expect("a beginning is left", &[(Some(1_500), What::Deleted)]).await;
    assert_tells(&setup.verify().await, "entries: 36 of 3000 could not be read");
    // The bundle is there, but has no entry.
    let setup = Setup::new();
    setup.change_bundle(6, Vec::clear);
    setup.expect("an empty bundle", &[(Some(1_536), What::Deleted)]).await;
    assert_tells(&setup.verify().await, "entries: 256 of 3000 could not be read");
}

#[tokio::test]
async fn the_oldest_entries_go_in_their_time_and_not_before() {
    let day = 86_400;
    let mut setup = Setup::new();
    fs::remove_dir_all(setup.directory.path().join("checkpoints")).unwrap();
    fs::remove_dir_all(setup.directory.path().join("tile")).unwrap();
    setup.log = Log::new(setup.directory.path(), 1);
    for (number, entry) in (1..).zip(entries()) {
        setup.log.append(&entry);
        if number == 1_100 {
            setup.log.seal(START);
        }
    }
    setup.log.seal(START + 401 * day);
    // 1,100 entries are old. The fifth bundle was full later. Old bundles go in any order.
    for index in [2, 0, 1, 3] {
        setup.remove(&bundle_path(index));
        let report = setup.verify().await;
        assert!(report.is_good(), "{index}\n{report}");
    }
    let report = setup.verify().await;
    assert!(report.is_good(), "{report}");
    assert_eq!(report.readable_from, Some(1_024));
    assert_tells(&report, "entries: 1024 and later can be read");
    let mut options = setup.options();
    options.retention_days = 500;
    let report = verify(&options).await.unwrap();
    crate::expect("kept for longer", &report, &[(Some(0), What::Truncated)]);
    setup.remove(&bundle_path(4));
    setup.expect("one too many", &[(Some(1_024), What::Truncated)]).await;
    // An entry is still proven by its hash, and another that is edited is found.
    setup.change_bundle(6, |of| of[0][3] ^= 1);
    setup
        .expect("edited too", &[(Some(1_024), What::Truncated), (Some(1_536), What::Edited)])
        .await;
}

#[tokio::test]
async fn a_young_log_keeps_its_head() {
    let setup = Setup::new();
    for index in 0..3 {
        setup.remove(&bundle_path(index));
    }
    setup.expect("bundles", &[(Some(0), What::Truncated)]).await;
    for index in 0..3 {
        setup.remove(&tile_path(index));
    }
    let report = setup.verify().await;
    assert_eq!(report.first_bad(), Some((0, What::Truncated)), "{report}");
}
