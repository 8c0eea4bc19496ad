//! Tasks: their life, their texts, and who reaches them.

mod lists;
mod races;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Answer, Caller, TestStack, id};

use crate::access::{NOTHING, copy, ids_like, me};
use crate::api_keys::new_key;

/// A new task.
async fn create(stack: &TestStack, caller: &Caller, body: &Value) -> Value {
    stack.post("/tasks", Some(caller), body).await.expect(201)
}

/// A new task with this title and due date.
async fn due(stack: &TestStack, caller: &Caller, title: &str, day: Option<&str>) -> Value {
    create(stack, caller, &json!({"title": title, "due_date": day})).await
}

fn path(task: &Value) -> String {
    format!("/tasks/{}", id(task))
}

async fn complete(stack: &TestStack, caller: &Caller, task: &Value) -> Answer {
    let request = stack.request(Method::POST, &format!("{}/complete", path(task)));
    stack.send(request.bearer_auth(&caller.access)).await
}

/// A request about a task that is for some versions alone.
async fn if_match(
    stack: &TestStack,
    caller: &Caller,
    (method, task): (Method, &Value),
    tags: &str,
    body: Option<&Value>,
) -> Answer {
    let request = stack.request(method, &path(task)).bearer_auth(&caller.access);
    let request = request.header("if-match", tags);
    stack.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
}

/// The tasks of a list, page after page.
async fn listed(stack: &TestStack, caller: &Caller, query: &str, limit: usize) -> Vec<Value> {
    let mut tasks = Vec::new();
    let mut path = format!("/tasks?limit={limit}&{query}");
    loop {
        let page = stack.get(&path, Some(caller)).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{path}");
        tasks.extend(items.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { return tasks };
        path = format!("/tasks?limit={limit}&{query}&cursor={cursor}");
    }
}

/// The number of open tasks of a user, as it is stored.
pub async fn counted(stack: &TestStack, user_id: &str) -> String {
    let items = stack.items("TasksTable").await;
    let is_it = |item: &&Value| item["user_id"]["S"] == user_id && item["id"]["S"] == "#count";
    items.iter().find(is_it).unwrap()["open_tasks"]["N"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_is_created_changed_completed_and_deleted() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let body = json!({"title": "Close the books", "description": "Accruals\nfirst"});
    let answer = stack.post("/tasks", Some(&caller), &body).await;
    let task = answer.expect(201);
    assert_eq!(answer.header("location"), path(&task));
    assert_eq!(answer.header("etag"), "\"1\"");
    let created_at = task["created_at"].clone();
    assert_eq!(
        task,
        json!({
            "id": task["id"], "title": "Close the books", "description": "Accruals\nfirst",
            "due_date": null, "status": "open", "created_at": created_at,
            "updated_at": created_at, "completed_at": null, "version": 1,
        })
    );
    let read = stack.get(&path(&task), Some(&caller)).await;
    assert_eq!((read.expect(200), read.header("etag")), (task.clone(), "\"1\""));
    let capitals = format!("/tasks/{}", id(&task).to_uppercase());
    assert_eq!(stack.get(&capitals, Some(&caller)).await.expect(200), task);

    // A field that is left out keeps its value, and null clears one.
    let change = async |body: Value| {
        let answer = stack.call(Method::PATCH, &path(&task), &caller, &body).await;
        let changed = answer.expect(200);
        assert_eq!(answer.header("etag"), format!("\"{}\"", changed["version"]));
        changed
    };
    let dated = change(json!({"title": "Close May", "due_date": "2026-06-05"})).await;
    assert_eq!((&dated["title"], &dated["due_date"]), (&json!("Close May"), &json!("2026-06-05")));
    assert_eq!((&dated["description"], &dated["version"]), (&task["description"], &json!(2)));
    assert!(dated["updated_at"].as_str() >= created_at.as_str());
    let cleared = change(json!({"description": null, "due_date": null})).await;
    assert_eq!((&cleared["description"], &cleared["due_date"]), (&json!(""), &Value::Null));
    assert_eq!((&cleared["title"], &cleared["version"]), (&json!("Close May"), &json!(3)));

    let answer = complete(&stack, &caller, &task).await;
    let done = answer.expect(200);
    assert_eq!((answer.header("etag"), &done["status"]), ("\"4\"", &json!("completed")));
    assert_eq!(done["completed_at"], done["updated_at"]);
    // A second completion changes nothing.
    assert_eq!(complete(&stack, &caller, &task).await.expect(200), done);
    // A completed task can be changed, and stays completed.
    let late = change(json!({"title": "Close May at last"})).await;
    assert_eq!((&late["status"], &late["version"]), (&json!("completed"), &json!(5)));
    assert_eq!(late["completed_at"], done["completed_at"]);
    assert_eq!(complete(&stack, &caller, &task).await.expect(200), late);

    stack.delete(&path(&task), Some(&caller)).await.expect(204);
    for _ in 0..2 {
        stack.delete(&path(&task), Some(&caller)).await.problem(404, "not_found");
    }
    complete(&stack, &caller, &task).await.problem(404, "not_found");
    stack.get(&path(&task), Some(&caller)).await.problem(404, "not_found");

    let events = stack.events(&admin, "task.").await;
    let resource = json!(format!("task:{}", id(&task)));
    assert!(events.iter().all(|event| event["resource"] == resource), "{events:?}");
    let told = events.iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap();
        format!("{} {} {}", text("action"), text("outcome"), event["detail"])
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "task.created success {}",
            r#"task.updated success {"changed":["title","due_date"]}"#,
            r#"task.updated success {"changed":["description","due_date"]}"#,
            "task.completed success {}",
            r#"task.completed success {"repeated":true}"#,
            r#"task.updated success {"changed":["title"]}"#,
            r#"task.completed success {"repeated":true}"#,
            "task.deleted success {}",
            "task.deleted failure {}",
            "task.deleted failure {}",
            "task.completed failure {}",
        ]
    );
    let logged = json!(stack.items("AuditTable").await).to_string();
    assert!(!logged.contains("Close May") && !logged.contains("Accruals"));
}

