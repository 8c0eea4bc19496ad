//! The DynamoDB calls of each endpoint, one by one. A further call makes every request slower and
//! more expensive. So it must be a decision, not an accident.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Service;
use tally_tests::fake_tenant::{FakeTenant, Person};
use tally_tests::messages_api::{self, MessagesApi, reply};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::access;
use crate::api_keys::new_key;
use crate::chat::FAST;
use crate::coverage;
use crate::files;
use crate::job_api;
use crate::jobs::worker::workers_ended;
use crate::ranges;
use crate::sso::browser::code_of;

/// Checks the session and, side by side, counts the call.
const SIGNED_IN: [&str; 2] = ["GetItem Sessions", "UpdateItem Limits"];

/// Counts against two limits, side by side.
const TWO_LIMITS: [&str; 2] = ["UpdateItem Limits"; 2];

/// Counts an attempt to sign in: for the identifier from the address, for the identifier from
/// anywhere, and for the address.
const GUESS: [&str; 3] = ["UpdateItem Limits"; 3];

/// Finds a user by name or email, then reads the user.
const FIND_USER: [&str; 2] = ["GetItem Users"; 2];

/// Sends a notice to an owner by mail.
const NOTICE: [&str; 2] = ["GetItem Errands", "TransactWriteItems Errands"];

/// Fails unless a request succeeds and makes exactly these calls, group after group. The calls of a
/// group come in any order.
pub async fn check(
    stack: &TestStack,
    request: (&str, Option<&Caller>, Option<Value>),
    expected: &[&[&'static str]],
) -> Answer {
    let (route, caller, body) = request;
    let (method, path) = route.split_once(' ').unwrap();
    let request =
        coverage::request(stack, method.parse::<Method>().unwrap(), path, caller, body.as_ref());
    let (answer, calls) = stack.round_trips(stack.send(request)).await;
    assert!(answer.status < 300, "{answer:?}");
    let mut calls = short(&calls);
    if path == "/chat" {
        // The function polls until the worker has written the reply. From its read of the
        // conversation on, the worker polls whether it must stop, and by then there may be text to
        // store. A worker reads the user's data key unless its process has it already, and a
        // function reads a prompt so (`chat::prompts` counts these reads).
        let reads = ["GetItem Messages", "GetItem DataKeys", "GetItem Prompts"];
        let varies = |call: &String| reads.contains(&call.as_str()) || call.ends_with(" Drafts");
        calls.retain(|call| !varies(call));
    }
    let mut rest = calls.as_mut_slice();
    for group in expected {
        let (now, later) = rest.split_at_mut(group.len().min(rest.len()));
        now.sort_unstable();
        rest = later;
    }
    let sorted = |group: &&[&'static str]| -> Vec<_> {
        let mut group = group.to_vec();
        group.sort_unstable();
        group
    };
    let mut expected: Vec<_> = expected.iter().flat_map(sorted).collect();
    if path.starts_with("/conversations/") || path == "/chat" {
        // The calls after a deletion are its worker's, which may have begun.
        calls.truncate(if method == "DELETE" { expected.len() } else { calls.len() });
        // A conversation or a budget is read side by side with the messages.
        calls.sort_unstable();
        expected.sort_unstable();
    }
    if path.starts_with("/files/") && path.ends_with("/complete") {
        // The calls after a completed upload are its workers', which may have begun.
        calls.truncate(expected.len());
    }
    if path == "/analyses" {
        // The calls after a start are its worker's.
        calls.truncate(expected.len());
    }
    assert_eq!(calls, expected, "{route}");
    answer
}

/// Shortens calls to the tables' names in the template, without their common ending. The deletion
/// of an errand (a queued mail) is left out. It follows its mail at any later time, and these tests
/// wait only for the mail.
fn short(calls: &[String]) -> Vec<String> {
    let calls = calls.iter().map(|call| call.replace("tally-local-", "").replace("Table", ""));
    calls.filter(|call| call != "DeleteItem Errands").collect()
}

#[tokio::test]
async fn what_needs_no_table_asks_none() {
    let stack = TestStack::start().await;
    for route in [
        "GET /",
        "GET /health",
        "GET /docs",
        "GET /redoc",
        "GET /docs/initializer.js",
        "GET /openapi.json",
        "GET /asyncapi.json",
    ] {
        check(&stack, (route, None, None), &[]).await;
    }
}

#[tokio::test]
async fn accounts_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let new =
        json!({"username": "frugal", "email": "frugal@example.com", "password": "Correct-Horse-9"});
    let register: &[&[&str]] = &[&["UpdateItem Limits", "TransactWriteItems Users+Audit"]];
    check(&stack, ("POST /auth/register", None, Some(new)), register).await;

    let credentials = json!({"username": "frugal", "password": "Correct-Horse-9"});
    let begin = "TransactWriteItems Sessions+Users+Limits+Audit";
    let login: &[&[&str]] = &[&GUESS, &FIND_USER, &[begin]];
    for _ in 0..3 {
        check(&stack, ("POST /auth/login", None, Some(credentials.clone())), login).await;
    }
    // The oldest session ends, and its connections with it.
    let login: &[&[&str]] = &[&GUESS, &FIND_USER, &["BatchGetItem Sessions"], &[begin]];
    check(&stack, ("POST /auth/login", None, Some(credentials)), login).await;

    let caller = stack.login("frugal", "Correct-Horse-9").await;
    let spend = json!({"refresh_token": caller.refresh});
    // The session is read first, because it tells which limit the token counts for.
    let rotate = ["GetItem Users", "TransactWriteItems Users+Sessions+Audit"];
    check(
        &stack,
        ("POST /auth/refresh", None, Some(spend.clone())),
        &[&["GetItem Sessions"], &TWO_LIMITS, &rotate],
    )
    .await;
    // This is the other browser tab. It counts for the address only.
    let again = ["GetItem Sessions", "UpdateItem Limits", "PutItem Audit"];
    check(&stack, ("POST /auth/refresh", None, Some(spend)), &[&again]).await;

    check(
        &stack,
        ("GET /auth/me", Some(&caller), None),
        &[&["GetItem Users", "UpdateItem Limits"]],
    )
    .await;
    let list = ["GetItem Users", "BatchGetItem Sessions"];
    let sessions = check(&stack, ("GET /auth/sessions", Some(&caller), None), &[&SIGNED_IN, &list])
        .await
        .json();
    let ticket = ["UpdateItem Limits", "TransactWriteItems Tickets+Audit"];
    check(&stack, ("POST /auth/ws-ticket", Some(&caller), None), &[&SIGNED_IN, &ticket]).await;
    let end = ["BatchGetItem Sessions", "TransactWriteItems Sessions+Users+Audit"];
    let other = format!("DELETE /auth/sessions/{}", sessions["items"][1]["id"].as_str().unwrap());
    check(&stack, (&other, Some(&caller), None), &[&SIGNED_IN, &end]).await;
    check(&stack, ("POST /auth/logout", Some(&caller), None), &[&SIGNED_IN, &end]).await;
    let caller = stack.login("frugal", "Correct-Horse-9").await;
    // The items of both sessions are written at once.
    let all: &[&[&str]] = &[&SIGNED_IN, &["GetItem Users"], &end];
    check(&stack, ("POST /auth/logout", Some(&caller), Some(json!({"all": true}))), all).await;
}

#[tokio::test]
async fn single_sign_on_asks_no_more_than_it_must() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    check(&stack, ("GET /auth/sso", None, None), &[]).await;
    let person = Person::new("Frugal");
    let proof = || Some(json!({"token": tenant.token(&person)}));

    // No account belongs to the person, and no other one signs in by their address.
    let begin = ["TransactWriteItems Sessions+Users+Audit"];
    let first: &[&[&str]] = &[&TWO_LIMITS, &["GetItem Users"], &FIND_USER, &begin];
    check(&stack, ("POST /auth/sso", None, proof()), first).await;
    // The account shows the address already.
    let later: &[&[&str]] = &[&TWO_LIMITS, &FIND_USER, &begin];
    check(&stack, ("POST /auth/sso", None, proof()), later).await;

    // A browser goes to the provider, and comes back with the provider's code.
    let (code, calls) = stack.round_trips(code_of(&stack, &tenant, &person)).await;
    let there = ["UpdateItem Limits"];
    let back = ["UpdateItem Limits", "TransactWriteItems SsoHandoffs"];
    assert_eq!(short(&calls), [there.as_slice(), &back].concat());
    // The handoff is read between the limits, because it tells whom the second one counts.
    let handoff = ["GetItem SsoHandoffs"];
    let take = ["TransactWriteItems Sessions+SsoHandoffs+Users+Audit"];
    let by_code: &[&[&str]] = &[&there, &handoff, &there, &FIND_USER, &take];
    check(&stack, ("POST /auth/sso", None, Some(code)), by_code).await;

    // The oldest session ends, and its connections with it.
    let evicting: &[&[&str]] = &[&TWO_LIMITS, &FIND_USER, &["BatchGetItem Sessions"], &begin];
    check(&stack, ("POST /auth/sso", None, proof()), evicting).await;

    let caller = stack.someone().await;
    let token = tenant.token(&Person::new("Linked"));
    let link = json!({"token": token, "current_password": "Correct-Horse-9"});
    let limits = ["UpdateItem Limits"; 3];
    let own = ["GetItem Users", "GetItem Sessions"];
    let linked = ["TransactWriteItems MailTokens+Sessions+Users+Audit"];
    // The address at the provider is another one than the account's.
    let calls: &[&[&str]] = &[&SIGNED_IN, &limits, &own[..1], &own[1..], &FIND_USER, &linked];
    check(&stack, ("POST /auth/sso/link", Some(&caller), Some(link)), calls).await;
}

