//! Signed notes, checkpoints and proofs as texts: known ones, and hostile ones.

use std::slice::from_ref;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use transparency::{
    Checkpoint, CheckpointError, Hash, InvalidProof, Note, NoteError, Plan, TlogProof,
    TlogProofError, Verifier,
};

use crate::log::Log;

/// Go's `sumdb/note` has this example.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SEED: [u8; 32] = [
    0x81, 0x0a, 0x14, 0x02, 0xd5, 0x14, 0x6c, 0x8d, 0x84, 0xf2, 0x44, 0x33, 0x30, 0xf5, 0x40, 0x80,
    0xeb, 0xf9, 0x8e, 0xe1, 0x7d, 0x9c, 0x74, 0xf6, 0x25, 0x2f, 0xc5, 0xd5, 0xc7, 0x28, 0x31, 0x73,
];
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1F\
                          FYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1\
                          aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
/// Another signature under Enoch's name and id.
const ENOCH_WRONG: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5nABCD2tiOHp+\
                           vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
const ORIGIN: &str = "tally.example/audit";

fn key(vkey: &str) -> Verifier {
    vkey.parse().unwrap()
}

fn note(text: &str) -> Note {
    Note::parse(text.as_bytes()).unwrap()
}

/// The names of the keys that have signed, or the error.
fn signers(text: &str, known: &[Verifier]) -> Result<Vec<String>, NoteError> {
    let note = Note::parse(text.as_bytes())?;
    assert_eq!(note.to_string(), text);
    note.verify(known).map(|keys| keys.iter().map(|key| key.name().to_owned()).collect())
}

/// A key pair of tests, and the key that verifies its signatures.
fn pair(name: &str, seed: u8) -> (Ed25519KeyPair, Verifier) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let bytes = pair.public_key().as_ref().try_into().unwrap();
    (pair, Verifier::new(name, bytes).unwrap())
}

fn signed(text: String, pair: &Ed25519KeyPair, key: &Verifier) -> Note {
    let mut note = Note::new(text).unwrap();
    let signature = pair.sign(note.text().as_bytes());
    note.add_signature(key, signature.as_ref()).unwrap();
    note
}

#[test]
fn known_notes_verify_and_are_made_byte_for_byte() {
    let example = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1Y\
                   Eq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let foo = key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    assert_eq!(signers(example, &[foo]), Ok(vec!["example.com/foo".to_owned()]));

    // The text of a note may have empty lines.
    let poem = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è \
                subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5d\
                dnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    assert_eq!(signers(poem, &[key(PETER)]), Err(NoteError::Unsigned));
    assert!(note(poem).text().ends_with(":\n\ned è subito sera.\n"));

    let pair = Ed25519KeyPair::from_seed_unchecked(&PETER_SEED).unwrap();
    let mut made = signed(TEXT.to_owned(), &pair, &key(PETER));
    assert_eq!(made.to_string(), format!("{TEXT}\n{PETER_LINE}"));
    // A second signature by one key replaces the first.
    made.add_signature(&key(PETER), pair.sign(TEXT.as_bytes()).as_ref()).unwrap();
    assert_eq!(made.to_string(), format!("{TEXT}\n{PETER_LINE}"));
    // A wrong one is refused, and the note stays as it was.
    let wrong = made.add_signature(&key(ENOCH), pair.sign(TEXT.as_bytes()).as_ref());
    assert_eq!(wrong, Err(NoteError::Signature("EnochRoot".to_owned())));
    assert_eq!(made.to_string(), format!("{TEXT}\n{PETER_LINE}"));
    assert_eq!(made.signatures().len(), 1);
}

