//! A reader of the sealed log that shares no code with its writer but the mathematics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use archive::Archive;
use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use platform::audit::Event;
use platform::aws::{Service, sdk_config};
use platform::store::AuditLog;
use tally_tests::TestStack;
use transparency::{Checkpoint, Frontier, Hash, Note, Plan, Verifier, bundle, bundles};

/// The name of the log in these tests.
pub const ORIGIN: &str = "tally/audit";

/// Files of a log by their paths. Bundles are decompressed.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The bucket of a stack.
pub struct SealedLog {
    client: aws_sdk_s3::Client,
    bucket: String,
    key: Verifier,
}

/// The log at its newest checkpoint.
pub struct Read {
    /// The texts of its entries.
    pub entries: Vec<String>,
    /// The sizes of all checkpoints that were published, in order.
    pub sizes: Vec<u64>,
}

impl SealedLog {
    pub async fn of(stack: &TestStack) -> Self {
        let platform = stack.platform("AuditFunction");
        let config = sdk_config(&platform.config, Service::S3).unwrap();
        Self {
            client: aws_sdk_s3::Client::new(&config),
            bucket: platform.config.require("AUDIT_ARCHIVE_BUCKET").unwrap().to_owned(),
            key: Archive::new(&platform).unwrap().key().await.unwrap(),
        }
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The most versions that any bundle has.
    pub async fn bundle_versions(&self) -> usize {
        let list = self.client.list_object_versions().bucket(&self.bucket);
        let found = list.prefix("tile/entries/").send().await.unwrap();
        let mut versions = BTreeMap::new();
        for version in found.versions() {
            *versions.entry(version.key().unwrap()).or_default() += 1;
        }
        versions.into_values().max().unwrap_or_default()
    }

    /// The key of the log.
    pub fn key(&self) -> &Verifier {
        &self.key
    }

    /// Reads the log, and verifies that its files, its entries and all checkpoints agree.
    pub async fn read(&self) -> Read {
        let files = self.files().await;
        let newest = self.checkpoint(&files["checkpoint"]);
        let size = newest.size();
        let mut entries = Vec::new();
        for tile in bundles(size) {
            let texts = bundle::read(tile, &files[&tile.to_string()]).unwrap();
            entries.extend(texts.into_iter().map(|text| String::from_utf8(text.to_vec()).unwrap()));
        }
        let root = Plan::root(size).hashes(|tile| files.get(&tile.to_string()).ok_or(tile));
        assert_eq!(root.unwrap(), [newest.root()]);
        let mut roots = vec![Hash::EMPTY];
        let mut frontier = Frontier::default();
        for entry in &entries {
            frontier.push(Hash::leaf(entry.as_bytes()));
            roots.push(frontier.root());
        }
        assert_eq!(frontier.root(), newest.root());
        let kept = files.iter().filter_map(|(path, note)| {
            let (size, time) = path.strip_prefix("checkpoints/")?.split_once('-')?;
            assert_eq!(time.len(), "20261129T090000Z".len());
            Some((size.parse::<u64>().unwrap(), self.checkpoint(note)))
        });
        let kept: BTreeMap<u64, Checkpoint> = kept.collect();
        for (size, checkpoint) in &kept {
            assert_eq!(checkpoint.size(), *size);
            // One that was kept and not yet published may be ahead.
            if let Some(root) = usize::try_from(*size).ok().and_then(|size| roots.get(size)) {
                assert_eq!(checkpoint.root(), *root, "the log is not append-only at {size}");
            }
        }
        assert!(kept.contains_key(&size), "the newest checkpoint is not kept");
        Read { entries, sizes: kept.into_keys().collect() }
    }

    /// Deletes a file, as an intruder would.
    pub async fn delete(&self, path: &str) {
        self.client.delete_object().bucket(&self.bucket).key(path).send().await.unwrap();
    }

    /// Replaces the first bundle, as an intruder would.
    pub async fn forge(&self, entries: &[String]) {
        let bundle = bundle_of(entries.iter().cloned());
        let put = self.client.put_object().bucket(&self.bucket).key("tile/entries/000");
        let put = put.content_encoding("gzip").body(ByteStream::from(compressed(&bundle)));
        put.send().await.unwrap();
    }

    /// Seals the log of a stack, and verifies that it has each event of the table once.
    pub async fn check(&self, stack: &TestStack) -> Read {
        let before = events(stack).await;
        stack.seal().await;
        let read = self.read().await;
        let after = events(stack).await;
        let mut sealed = BTreeSet::new();
        for entry in &read.entries {
            let id = serde_json::from_str::<Event>(entry).unwrap().id;
            assert_eq!(after.get(&id).map(String::as_str), Some(entry.as_str()), "{id}");
            assert!(sealed.insert(id.clone()), "{id} is sealed twice");
        }
        let missing: Vec<_> = before.keys().filter(|id| !sealed.contains(*id)).collect();
        assert!(missing.is_empty(), "{missing:?} are not sealed");
        read
    }

    /// All files. The newest checkpoint is read first, as the sealer may go on meanwhile.
    pub async fn files(&self) -> Files {
        let newest = self.client.get_object().bucket(&self.bucket).key("checkpoint");
        let newest = newest.send().await.unwrap().body.collect().await.unwrap().to_vec();
        let mut files = BTreeMap::new();
        let mut token = None;
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket);
            let page = list.set_continuation_token(token).send().await.unwrap();
            for object in page.contents() {
                let path = object.key().unwrap();
                let found = self.client.get_object().bucket(&self.bucket).key(path);
                let found = found.send().await.unwrap();
                let is_bundle = found.content_encoding() == Some("gzip");
                assert_eq!(is_bundle, path.starts_with("tile/entries/"), "{path}");
                let mut bytes = found.body.collect().await.unwrap().to_vec();
                if is_bundle {
                    let mut content = Vec::new();
                    GzDecoder::new(bytes.as_slice()).read_to_end(&mut content).unwrap();
                    bytes = content;
                }
                files.insert(path.to_owned(), bytes);
            }
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                files.insert("checkpoint".to_owned(), newest);
                return files;
            }
        }
    }

    /// Gives the bucket and a copy of it other files: `to` instead of `from`.
    pub async fn change(&self, copy: &Path, from: &Files, to: &Files) {
        for path in from.keys().filter(|path| !to.contains_key(*path)) {
            self.client.delete_object().bucket(&self.bucket).key(path).send().await.unwrap();
            fs::remove_file(copy.join(path)).unwrap();
        }
        for (path, content) in to.iter().filter(|(path, content)| from.get(*path) != Some(*content))
        {
            let is_bundle = path.starts_with("tile/entries/");
            let bytes = if is_bundle { compressed(content) } else { content.clone() };
            let file = copy.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &bytes).unwrap();
            let put = self.client.put_object().bucket(&self.bucket).key(path);
            let put = put.set_content_encoding(is_bundle.then(|| "gzip".to_owned()));
            put.body(ByteStream::from(bytes)).send().await.unwrap();
        }
    }

    /// A checkpoint, which must be signed with a time.
    fn checkpoint(&self, note: &[u8]) -> Checkpoint {
        let note = Note::parse(note).unwrap();
        assert!(note.time(&self.key.cosigner()).is_some());
        Checkpoint::open(&note, ORIGIN, std::slice::from_ref(&self.key)).unwrap()
    }
}

/// A bundle of entries, each with its length before it.
pub fn bundle_of(entries: impl IntoIterator<Item = String>) -> Vec<u8> {
    let framed = entries.into_iter().flat_map(|entry| {
        let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
        [&length[..], entry.as_bytes()].concat()
    });
    framed.collect()
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzEncoder::new(content, Compression::fast()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The events of the table in the form of the log, by their ids.
async fn events(stack: &TestStack) -> BTreeMap<String, String> {
    let events = stack.items("AuditTable").await.into_iter();
    let events = events.map(|item| AuditLog::event_of(item).unwrap());
    events.map(|event| (event.id.clone(), event.canonical())).collect()
}
