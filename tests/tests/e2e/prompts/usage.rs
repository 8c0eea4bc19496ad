//! Usage by the versions of a prompt, and by prompts.

use std::collections::BTreeMap;

use assistant::domain::Cost;
use platform::clock::{Clock, rfc3339};
use serde_json::{Value, json};
use tally_tests::messages_api::{self, MessagesApi, event, reply};
use tally_tests::{Caller, TestStack};

use super::labels::{AT_ONCE, save};
use crate::chat::{claude, own_events, text};
use crate::users::user_id;

const TOKENS: [&str; 4] =
    ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"];

/// Replies, failed replies, tokens and cost.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    requests: u64,
    failed: u64,
    tokens: [u64; 4],
    cost: Cost,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The usage of a prompt by version.
async fn usage(stack: &TestStack, caller: &Caller, name: &str) -> BTreeMap<u64, Totals> {
    let report = stack.get(&format!("/prompts/{name}/usage"), Some(caller)).await.expect(200);
    let items = report["items"].as_array().unwrap();
    let versions: Vec<_> = items.iter().map(|item| number(&item["version"])).collect();
    assert!(versions.is_sorted_by(|one, next| one < next), "{report}");
    let totals = items.iter().map(|item| Totals {
        requests: number(&item["requests"]),
        failed: number(&item["failed"]),
        tokens: TOKENS.map(|name| number(&item[name])),
        cost: text(&item["cost_usd"]).parse().unwrap(),
    });
    versions.into_iter().zip(totals).collect()
}

/// The same by the events of the replies. One that used no tokens is left out.
fn expected(events: &[Value], name: &str) -> BTreeMap<u64, Totals> {
    let mut versions = BTreeMap::<_, Totals>::new();
    for event in events.iter().filter(|event| event["detail"]["prompt"] == name) {
        let detail = &event["detail"];
        let tokens = TOKENS.map(|name| detail[name].as_u64().unwrap_or(0));
        if tokens == [0; 4] {
            continue;
        }
        let totals = versions.entry(number(&detail["prompt_version"])).or_default();
        totals.requests += 1;
        totals.failed += u64::from(detail["status"] == "failed");
        totals.tokens.iter_mut().zip(tokens).for_each(|(sum, tokens)| *sum += tokens);
        totals.cost += text(&detail["cost_usd"]).parse::<Cost>().unwrap();
    }
    versions
}

/// The day now, UTC.
pub fn today() -> String {
    rfc3339(Clock::System.now())[..10].to_owned()
}

/// Asks for a reply with a prompt, and expects this status.
async fn ask(stack: &TestStack, caller: &Caller, (prompt, message): (&str, &str), status: u16) {
    let body = json!({"message": message, "prompt": prompt});
    assert_eq!(stack.post("/chat", Some(caller), &body).await.status, status, "{prompt} {message}");
}

/// A row of usage, as a former version wrote it or as this one does.
fn row(user_id: &str, day_model: &str, prompt: Option<&str>) -> Value {
    let mut row = json!({
        "user_id": {"S": user_id}, "day_model": {"S": day_model}, "requests": {"N": "2"},
        "input_tokens": {"N": "10"}, "output_tokens": {"N": "20"},
        "cache_read_tokens": {"N": "0"}, "cache_write_tokens": {"N": "0"},
        "cost_nanos": {"N": "30000000"},
    });
    if let Some(prompt) = prompt {
        row["prompt"] = json!({"S": prompt});
        row["failed"] = json!({"N": "1"});
    }
    row
}

#[tokio::test]
async fn replies_are_counted_by_the_version_that_they_began_with() {
    let stack = TestStack::with(&AT_ONCE).await;
    let (editor, other) = (stack.editor().await, stack.someone().await);
    save(&stack, &editor, "default", "Be brief.").await;
    save(&stack, &editor, "default", "Be long.").await;
    assert_eq!(usage(&stack, &editor, "default").await, BTreeMap::new());
    for prompt in ["default@1", "default@2", "default@1", "default@latest", "excel.formula"] {
        // `latest` is no label.
        let status = if prompt.ends_with("latest") { 422 } else { 200 };
        ask(&stack, &editor, (prompt, "Hello there"), status).await;
    }
    ask(&stack, &other, ("default", "Hello"), 200).await;
    let own = own_events(&stack, &editor, "chat.message").await;
    let others = own_events(&stack, &other, "chat.message").await;
    let all = [own, others].concat();
    let by_version = usage(&stack, &editor, "default").await;
    assert_eq!(by_version, expected(&all, "default"));
    let requests: Vec<_> =
        by_version.iter().map(|(version, totals)| (*version, totals.requests)).collect();
    assert_eq!(requests, [(0, 1), (1, 2), (2, 1)]);
    assert!(by_version.values().all(|totals| totals.failed == 0), "{by_version:?}");
    assert_eq!(usage(&stack, &editor, "excel.formula").await, expected(&all, "excel.formula"));

    // A row from before prompts had versions counts for its day and its model, but for no prompt.
    let group = async |by: &str| {
        let path = format!("/usage?group_by={by}");
        stack.get(&path, Some(&editor)).await.expect(200)["items"].clone()
    };
    let requests = |groups: &Value, by: &str| -> Vec<(String, u64)> {
        let groups = groups.as_array().unwrap().iter();
        groups.map(|group| (text(&group[by]).to_owned(), number(&group["requests"]))).collect()
    };
    let by_prompt = group("prompt").await;
    let both = [("default".to_owned(), 3), ("excel.formula".to_owned(), 1)];
    assert_eq!(requests(&by_prompt, "prompt"), both);
    let day = text(&group("day").await[0]["day"]).to_owned();
    let editor_id = user_id(&stack, &editor.username).await;
    stack.put_item("UsageTable", &row(&editor_id, &format!("{day}#lorem"), None)).await;
    assert_eq!(requests(&group("day").await, "day"), [(day, 4 + 2)]);
    assert_eq!(requests(&group("model").await, "model"), [("lorem".to_owned(), 4 + 2)]);
    assert_eq!(group("prompt").await, by_prompt);
    assert_eq!(usage(&stack, &editor, "default").await, by_version);
}

