use std::slice;

use tally_files::domain::Span;

use super::samples::{Entry, deflated, stored, zip};
use super::*;

fn rejected(entries: &[Entry]) -> Reason {
    split(&zip(entries)).unwrap_err()
}

/// The paths of the parts, and the skipped entries.
fn paths(entries: &[Entry]) -> (Vec<String>, Vec<(String, SkippedBecause)>) {
    let (pieces, skipped) = split(&zip(entries)).unwrap();
    let skipped = skipped.into_iter().map(|entry| (entry.path, entry.reason));
    (pieces.into_iter().filter_map(|piece| piece.path).collect(), skipped.collect())
}

#[test]
fn each_text_becomes_parts_with_its_path() {
    let folder = Entry { mode: 0o040_755, ..stored("src/", b"") };
    let long = "x".repeat(70_000);
    let entries = [
        folder,
        deflated("src/main.rs", b"fn main() {}\r\n"),
        stored("./README.md", "\u{feff}Größe".as_bytes()),
        deflated("long.txt", long.as_bytes()),
        // Names that differ in case alone are two.
        stored("readme.md", b"b"),
        // Nothing is written about an empty text.
        stored("src/empty.txt", b"\n"),
        // A name in the code page of old programs.
        Entry { name: b"Gr\x94\xE1e.txt".to_vec(), ..stored("", b"c") },
        // A system without modes.
        Entry { mode: 0, ..deflated(&format!("{}deep.txt", "d/".repeat(500)), b"d") },
    ];
    let (pieces, skipped) = split(&zip(&entries)).unwrap();
    assert!(skipped.is_empty());
    let parts: Vec<_> =
        pieces.into_iter().map(|piece| (piece.path.clone().unwrap(), piece)).collect();
    let paths: Vec<_> = parts.iter().map(|(path, _)| path.as_str()).collect();
    let deep = format!("{}deep.txt", "d/".repeat(500));
    assert_eq!(
        paths,
        [
            "src/main.rs",
            "README.md",
            "long.txt",
            "long.txt",
            "readme.md",
            "Größe.txt",
            deep.as_str()
        ]
    );
    assert_eq!(parts[0].1.bytes, b"1\tfn main() {}\n");
    assert_eq!(parts[1].1.bytes, "1\tGröße\n".as_bytes());
    assert_eq!((parts[2].1.span, parts[3].1.span), (Span::Lines(1, 1), Span::Lines(1, 1)));
}

#[test]
fn archives_binaries_and_folders_of_tools_are_skipped_and_listed() {
    let late = [b"text\n".repeat(4_000), vec![0]].concat();
    let large = [b"\x89PNG\r\n\x1A\n".to_vec(), vec![b' '; 3_000_000]].concat();
    let entries = [
        stored("a.txt", b"a"),
        stored("inner.zip", &zip(&[stored("b.txt", b"b")])),
        deflated("inner.tar.gz", b"\x1F\x8B\x08\0\0\0"),
        deflated("large.png", &large),
        deflated("late.bin", &late),
        stored("paper.pdf", b"%PDF-1.7\n"),
        stored("latin.txt", b"Gr\xF6\xDFe"),
        stored("node_modules/a/index.js", b"a"),
        stored("node_modules/b/index.js", b"b"),
        stored("app/target/", b""),
        stored("app/target/debug/app", b"a"),
        // It is not looked into, so its method and its content do not matter.
        Entry { method: 12, ..stored(".git/index", b"\0") },
    ];
    let (parts, skipped) = paths(&entries);
    assert_eq!(parts, ["a.txt"]);
    let expected = [
        ("inner.zip", SkippedBecause::NestedArchive),
        ("inner.tar.gz", SkippedBecause::NestedArchive),
        ("large.png", SkippedBecause::Binary),
        ("late.bin", SkippedBecause::Binary),
        ("paper.pdf", SkippedBecause::Binary),
        ("latin.txt", SkippedBecause::Binary),
        ("node_modules", SkippedBecause::Folder),
        ("app/target", SkippedBecause::Folder),
        (".git", SkippedBecause::Folder),
    ];
    assert_eq!(skipped, expected.map(|(path, reason)| (path.to_owned(), reason)));
}

#[test]
fn the_list_of_skipped_entries_is_short() {
    let entry = |name: String| stored(&name, b"\0");
    let text = stored("a.txt", b"a");
    let many: Vec<_> = (0..300).map(|n| entry(format!("{n}.bin"))).collect();
    let (_, skipped) = paths(&[vec![text.clone()], many].concat());
    assert_eq!(skipped.len(), MOST_SKIPPED);
    let long: Vec<_> = (0..50).map(|n| entry(format!("{}{n}", "d".repeat(900)))).collect();
    let (_, skipped) = paths(&[vec![text], long].concat());
    let bytes: usize = skipped.iter().map(|(path, _)| path.len()).sum();
    assert!(skipped.len() > 20 && bytes <= MOST_SKIPPED_BYTES, "{bytes}");
}

