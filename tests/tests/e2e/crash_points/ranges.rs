//! Uploads of ranges.

use http::Method;
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::{TestStack, id};

use super::{MOMENTS, TRANSACT, cut, events};
use crate::access::{me, workbook};
use crate::ranges::{begin, cells, complete, completion, payroll, put, shared, split, upload};

const FUNCTION: &str = "RangesFunction";
const TABLE: &str = "RangesTable";

/// How many uploads were completed, each counted once.
async fn completions(stack: &TestStack) -> usize {
    let events = stack.events(&stack.admin().await, "range.uploaded").await;
    let done = events.iter().filter(|event| event["outcome"] == "success");
    done.filter(|event| event["detail"]["repeated"] != true).count()
}

#[tokio::test]
async fn a_range_is_completed_whole_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let owner = stack.someone().await;
        let book = workbook(&stack, &owner).await;
        let (head, part) = split(payroll());
        let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
        put(&stack, &owner, &range, 1, &part).await.expect(204);
        let target = (FUNCTION, TRANSACT, TABLE);
        cut(&stack, moment, target, completion(&stack, &owner, &range)).await;
        let is_done = moment == Failure::HeldAfter;
        let found = cells(&stack, &owner, &range, "A1").await;
        assert_eq!(found.status, if is_done { 200 } else { 409 }, "{moment:?}: {found:?}");
        assert_eq!(completions(&stack).await, usize::from(is_done), "{moment:?}");
        // The client asks again, in either case.
        let view = complete(&stack, &owner, &range).await.expect(200);
        assert_eq!(view["status"], "ready");
        assert_eq!(view["columns"][1]["sum"], "1240824070");
        assert_eq!(completions(&stack).await, 1, "{moment:?}");
        let path = format!("/workbooks/{book}/sheets");
        let sheets = stack.get(&path, Some(&owner)).await.expect(200);
        assert_eq!(sheets["items"].as_array().unwrap().len(), 1, "{moment:?}");
        assert_eq!(sheets["items"][0]["columns"], 4, "{moment:?}");
    }
}

#[tokio::test]
async fn a_part_that_was_cut_is_there_or_can_be_sent_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let owner = stack.someone().await;
        let book = workbook(&stack, &owner).await;
        let (head, part) = split(payroll());
        let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
        let path = format!("/ranges/{range}/parts/1");
        let request = stack.request(Method::PUT, &path).bearer_auth(&owner.access).json(&part);
        cut(&stack, moment, (FUNCTION, TRANSACT, TABLE), request).await;
        let early = complete(&stack, &owner, &range).await;
        let is_there = moment == Failure::HeldAfter;
        assert_eq!(early.status, if is_there { 200 } else { 422 }, "{moment:?}: {early:?}");
        if !is_there {
            put(&stack, &owner, &range, 1, &part).await.expect(204);
            complete(&stack, &owner, &range).await.expect(200);
        }
        let found = cells(&stack, &owner, &range, "A2:B2").await.expect(200);
        assert_eq!(found["values"], json!([["Ann", "510204817"]]));
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_begins_once_and_a_deletion_can_be_repeated() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let owner = stack.someone().await;
        let book = workbook(&stack, &owner).await;
        let head = json!({
            "sheet": {"name": "P&L", "visibility": "visible"}, "address": "A1:B2", "parts": 1,
        });
        let begin = || {
            let path = format!("/workbooks/{book}/ranges");
            let request = stack.request(Method::POST, &path).bearer_auth(&owner.access);
            request.header("idempotency-key", "k").json(&head)
        };
        cut(&stack, moment, (FUNCTION, TRANSACT, TABLE), begin()).await;
        let range = id(&stack.send(begin()).await.expect(201));
        let path = format!("/workbooks/{book}/sheets");
        let sheets = stack.get(&path, Some(&owner)).await.expect(200);
        assert_eq!(sheets["items"].as_array().unwrap().len(), 1, "{moment:?}");

        let path = format!("/ranges/{range}");
        let delete = || stack.request(Method::DELETE, &path).bearer_auth(&owner.access);
        cut(&stack, moment, (FUNCTION, TRANSACT, TABLE), delete()).await;
        let is_gone = moment == Failure::HeldAfter;
        assert_eq!(stack.send(delete()).await.status, if is_gone { 404 } else { 204 });
        assert_eq!(events(&stack, "range.deleted", "success").await, 1, "{moment:?}");
        stack.get(&path, Some(&owner)).await.problem(404, "not_found");
        upload(&stack, &owner, &book, payroll()).await;
    }
}

#[tokio::test]
async fn a_reset_that_was_cut_is_made_or_not_and_can_be_repeated() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let (owner, reader) = (stack.someone().await, stack.demo().await);
        let (book, before) = shared(&stack, &owner, "Salary", &me(&stack, &reader).await).await;
        let path = format!("/workbooks/{book}/graph");
        let reset = || stack.request(Method::DELETE, &path).bearer_auth(&owner.access);
        cut(&stack, moment, (FUNCTION, TRANSACT, TABLE), reset()).await;
        let is_done = moment == Failure::HeldAfter;
        let found = cells(&stack, &reader, &before.range, "A2").await.expect(200);
        let expected = if is_done { json!([[null]]) } else { json!([["Ann"]]) };
        assert_eq!(found["values"], expected, "{moment:?}");
        assert_eq!(events(&stack, "graph.reset", "success").await, usize::from(is_done));
        stack.send(reset()).await.expect(204);
        let found = cells(&stack, &reader, &before.range, "A2").await.expect(200);
        assert_eq!(found["values"], json!([[null]]), "{moment:?}");
    }
}
