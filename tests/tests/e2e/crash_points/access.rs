//! Rules, memberships and workbooks.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::TestStack;

use super::{MOMENTS, TRANSACT, cut, events};
use crate::access::{add, group, join, me, rule, salaries};

#[tokio::test]
async fn a_change_of_rules_is_made_whole_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let (owner, admin) = (stack.someone().await, stack.admin().await);
        let (book, ..) = salaries(&stack, &owner).await;
        let controllers = group(&stack, &admin).await;
        let subject = json!({"subject": {"type": "group", "id": controllers}});
        let body = json!({
            "add": [rule(&book, "allow", subject), rule(&book, "deny", json!({}))], "if_version": 0,
        });
        let request = stack.request(Method::POST, "/access/changes").bearer_auth(&owner.access);
        let target = ("AccessFunction", TRANSACT, "AccessTable");
        cut(&stack, moment, target, request.json(&body)).await;
        let committed = moment == Failure::HeldAfter;
        let path = format!("/access/rules?workbook_id={book}");
        let rules = stack.get(&path, Some(&owner)).await.expect(200)["items"].clone();
        assert_eq!(rules.as_array().unwrap().len(), if committed { 2 } else { 0 }, "{moment:?}");
        assert_eq!(events(&stack, "access.changed", "success").await, usize::from(committed));
        // The version tells a client that retries whether its change was made.
        let again = stack.post("/access/changes", Some(&owner), &body).await;
        assert_eq!(again.status, if committed { 409 } else { 200 }, "{moment:?}");
        let path = format!("/groups/{controllers}");
        stack.delete(&path, Some(&admin)).await.problem(409, "group_in_use");
    }
}

#[tokio::test]
async fn a_membership_has_both_of_its_sides_or_none() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let (owner, reader, admin) =
            (stack.someone().await, stack.demo().await, stack.admin().await);
        let (book, ..) = salaries(&stack, &owner).await;
        let (controllers, user) = (group(&stack, &admin).await, me(&stack, &reader).await);
        let subject = json!({"subject": {"type": "group", "id": controllers}});
        add(&stack, &owner, &[rule(&book, "allow", subject)]).await.expect(200);
        let path = format!("/groups/{controllers}/members/{user}");
        let request = stack.request(Method::PUT, &path).bearer_auth(&admin.access).json(&json!({}));
        cut(&stack, moment, ("AccessFunction", TRANSACT, "GroupsTable"), request).await;
        let committed = moment == Failure::HeldAfter;
        let members = format!("/groups/{controllers}/members");
        let listed = stack.get(&members, Some(&admin)).await.expect(200)["items"].clone();
        assert_eq!(listed.as_array().unwrap().len(), usize::from(committed), "{moment:?}");
        let workbook = format!("/workbooks/{book}");
        let status = stack.get(&workbook, Some(&reader)).await.status;
        assert_eq!(status, if committed { 200 } else { 404 }, "{moment:?}");
        join(&stack, &admin, &controllers, &user).await.expect(204);
        stack.get(&workbook, Some(&reader)).await.expect(200);
    }
}

#[tokio::test]
async fn a_workbook_that_was_cut_is_made_once_and_its_deletion_can_be_repeated() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let owner = stack.someone().await;
        let create = || {
            let request = stack.request(Method::POST, "/workbooks").bearer_auth(&owner.access);
            request.header("idempotency-key", "k").json(&json!({"name": "Budget"}))
        };
        let target = ("WorkbooksFunction", TRANSACT, "WorkbooksTable");
        cut(&stack, moment, target, create()).await;
        let book = stack.send(create()).await.expect(201);
        let listed = stack.get("/workbooks?limit=100", Some(&owner)).await.expect(200);
        let own = |item: &&Value| item["owner_id"] == book["owner_id"];
        assert_eq!(listed["items"].as_array().unwrap().iter().filter(own).count(), 1, "{moment:?}");

        let path = format!("/workbooks/{}", book["id"].as_str().unwrap());
        let delete = || stack.request(Method::DELETE, &path).bearer_auth(&owner.access);
        cut(&stack, moment, target, delete()).await;
        let committed = moment == Failure::HeldAfter;
        assert_eq!(stack.send(delete()).await.status, if committed { 404 } else { 204 });
        assert_eq!(events(&stack, "workbook.deleted", "success").await, 1, "{moment:?}");
    }
}
