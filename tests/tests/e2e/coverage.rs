//! Walks the route table. Every row must have its case here. A row that is not public answers 401,
//! one for a role 403, a limited one 429, and an audited one leaves its event.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use platform::identity::Scope;
use platform::limits::Policy;
use platform::routes::{self, Access, LOGIN, ROUTES, Route};
use serde_json::{Value, json};
use tally_tests::fake_tenant::{FakeTenant, Person, TENANT};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::access;
use crate::api_keys::new_key;
use crate::audit::erasure::{request_erasure, second_admin};
use crate::files;
use crate::sso::browser::{Browser, Page};
use crate::users::user_id;
use crate::{job_api, job_samples};

const HOUR: Duration = Duration::from_hours(1);

/// Paths of OAuth 2.0, which accept forms.
const FORMS: [&str; 3] = ["/auth/token", "/auth/revoke", "/auth/introspect"];

/// The identity provider of the stacks of a test, with the one person who signs in there.
struct Provider {
    tenant: FakeTenant,
    person: Person,
}

impl Provider {
    fn start() -> Self {
        Self { tenant: FakeTenant::start(), person: Person::new("coverage") }
    }

    /// A stack that takes single sign-on, without limits if no parameter sets them.
    async fn stack(&self, sets: &[(&str, &str)]) -> TestStack {
        TestStack::with_sso(&self.tenant, sets).await
    }

    fn token(&self) -> String {
        self.tenant.token(&self.person)
    }
}

/// The return of a browser whose user has cancelled the sign-in, or the refusal to begin one. A
/// return with a code leaves no event, because `POST /auth/sso` leaves it.
async fn return_without_code(stack: &TestStack) -> Answer {
    let mut browser = Browser::new(stack);
    let begun = browser.open(&Page::new().path(&[])).await;
    if begun.status == 302 { browser.cancel(begun.header("location")).await } else { begun }
}

