//! `POST /access/changes`, `GET /access/rules`: rights to change rules, versions, races,
//! simulations.

use futures_util::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{NOTHING, add, group, me, rule, salaries, workbook};

/// The rules of a workbook, as one who manages it reads them.
async fn rules(stack: &TestStack, caller: &Caller, workbook: &str) -> Vec<Value> {
    let path = format!("/access/rules?workbook_id={workbook}&limit=100");
    stack.get(&path, Some(caller)).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn rules_are_added_listed_read_and_removed() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let (workbook, sheet, _, salary) = salaries(&stack, &owner).await;
    let user = me(&stack, &owner).await;
    let more = json!({
        "subject": {"type": "user", "id": user}, "sheet_id": sheet,
        "column": {"letters": "B:C"}, "derived": "allow", "note": "Salaries are for HR.",
        "expires_at": "2999-01-31T09:30:00Z",
    });
    let changed = add(
        &stack,
        &owner,
        &[
            rule(&workbook, "deny", more),
            rule(&workbook, "allow", json!({"column": {"header": "m*"}})),
        ],
    )
    .await
    .expect(200);
    assert_eq!((&changed["version"], &changed["truncated"]), (&json!(1), &json!(false)));
    let added = changed["added"].as_array().unwrap();
    // Letters have become ids.
    assert_eq!(added[0]["column"], json!({"ids": [salary]}));
    assert_eq!(added[1]["column"], json!({"header": "m*"}));
    for (member, expected) in [
        ("effect", json!("deny")),
        ("subject", json!({"type": "user", "id": user})),
        ("derived", json!("allow")),
        ("note", json!("Salaries are for HR.")),
        ("created_by", json!(user)),
        ("expires_at", json!("2999-01-31T09:30:00.000Z")),
    ] {
        assert_eq!(added[0][member], expected);
    }
    let mut listed = rules(&stack, &owner, &workbook).await;
    listed.sort_by_key(|rule| rule["effect"].to_string());
    assert_eq!(listed, [added[1].clone(), added[0].clone()]);
    let path = format!("/access/rules/{}", id(&added[0]));
    assert_eq!(stack.get(&path, Some(&owner)).await.expect(200), added[0]);
    let by_subject = format!("/access/rules?workbook_id={workbook}&subject=user:{user}");
    let found = stack.get(&by_subject, Some(&owner)).await.expect(200);
    assert_eq!(found["items"], json!([added[0]]));
    stack.get("/access/rules?subject=someone", Some(&owner)).await.invalid(&["subject"]);

    let swap = json!({"remove": [id(&added[0])], "add": [rule(&workbook, "allow", json!({}))]});
    let swapped = stack.post("/access/changes", Some(&owner), &swap).await.expect(200);
    assert_eq!(swapped["version"], 2);
    assert_eq!(rules(&stack, &owner, &workbook).await.len(), 2);
    stack.get(&path, Some(&owner)).await.problem(404, "not_found");
    stack.post("/access/changes", Some(&owner), &swap).await.invalid(&["/remove"]);

    let admin = stack.admin().await;
    let event = &stack.events(&admin, "access.changed").await[1];
    assert_eq!(event["resource"], format!("workbook:{workbook}"));
    let new = id(&swapped["added"][0]);
    let detail = json!({"version": 1, "added": [new], "removed": [id(&added[0])]});
    assert_eq!(event["detail"], detail);
}

#[tokio::test]
async fn those_who_manage_a_workbook_change_its_rules_and_administrators_those_for_every_one() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, other) = (workbook(&stack, &owner).await, workbook(&stack, &reader).await);
    let user = me(&stack, &reader).await;
    let allow = |more: Value| rule(&book, "allow", more);
    let listing = format!("/access/rules?workbook_id={book}");
    let first = add(&stack, &owner, &[allow(json!({}))]).await.expect(200)["added"][0].clone();
    let path = format!("/access/rules/{}", id(&first));
    let remove = json!({"remove": [id(&first)]});

    // To one who only reads, rules are forbidden or do not exist.
    add(&stack, &reader, &[allow(json!({}))]).await.problem(403, "forbidden");
    stack.get(&listing, Some(&reader)).await.problem(403, "forbidden");
    stack.get(&path, Some(&reader)).await.problem(404, "not_found");
    stack.post("/access/changes", Some(&reader), &remove).await.problem(404, "not_found");
    for missing in [NOTHING, "019a0000-0000-7000-8000-00000000000f"] {
        add(&stack, &reader, &[rule(missing, "allow", json!({}))]).await.problem(404, "not_found");
        let path = format!("/access/rules/{missing}");
        stack.get(&path, Some(&reader)).await.problem(404, "not_found");
        let listing = format!("/access/rules?workbook_id={missing}");
        stack.get(&listing, Some(&reader)).await.problem(404, "not_found");
    }
    // A change of one workbook removes no rule of another.
    let mixed = json!({
        "remove": [id(&first)], "add": [rule(&other, "allow", json!({}))],
    });
    stack.post("/access/changes", Some(&reader), &mixed).await.invalid(&["/remove"]);

    // The right may be given, and taken from all but the owner.
    let manage = json!({"actions": ["manage"], "subject": {"type": "user", "id": user}});
    add(&stack, &owner, &[allow(manage)]).await.expect(200);
    add(&stack, &reader, &[allow(json!({}))]).await.expect(200);
    let no_one = json!({"actions": ["manage"], "effect": "deny"});
    add(&stack, &reader, &[rule(&book, "deny", no_one)]).await.expect(200);
    add(&stack, &reader, &[allow(json!({}))]).await.problem(403, "forbidden");
    assert_eq!(rules(&stack, &owner, &book).await.len(), 4);
    assert_eq!(rules(&stack, &admin, &book).await.len(), 4);

    // Rules for every workbook are for administrators.
    let mut every = allow(json!({}));
    every["workbook_id"] = Value::Null;
    add(&stack, &owner, &[every.clone()]).await.problem(403, "forbidden");
    stack.get("/access/rules", Some(&owner)).await.problem(403, "forbidden");
    let made = add(&stack, &admin, &[every]).await.expect(200);
    assert_eq!(stack.get("/access/rules", Some(&admin)).await.expect(200)["items"], made["added"]);
    let remove = json!({"remove": [id(&made["added"][0])]});
    stack.post("/access/changes", Some(&owner), &remove).await.problem(404, "not_found");
    stack.post("/access/changes", Some(&admin), &remove).await.expect(200);
}

