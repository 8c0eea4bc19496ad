//! A problem: its parts, and its form for each kind of client.

use http::{HeaderName, HeaderValue, StatusCode};

use super::{Code, FieldError, ProblemBody};

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
    /// Details of a refused single sign-on. In a box, because few problems have them.
    pub sso: Option<Box<SsoDetails>>,
}

/// What a program can do about a refused single sign-on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SsoDetails {
    /// The check that refused.
    pub reason: Option<&'static str>,
    /// The claims to ask the identity provider for, in base64.
    pub claims: Option<String>,
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
            sso: None,
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
            reason: self.sso.as_ref().and_then(|sso| sso.reason),
            claims: self.sso.as_ref().and_then(|sso| sso.claims.as_deref()),
            error: self.oauth_error,
            error_description: self.oauth_error.map(|_| self.detail.as_str()),
        }
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
}