#[tokio::test]
async fn a_reply_that_failed_counts_as_one_if_it_used_tokens() {
    let overloaded = event(
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let parts = ["Some", " words"];
    let breaks =
        messages_api::Answer::stream(reply(&parts).into_iter().take(4).chain([overloaded]));
    let api = MessagesApi::start(move |asked| match asked.message() {
        "break" => breaks.clone(),
        "refuse" => messages_api::Answer::error(400, "invalid_request_error"),
        _ => messages_api::Answer::stream(reply(&parts)),
    });
    let api = api.await;
    let stack = claude::stack(&api, &[("PromptCacheSeconds", "0")]).await;
    let editor = stack.editor().await;
    save(&stack, &editor, "default", "Be brief.").await;
    save(&stack, &editor, "default", "Be long.").await;
    for (prompt, message, status) in [
        ("default@1", "say", 200),
        ("default@1", "break", 503),
        ("default@1", "break", 503),
        ("default@2", "say", 200),
        ("default@2", "break", 503),
        // The provider has read nothing.
        ("default@2", "refuse", 502),
        ("default@0", "refuse", 502),
    ] {
        ask(&stack, &editor, (prompt, message), status).await;
    }
    let events = own_events(&stack, &editor, "chat.message").await;
    assert_eq!(events.len(), 7);
    let by_version = usage(&stack, &editor, "default").await;
    assert_eq!(by_version, expected(&events, "default"));
    let counts: Vec<_> = by_version
        .iter()
        .map(|(version, totals)| (*version, totals.requests, totals.failed))
        .collect();
    assert_eq!(counts, [(1, 3, 2), (2, 2, 1)]);
    assert!(by_version.values().all(|totals| totals.cost > Cost::ZERO), "{by_version:?}");
}

#[tokio::test]
async fn a_report_covers_the_days_that_are_asked_for_by_all_users() {
    let stack = TestStack::start().await;
    let (editor, demo) = (stack.editor().await, stack.demo().await);
    // A page of the index has 1 MB.
    let padding = "x".repeat(100_000);
    for number in 0..12 {
        let user = format!("019a0000-0000-7000-8000-0000000000{number:02}");
        for day_model in ["2026-01-31#lorem#default@3", "2026-02-01#a@b#default@12"] {
            let mut row = row(&user, day_model, Some("default"));
            row["padding"] = json!({"S": padding});
            stack.put_item("UsageTable", &row).await;
        }
    }
    // Other prompts, other days, and a row that belongs to no prompt.
    let user = "019a0000-0000-7000-8000-000000000099";
    for (day_model, prompt) in [
        ("2026-01-31#lorem#default.de@3", Some("default.de")),
        ("2026-01-30#lorem#default@3", Some("default")),
        ("2026-02-02#lorem#default@3", Some("default")),
        ("2026-01-31#lorem", None),
    ] {
        stack.put_item("UsageTable", &row(user, day_model, prompt)).await;
    }
    let twelve = |version: u64| {
        json!({
            "version": version, "requests": 24, "failed": 12, "input_tokens": 120,
            "output_tokens": 240, "cache_read_tokens": 0, "cache_write_tokens": 0,
            "cost_usd": "0.36",
        })
    };
    let get = async |query: &str, caller: &Caller| {
        stack.get(&format!("/prompts/default/usage{query}"), Some(caller)).await
    };
    for (from, to, items) in [
        ("2026-01-31", "2026-02-01", json!([twelve(3), twelve(12)])),
        ("2026-01-31", "2026-01-31", json!([twelve(3)])),
        ("2026-02-01", "2026-02-01", json!([twelve(12)])),
        ("2026-02-03", "2026-05-05", json!([])),
    ] {
        let report = get(&format!("?from={from}&to={to}"), &editor).await.expect(200);
        let expected = json!({"name": "default", "from": from, "to": to, "items": items});
        assert_eq!(report, expected);
    }
    let before = today();
    let now = get("", &editor).await.expect(200);
    let to = text(&now["to"]);
    assert!([before, today()].iter().any(|day| to == day), "{now}");
    assert_eq!(text(&now["from"]), format!("{}-01", &to[..7]));

    get("?from=2026-01-01&to=2026-04-03", &editor).await.invalid(&["from"]);
    get("?from=2026-01-02&to=2026-04-03", &editor).await.expect(200);
    get("?from=2026-01-02&to=2026-01-01", &editor).await.invalid(&["from"]);
    get("?from=2026-1-1&to=tomorrow&by=day", &editor).await.invalid(&["from", "to", "by"]);
    get("", &demo).await.problem(403, "forbidden");
    let nothing = stack.get("/prompts/no.such.prompt/usage", Some(&editor)).await;
    nothing.problem(404, "not_found");
}
