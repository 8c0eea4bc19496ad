//! Tools: who sees which, and what a call does and leaves in the audit log.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::{TestStack, id};

use super::{ask, call, error, failure, key, modern, names, output, result};

const ALL: [&str; 5] = ["audit:read", "profits:read", "ranges:read", "tasks:read", "tasks:write"];

#[tokio::test]
async fn a_caller_sees_the_tools_of_its_scopes_and_roles() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let audit: &[&str] = &["query_audit"];
    for (owner, scopes, expected) in [
        (&admin, &["tokens:introspect"][..], &[][..]),
        (&demo, &["tasks:read"], &["list_tasks"]),
        (&demo, &["tasks:write"], &["add_task", "complete_task", "delete_task", "update_task"]),
        (&demo, &["profits:read"], &["query_profits", "summarize_profits"]),
        (&demo, &["ranges:read"], &["aggregate", "find", "list_ranges", "read_cells"]),
        (&demo, &["audit:read"], &[]),
        (&admin, &["audit:read"], audit),
        (
            &admin,
            &ALL,
            &[
                "add_task",
                "aggregate",
                "complete_task",
                "delete_task",
                "find",
                "list_ranges",
                "list_tasks",
                "query_audit",
                "query_profits",
                "read_cells",
                "summarize_profits",
                "update_task",
            ],
        ),
    ] {
        let key = key(&stack, owner, scopes).await;
        let listed = result(&stack, &key, "tools/list", json!({})).await;
        assert_eq!(names(&listed["tools"]), expected, "{} {scopes:?}", owner.username);
        // A key without tools may still begin.
        let first = json!({"protocolVersion": "2025-11-25"});
        result(&stack, &key, "initialize", first).await;
    }
    // The tool looks unknown to a user without its role, also to a key without its scope.
    for scopes in [&["audit:read"], &["tasks:read"]] {
        let key = key(&stack, &demo, scopes).await;
        let audit = json!({"name": "query_audit"});
        let unknown = json!({"name": "no_such_tool"});
        assert_eq!(
            ask(&stack, &key, "tools/call", audit).await.expect(200),
            ask(&stack, &key, "tools/call", unknown).await.expect(200)
        );
    }
}

#[tokio::test]
async fn a_tool_says_what_it_takes_gives_and_does() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.admin().await, &ALL).await;
    let listed = result(&stack, &key, "tools/list", json!({})).await;
    let tools = listed["tools"].as_array().unwrap();
    for tool in tools {
        for member in ["title", "description"] {
            assert!(tool[member].as_str().is_some_and(|text| !text.is_empty()), "{tool}");
        }
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{schema} of {}", tool["name"]);
            assert!(!tool[schema].to_string().contains("$ref"), "{schema} of {}", tool["name"]);
            jsonschema::draft202012::new(&tool[schema]).unwrap();
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{}", tool["name"]);
        assert_eq!(tool["annotations"]["openWorldHint"], false);
    }
    let of = |hint: &str| -> Vec<_> {
        let tools = tools.iter().filter(|tool| tool["annotations"][hint] == true);
        tools.map(|tool| tool["name"].as_str().unwrap()).collect()
    };
    let writes = ["add_task", "complete_task", "delete_task", "update_task"];
    let mut reads = names(&listed["tools"]);
    reads.retain(|name| !writes.contains(name));
    assert_eq!(of("readOnlyHint"), reads);
    assert_eq!(of("destructiveHint"), ["delete_task", "update_task"]);
    let again = of("idempotentHint");
    assert!(again.contains(&"complete_task") && again.contains(&"delete_task"), "{again:?}");
    assert!(!again.contains(&"add_task") && !again.contains(&"update_task"), "{again:?}");
}

/// Fails unless a tool's output is as its schema says.
fn assert_valid(tools: &Value, tool: &str, output: &Value) {
    let listed = tools.as_array().unwrap().iter().find(|listed| listed["name"] == tool);
    let schema = &listed.unwrap()["outputSchema"];
    let validator = jsonschema::draft202012::new(schema).unwrap();
    if let Err(error) = validator.validate(output) {
        panic!("{tool}: {error}: {output}");
    }
}