#[tokio::test]
async fn of_two_changes_at_one_version_one_is_stale() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    for version in 0..5 {
        let body = json!({"add": [rule(&book, "allow", json!({}))], "if_version": version});
        let change = || stack.post("/access/changes", Some(&owner), &body);
        let (a, b) = join(change(), change()).await;
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{a:?} {b:?}");
    }
    assert_eq!(rules(&stack, &owner, &book).await.len(), 5);
    // Without a version, all are done one after the other.
    let changes = join_all(
        (0..8).map(|_| async { add(&stack, &owner, &[rule(&book, "allow", json!({}))]).await }),
    );
    let mut versions: Vec<_> = changes
        .await
        .iter()
        .map(|changed| changed.expect(200)["version"].as_u64().unwrap())
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (6..14).collect::<Vec<_>>());
    assert_eq!(rules(&stack, &owner, &book).await.len(), 13);
}

#[tokio::test]
async fn a_lost_answer_adds_no_second_rule() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let body = json!({"add": [rule(&book, "allow", json!({}))]});
    let change = || {
        let request = stack.request(Method::POST, "/access/changes").bearer_auth(&owner.access);
        stack.send(request.header("idempotency-key", "k").json(&body))
    };
    let made = change().await.expect(200);
    assert_eq!(change().await.expect(200), made);
    assert_eq!(rules(&stack, &owner, &book).await.len(), 1);
    // The rules are given as they are now.
    let remove = json!({"remove": [id(&made["added"][0])]});
    stack.post("/access/changes", Some(&owner), &remove).await.expect(200);
    let again = change().await.expect(200);
    assert_eq!((&again["version"], &again["added"]), (&json!(2), &json!([])));
    assert_eq!(rules(&stack, &owner, &book).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_simulation_tells_the_effects_and_changes_nothing() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, sheet, month, salary) = salaries(&stack, &owner).await;
    let user = me(&stack, &reader).await;
    let change = async |caller: &Caller, rules: Value, dry_run: bool| {
        let body = json!({"add": rules, "dry_run": dry_run, "user_ids": [user]});
        stack.post("/access/changes", Some(caller), &body).await.expect(200)
    };
    let read = rule(&book, "allow", json!({"actions": ["read", "ai"]}));
    let deny = rule(&book, "deny", json!({"column": {"header": "*salary*"}}));
    let effect = |columns: Value| {
        json!({
            "user_id": user, "workbook_id": book, "sheet_id": sheet, "column_ids": columns,
            "actions": ["read", "ai"],
        })
    };
    let tried = change(&owner, json!([read, deny]), true).await;
    assert_eq!(
        tried,
        json!({
            "version": 0, "added": [], "gained": [effect(json!([month]))], "lost": [],
            "truncated": false,
        })
    );
    assert_eq!(rules(&stack, &owner, &book).await, Vec::<Value>::new());
    stack.get(&format!("/workbooks/{book}"), Some(&reader)).await.problem(404, "not_found");

    let done = change(&owner, json!([read]), false).await;
    assert_eq!(done["gained"], json!([effect(json!([month, salary]))]));
    // A rule for every workbook has its effects in each.
    let mut every = deny.clone();
    every["workbook_id"] = Value::Null;
    let tried = change(&admin, json!([every]), true).await;
    let lost: Vec<_> = tried["lost"].as_array().unwrap().iter().collect();
    assert_eq!(lost, [&effect(json!([salary]))]);

    let events = stack.events(&admin, "access.simulated").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["detail"], json!({"version": 0, "added": 2, "removed": [], "users": 1}));
    let body = json!({"add": [read], "user_ids": [NOTHING]});
    stack.post("/access/changes", Some(&owner), &body).await.invalid(&["/user_ids"]);
}

#[tokio::test]
async fn a_rule_names_what_exists() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let (book, sheet, ..) = salaries(&stack, &owner).await;
    let gone = group(&stack, &stack.admin().await).await;
    stack.delete(&format!("/groups/{gone}"), Some(&stack.admin().await)).await.expect(204);
    for more in [
        json!({"subject": {"type": "user", "id": NOTHING}}),
        json!({"subject": {"type": "group", "id": NOTHING}}),
        json!({"subject": {"type": "group", "id": gone}}),
        json!({"sheet_id": NOTHING}),
        json!({"sheet_id": sheet, "column": {"letters": "D"}}),
        json!({"column": {"ids": [NOTHING]}}),
        json!({"actions": ["approve"], "sheet_id": sheet}),
        json!({"expires_at": "2020-01-01T00:00:00Z"}),
        json!({"column": {"header": "*"}}),
    ] {
        add(&stack, &owner, &[rule(&book, "allow", more.clone())]).await.invalid(&["/add"]);
    }
    // All or nothing.
    let rules_of =
        [rule(&book, "allow", json!({})), rule(&book, "allow", json!({"sheet_id": NOTHING}))];
    add(&stack, &owner, &rules_of).await.invalid(&["/add"]);
    assert_eq!(rules(&stack, &owner, &book).await, Vec::<Value>::new());
}