/// A request that succeeds, for each row.
#[allow(clippy::too_many_lines, reason = "one arm for each route")]
async fn succeed(
    stack: &TestStack,
    provider: &Provider,
    route: &Route,
    caller: Option<&Caller>,
) -> Answer {
    let method: Method = route.method.parse().unwrap();
    let (path, body) = match route.key().as_str() {
        "GET /docs/{file}" => ("/docs/initializer.js".to_owned(), None),
        "POST /auth/register" => {
            let body = json!({
                "username": "coverage", "email": "coverage@example.com",
                "password": "Correct-Horse-9",
            });
            ("/auth/register".to_owned(), Some(body))
        }
        "POST /auth/login" => (
            "/auth/login".to_owned(),
            Some(json!({"username": "demo", "password": "SecureDemo123!"})),
        ),
        "POST /auth/refresh" => {
            let refresh_token = stack.demo().await.refresh;
            ("/auth/refresh".to_owned(), Some(json!({"refresh_token": refresh_token})))
        }
        "POST /auth/token" => {
            let refresh_token = stack.demo().await.refresh;
            (
                "/auth/token".to_owned(),
                Some(json!({"grant_type": "refresh_token", "refresh_token": refresh_token})),
            )
        }
        "POST /auth/revoke" | "POST /auth/introspect" => {
            (route.path.to_owned(), Some(json!({"token": stack.demo().await.access})))
        }
        "POST /auth/sso" => ("/auth/sso".to_owned(), Some(json!({"token": provider.token()}))),
        "POST /auth/sso/link" => {
            let body = json!({"token": provider.token(), "current_password": "Correct-Horse-9"});
            ("/auth/sso/link".to_owned(), Some(body))
        }
        "GET /auth/sso/authorize" => (Page::new().path(&[]), None),
        "GET /auth/sso/callback" => return return_without_code(stack).await,
        "POST /auth/logout" => ("/auth/logout".to_owned(), None),
        "DELETE /auth/sessions/{id}" => {
            let sessions = stack.get("/auth/sessions", caller).await.json();
            (format!("/auth/sessions/{}", id(&sessions["items"][0])), None)
        }
        "PATCH /auth/me" => {
            // Send the account's present address. Then the password is required too, and attempts
            // at it are limited.
            let email = format!("{}@example.com", caller.unwrap().username);
            (
                "/auth/me".to_owned(),
                Some(json!({"email": email, "current_password": "Correct-Horse-9"})),
            )
        }
        "DELETE /auth/me" => {
            ("/auth/me".to_owned(), Some(json!({"current_password": "Correct-Horse-9"})))
        }
        "POST /auth/password" => {
            let body =
                json!({"current_password": "Correct-Horse-9", "new_password": "Another-Horse-9"});
            ("/auth/password".to_owned(), Some(body))
        }
        "POST /auth/password/forgot" => {
            ("/auth/password/forgot".to_owned(), Some(json!({"email": "demo@example.com"})))
        }
        "POST /auth/password/reset" => {
            let token = stack.mailed_token("/auth/password/forgot", "demo@example.com").await;
            (
                "/auth/password/reset".to_owned(),
                Some(json!({"token": token, "new_password": "Another-Horse-9"})),
            )
        }
        "POST /auth/email/verify" => {
            let token = crate::verification::token_of_an_account(stack).await;
            ("/auth/email/verify".to_owned(), Some(json!({"token": token})))
        }
        "POST /auth/email/resend" => {
            ("/auth/email/resend".to_owned(), Some(json!({"email": "demo@example.com"})))
        }
        "POST /chat" => ("/chat".to_owned(), Some(json!({"message": "Hello"}))),
        "GET /conversations/{id}/messages/{message_id}" => {
            let reply = stack.post("/chat", caller, &json!({"message": "Hello"})).await.expect(200);
            (crate::chat::path_of(&reply), None)
        }
        "POST /conversations/{id}/messages/{message_id}/confirmations" => {
            let message = "/tool add_task {\"title\": \"Call the bank\"}";
            let ask = json!({"message": message, "agent": "tasks"});
            let reply = stack.post("/chat", caller, &ask).await.expect(202);
            let call_id = &reply["tool_calls"][0]["call_id"];
            let body = json!({"decisions": [{"call_id": call_id, "decision": "approve"}]});
            (format!("{}/confirmations", crate::chat::path_of(&reply)), Some(body))
        }
        path if path.contains("/conversations/{id}") => {
            let reply = stack.post("/chat", caller, &json!({"message": "Hello"})).await.expect(200);
            let body = match route.method {
                "PATCH" => Some(json!({"title": "Greetings"})),
                "PUT" => Some(json!({"values": {"company": "Alpha"}, "version": 0})),
                _ => None,
            };
            (route.path.replace("{id}", reply["conversation_id"].as_str().unwrap()), body)
        }
        "GET /conversations" => ("/conversations?query=hello".to_owned(), None),
        "POST /conversations" => ("/conversations".to_owned(), Some(json!({"title": "Budget"}))),
        path if path.contains("/agents/{name}") => {
            let body = (route.method == "PUT").then(|| json!({"title": "Finance"}));
            (route.path.replace("{name}", "finance"), body)
        }
        "PATCH /prompts/{name}" => {
            ("/prompts/default".to_owned(), Some(json!({"description": "Answers anyone."})))
        }
        "POST /prompts/{name}/versions" => {
            let body = json!({"kind": "chat", "system": "Be brief."});
            ("/prompts/default/versions".to_owned(), Some(body))
        }
        path if path.starts_with("GET /prompts/{name}") => {
            (route.path.replace("{name}", "default").replace("{version}", "0"), None)
        }
        "POST /prompts/{name}/render" => {
            ("/prompts/default/render".to_owned(), Some(json!({"text": "Hello"})))
        }
        path if path.contains("/prompts/{name}/labels/{label}") => {
            let path = "/prompts/default/labels/staging";
            let body = json!({"version": 0});
            if route.method == "DELETE" {
                let set = stack.call(Method::PUT, path, caller.unwrap(), &body).await;
                // The limit counts this call too.
                if set.status == 429 {
                    return set;
                }
            }
            (path.to_owned(), (route.method == "PUT").then_some(body))
        }
        "GET /usage" => (format!("/usage?user_id={}", user_id(stack, "demo").await), None),
        path if path.ends_with("/budget") => {
            let body = (route.method == "PUT").then(|| json!({"monthly_usd": "50.00"}));
            (route.path.replace("{id}", &user_id(stack, "demo").await), body)
        }
        "POST /api-keys" => ("/api-keys".to_owned(), Some(new_key(&["profits:read"], HOUR))),
        "DELETE /api-keys/{id}" => {
            let key = stack
                .post("/api-keys", caller, &new_key(&["profits:read"], HOUR))
                .await
                .expect(201);
            (format!("/api-keys/{}", key["id"].as_str().unwrap()), None)
        }
        "GET /users" => ("/users?query=demo".to_owned(), None),
        "GET /users/{id}" => (format!("/users/{}", user_id(stack, "demo").await), None),
        "PATCH /users/{id}" => (
            format!("/users/{}", user_id(stack, "demo").await),
            Some(json!({"roles": ["auditor"]})),
        ),
        path if path.ends_with("/users/{id}/sso") => {
            let path = format!("/users/{}/sso", user_id(stack, "demo").await);
            let person = json!({"tenant": TENANT, "subject": provider.person.object});
            if route.method == "DELETE" {
                stack.call(Method::PUT, &path, caller.unwrap(), &person).await.expect(200);
            }
            (path, (route.method == "PUT").then_some(person))
        }
        path if path.contains("/users/{id}/erase") => {
            let user_id = user_id(stack, "demo").await;
            if route.method == "GET" {
                request_erasure(stack, caller.unwrap(), &user_id).await.expect(202);
            } else if path.ends_with("/confirm") {
                let second = second_admin(stack, caller.unwrap()).await;
                request_erasure(stack, &second, &user_id).await.expect(202);
            }
            (route.path.replace("{id}", &user_id), None)
        }
        "POST /users/invites" => {
            ("/users/invites".to_owned(), Some(json!({"email": "invited@example.com"})))
        }
        "DELETE /users/invites/{id}" => {
            let invite = stack.post("/users/invites", caller, &json!({})).await.expect(201);
            (format!("/users/invites/{}", invite["id"].as_str().unwrap()), None)
        }
        "GET /audit/checkpoint" => {
            stack.seal().await;
            ("/audit/checkpoint".to_owned(), None)
        }
        "GET /audit/{id}" | "GET /audit/{id}/proof" => {
            // An event of another user. A search for it would count against the same limit.
            stack.demo().await;
            let events = stack.items("AuditTable").await;
            let event = events.iter().find(|event| event["actor"]["M"]["username"]["S"] == "demo");
            stack.seal().await;
            (route.path.replace("{id}", event.unwrap()["id"]["S"].as_str().unwrap()), None)
        }
        "GET /profits/summary" => ("/profits/summary?group_by=company".to_owned(), None),
        "POST /workbooks" => ("/workbooks".to_owned(), Some(json!({"name": "Budget"}))),
        "POST /groups" => ("/groups".to_owned(), Some(json!({"name": "Controllers"}))),
        "POST /access/changes" | "GET /access/rules/{id}" => {
            let book = access::workbook(stack, caller.unwrap()).await;
            let add = json!({"add": [access::rule(&book, "allow", json!({}))]});
            if route.method == "POST" {
                return stack.post(route.path, caller, &add).await;
            }
            let changed = stack.post("/access/changes", caller, &add).await.expect(200);
            (route.path.replace("{id}", &id(&changed["added"][0])), None)
        }
        path if path.contains("/groups/{id}") => {
            let (admin, user) = (caller.unwrap(), user_id(stack, "demo").await);
            let group = access::group(stack, admin).await;
            if path.starts_with("DELETE") && path.contains("{user_id}") {
                access::join(stack, admin, &group, &user).await.expect(204);
            }
            let body = (route.method == "PATCH").then(|| json!({"name": "Close"}));
            (route.path.replace("{id}", &group).replace("{user_id}", &user), body)
        }
        "POST /tasks" => ("/tasks".to_owned(), Some(json!({"title": "Close the books"}))),
        path if path.contains("/tasks/{id}") => {
            let body = (route.method == "PATCH").then(|| json!({"due_date": "2027-01-31"}));
            let new = json!({"title": "Close the books"});
            let created = stack.post("/tasks", caller, &new).await;
            // The limit counts this call too.
            if created.status == 429 {
                return created;
            }
            (route.path.replace("{id}", &id(&created.expect(201))), body)
        }
        "POST /files" => ("/files".to_owned(), Some(files::text("Coverage").announcement())),
        path if path.contains("/files/{id}") => {
            return of_file(stack, route, caller.unwrap()).await;
        }
        "POST /analyses" => return job_samples::analysis(stack, caller.unwrap(), "Sums").await,
        "POST /evaluations" => return job_samples::evaluation(stack, caller.unwrap(), 1).await,
        path if path.contains("/batches") => return of_batch(stack, route, caller.unwrap()).await,
        path if path.contains("/jobs/{id}") => return of_job(stack, route, caller.unwrap()).await,
        path if path.contains("/ranges") => return of_range(stack, route, caller.unwrap()).await,
        path if path.contains("/workbooks/{id}") => {
            let (book, sheet, ..) = access::salaries(stack, caller.unwrap()).await;
            let body = match (route.method, route.path.rsplit('/').next().unwrap()) {
                ("PATCH", _) => Some(json!({"name": "Budget"})),
                ("POST", _) => Some(json!({"name": "P&L"})),
                ("PUT", "columns") => Some(json!({"columns": [], "if_version": 2})),
                ("PUT", _) => Some(json!({"cleared": true})),
                _ => None,
            };
            (route.path.replace("{id}", &book).replace("{sheet_id}", &sheet), body)
        }
        "POST /mcp" => {
            ("/mcp".to_owned(), Some(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})))
        }
        // These requests need no parameters.
        plain
            if plain == "POST /auth/ws-ticket"
                || (plain.starts_with("GET ") && !plain.contains('{')) =>
        {
            (route.path.to_owned(), None)
        }
        other => panic!("{other} has no case: add a request that succeeds"),
    };
    stack.send(request(stack, method, &path, caller, body.as_ref())).await
}

