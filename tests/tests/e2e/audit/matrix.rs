//! Each way to tamper with a sealed log, and what `GET /audit/verify` and `audit-verify` say about
//! it. `.ci/long` does the same to a log of 10,000 events.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use archive::{Entry, Sealer, chunks};
use audit_verify::{Options, What};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use platform::audit::Event;
use platform::aws::{Service, sdk_config};
use platform::clock::Clock;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack};
use tempfile::TempDir;
use transparency::{Checkpoint, Edge, File, Hash, Note, Tile, Verifier, WIDTH, bundle, bundles};

use super::sealed_log::{Files, ORIGIN, SealedLog, bundle_of};
use super::{ANN, ago, event, new_events, tampering, write};

/// Age of each checkpoint in minutes. A quarter of the events is new in each.
const AGES: [i64; 4] = [90, 60, 30, 0];

/// A log that was sealed in four steps. Its stack has no sealer, which would go on sealing.
struct Sealed {
    stack: TestStack,
    auditor: Caller,
    key: Verifier,
    log: SealedLog,
    /// The auditor's copy of the bucket.
    copy: TempDir,
    events: Vec<Event>,
    /// The items of the events.
    items: Vec<Value>,
    files: Files,
    /// Files of a log that differs in the victim, signed by the same key.
    forked: Files,
}

/// The first entry that is bad, if the answer names one.
type At = fn(&Sealed) -> Option<usize>;

/// A change of the table: items, and what stands in their place.
type Items = Vec<(Option<Value>, Option<Value>)>;

