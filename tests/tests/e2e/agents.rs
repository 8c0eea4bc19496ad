//! Agents: which users see which, and how administrators change them.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Answer, Caller, TestStack};

use crate::api_keys::new_key;
use crate::chat::text;
use crate::users::user_id;

/// Sends a request about an agent, for a version if there is one.
async fn change(
    stack: &TestStack,
    admin: &Caller,
    (method, name): (Method, &str),
    body: Option<&Value>,
    if_match: Option<&str>,
) -> Answer {
    let request = stack.request(method, &format!("/agents/{name}")).bearer_auth(&admin.access);
    let request = body.into_iter().fold(request, reqwest::RequestBuilder::json);
    let request =
        if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    stack.send(request).await
}

async fn put(
    stack: &TestStack,
    admin: &Caller,
    name: &str,
    body: &Value,
    if_match: Option<&str>,
) -> Answer {
    change(stack, admin, (Method::PUT, name), Some(body), if_match).await
}

/// The names of the agents that a caller sees.
async fn names(stack: &TestStack, caller: &Caller) -> Vec<String> {
    let page = stack.get("/agents?limit=100", Some(caller)).await.expect(200);
    assert_eq!(page["next_cursor"], Value::Null);
    let items = page["items"].as_array().unwrap().iter();
    items.map(|agent| text(&agent["name"]).to_owned()).collect()
}

#[tokio::test]
async fn the_first_agents_are_there_and_stay_as_administrators_leave_them() {
    let stack = TestStack::start().await;
    let (admin, demo) = (stack.admin().await, stack.demo().await);
    assert_eq!(names(&stack, &admin).await, ["auditor", "default", "finance", "tasks"]);
    assert_eq!(names(&stack, &demo).await, ["default", "finance", "tasks"]);
    let tasks = stack.get("/agents/tasks", Some(&demo)).await.expect(200);
    let tools =
        ["add_task", "list_tasks", "complete_task", "update_task", "delete_task", "remember"];
    let tools = json!(tools.iter().chain(&["forget"]).collect::<Vec<_>>());
    assert_eq!((&tasks["tools"], &tasks["prompt"]), (&tools, &json!("agent.tasks")));
    let default = stack.get("/agents/default", Some(&demo)).await.expect(200);
    let expected = json!({
        "name": "default", "title": "Assistant",
        "description": "Answers from the conversation, without tools.", "prompt": "default",
        "tools": [], "max_steps": 8, "max_cost_usd": "0.50", "confirm": "writes", "roles": [],
        "enabled": true, "version": 1,
    });
    assert_eq!(default, expected);
    let seeded = stack.events(&admin, "agent.updated").await;
    assert!(seeded.iter().all(|event| event["detail"]["seeded"] == true), "{seeded:?}");
    assert_eq!(seeded.len(), 4);

    put(&stack, &admin, "finance", &json!({"title": "Money"}), None).await.expect(200);
    stack.delete("/agents/tasks", Some(&admin)).await.expect(204);
    for _ in 0..2 {
        stack.local.invoke("SeedFunction", "{}").await.unwrap();
        assert_eq!(names(&stack, &admin).await, ["auditor", "default", "finance"]);
        let finance = stack.get("/agents/finance", Some(&demo)).await.expect(200);
        assert_eq!((text(&finance["title"]), &finance["version"]), ("Money", &json!(2)));
    }
    assert_eq!(stack.events(&admin, "agent.updated").await.len(), 5);
}

