//! What the functions for data share: profits, and charts of them.
//!
//! - [`ProfitReader`]: the profits that a user may have, in pages and summed up
//! - [`charts`]: subscriptions to a chart
//! - [`store`]: the tables of this area; [`domain`]: its types that parse once at the edge

pub mod charts;
pub mod domain;
mod profits;
pub mod store;

pub use profits::{
    GroupBy, ProfitReader, ProfitRows, ProfitsGroup, ProfitsPage, ProfitsQuery, ProfitsSummary,
    Sort, SummaryQuery,
};
