//! The vocabulary of files.

mod file;
pub mod keys;
mod media_type;
mod name;
mod new_file;
mod numbered;
mod part;
mod place;
mod prepared;
mod records;
mod sha256;
mod transfer;

pub use file::{File, FileStatus};
pub use media_type::MediaType;
pub use name::FileName;
pub use new_file::NewFile;
pub use numbered::{NumberedLines, PART_BYTES, numbered};
pub use part::{Manifest, Part, Span};
pub use place::FilePlace;
pub use prepared::{
    MOST_SKIPPED, MOST_SKIPPED_BYTES, Prepare, Prepared, Reason, Skipped, SkippedBecause,
};
pub use records::Records;
pub use sha256::Sha256;
pub use transfer::{Announced, Download, Upload};