/// Tampering with the table.
struct InTable {
    name: &'static str,
    change: fn(&Sealed) -> Items,
    /// The answer of `GET /audit/verify`. The files are as they were.
    online: (At, &'static str),
}

/// Tampering with the files of the log.
struct InLog {
    name: &'static str,
    change: fn(&Sealed, &mut Files),
    online: (At, &'static str),
    offline: (At, What),
}

const VICTIM: At = |sealed| Some(sealed.victim());
const FIRST: At = |_| Some(0);
const HALF: At = |sealed| Some(sealed.events.len() / 2);
/// The first entry of the last bundle.
const LAST_BUNDLE: At = |sealed| Some(sealed.events.len() / 256 * 256);
const NONE: At = |_| None;

const IN_TABLE: &[InTable] = &[
    InTable {
        name: "edited",
        change: |sealed| vec![sealed.edited(|item| item["ip"]["S"] = "192.0.2.1".into())],
        online: (VICTIM, "edited"),
    },
    InTable {
        name: "edited, with its hash",
        change: |sealed| {
            let mut event = sealed.events[sealed.victim()].clone();
            event.ip = "192.0.2.1".into();
            vec![sealed.edited(|item| {
                item["ip"]["S"] = event.ip.as_str().into();
                item["hash"]["S"] = event.fingerprint().into();
            })]
        },
        online: (VICTIM, "edited"),
    },
    InTable {
        name: "deleted",
        change: |sealed| sealed.deleted(sealed.victim()..sealed.victim() + 1),
        online: (VICTIM, "deleted"),
    },
    InTable {
        name: "inserted",
        change: |sealed| {
            // It is older than what may wait for its place. The shard depends on the last digit.
            let past = event(ANN, "test.read", ago(20 * 60_000), 0).id;
            let (_, inserted) = sealed.edited(|item| {
                let id = item["id"]["S"].as_str().unwrap();
                item["id"]["S"] = format!("{}{}", &past[..35], &id[35..]).into();
            });
            vec![(None, inserted)]
        },
        online: (NONE, "inserted"),
    },
    InTable {
        name: "swapped",
        change: |sealed| {
            let (victim, other) = (sealed.victim(), sealed.victim() + 100);
            [(victim, other), (other, victim)]
                .map(|(place, content)| {
                    let (old, mut new) = (&sealed.items[place], sealed.items[content].clone());
                    new["id"] = old["id"].clone();
                    new["shard"] = old["shard"].clone();
                    (Some(old.clone()), Some(new))
                })
                .into()
        },
        online: (VICTIM, "edited"),
    },
    InTable {
        name: "the head cut off",
        change: |sealed| sealed.deleted(0..100),
        online: (FIRST, "deleted"),
    },
    InTable {
        name: "the tail cut off",
        change: |sealed| sealed.deleted(sealed.events.len() - 100..sealed.events.len()),
        online: (|sealed| Some(sealed.events.len() - 100), "deleted"),
    },
];

const IN_LOG: &[InLog] = &[
    InLog {
        name: "edited",
        change: |sealed, files| {
            sealed.repack(files, |entries| change_action(&mut entries[sealed.victim()]));
        },
        online: (VICTIM, "damaged"),
        offline: (VICTIM, What::Edited),
    },
    InLog {
        name: "deleted",
        change: |sealed, files| {
            sealed.repack(files, |entries| drop(entries.remove(sealed.victim())));
        },
        online: (VICTIM, "damaged"),
        offline: (VICTIM, What::Deleted),
    },
    InLog {
        name: "inserted",
        change: |sealed, files| {
            let inserted = event(ANN, "test.read", ago(0), 0).canonical();
            sealed.repack(files, |entries| entries.insert(sealed.victim(), inserted));
        },
        online: (VICTIM, "damaged"),
        offline: (VICTIM, What::Inserted),
    },
    InLog {
        name: "swapped",
        change: |sealed, files| {
            let (victim, last) = (sealed.victim(), sealed.events.len() - 1);
            sealed.repack(files, |entries| entries.swap(victim, last));
        },
        online: (VICTIM, "damaged"),
        offline: (VICTIM, What::Reordered),
    },
    InLog {
        name: "the head cut off",
        change: |sealed, files| cut(files, Tile::entries(0, sealed.events.len() as u64)),
        online: (FIRST, "truncated"),
        offline: (FIRST, What::Truncated),
    },
    InLog {
        name: "the tail cut off",
        change: |sealed, files| {
            let size = sealed.events.len() as u64;
            cut(files, Tile::entries(size / WIDTH, size));
        },
        online: (LAST_BUNDLE, "damaged"),
        offline: (LAST_BUNDLE, What::Truncated),
    },
    InLog {
        name: "the tail cut off, with its hashes",
        change: |sealed, files| {
            let size = sealed.events.len() as u64;
            cut(files, Tile::entries(size / WIDTH, size));
            cut(files, Tile::hashes(0, size / WIDTH, size));
        },
        // The first bundle is not proven without the last hashes, so the API names no entry.
        online: (NONE, "damaged"),
        offline: (LAST_BUNDLE, What::Truncated),
    },
    InLog {
        name: "signed by another key",
        change: |_, files| {
            let text = Note::parse(&files["checkpoint"]).unwrap().text().to_owned();
            let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
            let public = pair.public_key().as_ref().try_into().unwrap();
            let mut note = Note::new(text).unwrap();
            let signature = pair.sign(note.text().as_bytes());
            let key = Verifier::new(ORIGIN, public).unwrap();
            note.add_signature(&key, signature.as_ref()).unwrap();
            files.insert("checkpoint".to_owned(), note.to_string().into_bytes());
        },
        online: (NONE, "damaged"),
        offline: (NONE, What::Resigned),
    },
    InLog {
        name: "forked",
        change: |sealed, files| files.extend(sealed.forked.clone()),
        online: (VICTIM, "edited"),
        offline: (NONE, What::Forked),
    },
    InLog {
        name: "rolled back",
        change: |sealed, files| {
            let prefix = format!("checkpoints/{}-", sealed.events.len() / 2);
            let old = files.iter().find(|(path, _)| path.starts_with(&prefix)).unwrap().1.clone();
            files.insert("checkpoint".to_owned(), old);
        },
        online: (NONE, "stale"),
        offline: (HALF, What::RolledBack),
    },
];

/// More than two bundles.
#[tokio::test]
async fn each_way_to_tamper_with_600_events_is_found() {
    each_way_is_found(600).await;
}

#[tokio::test]
#[ignore = "it takes minutes; .ci/long runs it"]
async fn each_way_to_tamper_with_10_000_events_is_found() {
    each_way_is_found(10_000).await;
}

async fn each_way_is_found(size: usize) {
    let sealed = Sealed::of(size).await;
    sealed.expect_good().await;
    for InTable { name, change, online: (at, what) } in IN_TABLE {
        let items = change(&sealed);
        for (old, new) in &items {
            sealed.put(old.as_ref(), new.as_ref()).await;
        }
        sealed.expect_online(name, at(&sealed), what).await;
        for (old, new) in &items {
            sealed.put(new.as_ref(), old.as_ref()).await;
        }
    }
    for InLog { name, change, online, offline: (at, what) } in IN_LOG {
        let mut files = sealed.files.clone();
        change(&sealed, &mut files);
        sealed.log.change(sealed.copy.path(), &sealed.files, &files).await;
        sealed.expect_online(name, (online.0)(&sealed), online.1).await;
        assert_eq!(sealed.offline().await, [(at(&sealed), *what)], "{name}");
        sealed.log.change(sealed.copy.path(), &files, &sealed.files).await;
    }
    sealed.expect_good().await;
}

impl Sealed {
    async fn of(size: usize) -> Self {
        let stack = TestStack::of(|options| {
            options.sets = vec![("RateLimits".into(), "login_lock=100000/1m,*=100000/1m".into())];
            options.only = Some(["seed", "login", "audit"].map(str::to_owned).into());
        })
        .await;
        let auditor = stack.admin().await;
        let events = new_events(size);
        write(&stack, &events).await;
        seal(&stack, &events).await;
        let mut items = stack.items("AuditTable").await;
        items.retain(|item| item["actor_id"]["S"] == ANN);
        let places: HashMap<_, _> =
            (0..).zip(&events).map(|(place, event)| (event.id.clone(), place)).collect();
        items.sort_by_key(|item| -> usize { places[item["id"]["S"].as_str().unwrap()] });
        let (log, copy) = (SealedLog::of(&stack).await, TempDir::new().unwrap());
        let key = log.key().clone();
        let files = log.files().await;
        log.change(copy.path(), &Files::new(), &files).await;
        let mut sealed =
            Self { stack, auditor, key, log, copy, events, items, files, forked: Files::new() };
        sealed.forked = sealed.fork().await;
        sealed
    }