#[test]
fn every_signature_by_a_known_key_is_verified_and_the_others_are_ignored() {
    let both = [key(PETER), key(ENOCH)];
    let [peter, enoch] = both.each_ref().map(from_ref);
    let names = |names: &[&str]| -> Result<Vec<String>, NoteError> {
        Ok(names.iter().map(|name| (*name).to_owned()).collect())
    };
    let wrong = |name: &str| Err(NoteError::Signature(name.to_owned()));
    for (lines, known, expected) in [
        (&[PETER_LINE][..], peter, names(&["PeterNeumann"])),
        (&[PETER_LINE, ENOCH_LINE], &both, names(&["PeterNeumann", "EnochRoot"])),
        (&[PETER_LINE, ENOCH_LINE], enoch, names(&["EnochRoot"])),
        (&[PETER_LINE, ENOCH_LINE], &[], Err(NoteError::Unsigned)),
        (&[ENOCH_LINE], peter, Err(NoteError::Unsigned)),
        (&[PETER_LINE, PETER_LINE], &both, names(&["PeterNeumann"])),
        (&[PETER_LINE, ENOCH_WRONG], peter, names(&["PeterNeumann"])),
        (&[PETER_LINE, ENOCH_WRONG], &both, wrong("EnochRoot")),
        // A second line can't hide behind a first that is right.
        (&[ENOCH_LINE, ENOCH_WRONG], &both, wrong("EnochRoot")),
        (&[ENOCH_WRONG, ENOCH_LINE], &both, wrong("EnochRoot")),
        (&[PETER_LINE; 100], &both, names(&["PeterNeumann"])),
        (&[PETER_LINE; 101], &both, Err(NoteError::Form)),
    ] {
        let text = format!("{TEXT}\n{}", lines.concat());
        assert_eq!(signers(&text, known), expected, "{lines:?}");
    }
    // The name, the id or the text is another.
    let whole = format!("{TEXT}\n{PETER_LINE}");
    for (from, to, expected) in [
        ("PeterNeumann", "CarmenSandiego", NoteError::Unsigned),
        ("x08g", "xxxx", NoteError::Unsigned),
        ("answer", "anwser", NoteError::Signature("PeterNeumann".to_owned())),
        ("problem is.\n", "problem is.\n\n", NoteError::Signature("PeterNeumann".to_owned())),
    ] {
        assert_eq!(signers(&whole.replace(from, to), &both), Err(expected), "{to}");
    }
}

#[test]
fn what_is_no_note_is_refused() {
    let line = PETER_LINE;
    let end = "BwJnAM=\n";
    for text in [
        String::new(),
        "\n".to_owned(),
        "\n\n".to_owned(),
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}{line}"),
        format!("{TEXT}\n\n\n"),
        format!("{TEXT}\n{}", line.trim_end()),
        format!("{TEXT}\n{line}\n"),
        format!("{TEXT}\n{line} "),
        format!("{TEXT}\n{line}{TEXT}"),
        format!("{TEXT}\n{line}").replace('\n', "\r\n"),
        format!("\x01{TEXT}\n{line}"),
        format!("\t{TEXT}\n{line}"),
        format!("{TEXT}\0\n{line}"),
        format!("{TEXT}\n{}", line.replace('—', "-")),
        format!("{TEXT}\n{}", line.replace("— ", "—  ")),
        format!("{TEXT}\n{}", line.replace("— ", "—\u{a0}")),
        format!("{TEXT}\n{}", line.replace("PeterNeumann", "")),
        format!("{TEXT}\n{}", line.replace("PeterNeumann", "Peter Neumann")),
        format!("{TEXT}\n{}", line.replace("PeterNeumann", "Peter\u{2003}Neumann")),
        format!("{TEXT}\n{}", line.replace("PeterNeumann", "Peter+Neumann")),
        format!("{TEXT}\n{}", line.replace("PeterNeumann", "Peter\x7f\u{85}Neumann")),
        format!("{TEXT}\n{}", line.replace(end, "BwJnAM\n")),
        format!("{TEXT}\n{}", line.replace(end, "BwJnAN=\n")),
        format!("{TEXT}\n{}", line.replace(end, "BwJnAM==\n")),
        format!("{TEXT}\n{}", line.replace(end, "BwJnAM= \n")),
        format!("{TEXT}\n{}", line.replace('+', "-").replace('/', "_")),
        format!("{TEXT}\n— PeterNeumann x08gow==\n"),
        format!("{TEXT}\n— PeterNeumann \n"),
        format!("{TEXT}\n— PeterNeumann\n"),
        format!("{TEXT}\n{line}— \n"),
        format!("{}\n\n{line}", "x".repeat(1_000_000)),
    ] {
        let shown: String = text.chars().take(300).collect();
        assert_eq!(Note::parse(text.as_bytes()), Err(NoteError::Form), "{shown:?}");
    }
    let mut bytes = format!("{TEXT}\n{line}").into_bytes();
    bytes.insert(0, 0xff);
    assert_eq!(Note::parse(&bytes), Err(NoteError::Form));
    for text in ["", "no line feed", "a\tb\n", "a\r\n"] {
        assert_eq!(Note::new(text.to_owned()), Err(NoteError::Form), "{text:?}");
    }
}

