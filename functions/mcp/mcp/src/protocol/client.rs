//! The client's name for itself, which the audit log keeps. It is no credential.

use cells::names::clean;
use serde_json::Value;

use super::message::RpcRequest;

/// The member of `_meta` with the name and version of the client.
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";

/// Largest number of characters.
const CHARACTERS: usize = 100;

/// Name and version of a client, or else its `User-Agent`: a legacy client gives its name to
/// `initialize` alone.
pub fn client_of(request: &RpcRequest, user_agent: &str) -> String {
    let info = request.params.get("_meta").and_then(|meta| meta.get(CLIENT));
    let member = |name: &str| info.and_then(|info| info.get(name)).and_then(Value::as_str);
    let named = member("name").map(|name| match member("version") {
        Some(version) => format!("{name}/{version}"),
        None => name.to_owned(),
    });
    [named.as_deref().unwrap_or_default(), user_agent, "unknown"]
        .into_iter()
        .map(plain)
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

/// The first characters of a text, on one line and without what cannot be seen.
fn plain(text: &str) -> String {
    let visible = clean(text);
    let words: Vec<_> = visible.split_whitespace().collect();
    words.join(" ").chars().take(CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_is_named_by_itself_or_by_its_user_agent() {
        let long = "x".repeat(200);
        for (info, user_agent, expected) in [
            (json!({"name": "Claude", "version": "2.1"}), "curl/8", "Claude/2.1"),
            (json!({"name": "Claude"}), "curl/8", "Claude"),
            (json!({"name": "a\n\u{202e}b\u{e0041}", "version": 1}), "curl/8", "a b"),
            (json!({"name": " "}), "curl/8", "curl/8"),
            (json!("Claude"), "curl/8", "curl/8"),
            (json!(null), "", "unknown"),
            (json!({"name": long}), "curl/8", &long[..100]),
        ] {
            let Value::Object(params) = json!({"_meta": {CLIENT: info}}) else { panic!() };
            let request = RpcRequest { id: json!(1), method: "tools/call".into(), params };
            assert_eq!(client_of(&request, user_agent), expected);
        }
    }
}
