//! The problems of credentials, rights and accounts.

use http::header;

use super::{Code, Problem};

impl Problem {
    /// 401: the request has no credential.
    pub fn unauthenticated() -> Self {
        Self::new(
            Code::Unauthenticated,
            "Sign in first: send an access token as `Authorization: Bearer <token>`.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 401: the route takes an API key in either header, and the request has none.
    pub fn key_required() -> Self {
        Self::new(
            Code::Unauthenticated,
            "Send an API key as `X-API-Key`, or as `Authorization: Bearer <key>`.",
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

    /// 401: the session began too long ago for this call (RFC 9470 section 3).
    pub fn reauthentication_required() -> Self {
        Self::new(
            Code::ReauthenticationRequired,
            "You signed in more than five minutes ago. Sign in again for this call.",
        )
        .with_header(
            header::WWW_AUTHENTICATE,
            "Bearer error=\"insufficient_user_authentication\", max_age=\"300\"",
        )
    }

    /// 401: the API key is not, or no longer, valid.
    pub fn invalid_api_key() -> Self {
        let detail = "The API key is not valid, has expired or was revoked, its owner's account \
                      is not active, or its owner has to sign in by the identity provider again."
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

    /// 403: a known caller without the right.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// 403: the API key lacks a scope that the tool needs (RFC 6750 section 3.1).
    pub fn insufficient_scope(scope: &str) -> Self {
        Self::new(
            Code::InsufficientScope,
            format!("The API key does not have the scope {scope}, which the tool needs."),
        )
        .with_header(
            header::WWW_AUTHENTICATE,
            &format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""),
        )
    }

    /// The same problem with the scopes that the route can use, separated by spaces, in its
    /// challenge (RFC 6750 section 3). A challenge that names scopes stays.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &str) -> Self {
        let own = self.headers.iter().position(|(name, _)| *name == header::WWW_AUTHENTICATE);
        let own = own.map(|place| self.headers.remove(place).1);
        let challenge = match own.as_ref().and_then(|value| value.to_str().ok()) {
            None | Some("Bearer") => format!("Bearer scope=\"{scopes}\""),
            Some(named) if named.contains("scope=") => named.to_owned(),
            Some(other) => format!("{other}, scope=\"{scopes}\""),
        };
        self.with_header(header::WWW_AUTHENTICATE, &challenge)
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

    /// 403: a WebSocket, or a message of MCP, from a page that is not on the allow-list.
    pub fn origin_refused() -> Self {
        Self::new(
            Code::OriginRefused,
            "The header Origin must name an origin on the allow-list of this deployment.",
        )
    }

    /// 403: a page that may not have the refresh token in a cookie asks for it, or uses it.
    pub fn cookie_refused() -> Self {
        let detail = "A refresh token in a cookie needs the header Origin with an origin that this \
                      deployment allows for it. Its use needs the header X-Requested-With too.";
        Self { detail: detail.to_owned(), ..Self::origin_refused() }
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

    /// 409: an erasure of the user has been asked for or confirmed, by another request perhaps.
    pub fn erasure_exists() -> Self {
        Self::new(
            Code::Conflict,
            "An erasure of this user awaits its confirmation, or has been confirmed. Read it by \
             GET /users/{id}/erase.",
        )
    }

    /// 409: the account has reached its limit of API keys. One that is deleted or expires makes
    /// room.
    pub fn too_many_api_keys(limit: usize) -> Self {
        let detail =
            format!("This account has {limit} API keys, and may have no more. Delete one first.");
        Self::new(Code::TooManyApiKeys, detail)
    }

    /// 409: the user has reached the limit of open tasks. One that is completed or deleted makes
    /// room.
    pub fn task_limit(limit: u64) -> Self {
        let detail = format!(
            "You have {limit} open tasks, and may have no more. Complete or delete one first."
        );
        Self::new(Code::TaskLimit, detail)
    }

    /// 409: the user's files reach a bound. The detail names the bound.
    pub fn quota_exceeded(detail: impl Into<String>) -> Self {
        Self::new(Code::QuotaExceeded, format!("{} Delete a file first.", detail.into()))
    }

    /// 409: the client has not uploaded the file.
    pub fn upload_missing() -> Self {
        let detail = "Nothing was uploaded for this file yet. Send its bytes to the URL of the \
                      upload, then complete it.";
        Self::new(Code::UploadMissing, detail)
    }

    /// 409: the file cannot be used, because its preparation has not succeeded.
    pub fn file_not_ready() -> Self {
        Self::new(Code::FileNotReady, "The file is not ready. Read its status by GET /files/{id}.")
    }

    /// 409: the user has so many jobs that have not ended, and may have no more.
    pub fn too_many_jobs(limit: u32) -> Self {
        let detail = format!(
            "You have {limit} jobs that have not ended, and may have no more. Wait, or cancel one."
        );
        Self::new(Code::TooManyJobs, detail)
    }

    /// 409: the job has not ended, so it cannot be retried or deleted.
    pub fn job_open() -> Self {
        Self::new(Code::JobOpen, "The job has not ended. Wait until it has, or cancel it first.")
    }

    /// 409: the cells that a model would get are no longer those of the preview.
    pub fn preview_outdated() -> Self {
        let detail = "The range, or what you may give to a model, has changed since the preview.";
        Self::new(Code::PreviewOutdated, detail)
    }

    /// 403: the caller may see the workbook, but may not do this with it.
    pub fn not_granted(action: &str) -> Self {
        Self::forbidden(format!("You need the right `{action}` for this."))
    }

    /// 409: a rule names the group.
    pub fn group_in_use() -> Self {
        Self::new(
            Code::GroupInUse,
            "A rule names the group. Remove such rules first: GET /access/rules?subject=group:<id> \
             lists those of a workbook.",
        )
    }

    /// 409: the range has no cells to show before its upload is complete.
    pub fn not_ready() -> Self {
        let detail = "The range is still being uploaded. Send its parts, then POST \
                      /ranges/{id}/complete.";
        Self::new(Code::NotReady, detail)
    }

    /// 422: without formulas the server can't tell which cells show denied data.
    pub fn formulas_required() -> Self {
        let detail = "A rule denies a part of this workbook. Send `formulas` with the values, and \
                      `spills` and `pivots` with the range. CSV has no formulas.";
        Self::new(Code::FormulasRequired, detail)
    }

    /// 409: `holder` may have no more than `limit` of these parts.
    pub fn limit_reached(holder: &str, limit: u64, parts: &str) -> Self {
        let detail = format!("{holder} may have at most {limit} {parts}. Remove one first.");
        Self::new(Code::LimitReached, detail)
    }
}
