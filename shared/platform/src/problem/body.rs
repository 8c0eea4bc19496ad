//! The body of a problem as it is sent, with the fields at fault.

use serde::Serialize;
use utoipa::ToSchema;

use super::Code;

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
    /// For `invalid_sso_token`: the check that refused, such as `expired` or `audience`. For
    /// `sso_no_role`: `groups_overage` if the provider left the groups out. docs/entra.md lists
    /// all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'a str>,
    /// For `step_up_required`: the claims to ask the identity provider for, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub claims: Option<&'a str>,
    /// OAuth 2.0 error code (RFC 6749), on form requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<&'a str>,
    /// OAuth 2.0 error description, on form requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error_description: Option<&'a str>,
}