#[tokio::test]
async fn oauth_clients_and_services_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.demo().await;
    let new = new_key(&["tokens:introspect"], Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&admin), &new).await.expect(201)["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let service = Caller { access: key, ..admin };
    let shown = Some(json!({"token": caller.access}));
    let known: [&[&str]; 2] = [&["GetItem ApiKeys"], &["GetItem Users", "UpdateItem Limits"]];
    let look = ["GetItem Sessions", "PutItem Audit"];
    // The first use of a key in an hour is recorded.
    let first: &[&[&str]] = &[known[0], known[1], &["UpdateItem ApiKeys"], &look];
    check(&stack, ("POST /auth/introspect", Some(&service), shown.clone()), first).await;
    check(
        &stack,
        ("POST /auth/introspect", Some(&service), shown.clone()),
        &[known[0], known[1], &look],
    )
    .await;

    let spend = json!({"grant_type": "refresh_token", "refresh_token": caller.refresh});
    let rotate = ["GetItem Users", "TransactWriteItems Users+Sessions+Audit"];
    check(
        &stack,
        ("POST /auth/token", None, Some(spend)),
        &[&["GetItem Sessions"], &TWO_LIMITS, &rotate],
    )
    .await;
    let login = json!({"grant_type": "password", "username": "demo", "password": "SecureDemo123!"});
    let begin = ["TransactWriteItems Sessions+Users+Limits+Audit"];
    check(&stack, ("POST /auth/token", None, Some(login)), &[&GUESS, &FIND_USER, &begin]).await;
    let end = ["UpdateItem Limits", "GetItem Sessions", "TransactWriteItems Sessions+Users+Audit"];
    check(&stack, ("POST /auth/revoke", None, shown.clone()), &[&end]).await;
    check(&stack, ("POST /auth/revoke", None, shown), &[&["UpdateItem Limits"], &look]).await;
}