#[test]
fn a_checkpoint_opens_for_its_log_and_its_keys() {
    let (pair, key) = pair(ORIGIN, 1);
    let (other_pair, other) = self::pair(ORIGIN, 2);
    let checkpoint = Checkpoint::new(ORIGIN, 7, Hash::leaf(b"x")).unwrap();
    let mut note = signed(checkpoint.to_string(), &pair, &key);
    assert_eq!(Checkpoint::open(&note, ORIGIN, from_ref(&key)), Ok(checkpoint.clone()));
    let origin = CheckpointError::Origin(ORIGIN.to_owned());
    assert_eq!(Checkpoint::open(&note, "another", from_ref(&key)), Err(origin));
    let unsigned = CheckpointError::Note(NoteError::Unsigned);
    assert_eq!(Checkpoint::open(&note, ORIGIN, from_ref(&other)), Err(unsigned));
    // After a change of keys both sign, and each opens it.
    note.add_signature(&other, other_pair.sign(note.text().as_bytes()).as_ref()).unwrap();
    for key in [&key, &other] {
        assert_eq!(Checkpoint::open(&note, ORIGIN, from_ref(key)), Ok(checkpoint.clone()));
    }
    let text = signed("no checkpoint\n".to_owned(), &pair, &key);
    assert_eq!(Checkpoint::open(&text, ORIGIN, &[key]), Err(CheckpointError::Form));
}

/// The proof of one entry of a log of 300, and its keys.
fn proof() -> (TlogProof, Hash, Verifier) {
    let log = Log::of(300);
    let (pair, key) = pair(ORIGIN, 1);
    let checkpoint = Checkpoint::new(ORIGIN, 300, log.edge.root()).unwrap();
    let plan = Plan::inclusion(42, 300).unwrap();
    let proof = TlogProof {
        extra: None,
        index: 42,
        hashes: plan.hashes(|tile| log.read(tile)).unwrap(),
        checkpoint: signed(checkpoint.to_string(), &pair, &key),
    };
    (proof, log.leaves[42], key)
}

#[test]
fn a_proof_stands_by_itself_and_has_one_text() {
    let (mut proof, leaf, key) = proof();
    for extra in [None, Some(b"event".to_vec()), Some(Vec::new())] {
        proof.extra = extra;
        let text = proof.to_string();
        let read = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!((&read, read.to_string()), (&proof, text));
        let checkpoint = read.verify(leaf, ORIGIN, from_ref(&key)).unwrap();
        assert_eq!(checkpoint.size(), 300);
    }
    proof.extra = Some(b"event".to_vec());
    let text = proof.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..3], ["c2sp.org/tlog-proof@v1", "extra ZXZlbnQ=", "index 42"]);
    assert_eq!(lines[3..13].iter().position(|line| line.is_empty()), Some(9));
    assert_eq!(lines[13..15], [ORIGIN, "300"]);

    let inclusion = TlogProofError::Inclusion(InvalidProof);
    let known = [key];
    assert_eq!(proof.verify(Hash::leaf(b"x"), ORIGIN, &known), Err(inclusion.clone()));
    let moved = TlogProof { index: 43, ..proof.clone() };
    assert_eq!(moved.verify(leaf, ORIGIN, &known), Err(inclusion));
    let unsigned = CheckpointError::Note(NoteError::Unsigned);
    assert_eq!(proof.verify(leaf, ORIGIN, &[]), Err(TlogProofError::Checkpoint(unsigned)));
}

