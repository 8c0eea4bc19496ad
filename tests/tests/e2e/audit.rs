//! Searches of the audit log, and reads of one event.

pub mod erasure;
mod matrix;
mod sealed_log;
mod sealing;
mod tampering;
mod texts;

use std::collections::BTreeSet;

use platform::Platform;
use platform::audit::{AuditDetails, Event, Outcome};
use platform::clock::{Clock, Timestamp, rfc3339};
use platform::config::Config;
use platform::context::Context;
use platform::identity::Identity;
use platform::store::AuditLog;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

pub use self::texts::{ask, texts_of};

const SEALER: &str = "AuditSealFunction";

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The addresses of events.
const V4: &str = "203.0.113.7";
const V6: &str = "2001:db8:1:2::/64";

/// Two users that only the audit log knows.
pub const ANN: &str = "019a0000-0000-7000-8000-00000000000a";
const BOB: &str = "019a0000-0000-7000-8000-00000000000b";

fn now() -> Timestamp {
    Clock::System.now()
}

pub fn ago(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(now().as_millisecond() - milliseconds).unwrap()
}

pub fn event(user_id: &str, action: &'static str, time: Timestamp, number: usize) -> Event {
    let identity = Identity {
        user_id: user_id.into(),
        username: "written".into(),
        session_id: "019a0000-0000-7000-8000-00000000000b".into(),
    };
    let outcome = if number.is_multiple_of(3) { Outcome::Denied } else { Outcome::Success };
    let context = Context {
        request_id: format!("r-{number}"),
        address: if number.is_multiple_of(5) { V6 } else { V4 }.into(),
        ..Context::default()
    };
    AuditDetails::action(action)
        .resource("thing", &number.to_string())
        .event(None, outcome, Some(&identity.into()), &context, time, 0)
        .unwrap()
}

/// Events of this moment.
fn new_events(count: usize) -> Vec<Event> {
    (0..count).map(|number| event(ANN, "test.read", ago(0), number)).collect()
}

/// Writes events as the functions do, with any time.
pub async fn write(stack: &TestStack, events: &[Event]) {
    let function = stack
        .local
        .deployment()
        .functions
        .iter()
        .find(|function| function.binary == "audit")
        .unwrap();
    let config: Config = stack.local.environment(function).into_iter().collect();
    let platform = Platform::new(config, Clock::System);
    let database = platform.database().unwrap();
    let log = AuditLog::new(&platform).unwrap();
    for part in events.chunks(100) {
        database
            .commit(part.iter().map(|event| log.append(event.clone()).unwrap()).collect())
            .await
            .unwrap();
    }
}

/// Events over 400 days: bursts, quiet months, and some within one millisecond.
fn history() -> Vec<Event> {
    let offsets = (0..120)
        .map(|n| n * HOUR_MS / 4)
        .chain((0..100).map(|n| 35 * DAY_MS + n))
        .chain((0..60).map(|n| 200 * DAY_MS + n / 6));
    let offsets =
        offsets.chain((0..40).map(|n| 390 * DAY_MS + n * HOUR_MS)).map(|offset| offset + HOUR_MS);
    let actions = ["test.read", "test.write", "other.read"];
    offsets
        .enumerate()
        .map(|(n, offset)| {
            event(if n.is_multiple_of(2) { ANN } else { BOB }, actions[n % 3], ago(offset), n)
        })
        .collect()
}

