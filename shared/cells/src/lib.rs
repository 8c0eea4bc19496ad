//! Cells of a spreadsheet, without storage, database or clock.
//!
//! The input:
//! - [`part`], [`matrix`]: cells as an add-in sends them
//! - [`layout`]: headers, hidden rows, merged cells, spilled results, pivot tables
//! - [`address`]: A1 and R1C1 addresses, and parts that tile a range
//! - [`stored`]: the stored form of cells
//!
//! The meaning of the cells:
//! - [`read`](mod@read), [`value`], [`number`], [`moment`], [`currency`]: typed values
//! - [`format`](mod@format), [`text_number`]: numbers that are dates, and texts that are numbers
//! - [`formula`], [`graph`]: the columns that formulas read
//! - [`names`]: the form in which headers, sheet names and patterns are compared
//!
//! The output: only [`grid`] makes [`grid::Cleared`] cells, and [`answer`], [`profile`],
//! [`issues`], [`csv`], [`prompt`] and [`summary`] take no others.

pub mod address;
pub mod answer;
pub mod csv;
pub mod currency;
pub mod format;
pub mod formula;
pub mod graph;
pub mod grid;
mod header;
pub mod issue;
pub mod issues;
pub mod layout;
pub mod matrix;
pub mod moment;
pub mod names;
pub mod number;
pub mod part;
pub mod profile;
pub mod prompt;
pub mod read;
pub mod stored;
pub mod summary;
pub mod text_number;
pub mod value;