/// A request for a range, or else the first refusal of what has to come before it.
async fn of_range(stack: &TestStack, route: &Route, caller: &Caller) -> Answer {
    let book = access::workbook(stack, caller).await;
    let ranges = format!("/workbooks/{book}/ranges");
    if route.path.ends_with("/graph") {
        return stack.delete(&format!("/workbooks/{book}/graph"), Some(caller)).await;
    }
    let head = json!({"sheet": {"name": "P&L"}, "address": "A1:B2"});
    let part = json!({"address": "A1:B2", "values": 1, "formulas": 1});
    if route.path.starts_with("/workbooks") && route.method == "GET" {
        return stack.get(&ranges, Some(caller)).await;
    }
    let begun = stack.post(&ranges, Some(caller), &head).await;
    if begun.status != 201 || route.path.starts_with("/workbooks") {
        return begun;
    }
    let path = route.path.replace("{id}", &id(&begun.json())).replace("{n}", "1");
    let range = format!("/ranges/{}", id(&begun.json()));
    let sent = stack.call(Method::PUT, &format!("{range}/parts/1"), caller, &part).await;
    if sent.status != 204 || route.method == "PUT" {
        return sent;
    }
    let completed = stack.post(&format!("{range}/complete"), Some(caller), &json!({})).await;
    match path.rsplit('/').next().unwrap() {
        "complete" => completed,
        "cells" => stack.get(&format!("{path}?address=A1"), Some(caller)).await,
        "access" => stack.get(&format!("{path}?cell=A1"), Some(caller)).await,
        "preview" => stack.post(&path, Some(caller), &json!({"task": "Sum it up."})).await,
        _ if route.method == "DELETE" => stack.delete(&path, Some(caller)).await,
        _ => stack.get(&path, Some(caller)).await,
    }
}

