//! The one place that maps an error to an HTTP status: RFC 9457 problems with the codes of
//! `code.rs`.

mod code;

pub use code::Code;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// The reason why a request failed. One constructor per code of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable, machine-readable code.
    pub code: Code,
    /// One sentence for the person who reads it; nothing internal.
    pub detail: String,
    /// For 422: each field or parameter at fault.
    pub errors: Vec<FieldError>,
    /// Headers that belong to this problem (`Allow`, `Retry-After`, `WWW-Authenticate`).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// RFC 6749's `error`, where the caller is an OAuth 2.0 client that posted a form.
    pub oauth_error: Option<&'static str>,
}

/// A field (by JSON pointer, RFC 6901) or query parameter that the server refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, `/username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/username")]
    pub pointer: Option<String>,
    /// Name of the query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parameter: Option<String>,
    /// The fault, in words.
    #[schema(example = "must be 3 to 30 characters")]
    pub detail: String,
}

/// The body of a problem: RFC 9457 `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Always `about:blank`. The code identifies the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'a str,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    pub title: &'a str,
    /// HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// One sentence for people.
    #[schema(example = "Some fields or parameters are not valid. `errors` names them.")]
    pub detail: &'a str,
    /// Path of the request.
    #[schema(example = "/auth/register")]
    pub instance: &'a str,
    /// Stable code for programs.
    pub code: Code,
    /// Correlation id, also in the header `X-Request-Id`.
    pub request_id: &'a str,
    /// For 422: the fault of each field or parameter.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: &'a [FieldError],
    /// OAuth 2.0 error code (RFC 6749), on form requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<&'a str>,
    /// OAuth 2.0 error description, on form requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error_description: Option<&'a str>,
}

