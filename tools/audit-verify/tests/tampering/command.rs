//! The command: its exit codes, its lines, its JSON, and the proof of an event.

use std::fs;
use std::process::{Command, Output};
use std::slice::from_ref;

use serde_json::Value;
use transparency::{Hash, TlogProof};

use crate::log::ORIGIN;
use crate::{Setup, entry, id};

fn run(setup: &Setup, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_audit-verify"))
        .arg(setup.directory.path())
        .args(["--vkey", &setup.log.key.to_string()])
        .args(arguments)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<&str> {
    str::from_utf8(&output.stdout).unwrap().lines().collect()
}

#[test]
fn the_exit_code_is_the_answer() {
    let setup = Setup::new();
    let good = run(&setup, &[]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert_eq!(lines(&good).last(), Some(&"verdict: good"));
    setup.change_bundle(4, |of| of[210][3] ^= 1);
    let bad = run(&setup, &[]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    assert_eq!(lines(&bad).last(), Some(&"verdict: bad, first at entry 1234: edited"));
    for arguments in [
        &["--as-of", "yesterday"][..],
        &["--expect-checkpoint", "/no/such/file"],
        &["--id", "none"],
        &["--unknown"],
    ] {
        assert_eq!(run(&setup, arguments).status.code(), Some(2), "{arguments:?}");
    }
    fs::remove_dir_all(setup.directory.path().join("checkpoints")).unwrap();
    fs::remove_file(setup.directory.path().join("checkpoint")).unwrap();
    let unreadable = run(&setup, &[]);
    assert_eq!(unreadable.status.code(), Some(2), "{unreadable:?}");
    assert!(lines(&unreadable)[0].starts_with("verdict: unreadable: "), "{unreadable:?}");
}

#[test]
fn json_has_the_same_answer() {
    let setup = Setup::new();
    setup.change_bundle(4, |of| drop(of.remove(210)));
    let output = run(&setup, &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "bad");
    assert_eq!(report["entries"], 3_000);
    assert_eq!(report["first_bad"], serde_json::json!({"index": 1_234, "what": "deleted"}));
    assert_eq!(report["findings"][0]["what"], "deleted");
}

#[test]
fn an_event_is_shown_with_a_proof_that_stands_by_itself() {
    let setup = Setup::new();
    for number in [0, 1_234, 2_999] {
        let output = run(&setup, &["--id", &id(number)]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = str::from_utf8(&output.stdout).unwrap();
        let (facts, proof) = text.split_once("proof: the lines below\n").unwrap();
        let event = String::from_utf8(entry(number)).unwrap();
        assert!(facts.contains(&format!("event: {event}\nindex: {number}\n")), "{facts}");
        let proof = TlogProof::parse(proof.as_bytes()).unwrap();
        assert_eq!(proof.index, number as u64);
        let leaf = Hash::leaf(event.as_bytes());
        let checkpoint = proof.verify(leaf, ORIGIN, from_ref(&setup.log.key)).unwrap();
        assert_eq!(checkpoint.size(), 3_000);
    }
    let absent = run(&setup, &["--id", &id(3_000)]);
    assert_eq!(absent.status.code(), Some(1), "{absent:?}");
    let told = lines(&absent).into_iter().find(|line| line.starts_with("bad: absent: "));
    assert!(told.is_some_and(|line| line.contains("may not be sealed yet")), "{absent:?}");
    // An event that was edited is there, but nothing proves it.
    setup.change_bundle(4, |of| of[210][3] ^= 1);
    let edited = run(&setup, &["--id", &id(1_234), "--json"]);
    let report: Value = serde_json::from_slice(&edited.stdout).unwrap();
    assert_eq!(report["event"], Value::Null);
    assert_eq!(report["findings"][1]["what"], "unproven", "{report}");
}
