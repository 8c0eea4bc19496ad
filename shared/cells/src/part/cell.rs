//! A cell as it was sent.

use std::sync::Arc;

use crate::matrix::Scalar;

/// Most characters of a formula.
pub(crate) const MAX_FORMULA: usize = 8_192;

/// Most characters of a cell, in UTF-16 code units as Excel counts them.
pub(crate) const MAX_TEXT: usize = 32_767;

/// The kind of a value by Excel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueType {
    /// A plain value.
    #[default]
    Plain,
    /// An error.
    Error,
    /// An entity, an image or another rich value.
    Rich,
}

/// A cell as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawCell {
    /// The value.
    pub value: Scalar,
    /// The formula, from its `=` on.
    pub formula: Option<Arc<str>>,
    /// Index of the number format.
    pub format: u16,
    /// The kind of the value by Excel.
    pub value_type: ValueType,
}
