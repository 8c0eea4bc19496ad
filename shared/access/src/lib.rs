//! Decides who may see which cells of which workbook.
//!
//! - [`domain`]: rules, subjects, workbooks; types that parse once at the edge
//! - [`cell_access`], [`places`]: the cells of a range that a user may see
//! - [`decision`]: the evaluator, without I/O; [`effects`]: gains and losses by a change of rules
//! - [`cleared`]: values that a decision has cleared for a user
//! - [`register`], [`alignment`]: how managers and uploads map the columns of a sheet to known ones
//! - [`store`]: the tables of this area; [`listing`]: the workbooks that a user may see
//! - [`sources`]: the columns that messages came from, and who may still read them
//! - [`profits`]: the workbook of the profits

pub mod alignment;
pub mod cell_access;
pub mod cleared;
pub mod decision;
pub mod domain;
pub mod effects;
pub mod listing;
pub mod places;
pub mod profits;
pub mod register;
pub mod sources;
pub mod store;

pub use cleared::Cleared;
pub use decision::Decision;
