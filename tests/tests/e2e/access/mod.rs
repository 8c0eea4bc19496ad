//! Access to cells: groups, rules, workbooks, sheets and columns.

mod changes;
mod columns;
mod explain;
mod groups;
mod limits;
mod lists;
mod profits;
mod purge;
mod revocation;
mod sheets;
mod workbooks;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

/// An id of nothing.
pub const NOTHING: &str = "019a0000-0000-7000-8000-000000000000";

/// A new group.
pub async fn group(stack: &TestStack, admin: &Caller) -> String {
    id(&stack.post("/groups", Some(admin), &json!({"name": "Controllers"})).await.expect(201))
}

/// Makes a user a member of a group.
pub async fn join(stack: &TestStack, admin: &Caller, group: &str, user: &str) -> Answer {
    let path = format!("/groups/{group}/members/{user}");
    stack.call(Method::PUT, &path, admin, &json!({})).await
}

/// A new workbook of the caller's.
pub async fn workbook(stack: &TestStack, owner: &Caller) -> String {
    id(&stack.post("/workbooks", Some(owner), &json!({"name": "Budget"})).await.expect(201))
}

/// A new sheet.
pub async fn sheet(stack: &TestStack, caller: &Caller, workbook: &str) -> String {
    let path = format!("/workbooks/{workbook}/sheets");
    id(&stack.post(&path, Some(caller), &json!({"name": "P&L"})).await.expect(201))
}

/// Path of a sheet's register.
pub fn register(workbook: &str, sheet: &str) -> String {
    format!("/workbooks/{workbook}/sheets/{sheet}/columns")
}

/// Sets the register of a sheet at a version.
pub async fn set_columns(
    stack: &TestStack,
    caller: &Caller,
    (workbook, sheet): (&str, &str),
    columns: Value,
    version: u64,
) -> Answer {
    let mut body = json!({"if_version": version});
    body["columns"] = columns;
    stack.call(Method::PUT, &register(workbook, sheet), caller, &body).await
}

/// A workbook of the caller's with a sheet of a month and a salary. Returns the ids of all four.
pub async fn salaries(stack: &TestStack, owner: &Caller) -> (String, String, String, String) {
    let workbook = workbook(stack, owner).await;
    let sheet = sheet(stack, owner, &workbook).await;
    let columns = json!([
        {"letter": "A", "header": "Month"},
        {"letter": "B", "header": "Base Salary"},
    ]);
    let set = set_columns(stack, owner, (&workbook, &sheet), columns, 1).await.expect(200);
    let [month, salary] = [0, 1].map(|at| id(&set["columns"][at]));
    (workbook, sheet, month, salary)
}

/// A rule of a workbook about reading, for everyone, with further members.
pub fn rule(workbook: &str, effect: &str, more: Value) -> Value {
    let mut rule = json!({
        "effect": effect, "actions": ["read"], "subject": {"type": "everyone"},
        "workbook_id": workbook,
    });
    let Value::Object(more) = more else { panic!("{more} is no object") };
    rule.as_object_mut().unwrap().extend(more);
    rule
}

/// Adds rules.
pub async fn add(stack: &TestStack, caller: &Caller, rules: &[Value]) -> Answer {
    stack.post("/access/changes", Some(caller), &json!({"add": rules})).await
}

/// The own id of a caller.
pub async fn me(stack: &TestStack, caller: &Caller) -> String {
    id(&stack.get("/auth/me", Some(caller)).await.expect(200)["user"])
}

/// So many ids that no other item has, before all that are made later.
pub fn ids_like(original: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{}{number:012x}", &original[..24])).collect()
}

/// Copies the items of a table that hold an id, for each of these ids. It is quicker than as many
/// requests.
pub async fn copy(stack: &TestStack, table: &str, original: &str, copies: &[String]) {
    let items = stack.items(table).await;
    for item in items.iter().map(Value::to_string).filter(|item| item.contains(original)) {
        for copy in copies {
            let item = serde_json::from_str(&item.replace(original, copy)).unwrap();
            stack.put_item(table, &item).await;
        }
    }
}

/// Whether a caller may do this with a column, as it is explained to them; and why.
async fn explained(
    stack: &TestStack,
    caller: &Caller,
    workbook: &str,
    column: &str,
    action: &str,
) -> (bool, String) {
    let path = format!("/workbooks/{workbook}/access");
    let rows = stack.get(&path, Some(caller)).await.expect(200)["items"].clone();
    let row =
        rows.as_array().unwrap().iter().find(|row| row["column_id"] == column).unwrap().clone();
    let answer = &row[action];
    (answer["allowed"].as_bool().unwrap(), answer["reason"].as_str().unwrap().to_owned())
}
