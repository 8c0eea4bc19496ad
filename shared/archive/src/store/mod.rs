//! The table of this area, with its key shape, item conversion and queries. Nothing else here uses
//! DynamoDB.

mod sequence;

pub use sequence::{Head, Placed, Sequence};