#[test]
fn an_unsafe_archive_is_refused_whole() {
    let safe = stored("a.txt", b"a");
    let named = |name: &str| vec![safe.clone(), stored(name, b"b")];
    let typed = |mode: u32| vec![safe.clone(), Entry { mode, ..stored("b", b"../../etc/passwd") }];
    let cases = [
        ("parent", named("../b")),
        ("parent within", named("a/../../b")),
        ("absolute", named("/etc/passwd")),
        ("drive", named("C:/Windows/a.txt")),
        ("backslash", named("..\\b")),
        ("null", named("b\0.txt")),
        ("empty", named("")),
        ("unsafe in a folder of tools", named("node_modules/../../b")),
        ("link", typed(0o120_777)),
        ("device", typed(0o020_666)),
        ("pipe", typed(0o010_666)),
        ("duplicate", named("a.txt")),
        ("duplicate by another spelling", named("./a.txt")),
        ("file and folder of one name", named("a.txt/")),
        (
            "two names for one entry",
            vec![safe.clone(), Entry { header: Some(0), ..stored("b", b"a") }],
        ),
    ];
    for (case, entries) in cases {
        assert_eq!(rejected(&entries), Reason::UnsafeArchive, "{case}");
    }
}

#[test]
fn entries_that_overlap_are_unsafe() {
    // The data of the first entry is the second entry, headers and all.
    let inner = zip(&[stored("inner.txt", b"text")]);
    let outer = stored("outer.txt", &inner);
    let bytes = zip(slice::from_ref(&outer));
    let place = 1 + bytes[1..].windows(4).position(|bytes| bytes == b"PK\x03\x04").unwrap();
    let header = Some(u32::try_from(place).unwrap());
    let entries = [outer, Entry { header, ..stored("inner.txt", b"text") }];
    assert_eq!(rejected(&entries), Reason::UnsafeArchive);
}

#[test]
fn an_encrypted_entry_is_one_too_many() {
    let secret = Entry { flags: 1, ..stored("b.txt", b"0123456789abb") };
    assert_eq!(rejected(&[stored("a.txt", b"a"), secret]), Reason::Encrypted);
}

#[test]
fn a_lie_of_a_header_makes_it_unreadable() {
    let text = b"text\n".repeat(1_000);
    let cases = [
        ("size", Entry { size: 10, ..deflated("a.txt", &text) }),
        ("checksum", Entry { crc: 1, ..deflated("a.txt", &text) }),
        ("method", Entry { method: 12, ..stored("a.txt", &text) }),
        ("data", Entry { data: vec![0xFF; 100], ..deflated("a.txt", &text) }),
    ];
    for (case, entry) in cases {
        assert_eq!(rejected(&[entry]), Reason::Unreadable, "{case}");
    }
    let whole = zip(&[stored("a.txt", &text)]);
    for cut in [4, 30, whole.len() / 2, whole.len() - 1] {
        assert_eq!(split(&whole[..cut]).unwrap_err(), Reason::Unreadable, "{cut}");
    }
}

#[test]
fn what_inflates_too_far_is_too_large() {
    let line = format!("{}\n", "x".repeat(99));
    let of = |bytes: usize| line.repeat(bytes / 100);
    let most = deflated("a.txt", of(1_000_000).as_bytes());
    let named = |n: usize| Entry { name: format!("{n}.txt").into_bytes(), ..most.clone() };
    let many = |count: usize| (0..count).map(named).collect::<Vec<_>>();
    assert!(split(&zip(&many(20))).is_ok());
    let bomb = deflated("a.txt", of(200_000_000).as_bytes());
    let cases = [
        ("an entry", vec![deflated("a.txt", of(1_000_100).as_bytes())]),
        ("all entries", many(21)),
        ("a bomb", vec![bomb.clone()]),
        ("a bomb that says it is larger", vec![Entry { size: u32::MAX - 1, ..bomb }]),
        ("2,001 entries", (0..2_001).map(|n| stored(&format!("{n}"), b"a")).collect()),
        ("501 texts", (0..501).map(|n| stored(&format!("{n}"), b"a")).collect()),
        ("a path", vec![stored(&"a".repeat(1_025), b"a")]),
        ("a directory", (0..65_535).map(|n| stored(&format!("{n:030}"), b"")).collect()),
    ];
    for (case, entries) in cases {
        assert_eq!(rejected(&entries), Reason::TooLarge, "{case}");
    }
}

#[test]
fn an_archive_without_text_is_empty() {
    let zeros = deflated("zeros", &vec![0; 100_000_000]);
    let nested = zip(&[stored("a.txt", b"a")]);
    let cases = [
        ("no entry", vec![]),
        ("folders", vec![stored("a/", b"")]),
        ("blank texts", vec![stored("a.txt", b" \n")]),
        ("zeros", vec![zeros]),
        ("archives of archives", vec![stored("1.zip", &nested), stored("2.zip", &nested)]),
    ];
    for (case, entries) in cases {
        assert_eq!(rejected(&entries), Reason::Empty, "{case}");
    }
}
