//! The tables of this area: one file each, with its key shape, item conversion and queries. Nothing
//! else here uses the DynamoDB SDK.

mod outages;

pub use outages::{OPEN_MS, Outage, Outages, THRESHOLD};
