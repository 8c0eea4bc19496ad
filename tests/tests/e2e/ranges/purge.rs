//! Deleted workbooks, deleted accounts and erased users leave no range.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack};

use super::{Ready, begin, payroll, put, upload};
use crate::access::{add, me, rule, workbook};
use crate::audit::erasure::{confirm_erasure, finish, request_erasure, second_admin};

/// Runs of the worker, at most, until the items must be gone.
const RUNS: usize = 200;

/// Waits until no item of a table has any of these texts.
async fn gone(stack: &TestStack, tables: &[&str], texts: &[&str]) {
    let mut left = Vec::new();
    for _ in 0..RUNS {
        stack.local.invoke("PurgeConversationsFunction", "{}").await.unwrap();
        left.clear();
        for table in tables {
            let items = stack.items(table).await;
            let holding = |item: &Value| {
                let item = item.to_string();
                texts.iter().any(|text| item.contains(text))
            };
            left.extend(items.into_iter().filter(holding));
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("{} items are left, the first is {}", left.len(), left[0]);
}

/// A workbook with a range that is ready and another that is being uploaded.
async fn filled(stack: &TestStack, owner: &Caller) -> (String, Ready, String) {
    let book = workbook(stack, owner).await;
    let ready = upload(stack, owner, &book, payroll()).await;
    let head = json!({"address": "A1:A2", "parts": 2});
    let open = begin(stack, owner, &book, head).await.expect(201);
    let open = open["id"].as_str().unwrap().to_owned();
    let part = json!({"address": "A1", "values": "x", "formulas": "x"});
    put(stack, owner, &open, 1, &part).await.expect(204);
    (book, ready, open)
}

#[tokio::test]
async fn a_deleted_workbook_takes_its_ranges_with_it() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let (book, ready, open) = filled(&stack, &owner).await;
    let (_, kept, _) = filled(&stack, &owner).await;
    stack.delete(&format!("/workbooks/{book}"), Some(&owner)).await.expect(204);
    for range in [&ready.range, &open] {
        let path = format!("/ranges/{range}");
        stack.get(&path, Some(&owner)).await.problem(404, "not_found");
    }
    let texts = [book.as_str(), ready.range.as_str(), open.as_str()];
    gone(&stack, &["RangesTable", "WorkbooksTable", "AccessTable"], &texts).await;
    stack.get(&format!("/ranges/{}", kept.range), Some(&owner)).await.expect(200);
}

#[tokio::test]
async fn a_deleted_account_takes_its_workbooks_and_their_ranges_with_it() {
    let stack = TestStack::start().await;
    let (leaver, other) = (stack.someone().await, stack.demo().await);
    let (book, ready, open) = filled(&stack, &leaver).await;
    // The workbook takes uploads of others with it, and the account its uploads elsewhere.
    let write = json!({"actions": ["read", "write"]});
    add(&stack, &leaver, &[rule(&book, "allow", write.clone())]).await.expect(200);
    let guest = upload(&stack, &other, &book, payroll()).await;
    let (kept_book, kept, _) = filled(&stack, &other).await;
    add(&stack, &other, &[rule(&kept_book, "allow", write)]).await.expect(200);
    let by_leaver = upload(&stack, &leaver, &kept_book, payroll()).await;
    let confirmation = json!({"current_password": "Correct-Horse-9"});
    stack.call(Method::DELETE, "/auth/me", &leaver, &confirmation).await.expect(204);
    let texts = [
        book.as_str(),
        ready.range.as_str(),
        open.as_str(),
        guest.range.as_str(),
        by_leaver.range.as_str(),
    ];
    gone(&stack, &["RangesTable", "WorkbooksTable", "AccessTable"], &texts).await;
    stack.get(&format!("/ranges/{}", kept.range), Some(&other)).await.expect(200);
}

#[tokio::test]
async fn an_erased_user_leaves_no_range() {
    let stack = TestStack::start().await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let person = stack.someone().await;
    let user = me(&stack, &person).await;
    let (book, ready, open) = filled(&stack, &person).await;
    request_erasure(&stack, &first, &user).await.expect(202);
    confirm_erasure(&stack, &second, &user).await.expect(202);
    finish(&stack, &user).await;
    let texts = [user.as_str(), book.as_str(), ready.range.as_str(), open.as_str()];
    gone(&stack, &["RangesTable"], &texts).await;
}