#[tokio::test]
async fn a_change_may_be_for_one_version_alone() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let task = due(&stack, &caller, "First", None).await;
    let change = json!({"title": "Second"});
    let patch = async |tags: &str| {
        if_match(&stack, &caller, (Method::PATCH, &task), tags, Some(&change)).await
    };
    let mut version = 1;
    for tags in ["\"{}\"", "*", "\"x\", \"{}\"", "\"{}\" , \"77\""] {
        let answer = patch(&tags.replace("{}", &version.to_string())).await;
        version += 1;
        assert_eq!(answer.expect(200)["version"], version, "{tags}");
    }
    let is = |version: i32| format!("\"{version}\"");
    for tags in [
        is(version - 1),
        is(version + 1),
        is(0),
        format!("W/{}", is(version)),
        version.to_string(),
        "\"x\"".into(),
        String::new(),
        format!("{}, {}", is(1), is(2)),
    ] {
        patch(&tags).await.problem(412, "precondition_failed");
        let delete = (Method::DELETE, &task);
        let refused = if_match(&stack, &caller, delete, &tags, None).await;
        refused.problem(412, "precondition_failed");
    }
    assert_eq!(stack.get(&path(&task), Some(&caller)).await.expect(200)["version"], version);

    let ask = async |tags: &str| {
        let request = stack.request(Method::GET, &path(&task)).bearer_auth(&caller.access);
        stack.send(request.header("if-none-match", tags)).await
    };
    for (tags, status) in [(is(version), 304), (is(1), 200), (format!("W/{}", is(version)), 304)] {
        let answer = ask(&tags).await;
        answer.expect(status);
        assert_eq!(answer.header("etag"), is(version), "{tags}");
    }
    let current = is(version);
    let gone = if_match(&stack, &caller, (Method::DELETE, &task), &current, None).await;
    gone.expect(204);
    // Where there is no task, no version of it matters.
    patch("\"x\"").await.problem(404, "not_found");
    patch("\"1\", \"2\"").await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_someone_elses_is_not_there() {
    let stack = TestStack::start().await;
    let (owner, other) = (stack.someone().await, stack.someone().await);
    let task = due(&stack, &owner, "Secret", Some("2026-06-05")).await;
    let nothing = json!({"id": NOTHING});
    for (caller, task) in [(&other, &task), (&owner, &nothing)] {
        stack.get(&path(task), Some(caller)).await.problem(404, "not_found");
        let change = json!({"title": "Mine"});
        let patched = stack.call(Method::PATCH, &path(task), caller, &change).await;
        patched.problem(404, "not_found");
        for tags in ["*", "\"1\"", "\"1\", \"2\""] {
            let patch = (Method::PATCH, task);
            let patched = if_match(&stack, caller, patch, tags, Some(&change)).await;
            patched.problem(404, "not_found");
        }
        complete(&stack, caller, task).await.problem(404, "not_found");
        stack.delete(&path(task), Some(caller)).await.problem(404, "not_found");
    }
    for query in ["", "status=all", "status=all&query=secret", "sort=due_date"] {
        assert_eq!(listed(&stack, &other, query, 20).await, Vec::<Value>::new(), "{query}");
        let expected = [task.clone()];
        assert_eq!(listed(&stack, &owner, query, 20).await, expected, "{query}");
    }
    assert_eq!(counted(&stack, &me(&stack, &owner).await).await, "1");
}

