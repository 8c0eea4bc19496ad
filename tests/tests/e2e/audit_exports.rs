//! Exports of the audit log.

use http::Method;
use platform::audit::Event;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Answer, Caller, TestStack, id};

use crate::audit::{ANN, ago, event, write};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";
const OCSF: &str = "application/x-ndjson; profile=ocsf";

/// Searches the audit log with this `Accept`.
async fn get(stack: &TestStack, caller: &Caller, path: &str, accept: &str) -> Answer {
    let request = stack.request(Method::GET, path).bearer_auth(&caller.access);
    stack.send(request.header("accept", accept)).await
}

/// The path of the next part, if there is one.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link").strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(link.to_owned())
}

/// All parts of an export.
async fn export(stack: &TestStack, caller: &Caller, query: &str, accept: &str) -> Vec<Answer> {
    let mut parts = Vec::new();
    let mut path = Some(format!("/audit?{query}"));
    while let Some(next_part) = path {
        let answer = get(stack, caller, &next_part, accept).await;
        answer.expect(200);
        path = next(&answer);
        parts.push(answer);
    }
    parts
}

/// The lines of a part in JSON.
fn objects(part: &Answer) -> Vec<Value> {
    part.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ids of the events in a part. The cells before them and they themselves have no comma.
fn ids(part: &Answer) -> Vec<String> {
    match part.header("content-type") {
        "application/json" => part.json()["items"].as_array().unwrap().iter().map(id).collect(),
        NDJSON => objects(part).iter().map(id).collect(),
        OCSF => {
            let of = |event: &Value| event["metadata"]["uid"].as_str().unwrap().to_owned();
            objects(part).iter().map(of).collect()
        }
        _ => {
            let cells =
                part.text.split_terminator("\r\n").map(|line| line.split(',').nth(1).unwrap());
            let mut ids: Vec<_> = cells.map(str::to_owned).collect();
            assert_eq!(ids.remove(0), "id");
            ids
        }
    }
}

/// Events a millisecond apart, the newest first.
fn history(number: usize) -> Vec<Event> {
    let offset = |n: usize| 3_600_000 + i64::try_from(n).unwrap();
    let mut events: Vec<_> =
        (0..number).map(|n| event(ANN, "test.read", ago(offset(n)), n)).collect();
    events.sort_by(|a, b| b.id.cmp(&a.id));
    events
}

#[tokio::test]
async fn an_export_has_the_events_of_a_search_in_parts() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let history = history(250);
    write(&stack, &history).await;
    let expected: Vec<_> = history.iter().map(|event| event.id.clone()).collect();
    for (accept, content_type) in [
        (CSV, "text/csv; charset=utf-8"),
        (NDJSON, NDJSON),
        (OCSF, OCSF),
        ("text/*;q=0.9", "text/csv; charset=utf-8"),
    ] {
        for (query, parts) in [("", 1), ("&limit=5000", 1), ("&limit=120", 3), ("&limit=125", 2)] {
            let query = format!("action=test.{query}");
            let export = export(&stack, &admin, &query, accept).await;
            assert_eq!(export.len(), parts, "{accept} {query}");
            assert!(export.iter().all(|part| part.header("content-type") == content_type));
            assert_eq!(
                export.iter().flat_map(ids).collect::<Vec<_>>(),
                expected,
                "{accept} {query}"
            );
        }
        let mut oldest = export(&stack, &admin, "action=test.&order=asc&limit=100", accept).await;
        let ascending: Vec<_> = expected.iter().rev().take(100).cloned().collect();
        assert_eq!((ids(&oldest.remove(0)), oldest.len()), (ascending, 2), "{accept}");
    }
    let ndjson = export(&stack, &admin, "action=test.", NDJSON).await.remove(0);
    let read: Vec<Event> =
        ndjson.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, history);
    // An export without events has its columns, or nothing.
    let nothing =
        async |accept| export(&stack, &admin, "action=no.such", accept).await.remove(0).text;
    assert_eq!(nothing(NDJSON).await, "");
    assert_eq!(nothing(OCSF).await, "");
    assert_eq!(
        nothing(CSV).await,
        "v,id,time,actor_user_id,actor_username,actor_session_id,actor_key_id,action,outcome,\
         resource,ip,user_agent,request_id,latency_ms,detail,hash,texts\r\n"
    );
}

