//! Turns a function's result into an answer, in payload format 2.0.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;

/// Headers of the connection, which API Gateway sets itself.
const OF_THE_CONNECTION: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured {
    status_code: u16,
    #[serde(default, deserialize_with = "nullable")]
    headers: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "nullable")]
    multi_value_headers: BTreeMap<String, Vec<Value>>,
    #[serde(default, deserialize_with = "nullable")]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    is_base64_encoded: bool,
}

/// Treats `null` as absent.
fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Turns a result into an answer. A result without `statusCode` is itself the JSON body of a 200.
pub(super) fn from_payload(payload: &[u8]) -> Result<Response<Full<Bytes>>, String> {
    let value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    if value.get("statusCode").is_none() {
        let body = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut answer = Response::new(Full::new(body.into()));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(answer);
    }
    structured(serde_json::from_value(value).map_err(|error| error.to_string())?)
}

fn structured(result: Structured) -> Result<Response<Full<Bytes>>, String> {
    let body = result.body.unwrap_or_default();
    let body = if result.is_base64_encoded {
        STANDARD.decode(&body).map_err(|error| format!("body: {error}"))?
    } else {
        body.into_bytes()
    };
    let has_body = !body.is_empty();
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() =
        StatusCode::from_u16(result.status_code).map_err(|error| error.to_string())?;
    let headers = answer.headers_mut();
    let single = result.headers.into_iter().map(|(name, value)| (name, vec![value]));
    // If a name is in both maps, its several values are in the second.
    for (name, values) in single.chain(result.multi_value_headers) {
        let name = HeaderName::try_from(name.as_str())
            .map_err(|error| format!("header {name}: {error}"))?;
        if OF_THE_CONNECTION.contains(&name) {
            continue;
        }
        headers.remove(&name);
        for value in values {
            headers.append(
                &name,
                header_value(&value).map_err(|error| format!("header {name}: {error}"))?,
            );
        }
    }
    for cookie in result.cookies {
        headers.append(
            SET_COOKIE,
            HeaderValue::try_from(cookie).map_err(|error| format!("cookies: {error}"))?,
        );
    }
    if has_body && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Ok(answer)
}

fn header_value(value: &Value) -> Result<HeaderValue, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => {
            return Err(format!(
                "a header value must be a string, a number or a Boolean, not {other}"
            ));
        }
    };
    HeaderValue::try_from(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::from_payload;

    async fn check(payload: Value, expected: Result<(u16, &[&str], &str), &str>) {
        match (from_payload(payload.to_string().as_bytes()), expected) {
            (Ok(answer), Ok((status, headers, body))) => {
                assert_eq!(answer.status(), status, "{payload}");
                let actual: Vec<String> = answer
                    .headers()
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                    .collect();
                assert_eq!(actual, headers, "{payload}");
                let actual = answer.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(actual, body, "{payload}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{payload}: {error}"),
            (actual, expected) => panic!("{payload}: {actual:?} is not {expected:?}"),
        }
    }

    #[tokio::test]
    async fn a_result_with_a_status_is_the_answer() {
        check(json!({"statusCode": 204}), Ok((204, &[], ""))).await;
        check(
            json!({"statusCode": 200, "body": "hi"}),
            Ok((200, &["content-type: text/plain;charset=UTF-8"], "hi")),
        )
        .await;
        check(
            json!({
                "statusCode": 200, "body": "aGk=", "isBase64Encoded": true,
                "headers": {"Content-Type": "text/x"},
            }),
            Ok((200, &["content-type: text/x"], "hi")),
        )
        .await;
        check(
            json!({
                "statusCode": 201,
                "headers": {"x-n": 1, "Content-Length": "9", "Connection": "close"}, "body": null,
            }),
            Ok((201, &["x-n: 1"], "")),
        )
        .await;
        check(
            json!({
                "statusCode": 200, "headers": {"a": "1"}, "multiValueHeaders": {"a": ["1", "2"]},
            }),
            Ok((200, &["a: 1", "a: 2"], "")),
        )
        .await;
        check(
            json!({
                "statusCode": 200, "headers": null, "multiValueHeaders": {},
                "cookies": ["a=1", "b=2; Secure"],
            }),
            Ok((200, &["set-cookie: a=1", "set-cookie: b=2; Secure"], "")),
        )
        .await;
    }

    #[tokio::test]
    async fn a_result_without_a_status_is_the_body() {
        check(json!({"a": 1}), Ok((200, &["content-type: application/json"], r#"{"a":1}"#))).await;
        check(json!("hi"), Ok((200, &["content-type: application/json"], "hi"))).await;
        check(json!(null), Ok((200, &["content-type: application/json"], "null"))).await;
    }

    #[tokio::test]
    async fn what_is_not_an_answer_is_refused() {
        check(json!({"statusCode": "abc"}), Err("invalid type")).await;
        check(json!({"statusCode": 99}), Err("invalid status code")).await;
        check(json!({"statusCode": 200, "headers": {"a b": "c"}}), Err("header a b")).await;
        check(json!({"statusCode": 200, "headers": {"a": "b\nc"}}), Err("header a")).await;
        check(json!({"statusCode": 200, "body": "%", "isBase64Encoded": true}), Err("body")).await;
        assert!(from_payload(b"not json").is_err());
    }
}
