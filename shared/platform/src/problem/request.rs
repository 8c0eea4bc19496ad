//! The problems of requests and messages: their form, target, repetition and rate.

use http::header;

use super::{Code, FieldError, Problem};

impl Problem {
    /// 400: the body is not JSON.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedJson, detail)
    }

    /// 400: the request itself cannot be understood.
    pub fn malformed_request(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// 404: there is no such resource, or it belongs to another user.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "The resource does not exist, or it belongs to another user.")
    }

    /// 409 for an event that no checkpoint covers yet.
    pub fn not_sealed() -> Self {
        Self::new(Code::NotSealed, "The event is not covered by a checkpoint yet.")
            .with_header(header::RETRY_AFTER, "30")
    }

    /// 404 for a path that no route has.
    pub fn no_route() -> Self {
        Self { detail: "No route has this path.".into(), ..Self::not_found() }
    }

    /// The 404 of WebSocket messages: no such action.
    pub fn unknown_action() -> Self {
        Self::new(Code::UnknownAction, "No action has this name.")
    }

    /// 405 with the methods that the path does answer.
    pub fn method_not_allowed(allow: &str) -> Self {
        Self::new(Code::MethodNotAllowed, format!("The path allows {allow}."))
            .with_header(header::ALLOW, allow)
    }

    /// 406: the client accepts none of the media types that the answer can have.
    pub fn not_acceptable(media_types: &[&str]) -> Self {
        let listed = match media_types {
            [others @ .., last] if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            one => one.concat(),
        };
        let detail = format!("The answer can be {listed}. Accept one of them.");
        Self::new(Code::NotAcceptable, detail)
    }

    /// 409: another request changed the same item at the same time.
    pub fn conflict() -> Self {
        Self::new(
            Code::Conflict,
            "Another request changed the resource at the same time. Read it again and retry.",
        )
    }

    /// 409: the request is not based on the newest version.
    pub fn version_conflict(newest: u32) -> Self {
        let detail = match newest {
            0 => "No version has been saved, so `based_on` must be 0.".to_owned(),
            newest => format!(
                "The newest version is {newest}, and `based_on` names another one. Read the \
                 newest, then decide."
            ),
        };
        Self::new(Code::VersionConflict, detail)
    }

    /// 409: the prompt is archived.
    pub fn prompt_archived() -> Self {
        let detail = "The prompt is archived. Send PATCH /prompts/{name} with `archived` false \
                      first.";
        Self::new(Code::Conflict, detail)
    }

    /// 409: the client has sent a newer message about the same thing, which has taken effect.
    pub fn overtaken(newest: u64) -> Self {
        Self::new(
            Code::Conflict,
            format!(
                "A newer message, with seq {newest}, has taken effect. This one changes nothing."
            ),
        )
    }

    /// 409: another request with the same `Idempotency-Key` has not ended yet.
    pub fn request_in_flight() -> Self {
        Self::new(
            Code::RequestInFlight,
            "A request with this Idempotency-Key is being answered. Send it again soon.",
        )
        .with_header(header::RETRY_AFTER, "1")
    }

    /// 409: the created resource holds a secret, which is shown only once.
    pub fn secret_already_shown() -> Self {
        let detail = "An earlier request with this Idempotency-Key created the resource. Its \
                      answer had the secret. Create another under a new key.";
        Self::new(Code::SecretAlreadyShown, detail)
    }

    /// 412: the resource has another version than the caller asked for by `If-Match`.
    pub fn precondition_failed() -> Self {
        Self::new(
            Code::PreconditionFailed,
            "The resource has changed: If-Match does not have its ETag. Read it again, then decide.",
        )
    }

    /// 413: the body is over the limit after base64 decoding.
    pub fn body_too_large() -> Self {
        Self::new(Code::BodyTooLarge, "The body must be at most 1 MiB.")
    }

    /// 415: another `Content-Type`, or a `Content-Encoding`.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(Code::UnsupportedMediaType, detail)
    }

    /// 422 with the faults of each field.
    pub fn validation_failed(errors: Vec<FieldError>) -> Self {
        let problem = Self::new(
            Code::ValidationFailed,
            "Some fields or parameters are not valid. `errors` names them.",
        );
        Self { errors, ..problem }
    }

    /// 422: the `Idempotency-Key` belongs to another request.
    pub fn idempotency_key_reused() -> Self {
        let detail =
            "This Idempotency-Key was sent with another body. Use a new key for a new request.";
        Self::new(Code::IdempotencyKeyReused, detail)
    }

    /// 422 for one field of the body.
    pub fn invalid_field(field: &str, detail: impl Into<String>) -> Self {
        Self::validation_failed(vec![FieldError {
            pointer: Some(format!("/{field}")),
            parameter: None,
            detail: detail.into(),
        }])
    }

    /// 422 for one query parameter.
    pub fn invalid_parameter(parameter: &str, detail: impl Into<String>) -> Self {
        Self::validation_failed(vec![FieldError {
            pointer: None,
            parameter: Some(parameter.to_owned()),
            detail: detail.into(),
        }])
    }

    /// 429; the limiter adds `Retry-After` and the `RateLimit` fields.
    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        Self::new(
            Code::RateLimited,
            format!("Too many requests. Try again in {retry_after_seconds} s."),
        )
        .with_header(header::RETRY_AFTER, &retry_after_seconds.to_string())
    }

    /// 429: the session has reached its limit of open connections. One that ends makes room at
    /// once.
    pub fn too_many_connections(limit: usize) -> Self {
        let detail = format!(
            "This session has {limit} connections open, and may have no more. Close one first."
        );
        Self::new(Code::RateLimited, detail)
    }
}
