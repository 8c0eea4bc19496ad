//! `GET /workbooks/{id}/ranges`.

use std::collections::BTreeSet;

use serde_json::json;
use tally_tests::{Caller, TestStack, id};

use super::{begin, payroll, upload};
use crate::access::{NOTHING, add, me, rule, workbook};

/// The ids of all ranges in a list, page by page.
async fn listed(stack: &TestStack, caller: &Caller, book: &str, limit: usize) -> Vec<String> {
    let mut path = format!("/workbooks/{book}/ranges?limit={limit}");
    let mut found = Vec::new();
    loop {
        let answer = stack.get(&path, Some(caller)).await;
        let page = answer.expect(200);
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(id));
        let Some(cursor) = page["next_cursor"].as_str() else { return found };
        // A page that is not full would tell of ranges that its caller may not see.
        assert_eq!(items.len(), limit);
        assert!(answer.header("link").contains(cursor), "{answer:?}");
        path = format!("/workbooks/{book}/ranges?limit={limit}&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_list_has_the_ranges_of_the_sheets_that_its_caller_may_see() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, other) = (workbook(&stack, &owner).await, workbook(&stack, &owner).await);
    let user = me(&stack, &reader).await;
    let shown = upload(&stack, &owner, &book, payroll()).await;
    let hidden = upload(&stack, &owner, &book, payroll()).await;
    assert_ne!(shown.sheet, hidden.sheet);
    let sheet = |id: &str| json!({"id": id, "name": "P&L", "visibility": "visible"});
    let mut again = payroll();
    again["sheet"] = sheet(&shown.sheet);
    let again = upload(&stack, &owner, &book, again).await;
    assert_eq!(again.sheet, shown.sheet);
    upload(&stack, &owner, &other, payroll()).await;
    let (mut of_hidden, mut of_shown) = (BTreeSet::new(), BTreeSet::new());
    of_hidden.insert(hidden.range.clone());
    of_shown.extend([shown.range.clone(), again.range.clone()]);
    for _ in 0..3 {
        let mut body = payroll();
        body["sheet"] = sheet(&hidden.sheet);
        of_hidden.insert(upload(&stack, &owner, &book, body).await.range);
    }
    let subject = json!({"type": "user", "id": user});
    let deny = json!({"subject": subject, "sheet_id": hidden.sheet});
    let rules = [rule(&book, "allow", json!({})), rule(&book, "deny", deny)];
    add(&stack, &owner, &rules).await.expect(200);
    let all: BTreeSet<_> = of_hidden.union(&of_shown).cloned().collect();
    for limit in [1, 2, 100] {
        let whole = listed(&stack, &owner, &book, limit).await;
        assert_eq!(whole.iter().cloned().collect::<BTreeSet<_>>(), all, "{limit}");
        assert_eq!(whole.len(), all.len(), "each range comes once");
        let read = listed(&stack, &reader, &book, limit).await;
        assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), of_shown, "{limit}");
    }
    // A page that is full at the last range that the caller sees has no next one.
    let path = format!("/workbooks/{book}/ranges?limit=100");
    let page = stack.get(&path, Some(&reader)).await;
    assert_eq!(page.expect(200)["next_cursor"], json!(null));
    for secret in of_hidden.iter().chain([&hidden.sheet]) {
        assert!(!page.text.contains(secret), "{page:?}");
        stack.get(&format!("/ranges/{secret}"), Some(&reader)).await.problem(404, "not_found");
    }
    // A cursor is its caller's.
    let first = format!("/workbooks/{book}/ranges?limit=1");
    let cursor = stack.get(&first, Some(&owner)).await.expect(200)["next_cursor"].clone();
    let path = format!("{first}&cursor={}", cursor.as_str().unwrap());
    stack.get(&path, Some(&reader)).await.invalid(&["cursor"]);
    // Without the right to write, no upload begins. The answer does not tell which sheets exist.
    let refused = async |id: &str| {
        let body = json!({"address": "A1:B2", "sheet": sheet(id)});
        begin(&stack, &reader, &book, body).await.status
    };
    assert_eq!(refused(&shown.sheet).await, 403);
    assert_eq!([refused(&hidden.sheet).await, refused(NOTHING).await], [404, 404]);
}
