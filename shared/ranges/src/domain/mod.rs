//! The terms of ranges. They do no I/O.

mod head;
mod new_range;
#[cfg(test)]
pub(crate) mod samples;

pub(crate) use head::is_granted;
pub use head::{
    Completed, DateSystem, GroupPiece, Headers, PartHead, RangeHead, RangeSettings, RangeStatus,
    Visibility,
};
pub use new_range::{NAMES, NewRange, PARTS, PartBytes, TABLES, TEXT, UploadedSheet};