#[tokio::test]
async fn mail_asks_no_more_than_it_must() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let email = format!("{}@example.com", caller.username);
    let (token, calls) =
        stack.round_trips(stack.mailed_token("/auth/password/forgot", &email)).await;
    let worker = [
        "GetItem Errands",
        "GetItem Users",
        "GetItem Users",
        "TransactWriteItems Errands+MailTokens+Users+Audit",
    ];
    assert_eq!(
        short(&calls),
        [TWO_LIMITS.as_slice(), &["TransactWriteItems Errands+Audit"], &worker].concat()
    );

    let (_, calls) = stack
        .round_trips(async {
            let body = json!({"token": token, "new_password": "Another-Horse-9"});
            stack.post("/auth/password/reset", None, &body).await.expect(204);
            stack.local.outbox().mail(1).await
        })
        .await;
    let set = "TransactWriteItems MailTokens+Sessions+Errands+Users+Audit";
    let request =
        ["UpdateItem Limits", "GetItem MailTokens", "GetItem Users", "BatchGetItem Sessions", set];
    // The worker for the mail starts last.
    assert_eq!(short(&calls), [request.as_slice(), &NOTICE].concat());
}

#[tokio::test]
async fn verifying_asks_no_more_than_it_must() {
    let stack =
        TestStack::with(&[("EmailVerification", "on"), ("RateLimits", "*=100000/1m")]).await;
    let (token, calls) = stack
        .round_trips(async {
            let body = json!({
                "username": "frugal", "email": "frugal@example.com", "password": "Correct-Horse-9",
            });
            stack.post("/auth/register", None, &body).await.expect(201);
            stack.token_from(0, "frugal@example.com").await
        })
        .await;
    let register = ["UpdateItem Limits", "TransactWriteItems Users+Errands+Audit"];
    let worker = [
        "GetItem Errands",
        "GetItem Users",
        "GetItem Users",
        "TransactWriteItems Errands+MailTokens+Users+Audit",
    ];
    assert_eq!(short(&calls), [&register[..], &worker].concat());
    let verify = [
        "UpdateItem Limits",
        "GetItem MailTokens",
        "GetItem Users",
        "TransactWriteItems MailTokens+Users+Audit",
    ];
    check(&stack, ("POST /auth/email/verify", None, Some(json!({"token": token}))), &[&verify])
        .await;
}

#[tokio::test]
async fn owners_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let admitted = ["GetItem Sessions", "UpdateItem Limits", "UpdateItem Limits"];
    let user = ["GetItem Users"];
    // For each but the first, the owner gets a mail, which is the last step.
    let check = async |number: usize, route: &str, body: Value, writes: &[&str]| {
        let (method, path) = route.split_once(' ').unwrap();
        let ((), calls) = stack
            .round_trips(async {
                let answer = stack.call(method.parse().unwrap(), path, &caller, &body).await;
                assert!(answer.status < 300, "{answer:?}");
                if number > 0 {
                    stack.local.outbox().mail(number - 1).await;
                }
            })
            .await;
        let notice = if number > 0 { NOTICE.as_slice() } else { &[] };
        // The end of an account starts the sweep of what it leaves, which may have begun.
        let mut calls = short(&calls);
        let swept = [" Sweeps", " Conversations", " Groups", " Workbooks", " Ranges", " Tasks"];
        calls.retain(|call| !swept.iter().any(|table| call.ends_with(table)));
        // A change of the name needs no password and counts only as a call.
        let admitted = if number > 0 { &admitted[..] } else { &admitted[..2] };
        // The session is read and the call is counted side by side.
        calls[..2].sort_unstable();
        assert_eq!(calls, [admitted, &user, writes, notice].concat(), "{route}");
    };
    let write = ["TransactWriteItems Users+Audit"];
    check(0, "PATCH /auth/me", json!({"full_name": "Anna"}), &write).await;
    let body = json!({"email": "other@example.com", "current_password": "Correct-Horse-9"});
    let write = ["TransactWriteItems MailTokens+Errands+Users+Audit"];
    check(1, "PATCH /auth/me", body, &write).await;
    let body = json!({"current_password": "Correct-Horse-9", "new_password": "Another-Horse-9"});
    check(2, "POST /auth/password", body, &write).await;
    let body = json!({"current_password": "Another-Horse-9"});
    let write = [
        "BatchGetItem Sessions",
        "TransactWriteItems Users+MailTokens+Sessions+Errands+Sweeps+Audit",
    ];
    check(3, "DELETE /auth/me", body, &write).await;
}

