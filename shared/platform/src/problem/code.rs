//! Every code of the API: its status, what it means, and what a client does. docs/api/errors.md and
//! the API's documents are generated from this table.

use std::fmt;

use http::StatusCode;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Makes the enum and its columns from one row for each code.
macro_rules! codes {
    ($($variant:ident, $text:literal, $status:ident, $meaning:literal, $advice:literal;)*) => {
        /// Stable code of a problem, for programs. docs/api/errors.md says what each code means and
        /// what a client does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(as = ProblemCode)]
        pub enum Code {
            $(#[doc = $meaning] #[schema(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code, by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as it is sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The meaning, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// Advice to a client.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }
    };
}

codes! {
    MalformedJson, "malformed_json", BAD_REQUEST,
        "The body is empty, is not JSON, is not a JSON object, or names a member twice in one \
         object.", "Fix the client; do not repeat the request.";
    MalformedRequest, "malformed_request", BAD_REQUEST,
        "The request cannot be understood: it carries two credentials, an `Idempotency-Key` that \
         is not valid, or no `state` of a sign-in of this browser.", "Fix the client, or begin the \
            sign-in again; do not repeat the request.";
    InvalidRequest, "invalid_request", BAD_REQUEST,
        "A parameter of an OAuth 2.0 form is missing or not \
         valid.", "Fix the parameters that `errors` names.";
    InvalidGrant, "invalid_grant", BAD_REQUEST,
        "The password or the refresh token of an OAuth 2.0 form is not \
         valid.", "Ask the user to sign in again.";
    UnsupportedGrantType, "unsupported_grant_type", BAD_REQUEST,
        "This endpoint does not take the grant type.", "Use a grant type that \
            `/.well-known/oauth-authorization-server` lists.";
    Unauthenticated, "unauthenticated", UNAUTHORIZED,
        "The request carries no credential.", "Sign in, and send the access token as \
            `Authorization: Bearer <token>`.";
    InvalidToken, "invalid_token", UNAUTHORIZED,
        "The token or API key is not valid, has expired or was revoked, or its session has \
         ended.", "Refresh the access token once; if that fails, ask the user to sign in again.";
    ReauthenticationRequired, "reauthentication_required", UNAUTHORIZED,
        "The session began too long ago for this \
         call.", "Let the user sign in anew, and repeat the request.";
    InvalidRefreshToken, "invalid_refresh_token", UNAUTHORIZED,
        "The refresh token is not valid, was used before, or its session has \
         ended.", "Ask the user to sign in again.";
    InvalidCredentials, "invalid_credentials", UNAUTHORIZED,
        "The username or the password is not right, the account is not active, or it has single \
         sign-on instead of a password.", "Ask the user to type both again, or to sign in by the \
            identity provider.";
    InvalidSsoToken, "invalid_sso_token", UNAUTHORIZED,
        "The token of the identity provider is not one that this deployment takes.", "Read \
            `reason`: ask for a new token if it has expired, otherwise fix the client or the \
            provider's registration.";
    InvalidSsoCode, "invalid_sso_code", UNAUTHORIZED,
        "The code of a sign-in is not valid, has expired, was used before, or belongs to another \
         `code_verifier`.", "Begin the sign-in again.";
    StepUpRequired, "step_up_required", UNAUTHORIZED,
        "The roles of the user need a stronger sign-in at the identity provider.", "Ask the \
            provider for a token with `claims`, or begin the sign-in in a browser with \
            `step_up=true`. Then sign in with what it gives.";
    BudgetExceeded, "budget_exceeded", PAYMENT_REQUIRED,
        "The budget for this month does not cover what this reply can \
         cost.", "Tell the user; an administrator can raise the budget.";
    Forbidden, "forbidden", FORBIDDEN,
        "The caller is known, but lacks the role or the scope.", "Do not repeat the request; an \
            administrator can give the right.";
    InsufficientScope, "insufficient_scope", FORBIDDEN,
        "The API key lacks a scope that the tool needs.", "Use a key with the scopes that `detail` \
            and `WWW-Authenticate` name.";
    EmailUnverified, "email_unverified", FORBIDDEN,
        "The account's address has not been verified.", "Ask for the mailed token, and post it to \
            `/auth/email/verify`.";
    RegistrationClosed, "registration_closed", FORBIDDEN,
        "Registration is closed, or needs an invitation.", "Ask an administrator for an \
            invitation or an account.";
    OriginRefused, "origin_refused", FORBIDDEN,
        "Pages of this origin may not connect, send messages of MCP, or have the refresh token in \
         a cookie.", "Ask the operator to add the origin to the allow-list. Send \
            `X-Requested-With` with a refresh by cookie.";
    SsoNoRole, "sso_no_role", FORBIDDEN,
        "The identity provider gives the user no role of this deployment.", "Ask an administrator \
            of the provider for a role.";
    AccountInactive, "account_inactive", FORBIDDEN,
        "An administrator has deactivated the account.", "Ask an administrator to activate it.";
    NotFound, "not_found", NOT_FOUND,
        "There is no such resource, or it belongs to another user.", "Do not repeat the request.";
    UnknownAction, "unknown_action", NOT_FOUND,
        "No WebSocket action has this name.", "Fix the client; do not repeat the message.";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED,
        "The path does not allow this method.", "Use a method that the header `Allow` lists.";
    NotAcceptable, "not_acceptable", NOT_ACCEPTABLE,
        "The header `Accept` names no media type that the answer can have.", "Send a media type \
            that the endpoint documents, or leave the header out.";
    AccountExists, "account_exists", CONFLICT,
        "An account with this username or email exists.", "Ask the user for another username and \
            email, or to sign in.";
    LinkRequired, "link_required", CONFLICT,
        "An account with a password has the address of the user.", "Ask the user to sign in with \
            the password and to link the account, or send `new_account`.";
    ManagedBySso, "managed_by_sso", CONFLICT,
        "The identity provider manages the account. Its roles, address and password are not \
         changed here, and its owner cannot delete it.", "Change them at the provider.";
    LastAdmin, "last_admin", CONFLICT,
        "The account is the last active \
         administrator.", "Give another account the role `admin` first.";
    TooManyApiKeys, "too_many_api_keys", CONFLICT,
        "The account has reached its limit of API keys.", "Delete an API key first.";
    TaskLimit, "task_limit", CONFLICT,
        "The user has as many open tasks as allowed.", "Complete or delete a task first.";
    GroupInUse, "group_in_use", CONFLICT,
        "A rule names the group.", "Remove the rules that name the group first.";
    LimitReached, "limit_reached", CONFLICT,
        "The resource has as many parts as it may have.", "Remove a part first; `detail` says of \
            which kind.";
    QuotaExceeded, "quota_exceeded", CONFLICT,
        "The user has as many files, or as many bytes in files, as allowed.", "Delete a file first; \
            `detail` says which bound it is.";
    UploadMissing, "upload_missing", CONFLICT,
        "Nothing was uploaded for the file yet.", "Send the bytes to the URL of the upload first. \
            If it has expired, repeat the announcement with the same `Idempotency-Key`.";
    FileNotReady, "file_not_ready", CONFLICT,
        "The file has not been prepared.", "Complete its upload, and wait until its status is \
            `ready`.";
    TooManyJobs, "too_many_jobs", CONFLICT,
        "The user has as many jobs that have not ended as allowed.", "Wait until one has ended, or \
            cancel one.";
    JobOpen, "job_open", CONFLICT,
        "The job has not ended.", "Wait until it has ended, or cancel it first.";
    PreviewOutdated, "preview_outdated", CONFLICT,
        "The range, or what you may give to a model, has changed since the preview.", "Preview the \
            range again, and show the user the new preview.";
    Conflict, "conflict", CONFLICT,
        "The resource was changed at the same time, or its state does not allow \
         this.", "Read the resource again, then decide.";
    VersionConflict, "version_conflict", CONFLICT,
        "A newer version was saved than the one that `based_on` names.", "Read the newest version, \
            then decide, and save again.";
    NotReady, "not_ready", CONFLICT,
        "The range is still being uploaded.", "Send its parts, then complete it.";
    RequestInFlight, "request_in_flight", CONFLICT,
        "The server is still answering a request with this \
         `Idempotency-Key`.", "Repeat the same request after `Retry-After` seconds.";
    NotSealed, "not_sealed", CONFLICT,
        "The event is not covered by a checkpoint of the sealed log \
         yet.", "Repeat the request after the seconds in `Retry-After`.";
    SecretAlreadyShown, "secret_already_shown", CONFLICT,
        "An earlier request with this `Idempotency-Key` created the resource, and its answer had the secret.", "If that answer was lost, delete the resource and create another under a new key.";
    PreconditionFailed, "precondition_failed", PRECONDITION_FAILED,
        "The resource has another version than the header `If-Match` names.", "Read the resource \
            again, then decide.";
    BodyTooLarge, "body_too_large", PAYLOAD_TOO_LARGE,
        "The body is larger than 1 MiB.", "Send a smaller body.";
    UnsupportedMediaType, "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "The body has a `Content-Type` or a `Content-Encoding` that this endpoint does not \
         take.", "Send the media type that the endpoint documents, without an encoding.";
    ValidationFailed, "validation_failed", UNPROCESSABLE_ENTITY,
        "Some fields or parameters are not valid.", "Show the user what `errors` says of each \
            field.";
    FormulasRequired, "formulas_required", UNPROCESSABLE_ENTITY,
        "A rule denies something in the workbook, and the upload does not say which cells come \
         from formulas, spills or pivot tables.",
        "Upload the range again with `spills` and `pivots`, and with `formulas` in every part.";
    IdempotencyKeyReused, "idempotency_key_reused", UNPROCESSABLE_ENTITY,
        "This `Idempotency-Key` was sent with another body.", "Use a new key for a new request.";
    ContextTooLong, "context_too_long", UNPROCESSABLE_ENTITY,
        "The message is too long for the model, even without the conversation before \
         it.", "Send a shorter message.";
    ContentRefused, "content_refused", UNPROCESSABLE_ENTITY,
        "The model's provider refuses to answer this \
         content.", "Ask the user to word the message differently.";
    RateLimited, "rate_limited", TOO_MANY_REQUESTS,
        "The caller has sent too many requests, or has too many connections \
         open.", "Wait `Retry-After` seconds, then repeat the request.";
    InternalError, "internal_error", INTERNAL_SERVER_ERROR,
        "The server has a fault.", "Report the `request_id` to the operator; a repeat may succeed.";
    ProviderRejected, "provider_rejected", BAD_GATEWAY,
        "The model's provider refuses the server's request, and a repeat would be refused \
         too.", "Report the `request_id` to the operator; do not repeat the request.";
    Unavailable, "unavailable", SERVICE_UNAVAILABLE,
        "A part of the service does not answer.", "Repeat the request after `Retry-After` \
            seconds, and wait longer each time.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::ALL
            .iter()
            .find(|code| code.as_str() == text)
            .copied()
            .ok_or_else(|| D::Error::custom("unknown problem code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_stand_in_the_order_of_their_status() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
    }
}
