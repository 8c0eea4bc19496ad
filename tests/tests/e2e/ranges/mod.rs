//! Ranges: uploads, typed values, the cells that a caller may have, and chat over cells.

mod cells;
mod chat;
mod derived;
mod door;
mod headers;
mod issues;
mod lists;
mod preview;
mod purge;
mod review;
mod revocation;
mod uploads;
mod values;

use http::Method;
use serde_json::{Map, Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::access::{add, rule, workbook};
use crate::chat::text;

/// Members of an upload that belong into its part.
const OF_PART: [&str; 5] = ["values", "formulas", "number_formats", "value_types", "text"];

/// Starts an upload. A sheet that the body does not name is a new one.
pub async fn begin(stack: &TestStack, caller: &Caller, book: &str, body: Value) -> Answer {
    let mut whole = json!({
        "sheet": {"name": "P&L", "visibility": "visible"}, "parts": 1, "headers": 1,
        "separators": {"decimal": ".", "group": ","}, "date_system": 1900, "spills": [],
        "pivots": [],
    });
    whole.as_object_mut().unwrap().extend(members(body));
    stack.post(&format!("/workbooks/{book}/ranges"), Some(caller), &whole).await
}

/// Sends a part.
pub async fn put(
    stack: &TestStack,
    caller: &Caller,
    range: &str,
    part: u32,
    body: &Value,
) -> Answer {
    stack.call(Method::PUT, &format!("/ranges/{range}/parts/{part}"), caller, body).await
}

/// Sends a part as comma-separated values.
pub async fn put_csv(
    stack: &TestStack,
    caller: &Caller,
    range: &str,
    part: u32,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let request = stack.request(Method::PUT, &format!("/ranges/{range}/parts/{part}"));
    let request = request.bearer_auth(&caller.access).header("content-type", "text/csv");
    stack.send(request.body(body)).await
}

/// Completes an upload.
pub async fn complete(stack: &TestStack, caller: &Caller, range: &str) -> Answer {
    stack.send(completion(stack, caller, range)).await
}

/// The request that completes an upload. It has no body.
pub fn completion(stack: &TestStack, caller: &Caller, range: &str) -> reqwest::RequestBuilder {
    stack.request(Method::POST, &format!("/ranges/{range}/complete")).bearer_auth(&caller.access)
}

/// A range that is ready, and its sheet.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Id of the range.
    pub range: String,
    /// Id of its sheet.
    pub sheet: String,
    /// The range as its uploader sees it.
    pub view: Value,
}

/// Uploads a range in one part: the members of both in one object.
pub async fn upload(stack: &TestStack, caller: &Caller, book: &str, body: Value) -> Ready {
    let (head, part) = split(body);
    let begun = begin(stack, caller, book, head).await.expect(201);
    let range = id(&begun);
    put(stack, caller, &range, 1, &part).await.expect(204);
    let view = complete(stack, caller, &range).await.expect(200);
    Ready { range, sheet: text(&begun["sheet_id"]).to_owned(), view }
}

/// Splits an object into the bodies of an upload and of its one part.
pub fn split(body: Value) -> (Value, Value) {
    let (part, head): (Map<_, _>, _) =
        members(body).into_iter().partition(|(name, _)| OF_PART.contains(&name.as_str()));
    let mut part = Value::Object(part);
    part["address"] = head["address"].clone();
    (Value::Object(head), part)
}

fn members(body: Value) -> Map<String, Value> {
    let Value::Object(members) = body else { panic!("{body} is no object") };
    members
}

/// Names and salaries. The total of each row reads the salary, and the bonus does not.
pub fn payroll() -> Value {
    json!({
        "address": "A1:D3",
        "values": [
            ["Name", "Salary", "Total", "Bonus"],
            ["Ann", 510_204_817, 510_204_827, 10],
            ["Bob", 730_619_253, 730_619_273, 20],
        ],
        "formulas": [
            ["Name", "Salary", "Total", "Bonus"],
            ["Ann", 510_204_817, "=B2+D2", 10],
            ["Bob", 730_619_253, "=B3+D3", 20],
        ],
    })
}

/// A workbook of the owner's with the payroll, which everyone may read, send to a model and export.
/// The columns with this header are denied to the reader.
pub async fn shared(
    stack: &TestStack,
    owner: &Caller,
    denied: &str,
    reader: &str,
) -> (String, Ready) {
    let book = workbook(stack, owner).await;
    let ready = upload(stack, owner, &book, payroll()).await;
    let every = json!(["read", "ai", "export"]);
    let deny = json!({
        "column": {"header": denied}, "subject": {"type": "user", "id": reader},
    });
    let rules = [rule(&book, "allow", json!({"actions": every})), rule(&book, "deny", deny)];
    add(stack, owner, &rules).await.expect(200);
    (book, ready)
}

/// Cells of a range.
pub async fn cells(stack: &TestStack, caller: &Caller, range: &str, address: &str) -> Answer {
    let address = address.replace('!', "%21").replace('\'', "%27");
    stack.get(&format!("/ranges/{range}/cells?address={address}"), Some(caller)).await
}

/// GET of a path as comma-separated values.
pub async fn csv(stack: &TestStack, caller: &Caller, path: &str) -> Answer {
    let request = stack.request(Method::GET, path).bearer_auth(&caller.access);
    stack.send(request.header("accept", "text/csv")).await
}

/// Fails unless an answer is a 422 that says this somewhere.
#[track_caller]
pub fn says(answer: &Answer, wanted: &str) {
    answer.problem(422, "validation_failed");
    assert!(answer.text.contains(wanted), "{wanted:?} is not in {answer:?}");
}
