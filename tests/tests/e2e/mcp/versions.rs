//! Versions: `initialize` of those before 2026-07-28, and the metadata and headers since.

use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use super::{MODERN, ask, error, key, modern, post, result};

const SUPPORTED: [&str; 3] = ["2026-07-28", "2025-11-25", "2025-06-18"];

async fn stack() -> (TestStack, Caller) {
    let stack = TestStack::start().await;
    let key = key(&stack, &stack.demo().await, &["tasks:read"]).await;
    (stack, key)
}

/// Sends a body as it is, with these headers.
async fn raw(stack: &TestStack, key: &Caller, body: &str, headers: &[(&str, &str)]) -> Answer {
    let request = post(stack, key).header("content-type", "application/json");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    stack.send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn a_legacy_client_settles_the_version_and_goes_on_without_a_session() {
    let (stack, key) = stack().await;
    for (requested, expected) in [
        ("2024-11-05", "2025-06-18"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2027-01-01", "2025-11-25"),
    ] {
        let client = json!({"name": "Legacy", "version": "1"});
        let params =
            json!({"protocolVersion": requested, "capabilities": {}, "clientInfo": client});
        let answer = ask(&stack, &key, "initialize", params).await;
        assert_eq!(answer.header("mcp-session-id"), "");
        let result = answer.expect(200)["result"].clone();
        assert_eq!(result["protocolVersion"], expected, "{requested}");
        let capabilities = json!({"prompts": {}, "resources": {}, "tools": {}});
        assert_eq!(result["capabilities"], capabilities);
        assert_eq!(result["serverInfo"]["name"], "tally");
        assert_eq!(result.get("resultType"), None, "{result}");

        let initialized = r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#;
        let headers = [
            ("mcp-protocol-version", expected),
            ("mcp-session-id", "of another server"),
            ("last-event-id", "7"),
            ("accept", "application/json, text/event-stream"),
        ];
        let answer = raw(&stack, &key, initialized, &headers).await;
        answer.expect(202);
        assert_eq!((answer.text.as_str(), answer.header("content-type")), ("", ""));
        let ping =
            r#"{"jsonrpc": "2.0", "id": 2, "method": "ping", "params": {"_meta": {}}, "x": 1}"#;
        let answered = raw(&stack, &key, ping, &headers).await;
        assert_eq!(answered.expect(200), json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
        let list = r#"{"jsonrpc": "2.0", "id": 3, "method": "tools/list"}"#;
        let listed = raw(&stack, &key, list, &headers).await.expect(200)["result"].clone();
        assert_eq!(super::names(&listed["tools"]), ["list_tasks"]);
        assert_eq!(listed.as_object().unwrap().len(), 1, "{listed}");
    }
    assert_eq!(error(&ask(&stack, &key, "initialize", json!({})).await, 200)["code"], -32602);
    assert_eq!(result(&stack, &key, "prompts/list", json!({})).await, json!({"prompts": []}));
    let prompt = json!({"name": "default"});
    assert_eq!(error(&ask(&stack, &key, "prompts/get", prompt).await, 200)["code"], -32602);
    // A version that the server speaks no longer is no reason to refuse, and an unknown one is.
    let ping = r#"{"jsonrpc": "2.0", "id": 2, "method": "ping"}"#;
    raw(&stack, &key, ping, &[("mcp-protocol-version", "2025-03-26")]).await.expect(200);
    let unknown = raw(&stack, &key, ping, &[("mcp-protocol-version", "1900-01-01")]).await;
    let data = json!({"supported": SUPPORTED, "requested": "1900-01-01"});
    assert_eq!(error(&unknown, 400)["code"], -32022);
    assert_eq!(error(&unknown, 400)["data"], data);
}

#[tokio::test]
async fn a_legacy_error_has_the_status_200() {
    let (stack, key) = stack().await;
    for (method, params, code) in [
        ("server/discover", json!({}), -32601),
        ("logging/setLevel", json!({"level": "debug"}), -32601),
        ("resources/subscribe", json!({"uri": "tally://tasks"}), -32601),
        ("completion/complete", json!({}), -32601),
        ("TOOLS/LIST", json!({}), -32601),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({"name": "nothing"}), -32602),
        ("tools/call", json!({"name": "list_tasks", "arguments": []}), -32602),
        ("tools/list", json!({"cursor": "x"}), -32602),
        ("resources/list", json!({"cursor": ""}), -32602),
        ("resources/templates/list", json!({"cursor": 1}), -32602),
        ("prompts/list", json!({"cursor": "x"}), -32602),
        ("prompts/get", json!({}), -32602),
        ("resources/read", json!({}), -32602),
        ("resources/read", json!({"uri": "tally://nothing"}), -32002),
    ] {
        let answer = ask(&stack, &key, method, params.clone()).await;
        assert_eq!(error(&answer, 200)["code"], code, "{method} {params}");
        assert_eq!(answer.json()["id"], 1);
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused() {
    let (stack, key) = stack().await;
    for (body, code, id) in [
        ("", -32700, json!(null)),
        ("{", -32700, json!(null)),
        (r#"{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}"#, -32700, json!(null)),
        (r#"[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]"#, -32600, json!(null)),
        ("7", -32600, json!(null)),
        (r#"{"id": 1, "method": "ping"}"#, -32600, json!(1)),
        (r#"{"jsonrpc": "2.0", "id": "a", "result": {}}"#, -32600, json!("a")),
        (r#"{"jsonrpc": "2.0", "id": null, "method": "ping"}"#, -32600, json!(null)),
        (r#"{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}"#, -32600, json!(1)),
    ] {
        for version in ["2025-06-18", MODERN] {
            let answer = raw(&stack, &key, body, &[("mcp-protocol-version", version)]).await;
            assert_eq!(error(&answer, 400)["code"], code, "{body}");
            assert_eq!(answer.json()["id"], id, "{body}");
        }
    }
}

#[tokio::test]
async fn a_modern_result_says_its_type_its_server_and_how_long_it_is_good() {
    let (stack, key) = stack().await;
    let ask = async |method: &str, params: Value| {
        let answer = stack.send(modern(&stack, &key, method, params)).await.expect(200);
        assert_eq!(answer["id"], "a");
        let result = answer["result"].clone();
        assert_eq!(result["resultType"], "complete", "{method}");
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert!(server["name"] == "tally" && server["version"].is_string(), "{method}: {server}");
        result
    };
    let found = ask("server/discover", json!({})).await;
    assert_eq!(found["supportedVersions"], json!(SUPPORTED));
    assert_eq!(found["capabilities"], json!({"prompts": {}, "resources": {}, "tools": {}}));
    for (method, params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("prompts/list", json!({})),
        ("resources/read", json!({"uri": "tally://tasks"})),
    ] {
        let kept = ask(method, params).await;
        assert_eq!(
            (&kept["ttlMs"], &kept["cacheScope"]),
            (&json!(60_000), &json!("private")),
            "{method}"
        );
    }
    let called = ask("tools/call", json!({"name": "list_tasks"})).await;
    assert_eq!((called.get("ttlMs"), called.get("cacheScope")), (None, None));
}

#[tokio::test]
async fn a_modern_client_is_told_which_methods_are_gone() {
    let (stack, key) = stack().await;
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "unknown"] {
        let answer = stack.send(modern(&stack, &key, method, json!({}))).await;
        assert_eq!(error(&answer, 404)["code"], -32601, "{method}");
        assert_eq!(answer.json()["id"], "a");
    }
    // What the method finds wrong is no failure of HTTP.
    for (method, params) in [
        ("tools/call", json!({"name": "nothing"})),
        ("tools/list", json!({"cursor": "x"})),
        ("resources/read", json!({"uri": "tally://nothing"})),
    ] {
        let answer = stack.send(modern(&stack, &key, method, params)).await;
        assert_eq!(error(&answer, 200)["code"], -32602, "{method}");
    }
}

#[tokio::test]
async fn a_modern_request_is_complete_and_its_headers_equal_it() {
    let (stack, key) = stack().await;
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let whole = json!({version: MODERN, capabilities: {}});
    let future = json!({version: "v999.0.0", capabilities: {}});
    let list = |meta: &Value| ("tools/list", json!({"_meta": meta}));
    let call = || ("tools/call", json!({"name": "list_tasks", "_meta": whole}));
    let names_version = ("mcp-protocol-version", MODERN);
    let lists = ("mcp-method", "tools/list");
    let calls = ("mcp-method", "tools/call");
    for (headers, (method, params), expected) in [
        (vec![names_version, lists], list(&whole), Ok(())),
        (vec![names_version, lists], list(&json!(null)), Err(-32602)),
        (vec![names_version, lists], list(&json!({capabilities: {}})), Err(-32602)),
        (vec![names_version, lists], list(&json!({version: MODERN})), Err(-32602)),
        (vec![lists], list(&whole), Err(-32020)),
        (vec![names_version], list(&whole), Err(-32020)),
        (vec![names_version, ("mcp-method", "Tools/List")], list(&whole), Err(-32020)),
        (vec![names_version, lists], list(&future), Err(-32020)),
        (vec![("mcp-protocol-version", "2025-11-25"), lists], list(&whole), Err(-32020)),
        (vec![("mcp-protocol-version", "v999.0.0"), lists], list(&future), Err(-32022)),
        (vec![names_version, calls, ("mcp-name", "list_tasks")], call(), Ok(())),
        (vec![names_version, calls, ("mcp-name", "=?base64?bGlzdF90YXNrcw==?=")], call(), Ok(())),
        (
            vec![names_version, calls, ("mcp-name", "=?base64?bGlzdF90YXNrcw?=")],
            call(),
            Err(-32020),
        ),
        (vec![names_version, calls, ("mcp-name", "add_task")], call(), Err(-32020)),
        (vec![names_version, calls], call(), Err(-32020)),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = raw(&stack, &key, &body.to_string(), &headers).await;
        match expected {
            Ok(()) => assert!(answer.expect(200)["result"].is_object(), "{headers:?} {body}"),
            Err(code) => assert_eq!(error(&answer, 400)["code"], code, "{headers:?} {body}"),
        }
    }
}
