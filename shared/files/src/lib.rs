//! Files of users: announced, uploaded to the bucket by a signed URL, and prepared for models.
//!
//! - [`domain`]: a file, its announcement, and the answer of its preparation
//! - [`Bucket`]: the bytes of files
//! - [`Files`]: announces, completes, lists, reads and deletes the files of a user
//! - [`Reader`]: finds the parts of files that are ready
//! - [`Endings`]: the end of a preparation; [`FileUpdated`]: the message about it
//! - [`FilesPurge`]: removal of the files of deleted accounts

mod bucket;
pub mod domain;
mod endings;
mod files;
mod purge;
mod reader;
mod store;
mod updated;

pub use bucket::{Bucket, BucketError};
pub use endings::{Endings, Preparing};
pub use files::{AnnouncedFile, Files};
pub use purge::FilesPurge;
pub use reader::{Readable, Reader, ReadyFile};
pub use store::Origin;
pub use updated::FileUpdated;
