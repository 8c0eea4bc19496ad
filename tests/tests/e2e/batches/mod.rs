//! Batches over the rows of a range: their requests, what becomes of rows, rights, and results.

mod requests;
mod results;
mod rights;
mod rows;

use std::sync::Arc;

use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, Asked, MessagesApi};
use tally_tests::{Caller, TestStack, id, task_model};
use tokio::sync::Barrier;

use crate::access::workbook;
use crate::ranges::{Ready, upload};

/// Cells of one value each, of which the first row has the headers.
pub fn table(rows: &[[&str; 3]]) -> Value {
    let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.to_vec()).collect();
    json!({"address": format!("A1:C{}", rows.len()), "values": cells, "formulas": cells})
}

/// Five invoices below a row of headers.
pub fn invoices() -> Value {
    table(&[
        ["Invoice", "Text", "Zone"],
        ["I-1", "Paper, 12.50 EUR", "zz-north"],
        ["I-2", "Ink, 7 EUR", "zz-south"],
        ["I-3", "Pens, 3.20 EUR", "zz-south"],
        ["I-4", "Tape, 1,000 EUR", "zz-east"],
        ["I-5", "Glue, 5 EUR", "zz-north"],
    ])
}

/// A range of five invoices in a new workbook of the owner's.
pub async fn uploaded(stack: &TestStack, owner: &Caller) -> (String, Ready) {
    let book = workbook(stack, owner).await;
    let ready = upload(stack, owner, &book, invoices()).await;
    (book, ready)
}

/// A batch that explains the rows of a range from two columns, one row a call.
pub fn explain(range: &str) -> Value {
    json!({
        "range_id": range, "operation": {"type": "explain"}, "input_columns": ["A", "B"],
        "rows_per_call": 1,
    })
}

/// The answer of a model that gives each row an output. Rows without one are left out.
pub fn give(asked: &Asked, output: impl Fn(u64) -> Option<Value>) -> Answer {
    let rows = task_model::rows(asked).into_iter();
    let rows = rows.filter_map(|row| Some(json!({"row": row, "output": output(row)?})));
    task_model::value(&json!({"rows": rows.collect::<Vec<_>>()}))
}

/// A model that says something of each row. Its answer to the call with this number waits for the
/// barrier.
pub async fn held(number: usize, barrier: &Arc<Barrier>) -> MessagesApi {
    let barrier = Arc::clone(barrier);
    let api = MessagesApi::start(move |asked| {
        let answer = give(asked, |row| Some(json!(format!("Said {row}."))));
        if asked.number == number { answer.held_at(0, &barrier) } else { answer }
    });
    api.await
}

/// The path of the results of a batch.
pub fn path(job: &Value) -> String {
    format!("/batches/{}/results", id(job))
}

/// The results of a batch, row by row.
pub async fn results(stack: &TestStack, caller: &Caller, job: &Value, query: &str) -> Vec<Value> {
    stack.pages(&format!("{}{query}", path(job)), caller, 100).await
}

/// The state of each row, and its error.
pub fn states(results: &[Value]) -> Vec<(u64, &str, Option<&str>)> {
    let states = results.iter().map(|result| {
        let (row, status) = (result["row"].as_u64(), result["status"].as_str());
        (row.unwrap(), status.unwrap(), result["error"]["code"].as_str())
    });
    states.collect()
}

/// The counts of a job. They must add up.
#[track_caller]
pub fn counts(job: &Value) -> [u64; 6] {
    let names = ["total", "pending", "running", "succeeded", "failed", "cancelled"];
    let counts = names.map(|name| job["counts"][name].as_u64().unwrap());
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{job}");
    counts
}
