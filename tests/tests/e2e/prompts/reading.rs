//! Lists of prompts and versions, and what each role and each API key sees.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use super::{chat, in_use, read, save, update, with};
use crate::api_keys::new_key;

/// The items of a list, page after page.
async fn walk(
    stack: &TestStack,
    caller: &Caller,
    (path, filters): (&str, &str),
    limit: usize,
) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}?limit={limit}&{filters}{cursor}");
        let page = stack.get(&path, Some(caller)).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{path}");
        found.extend(items.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return found };
        assert!(!items.is_empty(), "{path}");
        cursor = format!("&cursor={next}");
    }
}

/// The names of a list, which is the same in pages of every size.
async fn names(stack: &TestStack, caller: &Caller, filters: &str) -> Vec<String> {
    let mut names = Vec::new();
    for limit in [100, 2, 1] {
        let items = walk(stack, caller, ("/prompts", filters), limit).await;
        let found: Vec<_> =
            items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        assert!(limit == 100 || found == names, "{filters} by {limit}: {found:?} {names:?}");
        names = found;
    }
    names
}

const BUILT_IN: [&str; 13] = [
    "agent.auditor",
    "agent.finance",
    "agent.tasks",
    "analysis.summary",
    "code.review",
    "default",
    "excel.classify",
    "excel.clean",
    "excel.explain",
    "excel.extract",
    "excel.formula",
    "excel.summarize",
    "finance.review",
];

#[tokio::test]
async fn prompts_are_listed_by_name_with_those_that_are_built_in() {
    let stack = TestStack::start().await;
    let (editor, demo) = (stack.editor().await, stack.demo().await);
    assert_eq!(names(&stack, &demo, "").await, BUILT_IN);
    for name in ["excel.charts", "zeta", "default", "a", "agent.tasks-2", "agent.tasks"] {
        save(&stack, &editor, name, &chat("One.")).await.expect(201);
    }
    let task = json!({"kind": "task", "system": "Sum up."});
    save(&stack, &editor, "excel.sums", &task).await.expect(201);
    save(&stack, &editor, "excel.old", &task).await.expect(201);
    update(&stack, &editor, "excel.old", &json!({"archived": true})).await.expect(200);
    let all = [
        "a",
        "agent.auditor",
        "agent.finance",
        "agent.tasks",
        "agent.tasks-2",
        "analysis.summary",
        "code.review",
        "default",
        "excel.charts",
        "excel.classify",
        "excel.clean",
        "excel.explain",
        "excel.extract",
        "excel.formula",
        "excel.summarize",
        "excel.sums",
        "finance.review",
        "zeta",
    ];
    for (filters, expected) in [
        ("", &all[..]),
        ("prefix=", &all),
        ("archived=false", &all),
        ("archived=true", &["excel.old"]),
        ("prefix=excel.", &all[8..16]),
        ("prefix=excel.s", &["excel.summarize", "excel.sums"]),
        ("prefix=agent.tasks", &["agent.tasks", "agent.tasks-2"]),
        ("prefix=agent.tasks-", &["agent.tasks-2"]),
        ("prefix=b", &[]),
        ("kind=task&prefix=excel.s", &["excel.summarize", "excel.sums"]),
        ("kind=task&prefix=f", &["finance.review"]),
        ("kind=task&archived=true&prefix=excel", &["excel.old"]),
        ("kind=chat&prefix=z", &["zeta"]),
    ] {
        assert_eq!(names(&stack, &demo, filters).await, expected, "{filters}");
    }
    for (filters, fault) in [
        ("prefix=A", "prefix"),
        ("prefix=a%2F", "prefix"),
        ("kind=agent", "kind"),
        ("archived=1", "archived"),
        ("limit=0", "limit"),
        ("name=a", "name"),
        ("cursor=x", "cursor"),
    ] {
        stack.get(&format!("/prompts?{filters}"), Some(&demo)).await.invalid(&[fault]);
    }
    let page = stack.get("/prompts?limit=1&kind=chat", Some(&demo)).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let other = format!("/prompts?limit=1&cursor={cursor}");
    stack.get(&other, Some(&demo)).await.invalid(&["cursor"]);
    let own = format!("{other}&kind=chat");
    stack.get(&own, Some(&editor)).await.invalid(&["cursor"]);
    assert_eq!(stack.get(&own, Some(&demo)).await.expect(200)["items"][0]["name"], all[1]);
}