#[tokio::test]
async fn tasks_are_added_listed_changed_completed_and_deleted() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let key = key(&stack, &demo, &["tasks:read", "tasks:write"]).await;
    let tools = result(&stack, &key, "tools/list", json!({})).await["tools"].clone();
    let arguments = json!({"title": " Check <b>Q3</b>\u{202e} ", "due_date": "2027-01-31"});
    let task = output(&stack, &key, "add_task", arguments).await;
    assert_eq!(
        (&task["title"], &task["status"], &task["due_date"]),
        (&json!("Check <b>Q3</b>"), &json!("open"), &json!("2027-01-31"))
    );
    assert_valid(&tools, "add_task", &task);
    // It is the task of the HTTP API.
    let path = format!("/tasks/{}", id(&task));
    assert_eq!(stack.get(&path, Some(&demo)).await.expect(200), task);
    let listed = output(&stack, &key, "list_tasks", json!({"query": "q3"})).await;
    assert_eq!(listed["items"], json!([task]));
    assert_valid(&tools, "list_tasks", &listed);
    let change = json!({"id": task["id"], "due_date": null});
    let changed = output(&stack, &key, "update_task", change).await;
    assert_eq!((&changed["due_date"], &changed["title"]), (&json!(null), &task["title"]));
    for _ in 0..2 {
        let done = output(&stack, &key, "complete_task", json!({"id": task["id"]})).await;
        assert_eq!(done["status"], "completed");
    }
    assert_eq!(output(&stack, &key, "list_tasks", json!({})).await["items"], json!([]));
    let deleted = output(&stack, &key, "delete_task", json!({"id": task["id"]})).await;
    assert_valid(&tools, "delete_task", &deleted);
    stack.get(&path, Some(&demo)).await.problem(404, "not_found");

    let events = stack.events(&admin, "task.").await;
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event["action"].as_str().unwrap(), event["detail"]["tool"].as_str().unwrap()))
        .collect();
    for expected in [
        ("task.created", "add_task"),
        ("task.updated", "update_task"),
        ("task.completed", "complete_task"),
        ("task.deleted", "delete_task"),
    ] {
        assert!(seen.contains(&expected), "{expected:?} is not in {seen:?}");
    }
    for event in &events {
        assert_eq!(event["detail"]["via"], "mcp", "{event}");
        assert_eq!(event["actor"]["username"], "demo");
        assert!(event["actor"]["key_id"].is_string(), "{event}");
    }
    let called = stack.events(&admin, "tool.called").await;
    assert!(
        called.iter().all(|event| event["detail"]["tool"] == "list_tasks"
            && event["detail"]["via"] == "mcp"),
        "{called:?}"
    );
}

#[tokio::test]
async fn the_audit_log_has_the_name_of_the_client() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:write"]).await;
    let add = |title: &str| json!({"name": "add_task", "arguments": {"title": title}});
    stack.send(modern(&stack, &key, "tools/call", add("a"))).await.expect(200);
    let legacy = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": add("b")});
    let request = super::post(&stack, &key).header("user-agent", "legacy/7").json(&legacy);
    stack.send(request).await.expect(200);
    let events = stack.events(&stack.admin().await, "task.created").await;
    let clients: Vec<_> = events.iter().map(|event| &event["detail"]["client"]).collect();
    assert_eq!(clients, [&json!("Modern/1.2"), &json!("legacy/7")]);
}