/// One batch reads the data for a decision. A warm process does not read the kept rules and sheets
/// again.
#[tokio::test]
async fn decisions_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, sheet, ..) = access::salaries(&stack, &owner).await;
    access::add(&stack, &owner, &[access::rule(&book, "allow", json!({}))]).await.expect(200);
    let snapshot = ["BatchGetItem Access+Groups+Users+Workbooks"];
    let (read, list) =
        (format!("GET /workbooks/{book}"), format!("GET {}", access::register(&book, &sheet)));
    let cold = ["Query Access", "Query Workbooks"];
    check(&stack, (&read, Some(&reader), None), &[&SIGNED_IN, &snapshot, &cold]).await;
    for _ in 0..3 {
        check(&stack, (&read, Some(&reader), None), &[&SIGNED_IN, &snapshot]).await;
    }
    check(&stack, (&list, Some(&reader), None), &[&SIGNED_IN, &snapshot, &cold]).await;
    check(&stack, (&list, Some(&reader), None), &[&SIGNED_IN, &snapshot]).await;
    // After a change, the rules are read once more, and the sheets are not.
    access::add(&stack, &owner, &[access::rule(&book, "allow", json!({}))]).await.expect(200);
    check(&stack, (&read, Some(&reader), None), &[&SIGNED_IN, &snapshot, &["Query Access"]]).await;
    let explain = format!("GET /workbooks/{book}/access");
    let event = ["PutItem Audit"];
    check(&stack, (&explain, Some(&reader), None), &[&SIGNED_IN, &snapshot, &cold, &event]).await;
    check(&stack, (&explain, Some(&reader), None), &[&SIGNED_IN, &snapshot, &event]).await;
    let change = json!({"add": [access::rule(&book, "allow", json!({}))]});
    let write = ["TransactWriteItems Access+Workbooks+Audit"];
    let change = ("POST /access/changes", Some(&owner), Some(change));
    let counted = ["UpdateItem Limits"];
    check(&stack, change, &[&SIGNED_IN, &counted, &snapshot, &["Query Access"], &write]).await;
}

/// A read of a range takes its head, the data that decides about it, and its items. One batch reads
/// the items of a small range.
#[tokio::test]
async fn ranges_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let book = access::workbook(&stack, &owner).await;
    let ready = ranges::upload(&stack, &owner, &book, ranges::payroll()).await;
    access::add(&stack, &owner, &[access::rule(&book, "allow", json!({}))]).await.expect(200);
    let range = format!("/ranges/{}", ready.range);
    for (path, most) in [
        (range.clone(), 7),
        (format!("{range}/cells?address=A1:D3"), 7),
        (format!("{range}/issues"), 7),
        (format!("{range}/access?cell=C2"), 7),
        (format!("/workbooks/{book}/ranges"), 4),
    ] {
        // The first read of a process reads the rules, the sheets and the graph too. The stack may
        // have started another process beside the first one.
        let mut tries = Vec::new();
        for _ in 0..4 {
            let (answer, calls) = stack.round_trips(stack.get(&path, Some(&reader))).await;
            answer.expect(200);
            tries.push(short(&calls));
        }
        let calls = tries.into_iter().min_by_key(Vec::len).unwrap();
        let own: Vec<_> = calls.iter().filter(|call| !SIGNED_IN.contains(&call.as_str())).collect();
        let decided = "BatchGetItem Access+Groups+Users+Workbooks";
        assert!(own.iter().any(|call| call.starts_with(decided)), "{path}: {calls:?}");
        assert!(own.len() <= most, "{path}: {calls:?}");
        let writes = own.iter().filter(|call| call.starts_with("TransactWriteItems")).count();
        assert_eq!(writes, 0, "{path}: {calls:?}");
    }
}

#[tokio::test]
async fn administrators_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let demo = stack.demo().await;
    let demo =
        stack.get("/auth/me", Some(&demo)).await.json()["user"]["id"].as_str().unwrap().to_owned();
    // Check the session, count the user's call, and read the user's current roles.
    let admitted = ["GetItem Sessions", "UpdateItem Limits", "GetItem Users"];
    let page = ["Query Users", "BatchGetItem Users", "PutItem Audit"];
    check(&stack, ("GET /users", Some(&admin), None), &[&admitted, &page]).await;
    // By name, then by email.
    let found: &[&[&str]] = &[&admitted, &["Query Users", "BatchGetItem Users"], &page];
    check(&stack, ("GET /users?query=demo", Some(&admin), None), found).await;
    let one = format!("/users/{demo}");
    check(
        &stack,
        (&format!("GET {one}"), Some(&admin), None),
        &[&admitted, &["GetItem Users", "PutItem Audit"]],
    )
    .await;
    let change: &[&[&str]] = &[&admitted, &["GetItem Users", "TransactWriteItems Users+Audit"]];
    check(
        &stack,
        (&format!("PATCH {one}"), Some(&admin), Some(json!({"roles": ["admin"]}))),
        change,
    )
    .await;
    let end: &[&[&str]] = &[
        &admitted,
        &["GetItem Users"],
        &["BatchGetItem Sessions"],
        &["TransactWriteItems MailTokens+Sessions+Users+Audit"],
    ];
    check(&stack, (&format!("PATCH {one}"), Some(&admin), Some(json!({"is_active": false}))), end)
        .await;

    let invite: &[&[&str]] = &[&admitted, &["TransactWriteItems Invites+Users+Audit"]];
    let made = check(&stack, ("POST /users/invites", Some(&admin), Some(json!({}))), invite).await;
    check(
        &stack,
        ("GET /users/invites", Some(&admin), None),
        &[&admitted, &["Query Invites", "PutItem Audit"]],
    )
    .await;
    let new = json!({
        "username": "guest", "email": "guest@example.com", "password": "Correct-Horse-9",
        "invite": made.json()["token"],
    });
    let register =
        ["UpdateItem Limits", "GetItem Invites", "TransactWriteItems Users+Invites+Audit"];
    check(&stack, ("POST /auth/register", None, Some(new)), &[&register]).await;
}

