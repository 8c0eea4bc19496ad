//! What a request says about itself: in `_meta`, and once more in its headers, which proxies read.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;

use super::era::{Era, MODERN, is_known};
use super::fault::Fault;
use super::message::RpcRequest;

/// The member of `_meta` with the version.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The member of `_meta` with the capabilities of the client.
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The headers.
const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

/// The era of a request: modern if its header or its `_meta` names that version. Fails if a modern
/// request is incomplete, or if a request names a version that the server does not know.
pub fn era_of(headers: &HeaderMap, request: &RpcRequest) -> Result<Era, Fault> {
    let header = header(headers, VERSION_HEADER);
    let declared = meta(request, VERSION).and_then(Value::as_str);
    if header == Some(MODERN) || declared == Some(MODERN) {
        check(headers, request)?;
        return Ok(Era::Modern);
    }
    match declared.into_iter().chain(header).find(|version| !is_known(version)) {
        Some(unknown) => Err(Fault::unknown_version(unknown)),
        None => Ok(Era::Legacy),
    }
}

/// A member of `_meta`.
fn meta<'r>(request: &'r RpcRequest, name: &str) -> Option<&'r Value> {
    request.params.get("_meta")?.get(name)
}

/// The value of a header, without the spaces around it. A value that is no text counts as empty,
/// and so equals nothing.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default().trim())
}

/// Checks that a modern request is complete, and that its headers equal its body.
fn check(headers: &HeaderMap, request: &RpcRequest) -> Result<(), Fault> {
    let Some(version) = meta(request, VERSION).and_then(Value::as_str) else {
        return Err(incomplete(VERSION, "the version"));
    };
    equal(headers, VERSION_HEADER, version)?;
    if !meta(request, CAPABILITIES).is_some_and(Value::is_object) {
        return Err(incomplete(CAPABILITIES, "an object"));
    }
    equal(headers, METHOD_HEADER, &request.method)?;
    let name = match request.method.as_str() {
        "tools/call" | "prompts/get" => request.params.get("name"),
        "resources/read" => request.params.get("uri"),
        _ => None,
    };
    match name.and_then(Value::as_str) {
        Some(name) => equal(headers, NAME_HEADER, name),
        None => Ok(()),
    }
}

fn incomplete(name: &str, expected: &str) -> Fault {
    Fault::incomplete(format!("`params._meta` must have {name}: {expected}."))
}

/// Checks that a header has the value that the body has. The name alone may be encoded.
fn equal(headers: &HeaderMap, name: &str, expected: &str) -> Result<(), Fault> {
    let read = |value| if name == NAME_HEADER { decoded(value) } else { Some(Cow::from(value)) };
    match header(headers, name).map(read) {
        Some(Some(value)) if value == expected => Ok(()),
        Some(_) => {
            Err(Fault::header_mismatch(format!("The header {name} must be as in the body.")))
        }
        None => Err(Fault::header_mismatch(format!("The header {name} is missing."))),
    }
}

