//! A log in a directory, by RFC 6962's definitions and C2SP's paths. It is no copy of the code that
//! writes the real one.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use transparency::{Hash, Note, Verifier};

pub const ORIGIN: &str = "tally.example/audit";
/// The time of the first checkpoint.
pub const START: i64 = 1_795_942_800;

pub struct Log {
    pub directory: PathBuf,
    pub key: Verifier,
    pair: Ed25519KeyPair,
    leaves: Vec<Hash>,
    /// The entries of the last bundle, if it is partial.
    bundle: Vec<u8>,
}

impl Log {
    /// An empty log whose key is made of a seed. Files of an earlier log may be in the directory.
    pub fn new(directory: &Path, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let key = Verifier::new(ORIGIN, public).unwrap();
        let directory = directory.to_owned();
        Self { directory, key, pair, leaves: Vec::new(), bundle: Vec::new() }
    }

    pub fn append(&mut self, entry: &[u8]) {
        self.leaves.push(Hash::leaf(entry));
        self.bundle.extend(frame(entry));
        if self.leaves.len().is_multiple_of(256) {
            let packed = gzip(&self.bundle);
            self.write(&path("entries", self.leaves.len() / 256 - 1, 256), &packed);
            self.bundle.clear();
        }
    }

    /// Writes the tiles and the partial bundle.
    pub fn write_tiles(&self) {
        let size = self.leaves.len();
        if !self.bundle.is_empty() {
            self.write(&path("entries", size / 256, size % 256), &gzip(&self.bundle));
        }
        let mut hashes = self.leaves.clone();
        for level in 0.. {
            if hashes.is_empty() {
                break;
            }
            for (index, tile) in hashes.chunks(256).enumerate() {
                let bytes = |hash: &Hash| -> [u8; 32] { *hash.as_ref() };
                let bytes: Vec<u8> = tile.iter().flat_map(bytes).collect();
                self.write(&path(&format!("{level}"), index, tile.len()), &bytes);
            }
            hashes = hashes.chunks_exact(256).map(root).collect();
        }
    }

    /// The signed checkpoint of the whole log, with its signed time.
    pub fn checkpoint(&self, time: i64) -> String {
        self.claim(self.leaves.len() as u64, time)
    }

    /// A signed checkpoint that claims another size.
    pub fn claim(&self, size: u64, time: i64) -> String {
        let mut note = self.untimed(size);
        let time = time.try_into().unwrap();
        let signature = self.pair.sign(note.cosigned_text(time).as_bytes());
        note.add_cosignature(&self.key.cosigner(), time, signature.as_ref()).unwrap();
        note.to_string()
    }

    /// A signed checkpoint with the root of the whole log, without a time.
    fn untimed(&self, size: u64) -> Note {
        let root = root(&self.leaves);
        let mut note = Note::new(format!("{ORIGIN}\n{size}\n{root}\n")).unwrap();
        let signature = self.pair.sign(note.text().as_bytes());
        note.add_signature(&self.key, signature.as_ref()).unwrap();
        note
    }

    /// Writes all that the log gets with a checkpoint.
    pub fn seal(&self, time: i64) {
        self.write_tiles();
        let note = self.checkpoint(time);
        self.write(&kept(self.leaves.len(), time), note.as_bytes());
        self.write("checkpoint", note.as_bytes());
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The path of a kept checkpoint.
pub fn kept(size: usize, time: i64) -> String {
    let time = Timestamp::from_second(time).unwrap();
    format!("checkpoints/{size}-{}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// The path of a tile or bundle.
pub fn path(level: &str, index: usize, width: usize) -> String {
    let mut groups = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        groups = format!("x{:03}/{groups}", rest % 1_000);
        rest /= 1_000;
    }
    let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{groups}{partial}")
}

/// An entry with its length before it.
pub fn frame(entry: &[u8]) -> Vec<u8> {
    let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
    [&length[..], entry].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `MTH` of RFC 6962, section 2.1.
fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::EMPTY,
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            Hash::node(root(left), root(right))
        }
    }
}