#[tokio::test]
async fn reads_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    check(
        &stack,
        ("GET /profits", Some(&admin), None),
        &[
            &["Query Profits", "BatchGetItem Access+Groups+Users+Workbooks", "UpdateItem Limits"],
            &["Query Access", "Query Workbooks"],
            &["PutItem Audit"],
        ],
    )
    .await;
    // Each endpoint keeps the rules and the sheets for itself.
    check(
        &stack,
        ("GET /profits/summary?group_by=company", Some(&admin), None),
        &[
            &["Query Profits", "BatchGetItem Access+Groups+Users+Workbooks", "UpdateItem Limits"],
            &["Query Access", "Query Workbooks"],
            &["PutItem Audit"],
        ],
    )
    .await;
    check(
        &stack,
        ("GET /audit?actor=me", Some(&admin), None),
        &[&SIGNED_IN, &["UpdateItem Limits", "Query Audit"]],
    )
    .await;
    // One query for each shard, also if the page is not full and all the past is empty.
    let page: &[&[&str]] = &[
        &SIGNED_IN,
        &["GetItem Users", "UpdateItem Limits"],
        &["Query Audit"; 8],
        &["PutItem Audit"],
    ];
    for route in ["GET /audit?limit=1", "GET /audit?limit=100", "GET /audit?action=no.such"] {
        check(&stack, (route, Some(&admin), None), page).await;
    }
    let demo = stack.demo().await;
    let own = crate::chat::own_events(&stack, &demo, "auth.login").await;
    let one = format!("GET /audit/{}", id(&own[0]));
    let found = ["UpdateItem Limits", "GetItem Audit"];
    check(&stack, (&one, Some(&demo), None), &[&SIGNED_IN, &found]).await;
    let of_another = ["GetItem Users", "PutItem Audit"];
    check(&stack, (&one, Some(&admin), None), &[&SIGNED_IN, &found, &of_another]).await;
}

#[tokio::test]
async fn tasks_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let counted = ["UpdateItem Limits"];
    // The task and the number of open ones.
    let both = ["TransactWriteItems Tasks+Audit"];
    let create: &[&[&str]] = &[&SIGNED_IN, &counted, &both];
    let new = Some(json!({"title": "Close the books"}));
    let task = check(&stack, ("POST /tasks", Some(&caller), new), create).await.json();
    let one = format!("/tasks/{}", id(&task));
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Tasks"]];
    check(&stack, (&format!("GET {one}"), Some(&caller), None), read).await;
    let queries = ["Query Tasks"; 2];
    for (query, count) in [("", 1), ("?sort=due_date&query=books", 1), ("?status=all", 2)] {
        let list: &[&[&str]] = &[&SIGNED_IN, &queries[..count]];
        check(&stack, (&format!("GET /tasks{query}"), Some(&caller), None), list).await;
    }
    let decide: &[&[&str]] = &[&SIGNED_IN, &counted, &["GetItem Tasks"], &both];
    let change = Some(json!({"due_date": "2027-01-31"}));
    check(&stack, (&format!("PATCH {one}"), Some(&caller), change), decide).await;
    let complete = format!("POST {one}/complete");
    check(&stack, (&complete, Some(&caller), None), decide).await;
    // A second completion leaves its event alone.
    let again: &[&[&str]] = &[&SIGNED_IN, &counted, &["GetItem Tasks"], &["PutItem Audit"]];
    check(&stack, (&complete, Some(&caller), None), again).await;
    check(&stack, (&format!("DELETE {one}"), Some(&caller), None), decide).await;
}

#[tokio::test]
async fn prompts_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    // Check the session, count the user's call, and read the user's current roles.
    let admitted = ["GetItem Sessions", "UpdateItem Limits", "GetItem Users"];
    let counted = ["UpdateItem Limits"];
    // The roles that decide about the label `production`.
    let roles = ["GetItem Users"];
    let (head, version) = (["GetItem Prompts"], ["GetItem Prompts"]);
    let both = ["TransactWriteItems Prompts+Audit"];
    let content = || Some(json!({"kind": "chat", "system": "Be brief."}));
    let save = "POST /prompts/greeter/versions";
    let new: &[&[&str]] = &[&admitted, &counted, &roles, &head, &both];
    check(&stack, (save, Some(&editor), content()), new).await;
    // The same content is read, and not written again.
    let unchanged: &[&[&str]] = &[&admitted, &counted, &roles, &head, &version, &["PutItem Audit"]];
    check(&stack, (save, Some(&editor), content()), unchanged).await;
    let describe: &[&[&str]] = &[&admitted, &counted, &head, &both];
    let body = Some(json!({"description": "Greets."}));
    check(&stack, ("PATCH /prompts/greeter", Some(&editor), body), describe).await;

    let moved: &[&[&str]] = &[&admitted, &counted, &roles, &version, &head, &both];
    let staging = "/prompts/greeter/labels/staging";
    let to = || Some(json!({"version": 1}));
    check(&stack, (&format!("PUT {staging}"), Some(&editor), to()), moved).await;
    let removed: &[&[&str]] = &[&admitted, &counted, &roles, &head, &both];
    check(&stack, (&format!("DELETE {staging}"), Some(&editor), None), removed).await;

    let shown: &[&[&str]] = &[&SIGNED_IN, &["GetItem Prompts", "GetItem Users"]];
    check(&stack, ("GET /prompts/greeter", Some(&editor), None), shown).await;
    // A move of `production` writes its copy in the same transaction. Then its variables are read.
    let production = "PUT /prompts/greeter/labels/production";
    check(&stack, (production, Some(&admin), to()), moved).await;
    let shown: &[&[&str]] = &[shown[0], shown[1], &version];
    check(&stack, ("GET /prompts/greeter", Some(&editor), None), shown).await;
    let list: &[&[&str]] = &[&SIGNED_IN, &["Query Prompts"]];
    check(&stack, ("GET /prompts?prefix=greeter", Some(&editor), None), list).await;

    let read: &[&[&str]] = &[&admitted, &head, &version];
    check(&stack, ("GET /prompts/greeter/versions/1", Some(&editor), None), read).await;
    // A process that has rendered a version keeps it.
    check(&stack, ("POST /prompts/greeter/render", Some(&editor), Some(json!({}))), read).await;
    let list: &[&[&str]] = &[&admitted, &head, &["Query Prompts"]];
    check(&stack, ("GET /prompts/greeter/versions", Some(&editor), None), list).await;
    let usage: &[&[&str]] = &[&admitted, &head, &["Query Usage"]];
    check(&stack, ("GET /prompts/greeter/usage", Some(&editor), None), usage).await;
}

