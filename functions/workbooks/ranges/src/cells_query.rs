//! The query of `GET /ranges/{id}/cells`, and the forms of its answer.

use cells::address::Style;
use platform::http::{Parameters, in_query};
use platform::input::{Fields, Input};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::fields::{AddressStyle, StyleField};

/// The form of an answer, which the caller chooses by `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Cells in JSON.
    Json,
    /// Comma-separated values.
    Csv,
}

/// The query parameters.
pub struct CellsQuery {
    /// The form.
    pub form: Form,
    /// The cells; all, if it is missing. Only an export may leave it out.
    pub address: Option<String>,
    /// How the address is written.
    pub style: Style,
    /// Where an export continues.
    pub cursor: Option<String>,
}

/// The parameters, to be described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct CellsParameters {
    /// The cells, at most 20,000. Only an export may leave it out, and then has the whole range.
    #[param(max_length = 400, example = "A1:D20")]
    address: Option<String>,
    /// How the address is written.
    #[param(inline)]
    style: Option<AddressStyle>,
    /// Of an export: the cursor in the `Link` of the previous part. Send the same filters with it.
    cursor: Option<String>,
}

impl Parameters for CellsQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<CellsParameters>()
    }
}

impl Input for CellsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let form = fields.accepted(&[("application/json", Form::Json), ("text/csv", Form::Csv)]);
        let address = fields.optional("address");
        let style = fields.optional::<StyleField>("style");
        let cursor = fields.optional("cursor");
        let (form, address, cursor) = (form?, address?, cursor?);
        if form == Form::Json {
            if address.is_none() {
                fields.refuse("address", "is required, except for text/csv");
            }
            if cursor.is_some() {
                fields.refuse("cursor", "is for text/csv");
            }
        }
        Some(Self { form, address, style: style?.map_or(Style::A1, Style::from), cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_may_have_all_cells_and_a_cursor() {
        for (accept, query, expected) in [
            ("", "address=A1", Ok(Form::Json)),
            ("*/*", "address=A1&style=r1c1", Ok(Form::Json)),
            ("text/csv", "", Ok(Form::Csv)),
            ("text/csv", "address=A1&cursor=x", Ok(Form::Csv)),
            ("", "", Err("is required, except for text/csv")),
            ("", "address=A1&cursor=x", Err("is for text/csv")),
            ("", "address=A1&style=R1C1", Err("must be a1 or r1c1")),
            ("", "address=A1&columns=B", Err("is unknown: leave it out")),
        ] {
            let read = Fields::query(query).accepting(accept.to_owned()).read::<CellsQuery>();
            let found = read.map(|query| query.form);
            let found = found.map_err(|problem| problem.errors[0].detail.clone());
            assert_eq!(found, expected.map_err(str::to_owned), "{accept} {query}");
        }
        let refused = Fields::query("").accepting("text/html".into()).read::<CellsQuery>();
        assert_eq!(refused.err().map(|problem| problem.code.as_str()), Some("not_acceptable"));
    }
}
