//! Answers of every endpoint to invalid input, in the contract's order of checks.

use std::fs;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};
use tally_tests::TestStack;

#[tokio::test]
async fn a_path_or_method_that_is_not_there_is_ours_to_answer() {
    let stack = TestStack::start().await;
    for path in ["/nope", "/health/", "/auth", "/auth/login/", "/Health"] {
        stack.get(path, None).await.problem(404, "not_found");
    }
    for (method, path, allow) in [
        (Method::POST, "/health", "GET"),
        (Method::GET, "/auth/login", "POST"),
        (Method::PUT, "/auth/me", "GET, PATCH, DELETE"),
        (Method::OPTIONS, "/health", "GET"),
    ] {
        let answer = stack.send(stack.request(method.clone(), path)).await;
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        answer.problem(405, "method_not_allowed");
    }
    let head = stack.send(stack.request(Method::HEAD, "/health")).await;
    assert_eq!((head.status, head.header("allow")), (405, "GET"));
    // The same holds with a query or a body that no route accepts.
    stack.get("/nope?x=%zz", None).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_path_with_an_encoded_question_mark_or_hash_names_no_resource() {
    let stack = TestStack::start().await;
    // API Gateway decodes the path. What follows the sign is neither a query nor a fragment.
    for path in ["/docs/page.css%3Fx=1", "/docs/page.css%23", "/nope%3Fx", "/health%3F"] {
        let answer = stack.get(path, None).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_found")), "{path}");
    }
}

#[tokio::test]
async fn an_event_that_is_no_request_fails_and_the_log_says_where() {
    let stack = TestStack::start().await;
    let event = |host: &str, query: &str, body: &str| {
        let context = json!({"routeKey": "GET /health", "http": {"method": "GET", "path": "/health"}, "requestId": "r"});
        json!({
            "version": "2.0", "routeKey": "GET /health", "rawPath": "/health",
            "rawQueryString": query,
            "headers": {"host": host}, "requestContext": context, "isBase64Encoded": true,
            "body": body,
        })
    };
    let invoke = async |event: Value| stack.local.invoke("HealthFunction", event.to_string()).await;
    let answer = invoke(event("localhost", "", "")).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["statusCode"], 200);
    // API Gateway sends none of these. A function that gets one fails, and the client is answered
    // 500.
    let log = stack.local.logs().join("HealthFunction.log");
    for (wrong, event) in [
        ("an odd host", event("a b", "", "")),
        ("a query with a space", event("localhost", "a b", "")),
        ("a query with a quotation mark", event("localhost", "a=\"b\"", "")),
        ("a query with an angle bracket", event("localhost", "a=<b", "")),
        ("a body that is not base64", event("localhost", "", "!")),
    ] {
        let before = fs::read_to_string(&log).unwrap_or_default().matches("panicked at").count();
        assert!(invoke(event).await.is_err(), "{wrong}");
        while fs::read_to_string(&log).unwrap_or_default().matches("panicked at").count() == before
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    invoke(event("localhost", "", "")).await.unwrap();
}

#[tokio::test]
async fn a_body_is_checked_for_size_type_and_syntax() {
    let stack = TestStack::start().await;
    let post = |content_type: &'static str, body: Vec<u8>| {
        stack.send(
            stack
                .request(Method::POST, "/auth/login")
                .header("content-type", content_type)
                .body(body),
        )
    };
    post("application/json", vec![b' '; 2 * 1024 * 1024]).await.problem(413, "body_too_large");
    post("text/plain", vec![b' '; 2 * 1024 * 1024]).await.problem(413, "body_too_large");
    post("text/plain", b"{}".to_vec()).await.problem(415, "unsupported_media_type");
    post("application/jsonp", b"{}".to_vec()).await.problem(415, "unsupported_media_type");
    for body in [
        "",
        "{",
        "[]",
        "\"text\"",
        "{\"a\":1,}",
        "null",
        r#"{"username":"demo","username":"admin"}"#,
        r#"{"x":[{"a":1,"a":1}]}"#,
    ] {
        post("application/json", body.into()).await.problem(400, "malformed_json");
    }
    post("application/json", b"{\"username\":\"\xff\"}".to_vec())
        .await
        .problem(400, "malformed_json");
    post("Application/JSON; charset=utf-8", b"{}".to_vec())
        .await
        .invalid(&["/username", "/password"]);
    let gzip = stack
        .request(Method::POST, "/auth/login")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    stack.send(gzip.body(vec![0x1f, 0x8b])).await.problem(415, "unsupported_media_type");
    post("application/json", b"{\"username\":1,\"password\":null,\"x\":{}}".to_vec())
        .await
        .invalid(&["/username", "/password", "/x"]);
}

