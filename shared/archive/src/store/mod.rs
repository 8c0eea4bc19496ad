//! The table of this area, with its key shape, item conversion and queries. Nothing else here uses
//! the DynamoDB SDK.

mod sequence;

pub use sequence::{Head, Placed, Sequence};