#[tokio::test]
async fn files_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let counted = ["UpdateItem Limits"];
    let sample = files::text("May");
    let body = || Some(sample.announcement());
    // The file and the revision of the quota.
    let both = ["TransactWriteItems Files+Audit"];
    let announce: &[&[&str]] = &[&SIGNED_IN, &counted, &["Query Files"], &both];
    let first = check(&stack, ("POST /files", Some(&caller), body()), announce).await.json();
    let one = format!("/files/{}", id(&first["file"]));
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Files"]];
    check(&stack, (&format!("GET {one}"), Some(&caller), None), read).await;
    let list: &[&[&str]] = &[&SIGNED_IN, &["Query Files"]];
    check(&stack, ("GET /files?status=pending", Some(&caller), None), list).await;
    let delete: &[&[&str]] = &[&SIGNED_IN, &["GetItem Files"], &both];
    check(&stack, (&format!("DELETE {one}"), Some(&caller), None), delete).await;

    // The last one: its workers make calls at any time after the answer.
    let second = files::announce(&stack, &caller, &sample).await;
    files::upload(&stack, &second["upload"], &sample.bytes).await;
    let complete = format!("POST /files/{}/complete", id(&second["file"]));
    let calls: &[&[&str]] = &[&SIGNED_IN, &counted, &["GetItem Files"], &both];
    check(&stack, (&complete, Some(&caller), None), calls).await;
}

#[tokio::test]
async fn jobs_ask_no_more_than_they_must() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let body = json!({"type": "code", "inputs": [{"name": "a.rs", "text": "let a = 1;"}]});
    let counted = ["UpdateItem Limits"];
    // The prompt of the pieces, and that of the summary. The job, and the number of open ones.
    let prompt = ["GetItem Prompts"];
    let both = ["TransactWriteItems Jobs+Audit"];
    let start: &[&[&str]] = &[&SIGNED_IN, &counted, &prompt, &prompt, &both];
    let job = check(&stack, ("POST /analyses", Some(&caller), Some(body)), start).await.json();
    job_api::ended(&stack, &caller, &job).await;
    // Its worker tells the connections of the user at last.
    workers_ended(&stack, 1).await;
    let one = job_api::path(&job);
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Jobs"]];
    check(&stack, (&format!("GET {one}"), Some(&caller), None), read).await;
    let list: &[&[&str]] = &[&SIGNED_IN, &["Query Jobs"]];
    check(&stack, ("GET /jobs", Some(&caller), None), list).await;
    let items: &[&[&str]] = &[&SIGNED_IN, &["GetItem Jobs"], &["Query JobItems"]];
    check(&stack, (&format!("GET {one}/items"), Some(&caller), None), items).await;
    // A request to stop that comes too late changes nothing.
    check(&stack, (&format!("POST {one}/cancel"), Some(&caller), None), read).await;
    let delete: &[&[&str]] = &[
        &SIGNED_IN,
        &["GetItem Jobs"],
        &both,
        &["Query JobItems"],
        &["BatchWriteItem JobItems"],
        &["Query JobItems"],
        &["BatchWriteItem Jobs"],
    ];
    check(&stack, (&format!("DELETE {one}"), Some(&caller), None), delete).await;
}

#[tokio::test]
async fn tools_ask_no_more_than_they_must() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let new = new_key(&["tasks:write"], Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&caller), &new).await.expect(201);
    let access = key["key"].as_str().unwrap().to_owned();
    let client = Caller { access, ..caller.clone() };
    let ask = |method: &str, params: Value| {
        let mut message = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        message["params"] = params;
        message
    };
    let list = ask("tools/list", json!({}));
    // The first use of a key in an hour is recorded.
    stack.post("/mcp", Some(&client), &list).await.expect(200);
    let counted = ["UpdateItem Limits"];
    let admitted: [&[&str]; 3] =
        [&["GetItem ApiKeys"], &["GetItem Users", "UpdateItem Limits"], &counted];
    // The list of tools is in the process.
    check(&stack, ("POST /mcp", Some(&client), Some(list)), &admitted).await;
    let add = |arguments: Value| {
        let call = json!({"name": "add_task", "arguments": arguments});
        ask("tools/call", call)
    };
    let [key, user, limit] = admitted;
    let created = ["TransactWriteItems Tasks+Audit"];
    let body = add(json!({"title": "Close the books"}));
    let calls: &[&[&str]] = &[key, user, limit, &counted, &created];
    check(&stack, ("POST /mcp", Some(&client), Some(body)), calls).await;
    let body = add(json!({"title": "Close the books", "idempotency_key": "k"}));
    let remembered = ["GetItem Idempotency", "TransactWriteItems Idempotency+Tasks+Audit"];
    let calls: &[&[&str]] = &[key, user, limit, &counted, &remembered];
    check(&stack, ("POST /mcp", Some(&client), Some(body)), calls).await;

    let mut socket = stack.connect(&caller).await;
    let message = r#"/tool add_task {"title": "Pay the rent"}"#;
    let send = json!({"action": "chat.send", "message": message, "agent": "tasks"});
    let started = socket.ask(&send, "chat.started").await;
    let call = socket.expect("chat.tool_call").await;
    let confirm = json!({
        "action": "chat.confirm", "message_id": started["message_id"],
        "decisions": [{"call_id": call["call_id"], "decision": "approve"}],
    });
    let (_, calls) = stack.round_trips(socket.ask(&confirm, "chat.tool_result")).await;
    // The session is read and the call is counted side by side. Later calls are the worker's.
    let mut calls = short(&calls);
    calls[1..3].sort_unstable();
    let confirmed = [
        "GetItem Connections",
        "GetItem Sessions",
        "UpdateItem Limits",
        "GetItem Drafts",
        "GetItem Conversations",
        "GetItem Messages",
        "Query Steps",
        "TransactWriteItems Messages+Steps+Drafts+Audit",
    ];
    assert_eq!(calls[..confirmed.len()], confirmed);
    // A worker reads the record of the call, ends it with the effect, and then stores its result.
    let of_tool = calls.iter().filter(|call| call.contains("Steps") || call.contains("Tasks"));
    let of_tool: Vec<_> = of_tool.skip(2).take(3).collect();
    assert_eq!(
        of_tool,
        ["Query Steps", "TransactWriteItems Messages+Steps+Tasks+Audit", "UpdateItem Steps"]
    );
}

