//! Verifies an audit log from its files alone, as an auditor does: a transparency log in the C2SP
//! form, in a directory or in a bucket of S3. It needs no access to the service that wrote the log,
//! and shares no storage code with it: [`tally-transparency`](transparency) is its mathematics.
//!
//! One pass (`walk`) reads every file once, in constant memory. It computes the roots of all
//! checkpoints, and notes the first difference of each kind. What a difference means (`judge`)
//! depends on the signed root. Only for an entry that is bad, two more passes (`classify`) find out
//! what happened to it.

mod bucket;
mod checkpoints;
mod classify;
mod error;
mod event;
mod files;
mod judge;
mod report;
mod source;
mod verify;
mod walk;

pub use error::Unreadable;
pub use report::{Event, Finding, Report, What};
pub use verify::{Options, verify};