#[tokio::test]
async fn an_agent_is_changed_over_a_version_that_never_goes_back() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let body = json!({
        "title": "Close", "description": "Helps with the close.", "prompt": "agent.finance",
        "tools": ["remember", "query_profits"], "max_steps": 3, "max_cost_usd": 1.5,
        "confirm": "always", "roles": ["admin", "user"], "enabled": false,
    });
    let created = put(&stack, &admin, "close-2026", &body, None).await;
    let shown = json!({
        "name": "close-2026", "title": "Close", "description": "Helps with the close.",
        "prompt": "agent.finance", "tools": ["remember", "query_profits"], "max_steps": 3,
        "max_cost_usd": "1.50", "confirm": "always", "roles": ["user", "admin"],
        "enabled": false, "version": 1,
    });
    assert_eq!(created.expect(201), shown);
    assert_eq!(
        (created.header("location"), created.header("etag")),
        ("/agents/close-2026", "\"1\"")
    );
    let read = stack.request(Method::GET, "/agents/close-2026").bearer_auth(&admin.access);
    assert_eq!(stack.send(read.header("if-none-match", "\"1\"")).await.status, 304);

    let short = json!({"title": "Close"});
    for (if_match, expected) in [
        (None, Ok(2)),
        (Some("\"1\""), Err(())),
        (Some("\"2\""), Ok(3)),
        (Some("\"1\", \"3\""), Ok(4)),
        (Some("W/\"4\""), Err(())),
        (Some("4"), Err(())),
        (Some("nonsense"), Err(())),
        (Some("*"), Ok(5)),
    ] {
        let answer = put(&stack, &admin, "close-2026", &short, if_match).await;
        match expected {
            Ok(version) => {
                assert_eq!(answer.expect(200)["version"], version, "{if_match:?}");
                assert_eq!(answer.header("etag"), format!("\"{version}\""));
            }
            Err(()) => drop(answer.problem(412, "precondition_failed")),
        }
    }
    // There is no agent of which the caller could know a version.
    for tag in ["*", "\"1\""] {
        let answer = put(&stack, &admin, "another", &short, Some(tag)).await;
        answer.problem(412, "precondition_failed");
    }

    let delete = (Method::DELETE, "close-2026");
    let stale = change(&stack, &admin, delete.clone(), None, Some("\"4\"")).await;
    stale.problem(412, "precondition_failed");
    change(&stack, &admin, delete.clone(), None, Some("\"5\"")).await.expect(204);
    change(&stack, &admin, delete, None, None).await.problem(404, "not_found");
    stack.get("/agents/close-2026", Some(&admin)).await.problem(404, "not_found");
    assert!(!names(&stack, &admin).await.contains(&"close-2026".to_owned()));
    // The deletion was version 6.
    let again = put(&stack, &admin, "close-2026", &short, None).await;
    assert_eq!((&again.expect(201)["version"], again.header("etag")), (&json!(7), "\"7\""));

    let deleted = stack.events(&admin, "agent.deleted").await;
    let of = |outcome: &str| {
        deleted.iter().filter(|event| event["outcome"] == outcome).collect::<Vec<_>>()
    };
    assert_eq!((of("success").len(), of("failure").len()), (1, 2), "{deleted:?}");
    assert!(deleted.iter().all(|event| event["resource"] == "agent:close-2026"), "{deleted:?}");
    assert_eq!(of("success")[0]["detail"]["version"], 5);
    let made = stack.events(&admin, "agent.updated").await;
    let made = made.iter().find(|event| event["resource"] == "agent:close-2026").unwrap();
    assert_eq!(
        (&made["detail"]["created"], &made["detail"]["tools"], &made["detail"]["roles"]),
        (&json!(true), &json!(["remember", "query_profits"]), &json!(["user", "admin"]))
    );
}

#[tokio::test]
async fn of_two_administrators_at_once_one_changes_the_version_that_both_know() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let body = json!({"title": "Ours"});
    let mut version = 1;
    for if_match in [true, false] {
        let tag = format!("\"{version}\"");
        let tag = if_match.then_some(tag.as_str());
        let answers = join_all((0..2).map(|_| put(&stack, &admin, "finance", &body, tag))).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        // Without a version, the second one replaces what the first one has made.
        assert_eq!(statuses, if if_match { [200, 412] } else { [200, 200] });
        version += if if_match { 1 } else { 2 };
        let agent = stack.get("/agents/finance", Some(&admin)).await.expect(200);
        assert_eq!(agent["version"], version);
    }
}

#[tokio::test]
async fn an_agent_is_changed_by_administrators_alone_until_the_commit() {
    let stack = TestStack::start().await;
    let (admin, demo) = (stack.admin().await, stack.demo().await);
    let user = format!("/users/{}", user_id(&stack, "demo").await);
    let body = json!({"title": "Mine"});
    put(&stack, &demo, "finance", &body, None).await.problem(403, "forbidden");
    stack.delete("/agents/finance", Some(&demo)).await.problem(403, "forbidden");
    for method in [Method::PUT, Method::DELETE] {
        let role = json!({"roles": ["admin"]});
        stack.call(Method::PATCH, &user, &admin, &role).await.expect(200);
        // The commit is held on its way, and arrives when it is sent again.
        stack.fail("AgentsTable", Some("TransactWriteItems"), Failure::HeldBefore, 2);
        let demote = async {
            stack.local.aws().held().await;
            let none = json!({"roles": []});
            stack.call(Method::PATCH, &user, &admin, &none).await.expect(200);
        };
        let body = (method == Method::PUT).then_some(&body);
        let change = change(&stack, &demo, (method, "finance"), body, None);
        let (answer, ()) = futures_util::join!(change, demote);
        answer.problem(403, "forbidden");
        stack.local.aws().recover();
    }
    let agent = stack.get("/agents/finance", Some(&admin)).await.expect(200);
    assert_eq!((text(&agent["title"]), &agent["version"]), ("Finance", &json!(1)));
}

