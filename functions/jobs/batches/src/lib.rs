//! `POST /batches` and `GET /batches/{id}/results`: a model's work on the rows of a range.
//!
//! - [`StartBatch`] (`create`): checks the rights to the cells, and starts the job. `request` and
//!   `fields` read its body, `measure` counts what the calls cost at worst
//! - [`ReadBatchResults`] (`results`): the rows with their outputs, for users who may read the input
//!   columns. `pages` reads them, `row` and `csv` show them

mod create;
mod csv;
mod fields;
mod measure;
mod pages;
mod request;
mod results;
mod row;

pub use create::StartBatch;
pub use request::BatchRequest;
pub use results::{BatchResults, ReadBatchResults, ResultsQuery};
pub use row::{BatchRow, RowError, RowStatus};

/// The endpoints of this function.
pub type Endpoints = (StartBatch, ReadBatchResults);
