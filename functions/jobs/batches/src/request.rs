//! The body of `POST /batches`.

use assistant::domain::{Budget, Cost};
use cells::address::{Area, Cell};
use platform::Problem;
use platform::domain::ResourceId;
use platform::input::{Fields, Inner, Input};
use tally_access::domain::Letter;
use tally_chat::domain::{ContextRange, MessageText, RangeAddress};
use tally_jobs::domain::{BatchWork, Operation, max_cost_usd};
use tally_ranges::domain::RangeHead;
use utoipa::ToSchema;

use crate::fields::{Columns, RowsPerCall};

/// Rows of a batch, at most.
const MOST_ROWS: u32 = 50_000;

/// The batch to start: what a model is to do with each row of a range.
#[derive(ToSchema)]
#[schema(as = NewBatch)]
pub struct BatchRequest {
    /// Id of the range. It is complete.
    #[schema(value_type = String, format = "uuid")]
    pub range_id: ResourceId,
    /// The rows, in A1 notation: those of the address that are below the headers, hidden ones too,
    /// at most 50,000. Its columns do not count. Without it, all rows of the range. No model is asked
    /// about rows whose input cells are all empty. They succeed without output.
    #[schema(value_type = Option<String>, max_length = 400, example = "A2:F500")]
    pub address: Option<RangeAddress>,
    /// What is done with each row.
    pub operation: Operation,
    /// The letters of the columns whose cells the model gets, 1 to 20 of the range, each once. You
    /// need the rights `read` and `ai` to each of them.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 20, example = json!(["B", "C"]))]
    pub input_columns: Vec<Letter>,
    /// Your instructions for the model, 1 to 10,000 characters. Control characters other than
    /// newline and tab are dropped.
    #[schema(
        value_type = Option<String>, min_length = 1, max_length = 10_000,
        pattern = r"[^\s\u0000-\u001f\u007f-\u009f]", example = "Amounts without currency are EUR."
    )]
    pub instructions: Option<MessageText>,
    /// `digest` of the preview of the range that you have shown to people. If the preview would have
    /// another digest now, nothing is started (409 `preview_outdated`).
    pub preview_digest: Option<String>,
    /// The most that it may cost.
    #[schema(schema_with = max_cost_usd, required = false)]
    pub max_cost_usd: Option<Cost>,
    /// Rows of a call: 20 unless you say otherwise. An answer with the outputs of many rows may be
    /// longer than this deployment allows.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 50, default = 20)]
    pub rows_per_call: u32,
}

platform::opaque!(BatchRequest);

impl Input for BatchRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let range_id = fields.required("range_id");
        let address = fields.optional("address");
        let operation = fields.required::<Inner<Operation>>("operation");
        let input_columns = fields.required::<Columns>("input_columns");
        let instructions = fields.optional("instructions");
        let preview_digest = fields.optional("preview_digest");
        let max_cost_usd = fields.optional::<Budget>("max_cost_usd");
        let rows_per_call = fields.optional::<RowsPerCall>("rows_per_call");
        let (Inner(operation), Columns(input_columns)) = (operation?, input_columns?);
        if let Operation::Clean { column, .. } = &operation
            && !input_columns.contains(column)
        {
            let fault = "has a fault at /column: must be one of input_columns";
            fields.refuse("operation", fault);
        }
        Some(Self {
            range_id: range_id?,
            address: address?,
            operation,
            input_columns,
            instructions: instructions?,
            preview_digest: preview_digest?,
            max_cost_usd: max_cost_usd?.map(Budget::amount),
            rows_per_call: rows_per_call?.unwrap_or_default().0,
        })
    }
}