/// All pages of a search. Returns the ids and the number of pages.
async fn walk(stack: &TestStack, caller: &Caller, query: &str) -> (Vec<String>, usize) {
    let mut ids = Vec::new();
    let mut pages = 0;
    let mut path = format!("/audit?{query}");
    loop {
        let answer = stack.get(&path, Some(caller)).await;
        let page = answer.expect(200);
        pages += 1;
        ids.extend(page["items"].as_array().unwrap().iter().map(id));
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(answer.header("link"), "");
            return (ids, pages);
        };
        let next = answer
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""));
        next.unwrap().clone_into(&mut path);
        assert!(
            path.starts_with("/audit?") && path.ends_with(&format!("cursor={cursor}")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn walks_in_both_orders_give_every_event_once() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let history = history();
    write(&stack, &history).await;
    let before_now = rfc3339(ago(HOUR_MS / 2));
    for (query, limits, wanted) in [
        // Unfiltered searches read the shards. The time bound excludes the events that other parts
        // of the stack write.
        (
            format!("to={before_now}"),
            &[20, 80][..],
            Box::new(|_: &Event| true) as Box<dyn Fn(&Event) -> bool>,
        ),
        ("action=test.".to_owned(), &[40], Box::new(|event| event.action.starts_with("test."))),
        (
            "action=other.read&outcome=denied".to_owned(),
            &[100],
            Box::new(|event| event.action == "other.read" && event.outcome == Outcome::Denied),
        ),
        // Searches by actor read the index.
        (
            format!("actor={ANN}"),
            &[7, 80],
            Box::new(|event| event.actor.as_ref().unwrap().user_id == ANN),
        ),
        (
            format!("actor={BOB}&action=test.write"),
            &[9],
            Box::new(|event| {
                event.actor.as_ref().unwrap().user_id == BOB && event.action == "test.write"
            }),
        ),
    ] {
        let mut ascending: Vec<_> =
            history.iter().filter(|event| wanted(event)).map(|event| event.id.clone()).collect();
        ascending.sort_unstable();
        let descending: Vec<_> = ascending.iter().rev().cloned().collect();
        for limit in limits {
            for (order, expected) in [("asc", &ascending), ("desc", &descending)] {
                let (found, pages) =
                    walk(&stack, &admin, &format!("{query}&limit={limit}&order={order}")).await;
                assert_eq!(&found, expected, "{query} {limit} {order}");
                assert_eq!(
                    pages,
                    expected.len().div_ceil(*limit).max(1),
                    "{query} {limit} {order}"
                );
            }
        }
    }
    let newest = stack.get(&format!("/audit?to={before_now}"), Some(&admin)).await.expect(200);
    assert_eq!(newest["items"].as_array().unwrap().len(), 20);
    assert_eq!(newest["looked_back_to"], Value::Null);
}

#[tokio::test]
async fn events_written_while_a_walk_goes_on_are_not_part_of_it() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    write(
        &stack,
        &(0..30)
            .map(|n| event(ANN, "test.read", ago(30 - i64::try_from(n).unwrap()), n))
            .collect::<Vec<_>>(),
    )
    .await;
    for order in ["asc", "desc"] {
        let mut ids = Vec::new();
        let mut path = format!("/audit?order={order}&limit=3");
        // Each page leaves an event of its own, and this test writes another. A walk that included
        // them would never end.
        for page in 0.. {
            assert!(page < 100, "the walk does not end");
            let answer = stack.get(&path, Some(&admin)).await.expect(200);
            ids.extend(answer["items"].as_array().unwrap().iter().map(id));
            write(&stack, &[event(ANN, "test.late", now(), page)]).await;
            let Some(cursor) = answer["next_cursor"].as_str() else { break };
            path = format!("/audit?order={order}&limit=3&cursor={cursor}");
        }
        let distinct: BTreeSet<_> = ids.iter().cloned().collect();
        assert_eq!(distinct.len(), ids.len(), "{order}");
        assert!(
            if order == "asc" { ids.is_sorted() } else { ids.iter().rev().is_sorted() },
            "{order}"
        );
        let (read, _) = walk(&stack, &admin, "action=test.read&limit=100").await;
        assert_eq!(read.len(), 30);
        assert!(read.iter().all(|id| distinct.contains(id)), "{order}");
    }
}

