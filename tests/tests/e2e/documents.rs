//! The documents in docs/api match the code, and the stack serves them as they are committed.

use std::collections::BTreeSet;

use serde_json::Value;
use tally_tests::{TestStack, asyncapi, endpoints, errors, openapi, root};

/// The committed file must equal the code's present output. `UPDATE_DOCUMENTS=1` writes it instead.
#[track_caller]
#[allow(
    clippy::disallowed_methods,
    reason = "a switch of the test run, not a setting of the product"
)]
fn check(name: &str, document: &str) {
    let path = root().join("docs/api").join(name);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    let update = "UPDATE_DOCUMENTS=1 cargo test -p tally-tests documents";
    assert!(committed == document, "docs/api/{name} is not what the code says: {update}");
}

#[test]
fn the_documents_are_current() {
    let json = |document: Value| format!("{document:#}\n");
    check("openapi.json", &json(openapi::document()));
    check("asyncapi.json", &json(asyncapi::document()));
    check("errors.md", &errors::document());
    check("README.md", &endpoints::document());
}

/// The verbs of operations, by their method.
const VERBS: &[(&str, &[&str])] = &[
    ("get", &["begin", "compare", "end", "export", "list", "read", "summarize", "verify"]),
    (
        "post",
        &[
            "cancel",
            "change",
            "complete",
            "confirm",
            "create",
            "introspect",
            "issue",
            "link",
            "login",
            "logout",
            "preview",
            "refresh",
            "register",
            "render",
            "request",
            "resend",
            "reset",
            "retry",
            "revoke",
            "save",
            "send",
            "sign",
            "start",
            "verify",
        ],
    ),
    ("put", &["move", "set"]),
    ("patch", &["update"]),
    ("delete", &["delete", "end", "remove", "reset", "revoke"]),
];

#[test]
fn each_operation_is_called_by_a_verb_and_a_noun_of_its_own() {
    let document = openapi::document();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let (verb, noun) =
                id.split_at(id.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(id.len()));
            let (_, verbs) = VERBS.iter().find(|(name, _)| name == method).unwrap();
            assert!(
                verbs.contains(&verb),
                "{method} {path}: {id} does not begin with one of {verbs:?}"
            );
            assert!(
                noun.starts_with(|c: char| c.is_ascii_uppercase()),
                "{method} {path}: {id} has no noun"
            );
            assert!(
                noun.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{method} {path}: {id} is not in lower camel case"
            );
            assert!(ids.insert(id), "two operations are called {id}");
        }
    }
}

#[tokio::test]
async fn the_documentation_is_served_from_the_function_itself() {
    let stack = TestStack::start().await;
    let root_answer = stack.get("/", None).await.expect(200);
    assert_eq!(root_answer["name"], "tally");
    assert_eq!(root_answer["docs_url"], format!("{}/docs", stack.local.url()));
    assert_eq!(root_answer["websocket_url"], stack.local.websocket_url().unwrap());
    let mut served = stack.get("/openapi.json", None).await.expect(200);
    // The committed document has the local stack's usual URL.
    assert_eq!(served["servers"][0]["url"].take(), stack.local.url());
    served["servers"][0]["url"] = docs::SERVER_URL.into();
    assert_eq!(served, openapi::document());
    assert_eq!(stack.get("/asyncapi.json", None).await.expect(200), asyncapi::document());

    for path in ["/docs", "/redoc"] {
        let page = stack.get(path, None).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").contains("script-src 'self';"), "{page:?}");
    }
    let redoc = stack.send(stack.request(http::Method::GET, "/docs/redoc.standalone.js")).await;
    assert_eq!((redoc.status, redoc.header("content-encoding")), (200, "gzip"));
    for (file, content_type) in [
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("initializer.js", "text/javascript; charset=utf-8"),
        ("sign-in.js", "text/javascript; charset=utf-8"),
        ("redoc.css", "text/css; charset=utf-8"),
    ] {
        let asset = stack.get(&format!("/docs/{file}"), None).await;
        assert_eq!((asset.status, asset.header("content-type")), (200, content_type), "{file}");
    }
    let icon = stack.send(stack.request(http::Method::GET, "/docs/favicon-32x32.png")).await;
    assert_eq!((icon.status, icon.header("content-type")), (200, "image/png"));
    stack.get("/docs/nothing.js", None).await.problem(404, "not_found");
}

#[tokio::test]
async fn readiness_says_what_does_not_answer() {
    let stack = TestStack::start().await;
    let ready = stack.get("/ready", None).await.expect(200);
    assert_eq!(
        (&ready["status"], &ready["checks"]["dynamodb"]["status"]),
        (&"ok".into(), &"ok".into())
    );
    assert!(ready["checks"]["secrets"]["latency_ms"].is_u64());
    stack.local.aws().fail(tally_local::aws::Fault {
        service: tally_local::aws::Service::DynamoDb,
        operation: Some("GetItem".into()),
        target: None,
        failure: tally_local::aws::Failure::Internal,
        times: 3,
    });
    let failing = stack.get("/ready", None).await.expect(503);
    assert_eq!(
        (&failing["status"], &failing["checks"]["dynamodb"]["status"]),
        (&"failing".into(), &"failing".into())
    );
    assert_eq!(failing["checks"]["secrets"]["status"], "ok");
}