#[tokio::test]
async fn texts_are_kept_without_what_no_reader_sees() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let longest = "€".repeat(200);
    for (title, kept) in [
        ("<b>Pay &amp; go</b>", "<b>Pay &amp; go</b>"),
        (
            " Pay\u{0} \u{202e}the\u{202c}\u{2066} bill\u{2069}\u{e0001}\u{e0050}\u{7f} ",
            "Pay the bill",
        ),
        ("Cafe\u{301}", "Café"),
        (&format!("{longest}\u{0}\u{e0041}"), &longest),
    ] {
        let body = json!({"title": title, "description": format!("{title}\n\t{title}\r")});
        let task = create(&stack, &caller, &body).await;
        assert_eq!(task["title"], kept, "{title:?}");
        let description = task["description"].as_str().unwrap();
        assert!(description.contains("\n\t") && !description.contains(['\u{0}', '\r', '\u{202e}']));
        let again = stack.call(Method::PATCH, &path(&task), &caller, &body).await.expect(200);
        assert_eq!(
            (&again["title"], &again["description"]),
            (&task["title"], &task["description"])
        );
    }
    let task = due(&stack, &caller, "x", None).await;
    let patch = async |body: &Value| stack.call(Method::PATCH, &path(&task), &caller, body).await;
    let longer = "x".repeat(201);
    for (body, fields) in [
        (
            json!({"title": longer, "description": "x".repeat(2_001)}),
            &["/title", "/description"][..],
        ),
        (json!({"title": " \u{202e}\u{e0041}\u{0} "}), &["/title"]),
        (json!({"title": null}), &["/title"]),
        (json!({"title": "x", "due_date": "05.06.2026"}), &["/due_date"]),
        (json!({"title": "x", "due_date": "2026-02-29"}), &["/due_date"]),
        (json!({"title": "x", "status": "completed"}), &["/status"]),
        (json!({"title": "x", "user_id": NOTHING}), &["/user_id"]),
    ] {
        stack.post("/tasks", Some(&caller), &body).await.invalid(fields);
        patch(&body).await.invalid(fields);
    }
    stack.post("/tasks", Some(&caller), &json!({})).await.invalid(&["/title"]);
    assert_eq!(patch(&json!({})).await.expect(200)["version"], 2);
    for (query, parameter) in [
        ("status=done", "status"),
        ("due_before=tomorrow", "due_before"),
        ("query=%20", "query"),
        ("sort=created_at", "sort"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("title=x", "title"),
    ] {
        stack.get(&format!("/tasks?{query}"), Some(&caller)).await.invalid(&[parameter]);
    }
}

#[tokio::test]
async fn a_key_reads_or_changes_tasks_by_its_scope() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let key = async |scope: &str| {
        let new = new_key(&[scope], Duration::from_hours(1));
        stack.post("/api-keys", Some(&caller), &new).await.expect(201)["key"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (reader, writer) = (key("tasks:read").await, key("tasks:write").await);
    let call = async |key: &str, method: Method, path: &str| {
        let request = stack.request(method.clone(), path).header("x-api-key", key);
        let has_body = method == Method::PATCH || path == "/tasks" && method == Method::POST;
        let body = has_body.then(|| json!({"title": "By a service"}));
        stack.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await
    };
    let task = call(&writer, Method::POST, "/tasks").await.expect(201);
    let (one, done) = (path(&task), format!("{}/complete", path(&task)));
    for (method, path) in [(Method::GET, "/tasks"), (Method::GET, &one)] {
        call(&writer, method.clone(), path).await.problem(403, "forbidden");
        call(&reader, method, path).await.expect(200);
    }
    for (method, path, status) in [
        (Method::POST, "/tasks", 201),
        (Method::PATCH, &one, 200),
        (Method::POST, &done, 200),
        (Method::DELETE, &one, 204),
    ] {
        call(&reader, method.clone(), path).await.problem(403, "forbidden");
        call(&writer, method, path).await.expect(status);
    }
}

#[tokio::test]
async fn a_deleted_account_leaves_no_task_even_if_the_purge_is_cut() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let stack = TestStack::start().await;
        let (leaver, other) = (stack.someone().await, stack.someone().await);
        let user = me(&stack, &leaver).await;
        due(&stack, &other, "Stays", None).await;
        let task = due(&stack, &leaver, "Goes", None).await;
        copy(&stack, "TasksTable", &id(&task), &ids_like(&id(&task), 60)).await;
        let left = async || {
            let items = stack.items("TasksTable").await;
            items.iter().filter(|item| item["user_id"]["S"] == user.as_str()).count()
        };
        // The tasks and their number.
        assert_eq!(left().await, 62);
        stack.fail("TasksTable", Some("BatchWriteItem"), moment, 1);
        let confirmation = json!({"current_password": "Correct-Horse-9"});
        stack.call(Method::DELETE, "/auth/me", &leaver, &confirmation).await.expect(204);
        stack.local.aws().held().await;
        stack.local.functions().kill("PurgeConversationsFunction").unwrap();
        assert_eq!(left().await, if moment == Failure::HeldBefore { 62 } else { 37 });
        let start = json!({"user_id": user}).to_string();
        stack.local.invoke("PurgeConversationsFunction", start).await.unwrap();
        assert_eq!(left().await, 0, "{moment:?}");
        assert_eq!(listed(&stack, &other, "", 20).await.len(), 1);
    }
}
