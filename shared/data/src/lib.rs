//! What the functions for data share: profits, and charts of them.
//!
//! - [`charts`]: subscriptions to a chart
//! - [`store`]: the tables of this area; [`domain`]: its types that parse once at the edge

pub mod charts;
pub mod domain;
pub mod store;