impl Problem {
    /// A problem with this code and sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            oauth_error: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The body as it is sent for a request to `instance`.
    pub fn body<'a>(&'a self, instance: &'a str, request_id: &'a str) -> ProblemBody<'a> {
        ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            code: self.code,
            request_id,
            errors: &self.errors,
            error: self.oauth_error,
            error_description: self.oauth_error.map(|_| self.detail.as_str()),
        }
    }

    /// 400: the body is not JSON.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedJson, detail)
    }

    /// 400: the request itself cannot be understood.
    pub fn malformed_request(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// 400 of an OAuth 2.0 form (RFC 6749 section 5.2).
    pub fn oauth(code: Code, detail: impl Into<String>) -> Self {
        Self { oauth_error: Some(code.as_str()), ..Self::new(code, detail) }
    }

    /// The same for an OAuth 2.0 client, which posted a form: a refused credential becomes
    /// `invalid_grant`.
    #[must_use]
    pub fn for_form(self) -> Self {
        match self.code {
            Code::InvalidCredentials | Code::EmailUnverified | Code::InvalidRefreshToken => {
                Self::oauth(Code::InvalidGrant, self.detail)
            }
            _ => self,
        }
    }

    /// 401: the request has no credential.
    pub fn unauthenticated() -> Self {
        Self::new(
            Code::Unauthenticated,
            "Sign in first: send an access token as `Authorization: Bearer <token>`.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 401: the access token is not, or no longer, valid (RFC 6750 section 3.1).
    pub fn invalid_token() -> Self {
        Self::new(
            Code::InvalidToken,
            "The access token is not valid, has expired, or its session has ended.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    }

    /// 401: the API key is not, or no longer, valid.
    pub fn invalid_api_key() -> Self {
        let detail = "The API key is not valid, has expired or was revoked, or its owner's \
                      account is not active."
            .to_owned();
        Self { detail, ..Self::invalid_token() }
    }

    /// 401: the WebSocket ticket is not, or no longer, valid.
    pub fn invalid_ticket() -> Self {
        let detail =
            "The ticket is not valid, has expired, was used before, or its session has ended."
                .to_owned();
        Self { detail, ..Self::invalid_token() }
    }

    /// 401: the mailed token is not, or no longer, valid.
    pub fn invalid_mail_token() -> Self {
        let detail = "The token is not valid, has expired, was used before, or a newer one was \
                      mailed. Ask for another mail."
            .to_owned();
        Self { detail, ..Self::invalid_token() }
    }

    /// 401: the refresh token is not, or no longer, valid.
    pub fn invalid_refresh_token() -> Self {
        Self::new(
            Code::InvalidRefreshToken,
            "The refresh token is not valid, was used before, or \
            its session has ended. Sign in again.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    }

    /// 401: one answer for an unknown user, a wrong password and an inactive account.
    pub fn invalid_credentials() -> Self {
        Self::new(Code::InvalidCredentials, "The username or the password is not right.")
            .with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 401: the signed-in caller gave a wrong password.
    pub fn wrong_password() -> Self {
        Self {
            detail: "The current password is not right.".to_owned(),
            ..Self::invalid_credentials()
        }
    }

    /// 402: the reply can cost more than a budget has left this month.
    pub fn budget_exceeded(whose: &str) -> Self {
        let detail = format!(
            "{whose} for this month does not cover what this reply can cost. Replies in progress \
             reserve part of it."
        );
        Self::new(Code::BudgetExceeded, detail)
    }

    /// 403: a known caller without the right.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// 403: the caller was an administrator at the check, and is none at the commit.
    pub fn no_longer_admin() -> Self {
        Self::forbidden("You are no longer an administrator.")
    }

    /// 403: the password is right, but the account's address has yet to be verified.
    pub fn email_unverified() -> Self {
        let detail = "Verify your email address first: use the token that was mailed to it, or \
                      ask for another by POST /auth/email/resend.";
        Self::new(Code::EmailUnverified, detail)
    }

    /// 403: registration is closed.
    pub fn registration_closed() -> Self {
        Self::new(
            Code::RegistrationClosed,
            "Registration is closed. Ask an administrator for an account.",
        )
    }

    /// 403: a WebSocket from a page that is not on the allow-list.
    pub fn origin_refused() -> Self {
        Self::new(
            Code::OriginRefused,
            "The header Origin must name an origin on the allow-list of this deployment.",
        )
    }

    /// 404: there is no such resource, or it belongs to another user.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "The resource does not exist, or it belongs to another user.")
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

    /// 409: the username or the email is taken. The answer does not say which.
    pub fn account_exists() -> Self {
        Self::new(Code::AccountExists, "An account with this username or email exists.")
    }

    /// 409: the account is the only administrator that is left.
    pub fn last_admin() -> Self {
        Self::new(
            Code::LastAdmin,
            "The account is the last active administrator. Give another account the role `admin` \
             first.",
        )
    }

    /// 409: the account has reached its limit of API keys. One that is deleted or expires makes
    /// room.
    pub fn too_many_api_keys(limit: usize) -> Self {
        let detail =
            format!("This account has {limit} API keys, and may have no more. Delete one first.");
        Self::new(Code::TooManyApiKeys, detail)
    }

    /// 409: another request changed the same item at the same time.
    pub fn conflict() -> Self {
        Self::new(
            Code::Conflict,
            "Another request changed the resource at the same time. Read it again and retry.",
        )
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

    /// 409: a reply can no longer be stopped.
    pub fn reply_ended() -> Self {
        Self::new(Code::Conflict, "The reply has ended.")
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

    /// 422: not even the last message alone fits into the model's context window.
    pub fn context_too_long() -> Self {
        Self::new(
            Code::ContextTooLong,
            "The message is too long for the model. Send a shorter one.",
        )
    }

    /// 422: the provider's filter stopped the reply.
    pub fn content_refused() -> Self {
        Self::new(
            Code::ContentRefused,
            "The model's provider refuses to answer this content. Word the message differently.",
        )
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

    /// 500: a bug or a panic. Only the log says what happened.
    pub fn internal() -> Self {
        Self::new(
            Code::InternalError,
            "The server has a fault. Its log has the cause under the request id.",
        )
    }

    /// 502: the provider refuses what this deployment sends, until its operator changes a setting.
    pub fn provider_rejected() -> Self {
        Self::new(
            Code::ProviderRejected,
            "The model's provider refuses the server's request. The operator has to fix the cause.",
        )
    }

    /// The problem of a failed reply, by the code that is stored with it.
    pub fn of_reply(failure: Option<Code>) -> Self {
        match failure {
            Some(Code::ContextTooLong) => Self::context_too_long(),
            Some(Code::ContentRefused) => Self::content_refused(),
            Some(Code::ProviderRejected) => Self::provider_rejected(),
            Some(Code::InternalError) => Self::internal(),
            _ => Self::unavailable(),
        }
    }

    /// 503: the deployment sends no mail, so a repeat would be refused too.
    pub fn no_mail() -> Self {
        Self::new(Code::Unavailable, "This deployment sends no mail. Ask an administrator instead.")
    }

    /// 503: a part that this needs does not answer now.
    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "A part of the service does not answer. Try again soon.")
            .with_header(header::RETRY_AFTER, "1")
    }
}
