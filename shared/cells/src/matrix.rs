//! Matrices of JSON as Office.js has them.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// One value of a matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Text. Office.js has an empty one for an empty cell.
    Text(Arc<str>),
}

/// Rows of values, or one value for all cells.
#[derive(Clone, Debug, PartialEq)]
pub enum Matrix {
    /// One value for all.
    All(Scalar),
    /// Rows.
    Rows(Vec<Vec<Scalar>>),
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a boolean or null")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Boolean(value))
    }

    #[allow(clippy::cast_precision_loss, reason = "JavaScript has doubles alone")]
    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "JavaScript has doubles alone")]
    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(if value.is_empty() { Scalar::Null } else { Scalar::Text(value.into()) })
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct MatrixVisitor;

impl<'de> Visitor<'de> for MatrixVisitor {
    type Value = Matrix;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows of cells, or one value for all")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Matrix, E> {
        ScalarVisitor.visit_bool(value).map(Matrix::All)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Matrix, E> {
        ScalarVisitor.visit_u64(value).map(Matrix::All)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Matrix, E> {
        ScalarVisitor.visit_i64(value).map(Matrix::All)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Matrix, E> {
        ScalarVisitor.visit_f64(value).map(Matrix::All)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Matrix, E> {
        ScalarVisitor.visit_str(value).map(Matrix::All)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Matrix, A::Error> {
        let mut all = Vec::new();
        while let Some(row) = rows.next_element()? {
            all.push(row);
        }
        Ok(Matrix::Rows(all))
    }
}

impl<'de> Deserialize<'de> for Matrix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MatrixVisitor)
    }
}
