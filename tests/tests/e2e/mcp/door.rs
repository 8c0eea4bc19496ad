//! What comes before the protocol: methods, origins, credentials, bodies and limits. These answers
//! are problems.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Answer, TestStack};

use super::{ask, call, error, key, post};

/// The scopes of all tools, as a challenge has them.
const SCOPES: &str = "scope=\"audit:read profits:read ranges:read tasks:read tasks:write\"";

fn ping() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})
}

#[tokio::test]
async fn there_is_no_stream_to_open_and_no_session_to_end() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:read"]).await;
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let request = stack.request(method.clone(), "/mcp").header("x-api-key", &key.access);
        let answer = stack.send(request.header("accept", "text/event-stream")).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST", "{method}");
    }
}

#[tokio::test]
async fn a_page_of_the_list_or_of_our_own_may_send_messages() {
    let stack = TestStack::start().await;
    let owner = stack.demo().await;
    let key = key(&stack, &owner, &["tasks:read"]).await;
    let from = async |origin: &str| {
        stack.send(post(&stack, &key).header("origin", origin).json(&ping())).await
    };
    for origin in ["https://excel.office.com", "http://localhost:5173", stack.local.url()] {
        from(origin).await.expect(200);
    }
    for origin in ["http://evil.example.com", "null", "https://excel.office.com.evil.example"] {
        from(origin).await.problem(403, "origin_refused");
    }
    // A stranger is a stranger first.
    let request = stack.request(Method::POST, "/mcp").header("origin", "http://evil.example.com");
    stack.send(request.json(&ping())).await.problem(401, "unauthenticated");
    let denied = stack.events(&stack.admin().await, "access.denied").await;
    let codes: Vec<_> = denied.iter().map(|event| &event["detail"]["code"]).collect();
    assert_eq!(codes, [&json!("origin_refused")]);
}

#[tokio::test]
async fn a_browser_may_send_the_headers_of_the_protocol() {
    let stack = TestStack::start().await;
    let asked = "mcp-protocol-version,mcp-method,mcp-name,mcp-session-id,last-event-id,x-api-key";
    let preflight = stack
        .request(Method::OPTIONS, "/mcp")
        .header("origin", "https://excel.office.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", asked);
    let allowed = stack.send(preflight).await;
    assert_eq!(allowed.status, 204);
    let headers = allowed.header("access-control-allow-headers").to_lowercase();
    for name in asked.split(',') {
        assert!(headers.contains(name), "{name} is not in {headers}");
    }
}