    /// The event that most cases change. It is new in the third checkpoint.
    fn victim(&self) -> usize {
        self.events.len() * 5 / 8
    }

    /// The item of the victim, and the same after a change.
    fn edited(&self, change: impl FnOnce(&mut Value)) -> (Option<Value>, Option<Value>) {
        let old = &self.items[self.victim()];
        let mut new = old.clone();
        change(&mut new);
        (Some(old.clone()), Some(new))
    }

    fn deleted(&self, places: Range<usize>) -> Items {
        self.items[places].iter().map(|item| (Some(item.clone()), None)).collect()
    }

    /// Gives the table one item in the place of another.
    async fn put(&self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (_, Some(item)) => self.stack.put_item("AuditTable", item).await,
            (Some(item), None) => {
                let key = json!({"shard": item["shard"], "id": item["id"]});
                self.stack.delete_item("AuditTable", &key).await;
            }
            (None, None) => {}
        }
    }

    /// The entries in their places.
    fn entries(&self) -> Vec<String> {
        self.events.iter().map(Event::canonical).collect()
    }

    /// Changes the entries, and packs them into the bundles anew. The last bundle takes the rest.
    fn repack(&self, files: &mut Files, change: impl FnOnce(&mut Vec<String>)) {
        let mut entries = self.entries();
        change(&mut entries);
        let tiles: Vec<_> = bundles(self.events.len() as u64).collect();
        let mut entries = entries.into_iter();
        for (number, tile) in tiles.iter().enumerate() {
            let most = if number + 1 == tiles.len() { usize::MAX } else { tile.width() };
            files.insert(tile.to_string(), bundle_of(entries.by_ref().take(most)));
        }
    }