#[tokio::test]
async fn a_reply_asks_no_more_than_it_must() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let ask = ["TransactWriteItems Conversations+Messages+Drafts+Audit"];
    // The texts of the event are stored side by side, before its transaction.
    let write = [
        "UpdateItem Messages",
        "Query Messages",
        "PutItem AuditTexts",
        "PutItem AuditTexts",
        "TransactWriteItems Messages+Drafts+Usage+Audit",
    ];
    // The first reply of a user makes the user's data key.
    let new: &[&[&str]] = &[&SIGNED_IN, &TWO_LIMITS, &ask, &["PutItem DataKeys"], &write];
    let first =
        check(&stack, ("POST /chat", Some(&caller), Some(json!({"message": "Hello"}))), new)
            .await
            .json();
    let more = json!({"message": "Go on", "conversation_id": first["conversation_id"]});
    // The conversation may have an agent.
    let next: &[&[&str]] = &[&SIGNED_IN, &TWO_LIMITS, &["GetItem Conversations"], &ask, &write];
    check(&stack, ("POST /chat", Some(&caller), Some(more)), next).await;
    let conversation = first["conversation_id"].as_str().unwrap();
    let message = first["message_id"].as_str().unwrap();
    let route = format!("GET /conversations/{conversation}/messages/{message}");
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Conversations", "GetItem Messages"]];
    check(&stack, (&route, Some(&caller), None), read).await;

    check(
        &stack,
        ("GET /conversations", Some(&caller), None),
        &[&SIGNED_IN, &["Query Conversations"]],
    )
    .await;
    let one = format!("/conversations/{conversation}");
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Conversations", "Query Messages"]];
    check(&stack, (&format!("GET {one}"), Some(&caller), None), read).await;
    // A search looks into each conversation whose title does not match.
    let search: &[&[&str]] =
        &[&SIGNED_IN, &["UpdateItem Limits"], &["Query Conversations"], &["Query Messages"]];
    check(&stack, ("GET /conversations?query=go%20on", Some(&caller), None), search).await;
    check(&stack, ("GET /conversations?query=hello", Some(&caller), None), &search[..3]).await;
    let export = ["UpdateItem Limits", "GetItem Conversations", "Query Messages", "PutItem Audit"];
    check(
        &stack,
        (&format!("GET {one}/export?format=markdown"), Some(&caller), None),
        &[&SIGNED_IN, &export],
    )
    .await;
    let rename: &[&[&str]] =
        &[&SIGNED_IN, &["GetItem Conversations", "TransactWriteItems Conversations"]];
    check(
        &stack,
        (&format!("PATCH {one}"), Some(&caller), Some(json!({"title": "Greetings"}))),
        rename,
    )
    .await;

    let state = format!("{one}/state");
    let places: &[&[&str]] = &[&SIGNED_IN, &["GetItem Conversations"; 2]];
    check(&stack, (&format!("GET {state}"), Some(&caller), None), places).await;
    let set = Some(json!({"values": {"company": "Alpha"}, "version": 0}));
    let write = ["TransactWriteItems Conversations"];
    let places: &[&[&str]] = &[places[0], places[1], &write];
    check(&stack, (&format!("PUT {state}"), Some(&caller), set), places).await;

    let ended = crate::chat::own_events(&stack, &caller, "chat.message").await;
    let event = format!("GET /audit/{}?texts=true", id(&ended[0]));
    let texts: &[&[&str]] = &[
        &SIGNED_IN,
        &["UpdateItem Limits", "GetItem Audit"],
        &["GetItem DataKeys", "Query AuditTexts"],
        &["PutItem Audit"],
    ];
    check(&stack, (&event, Some(&caller), None), texts).await;

    // The last one: its worker makes calls at any time after the answer.
    let delete: &[&[&str]] = &[&SIGNED_IN, &["TransactWriteItems Conversations+Sweeps+Audit"]];
    check(&stack, (&format!("DELETE {one}"), Some(&caller), None), delete).await;
}