#[tokio::test]
async fn a_repeated_call_adds_one_task() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:read", "tasks:write"]).await;
    let arguments = json!({"title": "Once", "idempotency_key": "k1"});
    let first = output(&stack, &key, "add_task", arguments.clone()).await;
    let second = output(&stack, &key, "add_task", arguments).await;
    assert_eq!(first["id"], second["id"]);
    let listed = output(&stack, &key, "list_tasks", json!({})).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let other = json!({"title": "Another", "idempotency_key": "k1"});
    let text = failure(&stack, &key, "add_task", other).await;
    assert!(text.contains("/idempotency_key"), "{text}");

    let arguments = json!({"title": "Once too", "idempotency_key": "k2"});
    let calls = (0..5).map(|_| call(&stack, &key, "add_task", arguments.clone()));
    let mut ids = BTreeSet::new();
    for called in join_all(calls).await {
        if called["isError"] == true {
            // Another call with the key was on its way.
            let text = called["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("Try again in"), "{text}");
        } else {
            ids.insert(id(&called["structuredContent"]));
        }
    }
    assert_eq!(ids.len(), 1);
    let listed = output(&stack, &key, "list_tasks", json!({})).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_failure_that_the_model_can_mend_is_a_result() {
    let stack = TestStack::with(&[("RateLimits", "tasks_write=3/1h,*=100000/1m")]).await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let key_of_demo = key(&stack, &demo, &["tasks:write"]).await;
    let text = failure(&stack, &key_of_demo, "add_task", json!({"title": "", "x": 1})).await;
    assert!(text.contains("/title") && text.contains("/x"), "{text}");
    let wrong = json!({"id": "no id"});
    let text = failure(&stack, &key_of_demo, "complete_task", wrong).await;
    assert!(text.contains("/id"), "{text}");

    // Another user's task does not exist.
    let task = output(&stack, &key_of_demo, "add_task", json!({"title": "Mine"})).await;
    let key_of_admin = key(&stack, &admin, &["tasks:write"]).await;
    for tool in ["complete_task", "delete_task", "update_task"] {
        let mut arguments = json!({"id": task["id"]});
        if tool == "update_task" {
            arguments["title"] = "Yours".into();
        }
        let theirs = failure(&stack, &key_of_admin, tool, arguments).await;
        assert!(!theirs.contains("Mine"), "{theirs}");
    }
    let mut events = stack.events(&admin, "task.").await;
    events.retain(|event| event["outcome"] == "failure");
    assert_eq!(events.len(), 3, "{events:?}");
    for event in &events {
        assert_eq!(event["resource"], format!("task:{}", id(&task)));
        assert_eq!(event["actor"]["username"], "admin");
    }
    // The limit of the tool, beside that of MCP.
    for _ in 0..2 {
        output(&stack, &key_of_demo, "add_task", json!({"title": "More"})).await;
    }
    let text = failure(&stack, &key_of_demo, "add_task", json!({"title": "Too much"})).await;
    assert!(text.contains("Try again in"), "{text}");
}

#[tokio::test]
async fn a_long_result_is_cut_at_a_row_and_goes_on_at_its_cursor() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:read", "tasks:write"]).await;
    for number in 0..20 {
        let task = json!({"title": format!("{number}"), "description": "ä".repeat(2_000)});
        output(&stack, &key, "add_task", task).await;
    }
    let mut titles = Vec::new();
    let mut arguments = json!({});
    loop {
        let called = call(&stack, &key, "list_tasks", arguments.clone()).await;
        let page = &called["structuredContent"];
        assert!(page.to_string().len() <= 32 * 1024, "{}", page.to_string().len());
        let items = page["items"].as_array().unwrap();
        titles.extend(items.iter().map(|task| task["title"].as_str().unwrap().to_owned()));
        if page["next_cursor"].is_null() {
            break;
        }
        assert_eq!(page["truncated"], true);
        arguments["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!(titles, (0..20).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    // The cursor is for this caller and these arguments.
    let text = failure(&stack, &key, "list_tasks", json!({"cursor": "x"})).await;
    assert!(text.contains("cursor"), "{text}");
}

#[tokio::test]
async fn reads_of_other_areas_give_the_json_of_their_routes() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let key = key(&stack, &admin, &ALL).await;
    let tools = result(&stack, &key, "tools/list", json!({})).await["tools"].clone();
    let rows =
        output(&stack, &key, "query_profits", json!({"company": "Alpha", "year": 2023})).await;
    let route = stack.get("/profits?company=Alpha&year=2023", Some(&admin)).await.expect(200);
    assert_eq!(rows["items"], route["items"]);
    assert!(rows["items"][0]["profit"].is_string(), "{rows}");
    assert_valid(&tools, "query_profits", &rows);
    let summary = output(&stack, &key, "summarize_profits", json!({"group_by": "year"})).await;
    let route = stack.get("/profits/summary?group_by=year", Some(&admin)).await.expect(200);
    assert_eq!(summary, route);
    assert_valid(&tools, "summarize_profits", &summary);
    let events = output(&stack, &key, "query_audit", json!({"action": "auth.login"})).await;
    assert_eq!(events["items"][0]["action"], "auth.login");
    assert_valid(&tools, "query_audit", &events);
    // It looks through the user's own workbooks, those of rules, and all.
    let ranges = output(&stack, &key, "list_ranges", json!({})).await;
    assert_valid(&tools, "list_ranges", &ranges);
    // A chat alone has these tools.
    for tool in ["remember", "forget"] {
        let refused = ask(&stack, &key, "tools/call", json!({"name": tool})).await;
        assert_eq!(error(&refused, 200)["code"], -32602, "{tool}");
    }
}
