//! `GET /profits`: profits by company and month, filtered, sorted and in numbered pages.
//! `GET /profits/summary`: the figures of groups of them. Each company is a sheet of the workbook
//! of the profits, and both read the rows of the sheets that the caller may read. A warm call costs
//! two reads, side by side, and the event, because the token is trusted for its lifetime.

mod list;
mod summarize;

pub use list::ListProfits;
pub use summarize::SummarizeProfits;

/// The endpoints of this function.
pub type Endpoints = (ListProfits, SummarizeProfits);