#[test]
fn a_log_of_one_entry_has_a_proof_without_hashes() {
    let leaf = Hash::leaf(b"only");
    let (pair, key) = pair(ORIGIN, 1);
    let checkpoint = Checkpoint::new(ORIGIN, 1, leaf).unwrap();
    let note = signed(checkpoint.to_string(), &pair, &key);
    let text = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{note}");
    let proof = TlogProof::parse(text.as_bytes()).unwrap();
    assert_eq!(proof.to_string(), text);
    assert_eq!(proof.verify(leaf, ORIGIN, &[key]), Ok(checkpoint));
}

#[test]
fn what_is_no_proof_is_refused() {
    let (mut proof, ..) = proof();
    proof.extra = Some(b"event".to_vec());
    let text = proof.to_string();
    let hash = proof.hashes[0].to_string();
    let many = format!("{hash}\n").repeat(65);
    for (from, to) in [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("c2sp.org", " c2sp.org"),
        ("c2sp.org/tlog-proof@v1\n", ""),
        ("index 42\n", ""),
        ("index 42\n", "index 42\nindex 42\n"),
        ("index 42", "index 042"),
        ("index 42", "index  42"),
        ("index 42", "index +42"),
        ("index 42", "index 18446744073709551616"),
        ("index 42", "Index 42"),
        ("extra ZXZlbnQ=", "extra ZXZlbnQ"),
        ("extra ZXZlbnQ=", "extra"),
        ("extra ZXZlbnQ=", "extra ZXZlbnQ=\nextra ZXZlbnQ="),
        ("extra ZXZlbnQ=\nindex 42\n", "index 42\nextra ZXZlbnQ=\n"),
        (&hash, &hash[1..]),
        (&hash, &format!("{hash} ")),
        (&format!("{hash}\n"), &many),
        (&format!("{hash}\n"), &format!("{hash}\r\n")),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        let refused = TlogProof::parse(changed.as_bytes());
        assert_eq!(refused, Err(TlogProofError::Form), "{changed}");
    }
    let note = Err(TlogProofError::Checkpoint(CheckpointError::Note(NoteError::Form)));
    assert_eq!(TlogProof::parse(text.trim_end().as_bytes()), note);
    assert_eq!(TlogProof::parse(b"c2sp.org/tlog-proof@v1\nindex 0\n\n"), note);
    assert_eq!(TlogProof::parse(b""), Err(TlogProofError::Form));
    assert_eq!(TlogProof::parse(&[0xff; 100]), Err(TlogProofError::Form));
}

/// Made by `aics-tlog` 0.2.1 for the key of the seed 7.
#[test]
fn a_log_states_the_time_of_a_checkpoint_by_a_cosignature() {
    let text = format!("{ORIGIN}\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let expected = format!(
        "{text}\n— {ORIGIN} UPAvt0O5N/Vtm/I5ubif/wUTcO2WAcWEWKiLiXgwcQeZl9VzrsADTO4HyPqKDl5Ixc3d\
         UavHRgLS6qcPakXhHUPzYQ8=\n— {ORIGIN} A8zTVwAAAABrSdIA7bUgWoZ3sVAVnCVvEINaUX1IHuhhPF0h\
         zCAX6v86DRIAYovM85atwXp8thEkMOTu46P3AtWfHG0d7/sNNUiWAA==\n"
    );
    let time = 1_800_000_000;
    let other = pair(ORIGIN, 8);
    let (pair, key) = pair(ORIGIN, 7);
    let clock = key.cosigner();
    let mut made = signed(text, &pair, &key);
    assert_eq!(made.time(&clock), None);
    let signature = pair.sign(made.cosigned_text(time).as_bytes());
    made.add_cosignature(&clock, time, signature.as_ref()).unwrap();
    assert_eq!(made.to_string(), expected);
    let read = note(&expected);
    assert_eq!((read.time(&clock), read.time(&key)), (Some(time), None));
    assert!(Checkpoint::open(&read, ORIGIN, from_ref(&key)).is_ok());
    // Another time is another text.
    let wrong = made.add_cosignature(&clock, time + 1, signature.as_ref());
    assert_eq!(wrong, Err(NoteError::Signature(ORIGIN.to_owned())));
    for cut in [&[][..], &[0; 8], &[0xff; 72]] {
        assert!(made.add_signature(&clock, cut).is_err());
    }
    let (_, other) = other;
    assert_eq!(read.time(&other.cosigner()), None);
}
