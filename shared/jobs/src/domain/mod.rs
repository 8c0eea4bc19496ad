//! The vocabulary of jobs.

mod batch;
mod counts;
mod error;
mod finding;
mod inputs;
mod item;
mod job;
pub mod keys;
mod kind;
mod max_cost;
mod operation;
mod operation_fields;
mod outcome;
mod row;
mod row_schema;

pub use batch::{BatchWork, SLACK_BYTES};
pub use counts::Counts;
pub use error::{ErrorCode, JobError};
pub use finding::{Finding, Severity};
pub use inputs::{
    AnalysisType, AnalysisWork, Case, Check, EvaluationWork, Inputs, Piece, Source, Work,
};
pub use item::JobItem;
pub use job::Job;
pub use kind::{ItemStatus, JobKind, JobStatus};
pub use max_cost::max_cost_usd;
pub use operation::{CleanTo, Field, FieldType, Operation};
pub use outcome::{AnalysisOutcome, EvaluationOutcome, Outcome, Score, VersionScores};
pub use row::{RowErrorCode, StoredRow, StoredRows};