/// A request for a batch, or else the first refusal of what has to come before it.
async fn of_batch(stack: &TestStack, route: &Route, caller: &Caller) -> Answer {
    let book = access::workbook(stack, caller).await;
    let head = json!({"sheet": {"name": "P&L"}, "address": "A1:B2"});
    let begun =
        stack.post(&format!("/workbooks/{book}/ranges"), Some(caller), &head).await.expect(201);
    let range = format!("/ranges/{}", id(&begun));
    let part = json!({"address": "A1:B2", "values": 1, "formulas": 1});
    stack.call(Method::PUT, &format!("{range}/parts/1"), caller, &part).await.expect(204);
    stack.post(&format!("{range}/complete"), Some(caller), &json!({})).await.expect(200);
    let body = json!({
        "range_id": id(&begun), "input_columns": ["A"], "operation": {"type": "explain"},
    });
    let started = stack.post("/batches", Some(caller), &body).await;
    if route.method == "POST" {
        return started;
    }
    let path = format!("/batches/{}/results", id(&started.expect(202)));
    stack.get(&path, Some(caller)).await
}

/// A request for a job, or else the first refusal of what has to come before it.
async fn of_job(stack: &TestStack, route: &Route, caller: &Caller) -> Answer {
    let is_of_findings = ["findings", "compare"].iter().any(|name| route.path.ends_with(name));
    let start = async || {
        if is_of_findings {
            return job_samples::analysis(stack, caller, "Sums").await;
        }
        // It has not ended when it is asked to stop.
        job_samples::evaluation(stack, caller, 200).await
    };
    let started = start().await;
    // The limit counts this call too.
    if started.status != 202 {
        return started;
    }
    let job = started.json();
    let path = route.path.replace("/jobs/{id}", &job_api::path(&job));
    let method: Method = route.method.parse().unwrap();
    match path.rsplit('/').next().unwrap() {
        "findings" => {
            job_api::ended(stack, caller, &job).await;
            // Only an export leaves an event.
            let request = request(stack, method, &path, Some(caller), None);
            return stack.send(request.header("accept", "text/csv")).await;
        }
        "compare" => {
            let other = start().await.expect(202);
            for job in [&job, &other] {
                job_api::ended(stack, caller, job).await;
            }
            return stack.get(&format!("{path}?with={}", id(&other)), Some(caller)).await;
        }
        "retry" => {
            job_api::cancel(stack, caller, &job).await.expect(200);
            job_api::ended(stack, caller, &job).await;
            return stack.post(&path, Some(caller), &json!({})).await;
        }
        _ if method == Method::DELETE => {
            job_api::cancel(stack, caller, &job).await.expect(200);
            job_api::ended(stack, caller, &job).await;
        }
        _ => {}
    }
    stack.send(request(stack, method, &path, Some(caller), None)).await
}