    /// The files of a log that differs in the victim. The key that signs it is the log's own.
    async fn fork(&self) -> Files {
        let mut entries = self.entries();
        change_action(&mut entries[self.victim()]);
        let mut edge = Edge::default();
        let tiles = edge.append(entries.iter().map(|entry| Hash::leaf(entry.as_bytes())));
        let bundles = bundle::append(0, &[], &entries).unwrap();
        let files = tiles.into_iter().chain(bundles);
        let mut files: Files =
            files.map(|File { tile, bytes }| (tile.to_string(), bytes)).collect();
        let platform = self.stack.platform("AuditFunction");
        let kms = aws_sdk_kms::Client::new(&sdk_config(&platform.config, Service::Kms).unwrap());
        let sign = async |text: &str| {
            let request = kms.sign().key_id(platform.config.require("AUDIT_SIGNER_ARN").unwrap());
            let request = request.message(Blob::new(text)).message_type(MessageType::Raw);
            let request = request.signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512);
            request.send().await.unwrap().signature.unwrap().into_inner()
        };
        let checkpoint = Checkpoint::new(ORIGIN, edge.size(), edge.root()).unwrap();
        let mut note = Note::new(checkpoint.to_string()).unwrap();
        let signature = sign(note.text()).await;
        note.add_signature(&self.key, &signature).unwrap();
        let time = ago(0).as_second().try_into().unwrap();
        let signature = sign(&note.cosigned_text(time)).await;
        note.add_cosignature(&self.key.cosigner(), time, &signature).unwrap();
        files.insert("checkpoint".to_owned(), note.to_string().into_bytes());
        files
    }

    async fn expect_good(&self) {
        let found = tampering::verify(&self.stack, &self.auditor).await;
        assert_eq!((&found["ok"], &found["next_cursor"]), (&json!(true), &Value::Null), "{found}");
        let findings = self.offline().await;
        assert!(findings.is_empty(), "{findings:?}");
    }

    /// Verifies by the API, and compares the first bad entry.
    async fn expect_online(&self, name: &str, at: Option<usize>, what: &str) {
        let found = tampering::verify(&self.stack, &self.auditor).await;
        let first_bad = &found["first_bad"];
        assert_eq!(first_bad["what"], what, "{name}: {found}");
        assert_eq!(first_bad["index"], json!(at), "{name}: {found}");
        if let (Some(at), Some(id)) = (at, first_bad["id"].as_str()) {
            assert_eq!(id, self.events[at].id, "{name}");
        }
    }

    /// Verifies the copy as an auditor does. The findings.
    async fn offline(&self) -> Vec<(Option<usize>, What)> {
        let options = Options {
            place: self.copy.path().to_str().unwrap().to_owned(),
            key: self.key.clone(),
            as_of: None,
            expected: None,
            id: None,
            retention_days: 400,
        };
        let report = audit_verify::verify(&options).await.unwrap();
        let findings = report.findings.iter();
        let index = |index: u64| usize::try_from(index).unwrap();
        findings.map(|finding| (finding.index.map(index), finding.what)).collect()
    }
}

/// Seals events as the sealer does, in steps.
async fn seal(stack: &TestStack, events: &[Event]) {
    let time = Arc::new(AtomicI64::default());
    let mut platform = stack.platform("AuditFunction");
    platform.clock = Clock::Manual(Arc::clone(&time));
    let sealer = Sealer::new(&platform).unwrap();
    for (events, age) in events.chunks(events.len() / AGES.len()).zip(AGES) {
        time.store(ago(age * 60_000).as_millisecond(), Ordering::Relaxed);
        for chunk in chunks(events.iter().map(|event| Entry::new(event, false).unwrap())) {
            sealer.append(&chunk).await.unwrap();
        }
        sealer.integrate().await.unwrap();
        assert!(sealer.publish(Duration::ZERO).await.unwrap());
    }
}

/// Removes a file.
fn cut(files: &mut Files, tile: Option<Tile>) {
    assert!(files.remove(&tile.unwrap().to_string()).is_some());
}

/// Makes an entry another event.
fn change_action(entry: &mut String) {
    *entry = entry.replace("\"test.read\"", "\"test.seen\"");
}
