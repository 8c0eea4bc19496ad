//! The mathematics of a transparency log in the C2SP form, without storage: RFC 6962's hashes,
//! tiles, proofs, checkpoints and signed notes. A caller brings the bytes and stores the files.
//!
//! - [`Edge`], [`bundle`]: what a log's writer needs: the files of new entries, and the new root
//! - [`Plan`]: which tiles a proof needs, and the proof of their bytes
//! - [`verify_inclusion`], [`verify_consistency`], [`Frontier`]: what a verifier needs; the last
//!   one computes the root of a log of any size in constant memory
//! - [`Checkpoint`], [`Note`], [`Verifier`], [`TlogProof`]: the texts
//!
//! Specifications: [tlog-tiles](https://c2sp.org/tlog-tiles),
//! [tlog-checkpoint](https://c2sp.org/tlog-checkpoint), [signed-note](https://c2sp.org/signed-note)
//! and [tlog-proof](https://c2sp.org/tlog-proof), with RFC 6962, section 2.1. The verification of
//! proofs follows RFC 9162, sections 2.1.3.2 and 2.1.4.2.
//!
//! # Why not `tlog_tiles` and `signed_note`
//!
//! These crates (0.2.0) port Go's `sumdb`, and do not hold up for a C2SP log:
//!
//! - A tile's path is Go's `tile/8/0/000` and `tile/8/data/000`. C2SP's is `tile/0/000` and
//!   `tile/entries/000`. A reader of a C2SP log finds no such file.
//! - `Tile::from_path` panics at `tile/8/64/000` and at `tile/8/0/000.p/0`.
//! - They have no entry bundles, no tlog-proof, no accumulator of a stream, and no plan of a proof:
//!   their reader of tiles is synchronous, and S3's is not.
//! - `signed_note` can take a signature that KMS made. It verifies by `ed25519-dalek`, which is a
//!   second cryptography library (with `sha2`, `curve25519-dalek`, `rand_core`). AWS-LC is in every
//!   binary already.
//! - `Note::verify` checks only the first of several lines of one known key. The specification has
//!   every signature of a known key verified.

pub mod bundle;
mod checkpoint;
mod edge;
mod frontier;
mod hash;
mod note;
mod plan;
mod proof;
mod text;
mod tile;
mod tlog_proof;
mod verifier;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use edge::Edge;
pub use frontier::{Frontier, Unaligned};
pub use hash::{Hash, NotAHash};
pub use note::{Note, NoteError, Signature};
pub use plan::{Plan, PlanError};
pub use proof::{InvalidProof, verify_consistency, verify_inclusion};
pub use tile::{File, Kind, PathError, SIZE_LIMIT, Tile, TileError, WIDTH, bundles, hash_tiles};
pub use tlog_proof::{TlogProof, TlogProofError};
pub use verifier::{KeyError, Verifier};