impl BatchRequest {
    /// The work that this means in a range. Its calls are not measured yet.
    pub fn work(&self, head: &RangeHead) -> Result<BatchWork, Problem> {
        let refused = |detail: String| Problem::invalid_field("address", detail);
        let named = ContextRange { range_id: head.id.clone(), address: self.address.clone() };
        let area = named.area(&head.sheet_name, head.area).map_err(refused)?;
        let below = head.area.first().row + head.header_rows;
        let (first, last) = (area.first().row.max(below), area.last().row);
        if first > last {
            return Err(refused("must have a row below the headers".into()));
        }
        if last - first >= MOST_ROWS {
            return Err(refused("must have at most 50,000 rows below the headers".into()));
        }
        let is_inside =
            |letter: &Letter| head.area.contains(Cell { row: first, column: letter.number() });
        if !self.input_columns.iter().all(is_inside) {
            let detail = format!("must be columns of the range {}", head.area);
            return Err(Problem::invalid_field("input_columns", detail));
        }
        Ok(BatchWork {
            range_id: head.id.clone(),
            operation: self.operation.clone(),
            input_columns: self.input_columns.clone(),
            // The sheet counts its rows from one.
            first_row: first + 1,
            last_row: last + 1,
            rows_per_call: self.rows_per_call,
            bytes: Vec::new(),
        })
    }
}

/// The cells of a batch, from its first column to its last one.
pub fn area(work: &BatchWork) -> Result<Area, Problem> {
    work.area(&(work.first_row..=work.last_row)).ok_or_else(Problem::internal)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000000";

    fn read(more: &Value) -> Result<BatchRequest, Problem> {
        let mut body =
            json!({"range_id": ID, "operation": {"type": "explain"}, "input_columns": ["C"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Fields::json(body.as_object().unwrap().clone()).read()
    }

    fn range() -> RangeHead {
        serde_json::from_value(json!({
            "id": "r", "workbook_id": "w", "sheet_id": "s", "sheet_name": "P&L",
            "visibility": "visible", "user_id": "u", "status": "ready", "area": "B2:E60003",
            "parts": 1, "arrived": {}, "text": 0, "headers": "auto", "header_rows": 1,
            "settings": {"decimal": ".", "group": ",", "date_system": "1900"}, "about": [],
            "unstated": [], "created_at": 1, "expires_at": 2,
        }))
        .unwrap()
    }

    #[test]
    fn each_fault_is_named() {
        let clean = |column: &str| json!({"type": "clean", "column": column, "to": "number"});
        for (more, fault) in [
            (json!({}), None),
            (json!({"operation": clean("c"), "max_cost_usd": "0.5", "rows_per_call": 50}), None),
            (json!({"instructions": "Be brief.", "preview_digest": "x", "address": "A1:D9"}), None),
            (json!({"range_id": "r"}), Some("/range_id")),
            (json!({"operation": clean("D")}), Some("/operation")),
            (json!({"operation": {"type": "sum"}}), Some("/operation")),
            (json!({"input_columns": []}), Some("/input_columns")),
            (json!({"instructions": " "}), Some("/instructions")),
            (json!({"address": "B2,D4"}), Some("/address")),
            (json!({"max_cost_usd": "-1"}), Some("/max_cost_usd")),
            (json!({"rows_per_call": 51}), Some("/rows_per_call")),
            (json!({"title": "x"}), Some("/title")),
        ] {
            let found = read(&more).err().and_then(|problem| problem.errors[0].pointer.clone());
            assert_eq!(found.as_deref(), fault, "{more}");
        }
    }

    #[test]
    fn the_rows_are_those_of_the_address_below_the_headers() {
        for (more, expected) in [
            (json!({"address": "B2:E50002"}), Ok((3, 50_002))),
            (json!({"address": "A1:Z3"}), Ok((3, 3))),
            (json!({"address": "7:9"}), Ok((7, 9))),
            (json!({"address": "'p&l'!E60003"}), Ok((60_003, 60_003))),
            (json!({}), Err("/address must have at most 50,000 rows below the headers")),
            (json!({"address": "C2"}), Err("/address must have a row below the headers")),
            (json!({"address": "A1"}), Err("/address has no cell of the range B2:E60003")),
            (
                json!({"address": "Q1!B3"}),
                Err("/address names another sheet than that of the range"),
            ),
            (
                json!({"address": "B3", "input_columns": ["E", "F"]}),
                Err("/input_columns must be columns of the range B2:E60003"),
            ),
        ] {
            let found = read(&more).unwrap().work(&range());
            let found = found.map(|work| (work.first_row, work.last_row)).map_err(|problem| {
                let fault = &problem.errors[0];
                format!("{} {}", fault.pointer.as_deref().unwrap(), fault.detail)
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{more}");
        }
    }
}