#[tokio::test]
async fn events_are_filtered() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let history = history();
    write(&stack, &history).await;
    let pick = &history[130];
    let time = &pick.time;
    let later = rfc3339(ago(34 * DAY_MS));
    for (query, wanted) in [
        (
            format!("request_id={}", pick.request_id),
            Box::new(|event: &Event| event.request_id == pick.request_id)
                as Box<dyn Fn(&Event) -> bool>,
        ),
        (
            format!("resource={}", pick.resource.as_ref().unwrap()),
            Box::new(|event| event.resource == pick.resource),
        ),
        ("action=test.read".into(), Box::new(|event| event.action == "test.read")),
        ("action=other.".into(), Box::new(|event| event.action == "other.read")),
        ("action=test.rea".into(), Box::new(|_| false)),
        (format!("ip={V4}"), Box::new(|event| event.ip == V4)),
        (
            format!("ip=::ffff:{V4}&action=test.read"),
            Box::new(|e| e.ip == V4 && e.action == "test.read"),
        ),
        // Another address of the same /64, and the /64 itself.
        ("ip=2001:DB8:1:2:3:4:5:6".into(), Box::new(|event| event.ip == V6)),
        (
            format!("actor={ANN}&ip={V6}"),
            Box::new(|e| e.ip == V6 && e.actor.as_ref().unwrap().user_id == ANN),
        ),
        ("ip=2001:db8:1:3::1".into(), Box::new(|_| false)),
        ("outcome=failure&action=test.".into(), Box::new(|_| false)),
        (
            format!("from={time}&to={later}"),
            Box::new(|event| event.time >= *time && event.time < later),
        ),
        (format!("to={time}"), Box::new(|event| event.time < *time)),
        (
            format!("actor={ANN}&from={time}&to={later}"),
            Box::new(|e| {
                e.actor.as_ref().unwrap().user_id == ANN && e.time >= *time && e.time < later
            }),
        ),
        ("from=2999-01-01T00:00:00Z".into(), Box::new(|_| false)),
        ("to=2020-01-01T00:00:00Z".into(), Box::new(|_| false)),
        ("actor=019a0000-0000-7000-8000-00000000000c".into(), Box::new(|_| false)),
    ] {
        let mut expected: Vec<_> =
            history.iter().filter(|event| wanted(event)).map(|event| event.id.clone()).collect();
        expected.sort_unstable();
        let (mut found, _) = walk(&stack, &admin, &format!("{query}&limit=100")).await;
        found.reverse();
        assert_eq!(found, expected, "{query}");
    }
    let found = stack
        .get(&format!("/audit?request_id={}", pick.request_id), Some(&admin))
        .await
        .expect(200);
    assert_eq!(found["items"][0], serde_json::to_value(pick).unwrap());
    // The same instant in another zone.
    let zoned = time.replace('Z', "%2B00:00");
    assert_eq!(
        walk(&stack, &admin, &format!("from={zoned}&to={later}&limit=100")).await,
        walk(&stack, &admin, &format!("from={time}&to={later}&limit=100")).await
    );
}

#[tokio::test]
async fn what_is_past_its_retention_is_not_shown() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    write(
        &stack,
        &[
            event(ANN, "test.old", ago(400 * DAY_MS + HOUR_MS), 0),
            event(ANN, "test.kept", ago(400 * DAY_MS - HOUR_MS), 1),
        ],
    )
    .await;
    for query in
        ["action=test.", &format!("actor={ANN}"), &format!("actor={ANN}&from=2000-01-01T00:00:00Z")]
    {
        let found = stack.get(&format!("/audit?{query}"), Some(&admin)).await.expect(200);
        let actions: Vec<_> = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["action"].clone())
            .collect();
        assert_eq!(actions, ["test.kept"], "{query}");
    }
}