#[tokio::test]
async fn agents_ask_no_more_than_they_must() {
    let stack = TestStack::start().await;
    let (admin, demo) = (stack.admin().await, stack.demo().await);
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Users", "Query Agents"]];
    check(&stack, ("GET /agents", Some(&demo), None), read).await;
    let read: &[&[&str]] = &[&SIGNED_IN, &["GetItem Users", "GetItem Agents"]];
    check(&stack, ("GET /agents/finance", Some(&demo), None), read).await;
    let admitted = ["GetItem Sessions", "UpdateItem Limits", "GetItem Users"];
    let change: &[&[&str]] =
        &[&admitted, &["GetItem Agents", "TransactWriteItems Agents+Users+Audit"]];
    let body = Some(json!({"title": "Finance"}));
    let set: &[&[&str]] = &[&admitted, &["GetItem Prompts"], change[1]];
    check(&stack, ("PUT /agents/finance", Some(&admin), body), set).await;
    check(&stack, ("DELETE /agents/finance", Some(&admin), None), change).await;
    // Only an agent for some roles takes a look at the roles of its user.
    let begin: &[&[&str]] = &[&SIGNED_IN, &["GetItem Agents", "TransactWriteItems Conversations"]];
    let body = Some(json!({"agent": "tasks"}));
    check(&stack, ("POST /conversations", Some(&demo), body), begin).await;
}

#[tokio::test]
async fn a_reply_that_costs_something_asks_no_more_than_it_must() {
    let api = MessagesApi::with(vec![messages_api::Answer::stream(reply(&["Some"]))]).await;
    let stack = crate::chat::claude::stack(&api, &[]).await;
    let caller = stack.someone().await;
    let ask = ["TransactWriteItems Conversations+Messages+Drafts+Budgets+Audit"];
    // The circuit is checked before the call and after it.
    let circuit = ["GetItem Outages"; 2];
    let write = [
        "UpdateItem Messages",
        "Query Messages",
        "PutItem AuditTexts",
        "PutItem AuditTexts",
        "TransactWriteItems Messages+Drafts+Budgets+Usage+Audit",
    ];
    let write = [&circuit[..], &write].concat();
    let before = ["BatchGetItem Budgets"];
    let key = ["PutItem DataKeys"];
    let first: &[&[&str]] = &[&SIGNED_IN, &TWO_LIMITS, &before, &ask, &key, &write];
    let answer =
        check(&stack, ("POST /chat", Some(&caller), Some(json!({"message": "Hello"}))), first)
            .await
            .json();
    // The conversation's owner is read together with the budget, and the earlier messages only
    // after that.
    let before = ["BatchGetItem Budgets", "GetItem Conversations", "Query Messages"];
    let next: &[&[&str]] = &[&SIGNED_IN, &TWO_LIMITS, &before, &ask, &write];
    let more = json!({"message": "Go on", "conversation_id": answer["conversation_id"]});
    check(&stack, ("POST /chat", Some(&caller), Some(more)), next).await;
    let own = ("GET /users/me/budget", Some(&caller), None);
    check(&stack, own, &[&SIGNED_IN, &["GetItem Budgets", "GetItem Budgets"]]).await;
    check(&stack, ("GET /usage", Some(&caller), None), &[&SIGNED_IN, &["Query Usage"]]).await;
}

#[tokio::test]
async fn a_connection_asks_no_more_than_it_must() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    // Concurrent calls come in any order.
    let sorted = |mut calls: Vec<String>| {
        calls.sort_unstable();
        calls
    };
    let check = |calls: Vec<String>, expected: &[&str]| {
        let expected = expected.iter().map(|call| (*call).to_owned()).collect();
        assert_eq!(sorted(short(&calls)), sorted(expected));
    };
    let (mut socket, calls) = stack.round_trips(stack.connect(&caller)).await;
    // The session is read and the opened connections are counted side by side.
    check(
        calls,
        &["GetItem Sessions", "UpdateItem Limits", "TransactWriteItems Connections+Sessions+Audit"],
    );
    let query = format!("?ticket={}", crate::realtime::ticket(&stack, &caller).await);
    let (by_ticket, calls) = stack.round_trips(stack.handshake(&query, &[])).await;
    assert!(by_ticket.is_ok());
    check(
        calls,
        &[
            "GetItem Tickets",
            "GetItem Sessions",
            "UpdateItem Limits",
            "TransactWriteItems Connections+Tickets+Sessions+Audit",
        ],
    );

    // Every message reads its connection and, side by side, reads its session and is counted.
    let every = ["GetItem Connections", "GetItem Sessions", "UpdateItem Limits"];
    let (_, calls) = stack.round_trips(socket.ask(&json!({"action": "ping"}), "pong")).await;
    check(calls, &every);
    let renew = json!({"action": "auth.renew", "token": caller.access});
    let (_, calls) = stack.round_trips(socket.ask(&renew, "auth.renewed")).await;
    check(calls, &[&every[..], &["TransactWriteItems Connections"]].concat());
    let send = json!({"action": "chat.send", "message": "Hello"});
    let (_, mut calls) = stack.round_trips(socket.ask(&send, "chat.started")).await;
    // Later calls are the worker's, which may have begun. The process does not know the prompt yet.
    calls.truncate(7);
    let ask = ["GetItem Prompts", "TransactWriteItems Conversations+Messages+Drafts+Audit"];
    check(calls, &[&every[..], &TWO_LIMITS, &ask].concat());
}

#[tokio::test]
async fn a_warm_function_asks_for_no_secret() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    for path in ["/auth/me", "/profits", "/audit?actor=me"] {
        stack.get(path, Some(&caller)).await.expect(200);
        stack.local.calls().clear();
        stack.get(path, Some(&caller)).await.expect(200);
        let calls = stack.local.calls().snapshot();
        // The sealer of the audit log calls S3 and KMS beside it.
        let asks = calls.iter().any(|call| call.service == Service::SecretsManager);
        assert!(!asks, "{path}: {calls:?}");
    }
}