#[tokio::test]
async fn a_page_has_more_prompts_than_a_query_reads() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let first = json!({"labels": ["staging"], "note": "€".repeat(500)});
    save(&stack, &editor, "faq-00", &with(chat("One."), &first)).await.expect(201);
    let items = stack.items("PromptsTable").await;
    let is_head = |item: &&Value| item["part"]["S"] == "names" && item["name"]["S"] == "faq-00";
    let mut head = items.iter().find(is_head).unwrap().clone();
    // Each head has the moves that it keeps, so all of them have more than a megabyte.
    let moved = head["moves"]["L"][0].clone();
    head["moves"]["L"] = vec![moved; 50].into();
    let names: Vec<_> = (0..16).map(|number| format!("faq-{number:02}")).collect();
    for name in &names {
        head["name"]["S"] = name.as_str().into();
        stack.put_item("PromptsTable", &head).await;
    }
    for limit in [100, 16, 7] {
        let items = walk(&stack, &editor, ("/prompts", "prefix=faq-"), limit).await;
        let found: Vec<_> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{limit}");
    }
    let page = stack.get("/prompts?limit=16&prefix=faq-", Some(&editor)).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next_cursor"]), (16, &Value::Null));
}

#[tokio::test]
async fn versions_of_the_largest_size_are_saved_listed_and_read() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let values: Vec<_> = (0..50).map(|number| format!("{number:02}{}", "€".repeat(8))).collect();
    let names: Vec<_> = (0..26).map(|number| format!("v{number:02}")).collect();
    let variable = |name: &String| json!({"name": name, "type": "enum", "values": values});
    let variables: Vec<_> = names.iter().map(variable).collect();
    let system = names.iter().map(|name| format!("{{{{{name}}}}}")).collect::<Vec<_>>().concat();
    let text = "€".repeat(49_800);
    let body = json!({
        "kind": "task", "user": format!("{{{{input}}}}{text}"), "variables": variables,
        "output_schema": {"description": "x".repeat(19_900)}, "note": "€".repeat(500),
        "labels": ["production"],
    });
    for number in 1..=4 {
        let more = json!({"system": format!("{number}{system}{text}")});
        let saved = save(&stack, &admin, "large", &with(body.clone(), &more)).await.expect(201);
        assert_eq!(saved["version"], number);
    }
    assert_eq!(in_use(&stack, "large").await, Some(4));
    for limit in [100, 2] {
        let items = walk(&stack, &admin, ("/prompts/large/versions", ""), limit).await;
        let found: Vec<_> = items.iter().map(|item| item["version"].as_u64().unwrap()).collect();
        assert_eq!(found, [4, 3, 2, 1], "{limit}");
    }
    let third = stack.get("/prompts/large/versions/3", Some(&admin)).await.expect(200);
    assert_eq!(third["system"], format!("3{system}{text}"));
    assert_eq!(read(&stack, &admin, "large").await["variables"], third["variables"]);
    let given: serde_json::Map<_, _> =
        names.iter().map(|name| (name.clone(), json!(values[49]))).collect();
    let body = json!({"version": 3, "variables": given, "text": "Rows"});
    let rendered = stack.post("/prompts/large/render", Some(&admin), &body).await.expect(200);
    assert_eq!(rendered["system"], format!("3{}{text}", values[49].repeat(26)));
    assert!(rendered["user"].as_str().unwrap().ends_with(&text));
}

