//! Profits under the rules: a company is a sheet of one workbook.

use http::{Method, header};
use serde_json::{Value, json};
use tally_access::profits;
use tally_tests::{Answer, Caller, TestStack, id};

use super::{add, me, rule};
use crate::api_keys::new_key;
use crate::profits::{all_rows, summed_up};

async fn read(stack: &TestStack, caller: &Caller, query: &str) -> Answer {
    stack.get(&format!("/profits{query}"), Some(caller)).await
}

/// Rows on all pages, and on the first.
fn counts(answer: &Answer) -> (u64, usize) {
    let page = answer.expect(200);
    (page["total"].as_u64().unwrap(), page["items"].as_array().unwrap().len())
}

#[tokio::test]
async fn rows_total_pages_and_validator_follow_the_rules_of_the_caller() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let user = me(&stack, &demo).await;
    let before = read(&stack, &demo, "?size=100").await;
    assert_eq!(counts(&before), (120, 100));
    assert_eq!(read(&stack, &admin, "?size=100").await.text, before.text);
    let tag = before.header("etag").to_owned();

    let book = profits::book_id();
    let subject = json!({"type": "user", "id": user});
    let deny = |more: Value| {
        let mut deny = rule(&book, "deny", json!({"subject": subject}));
        deny.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        deny
    };
    let change = async |rules: &[Value]| add(&stack, &admin, rules).await.expect(200);
    let denied = change(&[deny(json!({"sheet_id": profits::company_sheet_id("Beta")}))]).await;
    let after = read(&stack, &demo, "?size=100").await;
    assert_eq!((counts(&after), after.json()["pages"].as_u64()), ((96, 96), Some(1)));
    assert!(!after.text.contains("Beta"), "{after:?}");
    assert_eq!(counts(&read(&stack, &demo, "?company=Beta").await), (0, 0));
    // The client has rows that it may no longer have.
    let ask = stack.request(Method::GET, "/profits?size=100").bearer_auth(&demo.access);
    stack.send(ask.header(header::IF_NONE_MATCH, &tag)).await.expect(200);
    assert_eq!(read(&stack, &admin, "?size=100").await.text, before.text);

    // An API key may do no more than its owner.
    let new = new_key(&["profits:read"], std::time::Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&demo), &new).await.expect(201);
    let by_key = stack.request(Method::GET, "/profits?size=100");
    let by_key = by_key.header("x-api-key", key["key"].as_str().unwrap());
    assert_eq!(counts(&stack.send(by_key).await), (96, 96));

    // A row is shown only whole.
    let column = change(&[deny(json!({"column": {"header": "PROFIT"}}))]).await;
    assert_eq!(counts(&read(&stack, &demo, "").await), (0, 0));
    let rules = [&denied, &column].map(|changed| id(&changed["added"][0]));
    stack.post("/access/changes", Some(&admin), &json!({"remove": rules})).await.expect(200);
    assert_eq!(read(&stack, &demo, "?size=100").await.text, before.text);
}

#[tokio::test]
async fn no_figure_has_a_row_that_the_caller_may_not_read() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let user = me(&stack, &demo).await;
    let path = |group_by: &str| format!("/profits/summary?group_by={group_by}");
    let before = stack.get(&path("year"), Some(&demo)).await;
    let tag = before.header("etag").to_owned();
    let subject = json!({"type": "user", "id": user});
    let beta = profits::company_sheet_id("Beta");
    let deny = rule(&profits::book_id(), "deny", json!({"subject": subject, "sheet_id": beta}));
    add(&stack, &admin, &[deny]).await.expect(200);
    let rows = all_rows(&stack, &demo, "").await;
    assert_eq!(rows.len(), 96);
    for group_by in ["company", "year", "month"] {
        let found = stack.get(&path(group_by), Some(&demo)).await.expect(200);
        assert_eq!(found["items"], summed_up(&rows, group_by), "{group_by}");
        assert!(!found.to_string().contains("Beta"), "{found}");
    }
    let of_beta = stack.get(&format!("{}&company=Beta", path("year")), Some(&demo)).await;
    assert_eq!(of_beta.expect(200), json!({"items": []}));
    let ask = stack.request(Method::GET, &path("year")).bearer_auth(&demo.access);
    stack.send(ask.header(header::IF_NONE_MATCH, &tag)).await.expect(200);
    let all = stack.get(&path("year"), Some(&admin)).await;
    assert_eq!(all.expect(200), before.expect(200));
}

#[tokio::test]
async fn the_rule_that_opens_profits_may_be_removed_for_good() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let listing = format!("/access/rules?workbook_id={}", profits::book_id());
    let rules = stack.get(&listing, Some(&admin)).await.expect(200)["items"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 1);
    assert_eq!(rules[0]["actions"], json!(["read", "ai", "export"]));
    let remove = json!({"remove": [id(&rules[0])]});
    stack.post("/access/changes", Some(&admin), &remove).await.expect(200);
    stack.local.invoke("SeedFunction", "{}").await.unwrap();
    for caller in [&demo, &admin] {
        assert_eq!(counts(&read(&stack, caller, "").await), (0, 0));
        let path = format!("/workbooks/{}", profits::book_id());
        stack.get(&path, Some(caller)).await.problem(404, "not_found");
    }
}