/// A value that may be encoded, as `=?base64?…?=`; `None` if it does not decode.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(encoded) = encoded else { return Some(value.into()) };
    Some(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?.into())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    const LEGACY: &str = "2025-11-25";
    const UNKNOWN: &str = "v999.0.0";

    fn request(method: &str, params: Value) -> RpcRequest {
        let Value::Object(params) = params else { panic!("{params}") };
        RpcRequest { id: json!(1), method: method.into(), params }
    }

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = values
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[track_caller]
    fn check(
        sent: &[(&'static str, &'static str)],
        request: &RpcRequest,
        expected: Result<Era, i32>,
    ) {
        let found = era_of(&headers(sent), request);
        if let Err(fault) = &found {
            assert_eq!(fault.status, 400);
        }
        assert_eq!(found.map_err(|fault| fault.error.code), expected, "{sent:?} {request:?}");
    }

    #[test]
    fn the_version_decides_about_the_era() {
        let of = |version: Option<&str>| {
            let mut meta = json!({CAPABILITIES: {}});
            if let Some(version) = version {
                meta[VERSION] = version.into();
            }
            request("tools/list", json!({"_meta": meta}))
        };
        let method = (METHOD_HEADER, "tools/list");
        for (header, declared, expected) in [
            (None, None, Ok(Era::Legacy)),
            (Some(LEGACY), None, Ok(Era::Legacy)),
            (Some("2025-03-26"), None, Ok(Era::Legacy)),
            (Some(LEGACY), Some(LEGACY), Ok(Era::Legacy)),
            (Some(MODERN), Some(MODERN), Ok(Era::Modern)),
            (Some(MODERN), None, Err(-32602)),
            (None, Some(MODERN), Err(-32020)),
            (Some(LEGACY), Some(MODERN), Err(-32020)),
            (Some(MODERN), Some(UNKNOWN), Err(-32020)),
            (Some(UNKNOWN), Some(UNKNOWN), Err(-32022)),
            (Some(UNKNOWN), None, Err(-32022)),
            (None, Some(UNKNOWN), Err(-32022)),
        ] {
            let mut sent = vec![method];
            sent.extend(header.map(|version| (VERSION_HEADER, version)));
            check(&sent, &of(declared), expected);
        }
        let fault = era_of(&headers(&[(VERSION_HEADER, UNKNOWN)]), &of(None)).unwrap_err();
        let supported = json!(["2026-07-28", "2025-11-25", "2025-06-18"]);
        let data = json!({"supported": supported, "requested": UNKNOWN});
        assert_eq!(fault.error.data, Some(data));
    }

    #[test]
    fn a_modern_request_is_complete_and_its_headers_equal_it() {
        let meta = json!({VERSION: MODERN, CAPABILITIES: {}});
        let list = request("tools/list", json!({"_meta": meta}));
        let call = request("tools/call", json!({"name": "add_task", "_meta": meta}));
        let read = request("resources/read", json!({"uri": "tally://tasks/ä", "_meta": meta}));
        let version = (VERSION_HEADER, MODERN);
        let calls = (METHOD_HEADER, "tools/call");
        let reads = (METHOD_HEADER, "resources/read");
        let encoded = (NAME_HEADER, "=?base64?dGFsbHk6Ly90YXNrcy/DpA==?=");
        for (sent, request, expected) in [
            (vec![version, (METHOD_HEADER, "tools/list")], &list, Ok(Era::Modern)),
            (vec![version], &list, Err(-32020)),
            (vec![version, (METHOD_HEADER, "TOOLS/LIST")], &list, Err(-32020)),
            (vec![version, (METHOD_HEADER, "prompts/list")], &list, Err(-32020)),
            (vec![version, (METHOD_HEADER, "=?base64?dG9vbHMvbGlzdA==?=")], &list, Err(-32020)),
            (
                vec![
                    (VERSION_HEADER, "=?base64?MjAyNi0wNy0yOA==?="),
                    (METHOD_HEADER, "tools/list"),
                ],
                &list,
                Err(-32020),
            ),
            (vec![version, calls, (NAME_HEADER, " add_task ")], &call, Ok(Era::Modern)),
            (
                vec![version, calls, (NAME_HEADER, "=?base64?YWRkX3Rhc2s=?=")],
                &call,
                Ok(Era::Modern),
            ),
            (vec![version, calls, (NAME_HEADER, "=?base64?YWRkX3Rhc2s?=")], &call, Err(-32020)),
            (vec![version, calls, (NAME_HEADER, "delete_task")], &call, Err(-32020)),
            (vec![version, calls], &call, Err(-32020)),
            (vec![version, reads, encoded], &read, Ok(Era::Modern)),
        ] {
            check(&sent, request, expected);
        }
        for capabilities in [json!(null), json!([]), json!("{}")] {
            let meta = json!({VERSION: MODERN, CAPABILITIES: capabilities});
            let list = request("tools/list", json!({"_meta": meta}));
            check(&[version, (METHOD_HEADER, "tools/list")], &list, Err(-32602));
        }
        for meta in [json!(null), json!([]), json!({VERSION: 1})] {
            let list = request("tools/list", json!({"_meta": meta}));
            check(&[version, (METHOD_HEADER, "tools/list")], &list, Err(-32602));
        }
    }
}