#[tokio::test]
async fn a_user_sees_names_purposes_and_variables_and_others_the_rest() {
    let stack = TestStack::start().await;
    let (editor, admin, demo) = (stack.editor().await, stack.admin().await, stack.demo().await);
    let auditor = stack.someone_with("auditor").await;
    let variables = json!([{"name": "year", "type": "integer", "required": true}]);
    let body = with(
        chat("In {{year}}."),
        &json!({"variables": variables, "labels": ["production"], "note": "First"}),
    );
    save(&stack, &admin, "faq", &body).await.expect(201);
    save(&stack, &editor, "faq", &chat("Without variables.")).await.expect(201);
    update(&stack, &editor, "faq", &json!({"description": "Questions."})).await.expect(200);
    let seen = json!({
        "name": "faq", "kind": "chat", "description": "Questions.", "archived": false,
        "labels": {"production": 1}, "latest": 2,
    });
    let items = walk(&stack, &demo, ("/prompts", "prefix=faq"), 20).await;
    assert_eq!(items, std::slice::from_ref(&seen));
    let seen = with(seen, &json!({"variables": variables, "revision": 3}));
    assert_eq!(read(&stack, &demo, "faq").await, seen);
    for reader in [&editor, &auditor, &admin] {
        let prompt = read(&stack, reader, "faq").await;
        let moves = prompt["moves"].clone();
        assert_eq!((&moves[0]["to"], &moves[0]["note"]), (&json!(1), &json!("First")));
        assert_eq!(prompt, with(seen.clone(), &json!({"moves": moves})));
    }
    let built_in = read(&stack, &demo, "excel.formula").await;
    let expected = json!({
        "name": "excel.formula", "kind": "chat", "archived": false, "labels": {}, "latest": 0,
        "description": "Writes and explains formulas for Excel.", "variables": [], "revision": 0,
    });
    assert_eq!(built_in, expected);

    let change = json!({"description": "Mine."});
    for (caller, reads, writes) in
        [(&demo, 403, 403), (&auditor, 200, 403), (&editor, 200, 200), (&admin, 200, 200)]
    {
        for path in ["/prompts/faq/versions", "/prompts/faq/versions/1"] {
            assert_eq!(stack.get(path, Some(caller)).await.status, reads, "{path}");
        }
        assert_eq!(update(&stack, caller, "faq", &change).await.status, writes);
        let saved = save(&stack, caller, "faq", &chat("Without variables.")).await;
        assert_eq!(saved.status, writes);
    }
    let denied = stack.events(&admin, "access.denied").await;
    assert!(!denied.is_empty());
}

#[tokio::test]
async fn a_key_reads_and_writes_as_far_as_its_owner() {
    let stack = TestStack::start().await;
    let (editor, demo) = (stack.editor().await, stack.demo().await);
    save(&stack, &editor, "faq", &chat("One.")).await.expect(201);
    let key = async |owner: &Caller, scope: &str| {
        let body = new_key(&[scope], Duration::from_hours(1));
        let made = stack.post("/api-keys", Some(owner), &body).await.expect(201);
        made["key"].as_str().unwrap().to_owned()
    };
    let call = async |key: &str, method: Method, path: &str, body: Option<Value>| -> Answer {
        let request = stack.request(method, path).header("x-api-key", key);
        stack.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await
    };
    for (owner, scope, summary, text, writes) in [
        (&editor, "prompts:read", 200, 200, 403),
        (&editor, "prompts:write", 403, 403, 200),
        (&editor, "chat:write", 403, 403, 403),
        (&demo, "prompts:read", 200, 403, 403),
        (&demo, "prompts:write", 403, 403, 403),
    ] {
        let key = key(owner, scope).await;
        for (path, expected) in [
            ("/prompts", summary),
            ("/prompts/faq", summary),
            ("/prompts/faq/versions", text),
            ("/prompts/faq/versions/1", text),
        ] {
            let answer = call(&key, Method::GET, path, None).await;
            assert_eq!(answer.status, expected, "{scope} {path}");
            if path == "/prompts/faq" && expected == 200 {
                assert_eq!(answer.json().get("moves").is_some(), text == 200, "{answer:?}");
            }
        }
        let body = json!({"description": "Questions."});
        let changed = call(&key, Method::PATCH, "/prompts/faq", Some(body)).await;
        let saved = call(&key, Method::POST, "/prompts/faq/versions", Some(chat("One."))).await;
        assert_eq!((changed.status, saved.status), (writes, writes), "{scope}");
    }
    let of_key = stack.events(&stack.admin().await, "prompt.updated").await.pop().unwrap();
    assert!(of_key["actor"]["key_id"].is_string(), "{of_key}");
}