#[tokio::test]
async fn auditors_see_all_and_others_only_themselves() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let admin = stack.admin().await;
    stack.get("/profits", Some(&demo)).await.expect(200);
    stack.get("/profits", Some(&admin)).await.expect(200);
    for path in [
        "/audit",
        "/audit?action=auth.",
        &format!("/audit?actor={ANN}"),
        "/audit?actor=",
        "/audit?nope=1",
    ] {
        stack.get(path, Some(&demo)).await.problem(403, "forbidden");
    }
    let own = stack.get("/audit?actor=me&action=profits.read", Some(&demo)).await.expect(200);
    assert_eq!(
        (own["items"].as_array().unwrap().len(), &own["items"][0]["actor"]["username"]),
        (1, &json!("demo"))
    );
    // `me` in another encoding, and the caller's id.
    for actor in ["m%65", own["items"][0]["actor"]["user_id"].as_str().unwrap()] {
        assert_eq!(
            stack
                .get(&format!("/audit?actor={actor}&action=profits.read"), Some(&demo))
                .await
                .expect(200),
            own
        );
    }
    stack.get("/audit?actor=me&actor=me", Some(&demo)).await.invalid(&["actor"]);
    stack.get(&format!("/audit?actor=me&%61ctor={ANN}"), Some(&demo)).await.invalid(&["actor"]);
    stack
        .get(&format!("/audit?%61ctor={ANN}&actor=me"), Some(&demo))
        .await
        .problem(403, "forbidden");

    assert_eq!(stack.events(&admin, "profits.read").await.len(), 2);
    // A read of the caller's own events leaves no event. A read of another user's does, with the
    // search in it.
    let reads = stack.events(&admin, "audit.read").await;
    assert!(reads.iter().all(|event| event["actor"]["username"] == "admin"), "{reads:?}");
    stack.get("/audit?actor=me", Some(&admin)).await.expect(200);
    let answer = stack.get(&format!("/audit?actor={ANN}&action=chat.&limit=5"), Some(&admin)).await;
    answer.expect(200);
    let after = stack.events(&admin, "audit.read").await;
    let new: Vec<_> = after[reads.len()..]
        .iter()
        .filter(|event| event["request_id"] == answer.header("x-request-id"))
        .collect();
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["detail"], json!({"actor": ANN, "action": "chat.", "limit": 5, "rows": 0}));
    assert_eq!(after.len(), reads.len() + 2, "one of them the list of reads itself");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_caller_and_filters_alone() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let admin = stack.admin().await;
    for _ in 0..3 {
        stack.get("/profits", Some(&demo)).await.expect(200);
        stack.get("/profits", Some(&admin)).await.expect(200);
    }
    let cursor_of = async |query: &str, caller: &Caller| -> String {
        let page = stack.get(&format!("/audit?{query}&limit=1"), Some(caller)).await.expect(200);
        page["next_cursor"].as_str().unwrap().to_owned()
    };
    let own = cursor_of("actor=me", &demo).await;
    let all = cursor_of("action=profits.read", &admin).await;
    let admins_own = cursor_of("actor=me", &admin).await;
    stack.get(&format!("/audit?actor=me&cursor={own}"), Some(&demo)).await.expect(200);
    stack.get(&format!("/audit?cursor={own}&limit=2&actor=me"), Some(&demo)).await.expect(200);
    stack.get(&format!("/audit?action=profits.read&cursor={all}"), Some(&admin)).await.expect(200);
    let altered =
        format!("{}{}", &own[..own.len() - 1], if own.ends_with('A') { "B" } else { "A" });
    for (query, caller) in [
        (format!("actor=me&cursor={altered}"), &demo),
        (format!("actor=me&cursor={}", &own[1..]), &demo),
        ("actor=me&cursor=".to_owned(), &demo),
        ("actor=me&cursor=nonsense".to_owned(), &demo),
        (format!("actor=me&cursor={admins_own}"), &demo),
        (format!("actor=me&cursor={all}"), &demo),
        (format!("actor=me&cursor={own}"), &admin),
        (format!("actor=me&action=auth.&cursor={own}"), &demo),
        (format!("actor=me&order=asc&cursor={own}"), &demo),
        (format!("cursor={all}"), &admin),
        (format!("action=profits.&cursor={all}"), &admin),
        (format!("action=profits.read&from=2026-01-01T00:00:00Z&cursor={all}"), &admin),
    ] {
        stack.get(&format!("/audit?{query}"), Some(caller)).await.invalid(&["cursor"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    for (query, parameters) in [
        ("actor=ann", &["actor"][..]),
        ("action=auth", &["action"]),
        ("outcome=maybe", &["outcome"]),
        ("ip=localhost", &["ip"]),
        ("ip=203.0.113.7/64&limit=0", &["ip", "limit"]),
        ("from=yesterday", &["from"]),
        ("from=2026-01-01T00:00:00+01:00", &["from"]),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", &["to"]),
        ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", &["to"]),
        ("order=down&limit=101&page=2", &["order", "limit", "page"]),
    ] {
        stack.get(&format!("/audit?{query}"), Some(&admin)).await.invalid(parameters);
    }
    assert!(stack.events(&admin, "audit.read").await.is_empty());
}

#[tokio::test]
async fn a_page_costs_one_round_of_queries() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let queries = |calls: &[String]| calls.iter().filter(|call| call.starts_with("Query")).count();
    // A new audit log: 400 empty days cost no more.
    let (_, calls) = stack.round_trips(stack.get("/audit", Some(&admin))).await;
    assert_eq!(queries(&calls), 8, "{calls:?}");
    write(&stack, &(0..200).map(|n| event(ANN, "test.read", ago(HOUR_MS), n)).collect::<Vec<_>>())
        .await;
    for (query, expected) in [
        ("", 8),
        ("?limit=100", 8),
        (&format!("?actor={ANN}"), 1),
        (&format!("?actor={ANN}&limit=100"), 1),
        ("?actor=me", 1),
    ] {
        let (answer, calls) =
            stack.round_trips(stack.get(&format!("/audit{query}"), Some(&admin))).await;
        answer.expect(200);
        assert_eq!(queries(&calls), expected, "{query}: {calls:?}");
        // The other calls are the session, the limit of all calls, and the event of the read. A
        // search of other users' events needs two more: the current roles, and the limit of such
        // searches.
        assert_eq!(
            calls.len() - expected,
            if query.contains("me") { 3 } else { 5 },
            "{query}: {calls:?}"
        );
    }
}

#[tokio::test]
async fn a_search_for_what_is_rare_comes_back_short_and_says_how_far_it_has_looked() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let mut events: Vec<_> = (0..12_000)
        .map(|n| event(ANN, "test.read", ago(40 * DAY_MS + i64::try_from(n).unwrap()), n))
        .collect();
    let rare = [39 * DAY_MS, 40 * DAY_MS + 6_000, 41 * DAY_MS];
    let rare: Vec<_> = rare.map(|offset| event(ANN, "test.rare", ago(offset), 0)).into();
    events.extend_from_slice(&rare);
    write(&stack, &events).await;
    let queries = ["action=test.rare", &format!("actor={ANN}&action=test.rare")]
        .map(|query| ["desc", "asc"].map(|order| (order, format!("{query}&order={order}"))));
    for (order, query) in queries.as_flattened() {
        let is_before = |time: &str, other: &str| {
            if *order == "asc" { time < other } else { time > other }
        };
        let mut found = Vec::new();
        let mut pages = 0;
        let mut path = format!("/audit?{query}");
        loop {
            let page = stack.get(&path, Some(&admin)).await.expect(200);
            pages += 1;
            found.extend(page["items"].as_array().unwrap().iter().map(id));
            let Some(cursor) = page["next_cursor"].as_str() else {
                assert_eq!(page["looked_back_to"], Value::Null, "{query}");
                break;
            };
            let reached = page["looked_back_to"].as_str().unwrap();
            let looked_at = events.iter().filter(|event| is_before(&event.time, reached)).count();
            assert!((5_000..=9_600).contains(&looked_at), "{query} {reached}: {looked_at}");
            // The search has found every event before this time, and none behind it.
            for event in rare.iter().filter(|event| event.time != reached) {
                let is_found = found.contains(&event.id);
                assert_eq!(
                    is_found,
                    is_before(&event.time, reached),
                    "{query} {reached} {event:?}"
                );
            }
            path = format!("/audit?{query}&cursor={cursor}");
        }
        assert_eq!((found.len(), pages), (rare.len(), 2), "{query}");
    }
}

#[tokio::test]
async fn an_event_says_who_did_what_and_how_it_ended() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    stack.get("/profits?company=Alpha", Some(&demo)).await.expect(200);
    let found = stack.get("/audit?actor=me&action=profits.read", Some(&demo)).await.expect(200);
    let shown = &found["items"][0];
    let event: Event = serde_json::from_value(shown.clone()).unwrap();
    assert_eq!(event.fingerprint(), event.hash);
    let members: BTreeSet<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "v",
        "id",
        "time",
        "actor",
        "action",
        "outcome",
        "ip",
        "user_agent",
        "request_id",
        "latency_ms",
        "detail",
        "hash",
    ];
    assert_eq!(members, BTreeSet::from(expected));
    assert_eq!(
        (&shown["actor"]["username"], &shown["outcome"], &shown["ip"]),
        (&json!("demo"), &json!("success"), &json!("127.0.0.1"))
    );
    assert!(matches!(&shown["actor"]["session_id"], Value::String(_)));
}