/// A request for a file, or else the first refusal of what has to come before it.
async fn of_file(stack: &TestStack, route: &Route, caller: &Caller) -> Answer {
    let sample = files::text("Coverage");
    let announced = stack.post("/files", Some(caller), &sample.announcement()).await;
    // The limit counts this call too.
    if announced.status != 201 {
        return announced;
    }
    let announced = announced.json();
    let path = route.path.replace("{id}", &id(&announced["file"]));
    if route.path.ends_with("/content") {
        files::upload(stack, &announced["upload"], &sample.bytes).await;
        files::prepared(stack, caller, &announced["file"]).await;
    } else if route.method == "POST" {
        files::upload(stack, &announced["upload"], &sample.bytes).await;
    }
    let method: Method = route.method.parse().unwrap();
    stack.send(request(stack, method, &path, Some(caller), None)).await
}

/// A request in the format of its path, by a user or a service.
pub fn request(
    stack: &TestStack,
    method: Method,
    path: &str,
    caller: Option<&Caller>,
    body: Option<&Value>,
) -> reqwest::RequestBuilder {
    let mut request = stack.request(method, path);
    if let Some(caller) = caller {
        let is_key = caller.access.starts_with("tly_");
        request = if is_key {
            request.header("x-api-key", &caller.access)
        } else {
            request.bearer_auth(&caller.access)
        };
    }
    match body {
        Some(body) if FORMS.contains(&path) => request.form(body),
        Some(body) => request.json(body),
        None => request,
    }
}