#[tokio::test]
async fn each_part_of_an_export_leaves_an_event_with_its_number_of_rows() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    write(&stack, &history(30)).await;
    let parts = export(&stack, &admin, &format!("actor={ANN}&limit=20"), CSV).await;
    let exported = stack.events(&admin, "audit.exported").await;
    let shown: Vec<_> = exported
        .iter()
        .map(|event| (event["request_id"].clone(), event["detail"].clone()))
        .collect();
    let detail = |rows: usize| json!({"actor": ANN, "limit": 20, "rows": rows, "format": "csv"});
    let expected: Vec<_> = parts
        .iter()
        .zip([detail(20), detail(10)])
        .map(|(part, detail)| (Value::from(part.header("x-request-id")), detail))
        .collect();
    assert_eq!(shown, expected);
    // This test's look at these events is the only read so far.
    let reads = stack.events(&admin, "audit.read").await;
    assert_eq!(reads.len(), 1, "{reads:?}");

    // Users export their own events without a role, which leaves no event.
    get(&stack, &demo, "/audit?actor=me", NDJSON).await.expect(200);
    get(&stack, &demo, "/audit", NDJSON).await.problem(403, "forbidden");
    assert_eq!(stack.events(&admin, "audit.exported").await.len(), exported.len());

    // What cannot be recorded is not shown.
    stack.fail("AuditTable", Some("PutItem"), Failure::Internal, 100);
    get(&stack, &admin, "/audit", CSV).await.problem(503, "unavailable");
}

#[tokio::test]
async fn the_form_is_chosen_by_accept_and_bounds_the_limit() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    for (accept, content_type) in [
        ("*/*", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("text/csv;q=0.5, application/x-ndjson;q=0.9", NDJSON),
        ("application/x-ndjson;profile=\"ocsf\", */*;q=0.1", OCSF),
        ("application/json;q=0.1, text/csv", "text/csv; charset=utf-8"),
    ] {
        let answer = get(&stack, &admin, "/audit?limit=1", accept).await;
        answer.expect(200);
        assert_eq!(answer.header("content-type"), content_type, "{accept}");
    }
    for accept in ["application/xml", "text/csv;q=0", "application/x-ndjson;profile=unknown"] {
        let problem = get(&stack, &admin, "/audit", accept).await.problem(406, "not_acceptable");
        let detail = problem["detail"].as_str().unwrap();
        let offers = "application/json, text/csv, application/x-ndjson or \
                      application/x-ndjson; profile=ocsf.";
        assert!(detail.contains(offers), "{detail}");
    }
    get(&stack, &admin, "/audit?limit=101", "application/json").await.invalid(&["limit"]);
    get(&stack, &admin, "/audit?limit=101", CSV).await.expect(200);
    get(&stack, &admin, "/audit?limit=5001&order=up", CSV).await.invalid(&["order", "limit"]);
}

#[tokio::test]
async fn no_answer_is_larger_than_a_function_may_give() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let mut history = history(200);
    for event in &mut history {
        // CSV has three characters of each quotation mark, and six where the body is a JSON string.
        event.detail.insert("text".into(), "\"".repeat(15_000).into());
    }
    write(&stack, &history).await;
    let expected: Vec<_> = history.iter().map(|event| event.id.clone()).collect();
    for (accept, limit, number) in
        [(CSV, 5_000, 5), (NDJSON, 5_000, 4), (OCSF, 5_000, 10), ("application/json", 100, 4)]
    {
        let parts = export(&stack, &admin, &format!("action=test.&limit={limit}"), accept).await;
        assert_eq!(parts.iter().flat_map(ids).collect::<Vec<_>>(), expected, "{accept}");
        assert_eq!(parts.len(), number, "{accept}");
        for part in &parts {
            // The body is sent as a JSON string.
            let bytes = json!(part.text).to_string().len();
            assert!(bytes <= 4_001_000, "{accept}: {bytes}");
        }
        if accept == "application/json" {
            let times: Vec<_> =
                parts.iter().map(|part| part.json()["looked_back_to"].clone()).collect();
            let last = |part: &Answer| part.json()["items"].as_array().unwrap().last().cloned();
            let shown: Vec<_> =
                parts.iter().map(|part| last(part).unwrap()["time"].clone()).collect();
            assert_eq!((&times[..3], &times[3]), (&shown[..3], &Value::Null));
        }
    }
}