#[tokio::test]
async fn what_is_wrong_in_many_ways_gets_a_short_answer() {
    let stack = TestStack::start().await;
    let mut body: Map<_, _> =
        (0..60_000).map(|number| (format!("field_{number}"), json!(1))).collect();
    body.insert("username".to_owned(), json!("demo"));
    let answer = stack.post("/auth/login", None, &Value::Object(body)).await;
    let problem = answer.problem(422, "validation_failed");
    assert!(answer.text.len() < 4096, "{}", answer.text.len());
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(
        (&errors[0]["pointer"], &errors[20]),
        (&json!("/password"), &json!({"pointer": "", "detail": "has 59981 more faults"}))
    );

    let mut socket = stack.connect(&stack.demo().await).await;
    // As many members as one frame can hold.
    let members = (0..3_000).map(|number| (format!("m{number:04}"), json!(1)));
    let message: Map<_, _> = members.chain([("action".to_owned(), json!("ping"))]).collect();
    let error = socket.ask(&Value::Object(message), "error").await;
    assert_eq!(error["code"], "validation_failed");
    assert!(error.to_string().len() < 4096, "{}", error.to_string().len());
}

#[tokio::test]
async fn nothing_is_parsed_for_a_stranger() {
    let stack = TestStack::start().await;
    let logout =
        || stack.request(Method::POST, "/auth/logout").header("content-type", "text/plain");
    stack.send(logout().body(vec![b' '; 2 * 1024 * 1024])).await.problem(401, "unauthenticated");
    let caller = stack.demo().await;
    stack
        .send(logout().bearer_auth(&caller.access).body(vec![b' '; 2 * 1024 * 1024]))
        .await
        .problem(413, "body_too_large");
    stack
        .send(logout().bearer_auth(&caller.access).body("{}"))
        .await
        .problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_query_is_checked_strictly() {
    let stack = TestStack::start().await;
    stack.get("/health?x=1", None).await.invalid(&["x"]);
    stack.get("/health?a=1&a=2", None).await.invalid(&["a", "a"]);
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_plain() {
    let stack = TestStack::start().await;
    for (sent, kept) in [("abc-1.2_3", true), ("has space", false), ("", false)] {
        let answer =
            stack.send(stack.request(Method::GET, "/health").header("x-request-id", sent)).await;
        assert_eq!(answer.header("x-request-id") == sent, kept, "{sent:?}");
        answer.expect(200);
    }
    let long = "x".repeat(129);
    let answer =
        stack.send(stack.request(Method::GET, "/health").header("x-request-id", &long)).await;
    assert_ne!(answer.header("x-request-id"), long);
}

#[tokio::test]
async fn origins_on_the_list_get_cors_headers_and_others_none() {
    let stack = TestStack::start().await;
    let preflight = |origin: &'static str| {
        let request = stack.request(Method::OPTIONS, "/auth/login").header("origin", origin);
        stack.send(
            request
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type"),
        )
    };
    let allowed = preflight("https://excel.office.com").await;
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin")),
        (204, "https://excel.office.com")
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    assert_eq!(preflight("https://evil.example").await.header("access-control-allow-origin"), "");
    let login =
        stack.request(Method::POST, "/auth/login").header("origin", "http://localhost:5173");
    let answer =
        stack.send(login.json(&json!({"username": "demo", "password": "SecureDemo123!"}))).await;
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:5173");
    assert!(
        answer.header("access-control-expose-headers").to_lowercase().contains("ratelimit"),
        "{answer:?}"
    );
    let answer = stack
        .send(stack.request(Method::GET, "/health").header("origin", "https://evil.example"))
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    answer.expect(200);
}
