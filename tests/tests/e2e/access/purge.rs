//! The remains of deleted workbooks, groups and accounts, and their removal.

use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{add, group, join, me, rule, salaries};

/// Items of a table that hold a text.
async fn holding(stack: &TestStack, table: &str, text: &str) -> usize {
    let items = stack.items(table).await;
    items.iter().filter(|item| item.to_string().contains(text)).count()
}

async fn purge(stack: &TestStack) {
    stack.local.invoke("PurgeConversationsFunction", "{}").await.unwrap();
}

#[tokio::test]
async fn a_deleted_workbook_leaves_neither_sheets_nor_rules_nor_a_hold_on_groups() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let (book, sheet, ..) = salaries(&stack, &owner).await;
    let controllers = group(&stack, &admin).await;
    let subject = json!({"subject": {"type": "group", "id": controllers}});
    let rules = vec![rule(&book, "allow", subject); 40];
    for _ in 0..3 {
        add(&stack, &owner, &rules).await.expect(200);
    }
    stack.delete(&format!("/workbooks/{book}"), Some(&owner)).await.expect(204);
    // Rules that are left over decide nothing, and are in no list.
    let listing = format!("/access/rules?workbook_id={book}");
    stack.get(&listing, Some(&admin)).await.problem(404, "not_found");
    add(&stack, &admin, &[rule(&book, "allow", json!({}))]).await.problem(404, "not_found");
    purge(&stack).await;
    assert_eq!(holding(&stack, "AccessTable", &book).await, 0);
    assert_eq!(holding(&stack, "WorkbooksTable", &book).await, 0);
    assert_eq!(holding(&stack, "WorkbooksTable", &sheet).await, 0);
    stack.delete(&format!("/groups/{controllers}"), Some(&admin)).await.expect(204);
}

#[tokio::test]
async fn a_deleted_group_leaves_no_membership() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let (gone, kept) = (group(&stack, &admin).await, group(&stack, &admin).await);
    let mut users = Vec::new();
    for number in 0..30 {
        let body = json!({
            "username": format!("member_{number}"), "email": format!("m{number}@example.com"),
            "password": "Correct-Horse-9",
        });
        let made = stack.post("/auth/register", None, &body).await.expect(201);
        let user = id(&made["user"]);
        join(&stack, &admin, &gone, &user).await.expect(204);
        join(&stack, &admin, &kept, &user).await.expect(204);
        users.push(user);
    }
    stack.delete(&format!("/groups/{gone}"), Some(&admin)).await.expect(204);
    stack.get(&format!("/groups/{gone}/members"), Some(&admin)).await.problem(404, "not_found");
    purge(&stack).await;
    assert_eq!(holding(&stack, "GroupsTable", &gone).await, 0);
    // The head, thirty memberships, and the items of thirty users.
    assert_eq!(holding(&stack, "GroupsTable", &kept).await, 61);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_workbook_and_no_membership() {
    let stack = TestStack::start().await;
    let (leaver, owner, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, ..) = salaries(&stack, &leaver).await;
    let (other, ..) = salaries(&stack, &owner).await;
    let user = me(&stack, &leaver).await;
    let controllers = group(&stack, &admin).await;
    join(&stack, &admin, &controllers, &user).await.expect(204);
    add(&stack, &leaver, &[rule(&book, "allow", json!({}))]).await.expect(200);
    let named = rule(&other, "allow", json!({"subject": {"type": "user", "id": user}}));
    let named = add(&stack, &owner, &[named]).await.expect(200);
    let confirmation = json!({"current_password": "Correct-Horse-9"});
    delete_account(&stack, &leaver, &confirmation).await;
    // The worker that the deletion started may still be at it.
    loop {
        purge(&stack).await;
        if holding(&stack, "GroupsTable", &user).await == 0
            && holding(&stack, "WorkbooksTable", &book).await == 0
            && holding(&stack, "AccessTable", &book).await == 0
        {
            break;
        }
    }
    let path = format!("/groups/{controllers}");
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200)["members"], 0);
    // A rule that names the account stays with its workbook, until its manager removes it.
    let listing = format!("/access/rules?workbook_id={other}");
    let listed = stack.get(&listing, Some(&owner)).await.expect(200);
    assert_eq!(listed["items"], named["added"]);
    let remove = json!({"remove": [id(&named["added"][0])]});
    stack.post("/access/changes", Some(&owner), &remove).await.expect(200);
}

async fn delete_account(stack: &TestStack, caller: &Caller, confirmation: &Value) {
    let request = stack.request(http::Method::DELETE, "/auth/me").bearer_auth(&caller.access);
    stack.send(request.json(confirmation)).await.expect(204);
}