#[tokio::test]
async fn the_caller_is_a_key_in_either_header() {
    let stack = TestStack::start().await;
    let owner = stack.demo().await;
    let key = key(&stack, &owner, &["profits:read"]).await;
    let by_bearer = |path: &str, token: &str| {
        let method = if path == "/mcp" { Method::POST } else { Method::GET };
        let request = stack.request(method, path).bearer_auth(token);
        stack.send(if path == "/mcp" { request.json(&ping()) } else { request })
    };
    by_bearer("/mcp", &key.access).await.expect(200);
    stack.send(post(&stack, &key).json(&ping())).await.expect(200);
    // A key is a bearer token here alone, and an access token everywhere else.
    by_bearer("/profits", &key.access).await.problem(401, "invalid_token");
    let challenged = |answer: &Answer, expected: &str| {
        assert_eq!(answer.header("www-authenticate"), expected, "{answer:?}");
    };
    for token in [owner.access.as_str(), "tly_not_a_key", "x"] {
        let answer = by_bearer("/mcp", token).await;
        answer.problem(401, "invalid_token");
        challenged(&answer, &format!("Bearer error=\"invalid_token\", {SCOPES}"));
    }
    for authorization in [None, Some("Basic ZGVtbzpkZW1v"), Some("Bearer ")] {
        let request = stack.request(Method::POST, "/mcp").json(&ping());
        let request = authorization
            .into_iter()
            .fold(request, |request, value| request.header("authorization", value));
        let answer = stack.send(request).await;
        answer.problem(401, "unauthenticated");
        challenged(&answer, &format!("Bearer {SCOPES}"));
    }
    let both = post(&stack, &key).bearer_auth(&key.access).json(&ping());
    stack.send(both).await.problem(400, "malformed_request");
    let path = stack.get("/api-keys", Some(&owner)).await.expect(200)["items"][0]["id"].clone();
    let path = format!("/api-keys/{}", path.as_str().unwrap());
    stack.delete(&path, Some(&owner)).await.expect(204);
    ask(&stack, &key, "ping", json!({})).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_key_without_the_scope_of_a_tool_is_told_which_one_it_needs() {
    let stack = TestStack::with(&[("RateLimits", "mcp=1/1h,*=100000/1m")]).await;
    let admin = stack.admin().await;
    let key = key(&stack, &admin, &["tasks:read"]).await;
    for (method, params, scope) in [
        ("tools/call", json!({"name": "add_task", "arguments": {"title": 1}}), "tasks:write"),
        ("tools/call", json!({"name": "query_audit"}), "audit:read"),
        ("resources/read", json!({"uri": "tally://profits/Alpha/2023"}), "profits:read"),
    ] {
        let answer = ask(&stack, &key, method, params).await;
        let problem = answer.problem(403, "insufficient_scope");
        assert!(problem["detail"].as_str().unwrap().contains(scope), "{problem}");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
    // The protocol does not look at the message: this one has no headers for its version.
    let meta = json!({"io.modelcontextprotocol/protocolVersion": super::MODERN});
    let incomplete = json!({"name": "add_task", "_meta": meta});
    let answer = ask(&stack, &key, "tools/call", incomplete).await;
    answer.problem(403, "insufficient_scope");
    // Neither a refused call nor a body that is no message counts.
    stack.send(post(&stack, &key).json(&json!([]))).await.expect(400);
    let first = ask(&stack, &key, "ping", json!({})).await;
    first.expect(200);
    assert!(first.header("ratelimit-policy").contains("\"mcp\";q=1"), "{first:?}");
    let refused = ask(&stack, &key, "ping", json!({})).await;
    refused.problem(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    // Another key has a limit of its own.
    let other = super::key(&stack, &admin, &["tasks:read"]).await;
    ask(&stack, &other, "ping", json!({})).await.expect(200);

    let denied = stack.events(&admin, "access.denied").await;
    let denied: Vec<_> = denied.iter().map(|event| &event["detail"]).collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(
        (&denied[0]["route"], &denied[0]["code"]),
        (&json!("POST /mcp"), &json!("insufficient_scope"))
    );
}

#[tokio::test]
async fn a_body_is_checked_as_everywhere() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:read"]).await;
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = post(&stack, &key).header("content-type", content_type);
        stack.send(request.body(body)).await
    };
    send("application/json", vec![b' '; 2 * 1024 * 1024]).await.problem(413, "body_too_large");
    send("text/plain", b"{}".to_vec()).await.problem(415, "unsupported_media_type");
    let gzip = post(&stack, &key).header("content-type", "application/json");
    let gzip = gzip.header("content-encoding", "gzip").body(vec![0x1f, 0x8b]);
    stack.send(gzip).await.problem(415, "unsupported_media_type");
    let answer = send("application/json; charset=utf-8", ping().to_string().into()).await;
    answer.expect(200);
    assert_eq!(error(&send("application/json", b"\xff".to_vec()).await, 400)["code"], -32700);
    let query = stack.request(Method::POST, "/mcp?x=1").header("x-api-key", &key.access);
    stack.send(query.json(&ping())).await.invalid(&["x"]);
    // A stranger's body is not read.
    let strange = stack.request(Method::POST, "/mcp").body(vec![b' '; 2 * 1024 * 1024]);
    stack.send(strange).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_server_that_fails_says_so_outside_of_the_protocol() {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:read"]).await;
    stack.fail("TasksTable", Some("Query"), Failure::Internal, usize::MAX);
    for (method, params) in [
        ("tools/call", json!({"name": "list_tasks"})),
        ("resources/read", json!({"uri": "tally://tasks"})),
    ] {
        ask(&stack, &key, method, params).await.problem(503, "unavailable");
    }
    stack.local.aws().recover();
    assert_eq!(call(&stack, &key, "list_tasks", json!({})).await["isError"], false);
}
