//! The audit log as a transparency log in S3, in the C2SP form.
//!
//! Sealing has two steps. First, one transaction gives events their places in the sequence. Then
//! any sealer derives the same tiles and bundles from the sequence, and publishes a checkpoint. Two
//! sealers at once, or one that dies, leave a state from which the next one goes on.
//!
//! - [`Entry`]: an event as the log has it
//! - [`Sealer`]: appends entries, writes the files, publishes checkpoints
//! - [`Archive`]: reads places, files and checkpoints, and makes proofs
//! - [`Check`]: compares the events of the table with the entries of the log
//! - `store`: the table of the sequence; `files`: the bucket; `signer`: the key in KMS

mod archive;
mod bundles;
mod check;
mod checkpoints;
mod entry;
mod error;
mod files;
mod finding;
mod gzip;
mod sealer;
mod signer;
mod store;
mod tip;

pub use archive::{Archive, Seal};
pub use check::{Check, Piece, Progress};
pub use checkpoints::Published;
pub use entry::{Entry, NotAnEntry};
pub use error::ArchiveError;
pub use finding::{Finding, What};
pub use sealer::{CHUNK, Sealer, chunks};
pub use store::{Head, Placed};
pub use transparency::TlogProof;
