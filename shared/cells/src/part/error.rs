//! Why a part can't be taken.

use crate::address::AddressError;

/// Why a part can't be taken. The message begins with the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The address is none.
    #[error("address {0}")]
    Address(#[from] AddressError),
    /// The part is too large.
    #[error("address has {0} cells; a range has at most 500000")]
    Cells(u64),
    /// Excel gives null for a range that is too large.
    #[error("values is null: Excel can't give so many cells at once. Read smaller blocks")]
    NoValues,
    /// A matrix has another number of rows.
    #[error("{field} has {found} rows, and the address has {expected}")]
    Rows {
        /// The matrix.
        field: &'static str,
        /// Its rows.
        found: usize,
        /// Rows of the address.
        expected: u32,
    },
    /// A row of a matrix has another number of cells.
    #[error("{field}[{row}] has {found} cells, and the address has {expected} columns")]
    Columns {
        /// The matrix.
        field: &'static str,
        /// Index of the row.
        row: usize,
        /// Cells of the row.
        found: usize,
        /// Columns of the address.
        expected: u32,
    },
    /// A cell has the wrong type.
    #[error("{field}[{row}][{column}] must be {expected}")]
    Type {
        /// The matrix.
        field: &'static str,
        /// Index of the row.
        row: usize,
        /// Index in the row.
        column: usize,
        /// The types that are allowed.
        expected: &'static str,
    },
    /// A text is too long.
    #[error("{field}[{row}][{column}] has more than {limit} characters")]
    Length {
        /// The matrix.
        field: &'static str,
        /// Index of the row.
        row: usize,
        /// Index in the row.
        column: usize,
        /// Most characters.
        limit: usize,
    },
    /// The texts together are too long.
    #[error("values and formulas have more than 8 MiB of text together; send smaller parts")]
    Texts,
    /// There are too many formats.
    #[error("number_formats has more than 4096 different formats, or more than 128 KiB of them")]
    Formats,
}
