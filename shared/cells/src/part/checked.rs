//! Matrices that have the shape of the part's address.

use std::sync::Arc;

use super::cell::{MAX_FORMULA, ValueType};
use super::error::PartError;
use crate::address::Area;
use crate::matrix::{Matrix, Scalar};

/// A matrix with the shape of the address.
pub(super) struct Checked<'a> {
    field: &'static str,
    pub(super) matrix: Option<&'a Matrix>,
}

const EMPTY: &Scalar = &Scalar::Null;

impl<'a> Checked<'a> {
    pub(super) fn new(
        field: &'static str,
        matrix: Option<&'a Matrix>,
        area: Area,
    ) -> Result<Self, PartError> {
        if let Some(Matrix::Rows(rows)) = matrix {
            let expected = area.rows();
            let found = rows.len();
            if u32::try_from(found) != Ok(expected) {
                return Err(PartError::Rows { field, found, expected });
            }
            let expected = area.columns();
            let is_other = |cells: &Vec<Scalar>| u32::try_from(cells.len()) != Ok(expected);
            if let Some(row) = rows.iter().position(is_other) {
                let found = rows[row].len();
                return Err(PartError::Columns { field, row, found, expected });
            }
        }
        Ok(Self { field, matrix })
    }

    pub(super) fn at(&self, row: usize, column: usize) -> &'a Scalar {
        match self.matrix {
            None => EMPTY,
            Some(Matrix::All(scalar)) => scalar,
            Some(Matrix::Rows(rows)) => {
                rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(EMPTY)
            }
        }
    }

    pub(super) fn text(&self, row: usize, column: usize) -> Result<&'a str, PartError> {
        match self.at(row, column) {
            Scalar::Null => Ok(""),
            Scalar::Text(text) => Ok(text),
            _ => {
                let field = self.field;
                Err(PartError::Type { field, row, column, expected: "text" })
            }
        }
    }

    pub(super) fn value_type(&self, row: usize, column: usize) -> Result<ValueType, PartError> {
        match self.text(row, column)? {
            "Error" => Ok(ValueType::Error),
            "RichValue" => Ok(ValueType::Rich),
            "" | "Unknown" | "Empty" | "String" | "Integer" | "Double" | "Boolean" => {
                Ok(ValueType::Plain)
            }
            _ => Err(PartError::Type {
                field: self.field,
                row,
                column,
                expected: "one of Unknown, Empty, String, Integer, Double, Boolean, Error, \
                           RichValue",
            }),
        }
    }

    /// The formula of a cell: a text that begins with `=` and differs from the value.
    pub(super) fn formula(
        &self,
        value: &Scalar,
        row: usize,
        column: usize,
    ) -> Result<Option<Arc<str>>, PartError> {
        let scalar = self.at(row, column);
        let Scalar::Text(text) = scalar else { return Ok(None) };
        // Old array formulas stand in braces.
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let is_formula = bare.unwrap_or(text).starts_with('=') && scalar != value;
        if !is_formula {
            return Ok(None);
        }
        self.check_length(scalar, row, column, MAX_FORMULA)?;
        Ok(Some(bare.map_or_else(|| text.clone(), Arc::from)))
    }

    pub(super) fn check_length(
        &self,
        scalar: &Scalar,
        row: usize,
        column: usize,
        limit: usize,
    ) -> Result<(), PartError> {
        match scalar {
            // No text has more UTF-16 code units than bytes.
            Scalar::Text(text) if text.len() > limit && text.encode_utf16().count() > limit => {
                Err(PartError::Length { field: self.field, row, column, limit })
            }
            _ => Ok(()),
        }
    }
}