#[tokio::test]
async fn users_see_the_agents_that_they_may_use() {
    let stack = TestStack::start().await;
    let (admin, demo) = (stack.admin().await, stack.demo().await);
    for (name, more) in [
        ("for-all", json!({})),
        ("for-auditors", json!({"roles": ["auditor"]})),
        ("for-users", json!({"roles": ["user"]})),
        ("off", json!({"enabled": false})),
    ] {
        let mut body = json!({"title": name});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        put(&stack, &admin, name, &body, None).await.expect(201);
    }
    let all = ["auditor", "default", "finance", "for-all", "for-auditors", "for-users", "off"];
    let all = all.iter().chain(&["tasks"]).collect::<Vec<_>>();
    assert_eq!(json!(names(&stack, &admin).await), json!(all));
    let own = ["default", "finance", "for-all", "for-users", "tasks"];
    assert_eq!(names(&stack, &demo).await, own);
    for (name, status) in [("for-users", 200), ("for-auditors", 404), ("off", 404), ("none", 404)] {
        let answer = stack.get(&format!("/agents/{name}"), Some(&demo)).await;
        assert_eq!(answer.status, status, "{name}");
    }
    // A text that is no name names nothing.
    for name in ["For-all", "for_all", "7", "a.b", &"a".repeat(41)] {
        stack.get(&format!("/agents/{name}"), Some(&admin)).await.problem(404, "not_found");
        let body = json!({"title": "A"});
        put(&stack, &admin, name, &body, None).await.problem(404, "not_found");
    }

    let mut found = Vec::new();
    let mut path = "/agents?limit=2".to_owned();
    loop {
        let page = stack.get(&path, Some(&demo)).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2, "{page}");
        found.extend(items.iter().map(|agent| text(&agent["name"]).to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/agents?limit=2&cursor={cursor}");
    }
    assert_eq!(found, own);

    for (scope, status) in [("chat:write", 200), ("profits:read", 403)] {
        let key = new_key(&[scope], Duration::from_hours(1));
        let key = stack.post("/api-keys", Some(&demo), &key).await.expect(201);
        let service = Caller { access: text(&key["key"]).to_owned(), ..demo.clone() };
        for path in ["/agents", "/agents/finance"] {
            let request = crate::coverage::request(&stack, Method::GET, path, Some(&service), None);
            assert_eq!(stack.send(request).await.status, status, "{scope} {path}");
        }
    }
}

#[tokio::test]
async fn an_agent_has_a_prompt_tools_and_a_model_that_there_are() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    for (more, fault) in [
        (json!({"title": null}), "/title"),
        (json!({"tools": ["drop_tables"]}), "/tools"),
        (json!({"tools": ["remember", "remember"]}), "/tools"),
        (json!({"prompt": "You are a pirate."}), "/prompt"),
        (json!({"prompt": "no.such.prompt"}), "/prompt"),
        (json!({"prompt": "default@1"}), "/prompt"),
        (json!({"prompt": "default@staging"}), "/prompt"),
        // Replies cost nothing here, so no model has a price.
        (json!({"model": "first"}), "/model"),
        (json!({"max_steps": 9}), "/max_steps"),
        (json!({"max_cost_usd": "0"}), "/max_cost_usd"),
        (json!({"max_cost_usd": "100.01"}), "/max_cost_usd"),
        (json!({"confirm": "never"}), "/confirm"),
        (json!({"roles": ["root"]}), "/roles"),
        (json!({"name": "other"}), "/name"),
        (json!({"version": 1}), "/version"),
    ] {
        let mut body = json!({"title": "A"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        put(&stack, &admin, "finance", &body, None).await.invalid(&[fault]);
    }
    let finance = stack.get("/agents/finance", Some(&admin)).await.expect(200);
    assert_eq!(finance["version"], 1);
    for (prompt, status) in [("default@0", 201), ("agent.tasks@production", 200)] {
        let body = json!({"title": "A", "prompt": prompt});
        let agent = put(&stack, &admin, "pinned", &body, None).await.expect(status);
        assert_eq!(agent["prompt"], prompt);
    }

    let api = MessagesApi::with(Vec::new()).await;
    let prices = "first=5/25/6.25/0.50,second=1/5/1.25/0.10,third=1/1/1/1";
    let stack = crate::chat::claude::stack(&api, &[("AiPrices", prices)]).await;
    let admin = stack.admin().await;
    for (model, status) in [("first", 200), ("second", 200), ("third", 200), ("fourth", 422)] {
        let body = json!({"title": "A", "model": model});
        let answer = put(&stack, &admin, "finance", &body, None).await;
        assert_eq!(answer.status, status, "{model}: {answer:?}");
    }
    let finance = stack.get("/agents/finance", Some(&admin)).await.expect(200);
    assert_eq!(text(&finance["model"]), "third");
}