#[tokio::test]
async fn versions_are_listed_newest_first_and_read_by_number_or_label() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    for number in 1..=5 {
        let body = chat(&format!("Number {number}."));
        let labels = if number == 2 { json!(["eu", "staging"]) } else { json!([]) };
        for name in ["faq", "default"] {
            let body = with(body.clone(), &json!({"labels": labels}));
            save(&stack, &editor, name, &body).await.expect(201);
        }
    }
    for (name, oldest) in [("faq", 1_u64), ("default", 0)] {
        let path = format!("/prompts/{name}/versions");
        let expected: Vec<u64> = (oldest..=5).rev().collect();
        for limit in [100, 6, 5, 2, 1] {
            let items = walk(&stack, &editor, (&path, ""), limit).await;
            let found: Vec<_> =
                items.iter().map(|item| item["version"].as_u64().unwrap()).collect();
            assert_eq!(found, expected, "{name} by {limit}");
            assert!(items.iter().all(|item| item.get("system").is_none()));
            assert_eq!(items[3]["labels"], json!(["eu", "staging"]));
        }
    }
    for (which, expected) in [
        ("1", Some("Number 1.")),
        ("5", Some("Number 5.")),
        ("eu", Some("Number 2.")),
        ("staging", Some("Number 2.")),
        ("6", None),
        ("0", None),
        ("production", None),
        ("latest", None),
        ("unknown", None),
        ("01", None),
        ("-1", None),
        ("4294967297", None),
        ("EU", None),
    ] {
        let path = format!("/prompts/faq/versions/{which}");
        let answer = stack.get(&path, Some(&editor)).await;
        match expected {
            Some(text) => assert_eq!(answer.expect(200)["system"], text, "{which}"),
            None => drop(answer.problem(404, "not_found")),
        }
    }
    for which in ["0", "production"] {
        let path = format!("/prompts/default/versions/{which}");
        assert_eq!(stack.get(&path, Some(&admin)).await.expect(200)["version"], 0);
    }
    stack.get("/prompts/unknown/versions", Some(&admin)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_text_that_is_no_name_names_no_prompt() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let long = "a".repeat(65);
    for name in ["A", "a_", ".a", "a@7", "%C3%A4", "a%20b", "a%2Fb", "a%2fb", "a%252Fb", &long] {
        let path = format!("/prompts/{name}");
        let body = json!({"description": "Mine."});
        let answers = [
            stack.get(&path, Some(&editor)).await,
            update(&stack, &editor, name, &body).await,
            save(&stack, &editor, name, &chat("One.")).await,
            stack.get(&format!("{path}/versions"), Some(&editor)).await,
            stack.get(&format!("{path}/versions/1"), Some(&editor)).await,
        ];
        // The path of the request is decoded in the problem.
        for answer in answers {
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (404, &json!("not_found")),
                "{name}"
            );
        }
    }
    let answer = save(&stack, &editor, "a/b", &chat("One.")).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(read(&stack, &editor, "default").await["revision"], 0);
    let longest = "a".repeat(64);
    save(&stack, &editor, &longest, &chat("One.")).await.expect(201);
}