/// A caller that may use a row. `None` for a public row. If the row changes the account, no other
/// test step uses that account.
async fn caller_of(stack: &TestStack, route: &Route) -> Option<Caller> {
    match (route.access, route.function) {
        (Access::Public, _) => None,
        (Access::Key | Access::AnyKey, _) => {
            let admin = stack.admin().await;
            let scope = route.scope.unwrap_or(Scope::TasksRead).as_str();
            let key =
                stack.post("/api-keys", Some(&admin), &new_key(&[scope], HOUR)).await.expect(201);
            Some(Caller { access: key["key"].as_str().unwrap().to_owned(), ..admin })
        }
        (_, "account" | "password" | "sso") => Some(stack.someone().await),
        _ => Some(stack.admin().await),
    }
}

/// A path of the row with well-formed parameters.
fn sample_path(route: &Route) -> String {
    route
        .path
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') { "019a0000-0000-7000-8000-000000000000" } else { segment }
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_row_succeeds_as_it_says_and_leaves_its_event() {
    let provider = Provider::start();
    for route in ROUTES {
        let stack = provider.stack(&[]).await;
        let caller = caller_of(&stack, route).await;
        let answer = succeed(&stack, &provider, route, caller.as_ref()).await;
        answer.expect(route.success);
        if let Some(action) = route.audit {
            let auditor = stack.admin().await;
            let events = stack.events(&auditor, action).await;
            assert!(
                events.iter().any(|event| event["request_id"] == answer.header("x-request-id")),
                "{} left no {action}",
                route.key()
            );
        }
    }
}

#[tokio::test]
async fn every_row_that_is_not_public_asks_for_a_token() {
    let stack = Provider::start().stack(&[]).await;
    for route in ROUTES.iter().filter(|route| route.access != Access::Public) {
        let path = sample_path(route);
        stack
            .send(request(&stack, route.method.parse().unwrap(), &path, None, None))
            .await
            .problem(401, "unauthenticated");
        let access = if route.access == Access::Key { "tly_not_a_key" } else { "not.a.token" };
        let stranger =
            Caller { username: String::new(), access: access.into(), refresh: String::new() };
        let answer = stack
            .send(request(&stack, route.method.parse().unwrap(), &path, Some(&stranger), None))
            .await;
        answer.problem(401, "invalid_token");
    }
    let auditor = stack.admin().await;
    // A call without credentials is no attempt, so it leaves no event.
    let codes: BTreeSet<_> = stack
        .events(&auditor, "access.denied")
        .await
        .iter()
        .map(|event| event["detail"]["code"].to_string())
        .collect();
    assert_eq!(codes, BTreeSet::from(["\"invalid_token\"".to_owned()]));
}

#[tokio::test]
async fn every_row_for_a_role_refuses_those_without_it() {
    let stack = Provider::start().stack(&[]).await;
    let demo = stack.demo().await;
    for route in ROUTES
        .iter()
        .filter(|route| matches!(route.access, Access::Role(_) | Access::RoleOrMe { .. }))
    {
        let mut path = sample_path(route);
        if let Access::RoleOrMe { parameter, unless_given: true, .. } = route.access {
            // The percent-encoded name is the same parameter.
            path = format!(
                "{path}?%{:02x}{}=019a0000-0000-7000-8000-000000000000",
                parameter.as_bytes()[0],
                &parameter[1..]
            );
        }
        stack
            .send(request(&stack, route.method.parse().unwrap(), &path, Some(&demo), None))
            .await
            .problem(403, "forbidden");
    }
}

#[tokio::test]
async fn every_limited_row_refuses_what_is_too_much() {
    let provider = Provider::start();
    for route in ROUTES.iter().filter(|route| !route.limits.is_empty()) {
        for policy in route.limits {
            let limits = format!("{}=1/1h,*=100000/1m", policy.name);
            let stack = provider.stack(&[("RateLimits", &limits)]).await;
            let caller = caller_of(&stack, route).await;
            // A deleted account can't make a second request. So another row with the same limit
            // goes first.
            let before = if route.key() == "DELETE /auth/me" { &routes::ME_UPDATE } else { route };
            let first = succeed_under(&stack, &provider, before, policy, caller.as_ref()).await;
            assert!(
                first.header("ratelimit-policy").contains(policy.name),
                "{} of {}: {first:?}",
                policy.name,
                route.key()
            );
            if *policy == Policy::LOGIN_LOCK {
                // Only failures count.
                let body = json!({"username": "demo", "password": "wrong"});
                stack.post("/auth/login", None, &body).await.problem(401, "invalid_credentials");
            }
            let refused =
                spend_again(&stack, &provider, route, policy, caller.as_ref(), &first).await;
            refused.problem(429, "rate_limited");
            assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
        }
    }
}

/// A request that succeeds and counts under this policy of the row. At the token endpoint each
/// grant has its own policy.
async fn succeed_under(
    stack: &TestStack,
    provider: &Provider,
    route: &Route,
    policy: &Policy,
    caller: Option<&Caller>,
) -> Answer {
    if route.path == "/auth/token" && LOGIN.limits.contains(policy) {
        let grant =
            json!({"grant_type": "password", "username": "demo", "password": "SecureDemo123!"});
        return stack.send(request(stack, Method::POST, route.path, None, Some(&grant))).await;
    }
    succeed(stack, provider, route, caller).await
}

/// The same subject's next request. For a refresh it uses the token from the first answer.
async fn spend_again(
    stack: &TestStack,
    provider: &Provider,
    route: &Route,
    policy: &Policy,
    caller: Option<&Caller>,
    first: &Answer,
) -> Answer {
    match route.key().as_str() {
        "POST /auth/refresh" => {
            stack
                .post(
                    "/auth/refresh",
                    None,
                    &json!({"refresh_token": first.json()["refresh_token"]}),
                )
                .await
        }
        "POST /auth/token" if !LOGIN.limits.contains(policy) => {
            let next = json!({
                "grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"],
            });
            stack.send(request(stack, Method::POST, route.path, None, Some(&next))).await
        }
        _ => succeed_under(stack, provider, route, policy, caller).await,
    }
}

#[tokio::test]
async fn the_template_and_the_route_table_are_the_same_list() {
    let stack = TestStack::start().await;
    let api = stack.local.deployment().http_api.clone().unwrap();
    let binary = |function: &str| {
        let functions = &stack.local.deployment().functions;
        functions
            .iter()
            .find(|candidate| candidate.id == function)
            .map(|found| found.binary.clone())
            .unwrap()
    };
    let described: BTreeSet<_> =
        api.routes.iter().map(|route| (route.route_key.clone(), binary(&route.function))).collect();
    assert_eq!(described.len(), api.routes.len(), "a route stands twice in the template");
    let ours = ROUTES.iter().copied().chain([&platform::routes::FALLBACK]);
    let ours: BTreeSet<_> = ours.map(|route| (route.key(), route.function.to_owned())).collect();
    assert_eq!(described, ours);
}

#[test]
fn the_template_has_no_reference_cycle() {
    let references =
        tally_local::template::references(&tally_tests::root().join("template.yaml")).unwrap();
    assert_eq!(tally_local::template::cycle(&references), None);
}
