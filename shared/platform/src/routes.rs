//! The API as data: every HTTP route and every WebSocket action, who may call it, its limits and
//! its audit action. The documents, the fallback's 405 and the coverage tests walk these tables;
//! template.yaml has one event per row.

use crate::domain::{ResourceId, Role};
use crate::identity::Scope;
use crate::limits::Policy;
use crate::request::HttpCall;

/// One HTTP route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Binary that answers the route. Its crate has the same name.
    pub function: &'static str,
    /// Method.
    pub method: &'static str,
    /// Path with `{parameters}`.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    /// Whether a call reads the caller's session.
    pub session: Session,
    /// Scope that an API key needs. A route without a scope takes no API key, unless its access is
    /// [`Access::AnyKey`].
    pub scope: Option<Scope>,
    /// Whether an `Idempotency-Key` is honoured.
    pub idempotent: bool,
    /// Limits. Every call that passed validation counts against each of them.
    pub limits: &'static [Policy],
    /// Status of success.
    pub success: u16,
    /// Audit action written for each call, if any.
    pub audit: Option<&'static str>,
    /// Kind of the resource that the last id in the path identifies. An event names this resource,
    /// unless it names another.
    pub resource: Option<&'static str>,
    /// One line for the documentation.
    pub summary: &'static str,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Anyone with an access token.
    SignedIn,
    /// A user with one of these roles now.
    Role(&'static [Role]),
    /// Only an API key with the route's scope.
    Key,
    /// Only an API key, with any scopes: each tool asks for its own. The key may also come as a
    /// bearer token, because some clients of MCP can send no other header.
    AnyKey,
    /// A user with one of these roles now, or any signed-in user who asks about themselves.
    RoleOrMe {
        /// The roles, of which one is enough.
        roles: &'static [Role],
        /// Path or query parameter with the user. A caller without these roles sends `me` or their
        /// own id.
        parameter: &'static str,
        /// Whether a call without the parameter asks about the caller.
        unless_given: bool,
    },
}

/// Whether a call reads the caller's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// Every call reads the session, consistently.
    Reread,
    /// Every call reads the session, which must have begun within [`RECENT_SECONDS`].
    Recent,
    /// The call trusts the token for its lifetime, and does not read the session.
    Trusted,
}

/// Age of a session up to which it is recent, in seconds.
pub const RECENT_SECONDS: i64 = 300;

impl Route {
    const fn new(
        function: &'static str,
        method: &'static str,
        path: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            function,
            method,
            path,
            access: Access::SignedIn,
            session: Session::Reread,
            scope: None,
            idempotent: false,
            limits: &[],
            success: 200,
            audit: None,
            resource: None,
            summary,
        }
    }

    const fn public(self) -> Self {
        Self { access: Access::Public, ..self }
    }

    const fn role(self, roles: &'static [Role]) -> Self {
        Self { access: Access::Role(roles), ..self }
    }

    const fn role_or_me(self, roles: &'static [Role], parameter: &'static str) -> Self {
        Self { access: Access::RoleOrMe { roles, parameter, unless_given: false }, ..self }
    }

    const fn role_or_mine(self, roles: &'static [Role], parameter: &'static str) -> Self {
        Self { access: Access::RoleOrMe { roles, parameter, unless_given: true }, ..self }
    }

    const fn for_keys(self, scope: Scope) -> Self {
        Self { access: Access::Key, scope: Some(scope), ..self }
    }

    const fn for_any_key(self) -> Self {
        Self { access: Access::AnyKey, ..self }
    }

    const fn scoped(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    const fn trusting(self) -> Self {
        Self { session: Session::Trusted, ..self }
    }

    const fn recent(self) -> Self {
        Self { session: Session::Recent, ..self }
    }

    const fn limited(self, limits: &'static [Policy]) -> Self {
        Self { limits, ..self }
    }

    const fn status(self, success: u16) -> Self {
        Self { success, ..self }
    }

    const fn audited(self, action: &'static str) -> Self {
        Self { audit: Some(action), ..self }
    }

    const fn of(self, resource: &'static str) -> Self {
        Self { resource: Some(resource), ..self }
    }

    /// Whether an API key may call the route.
    pub const fn takes_keys(&self) -> bool {
        self.scope.is_some() || matches!(self.access, Access::AnyKey)
    }

    /// The resource that a call names in its path, `user:<id>`.
    pub fn resource_of(&self, call: &HttpCall) -> Option<String> {
        let parameter = self
            .path
            .split('/')
            .rev()
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .find(|name| name.ends_with("id"))?;
        Some(format!(
            "{}:{}",
            self.resource?,
            call.path_parameter(parameter).parse::<ResourceId>().ok()?
        ))
    }

    /// The route key of API Gateway: `POST /auth/login`.
    pub fn key(&self) -> String {
        if self.path.is_empty() {
            self.method.to_owned()
        } else {
            format!("{} {}", self.method, self.path)
        }
    }
}

/// One route of the WebSocket API: an action that a message names, or `$connect`, `$disconnect`,
/// `$default`. Every caller of an action has a connection. The call reads the session of that
/// connection again.
#[derive(Debug, Clone)]
pub struct ActionRoute {
    /// Binary that answers the route. Its crate has the same name.
    pub function: &'static str,
    /// Route key: `charts.subscribe`.
    pub action: &'static str,
    /// Whether an `idempotency_key` is honoured.
    pub idempotent: bool,
    /// Limits beside `ws_messages`, against which every message counts. Messages that passed
    /// validation count against each of them. For `$connect`, connections whose caller and query
    /// are valid count.
    pub limits: &'static [Policy],
    /// Audit action written for each message, if any.
    pub audit: Option<&'static str>,
    /// One line for the documentation.
    pub summary: &'static str,
}

impl ActionRoute {
    const fn new(function: &'static str, action: &'static str, summary: &'static str) -> Self {
        Self { function, action, idempotent: false, limits: &[], audit: None, summary }
    }

    const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    const fn limited(self, limits: &'static [Policy]) -> Self {
        Self { limits, ..self }
    }

    const fn audited(self, action: &'static str) -> Self {
        Self { audit: Some(action), ..self }
    }
}

/// Makes a constant of each row, and a table of all of them in this order.
macro_rules! table {
    (
        $(#[$about:meta])* $table:ident: $row:ident;
        $($(#[$doc:meta])* $name:ident = $value:expr;)*
    ) => {
        $($(#[$doc])* pub const $name: $row = $value;)*

        $(#[$about])*
        pub const $table: &[&$row] = &[$(&$name),*];
    };
}

table! {
    /// Every HTTP route except `$default`.
    ROUTES: Route;

    // System

    /// The URLs of the documentation and of the other APIs.
    ROOT = Route::new("docs", "GET", "/", "Read the URLs of the documentation and the other APIs")
        .public();

    /// Whether the function runs. It calls no other service.
    HEALTH = Route::new(
        "health", "GET", "/health",
        "Check that the API runs; calls no other service",
    )
    .public();

    /// Whether the dependencies of the API answer.
    READY = Route::new(
        "ready", "GET", "/ready",
        "Check that the database, the secrets and the assistant answer",
    )
    .public();

    /// The OpenAPI document.
    OPENAPI = Route::new("docs", "GET", "/openapi.json", "Read this document (OpenAPI 3.1)")
        .public();

    /// The AsyncAPI document.
    ASYNCAPI = Route::new(
        "docs", "GET", "/asyncapi.json",
        "Read the document of the WebSocket messages (AsyncAPI 3)",
    )
    .public();

    /// The documentation as an interactive page.
    DOCS = Route::new("docs", "GET", "/docs", "Open the interactive documentation (Swagger UI)")
        .public();

    /// The documentation as one page to read.
    REDOC = Route::new(
        "docs", "GET", "/redoc",
        "Open the documentation as one page to read (ReDoc)",
    )
    .public();

    /// A file of these pages.
    DOCS_ASSET = Route::new(
        "docs", "GET", "/docs/{file}",
        "Download a file of a documentation page",
    )
    .public();

    /// The metadata of this server for OAuth 2.0 clients.
    OAUTH_METADATA = Route::new(
        "docs", "GET", "/.well-known/oauth-authorization-server",
        "Read the metadata for OAuth 2.0 clients (RFC 8414)",
    )
    .public();

    // Accounts

    /// A new account.
    REGISTER = Route::new("register", "POST", "/auth/register", "Register an account")
        .public()
        .limited(&[Policy::REGISTER])
        .idempotent()
        .status(201)
        .audited("auth.register");

    /// A session and its first pair of tokens.
    LOGIN = Route::new("login", "POST", "/auth/login", "Sign in with a password")
        .public()
        .limited(&[Policy::LOGIN, Policy::LOGIN_ADDRESS, Policy::LOGIN_LOCK])
        .audited("auth.login");

    /// The next pair of tokens.
    REFRESH = Route::new(
        "refresh", "POST", "/auth/refresh",
        "Exchange a refresh token for a new pair",
    )
    .public()
    .limited(&[Policy::REFRESH, Policy::REFRESH_ADDRESS])
    .audited("auth.refresh");

    /// Both for clients that know OAuth 2.0, and nothing else of this API. A grant has the limits
    /// of the route that does the same.
    TOKEN = Route::new(
        "token", "POST", "/auth/token",
        "Get a pair of tokens (OAuth 2.0 token endpoint, RFC 6749)",
    )
    .public()
    .limited(&[
        Policy::REFRESH,
        Policy::REFRESH_ADDRESS,
        Policy::LOGIN,
        Policy::LOGIN_ADDRESS,
        Policy::LOGIN_LOCK,
    ])
    .audited("auth.refresh");

    /// The settings that a client needs for single sign-on.
    SSO = Route::new(
        "sso", "GET", "/auth/sso",
        "Read whether and how this deployment takes single sign-on",
    )
    .public();

    /// A session for a user of the identity provider.
    SSO_SIGN_IN = Route::new(
        "sso", "POST", "/auth/sso",
        "Sign in with a token or a code of the identity provider",
    )
    .public()
    .limited(&[Policy::SSO_ADDRESS, Policy::SSO_USER])
    .audited("auth.login");

    /// The change of an account from its password to the identity provider.
    SSO_LINK = Route::new(
        "sso", "POST", "/auth/sso/link",
        "Link your account to the identity provider, and remove its password",
    )
    .limited(&[Policy::ACCOUNT, Policy::SSO_ADDRESS, Policy::SSO_USER])
    .audited("account.linked");

    /// The beginning of a sign-in in a browser.
    SSO_AUTHORIZE = Route::new(
        "sso-browser", "GET", "/auth/sso/authorize",
        "Begin a sign-in in a browser: redirects to the identity provider",
    )
    .public()
    .limited(&[Policy::SSO_ADDRESS])
    .status(302);

    /// The return of a browser from the identity provider.
    SSO_CALLBACK = Route::new(
        "sso-browser", "GET", "/auth/sso/callback",
        "End a sign-in in a browser: redirects to the page that began it",
    )
    .public()
    .limited(&[Policy::SSO_ADDRESS])
    .status(302)
    .audited("auth.login");

    /// The end of a token, and of its session.
    REVOKE = Route::new(
        "revoke", "POST", "/auth/revoke",
        "Revoke a token and end its session (RFC 7009)",
    )
    .public()
    .limited(&[Policy::REVOKE_ADDRESS])
    .audited("auth.token_revoked");

    /// Whether a token is valid.
    INTROSPECT = Route::new(
        "introspect", "POST", "/auth/introspect",
        "Check that a token is valid, and read its claims (RFC 7662)",
    )
    .for_keys(Scope::TokensIntrospect)
    .audited("auth.token_introspected");

    /// The end of a session, or of all.
    LOGOUT = Route::new(
        "logout", "POST", "/auth/logout",
        "End this session, or all of your sessions",
    )
    .status(204)
    .audited("auth.logout");

    /// The caller's own account.
    ME = Route::new("me", "GET", "/auth/me", "Read your account").trusting();

    /// The caller's changes to their account.
    ME_UPDATE = Route::new(
        "account", "PATCH", "/auth/me",
        "Change your name, or your address with the password",
    )
    .limited(&[Policy::ACCOUNT])
    .audited("account.updated");

    /// The end of the caller's own account.
    ME_DELETE = Route::new("account", "DELETE", "/auth/me", "Delete your account")
        .limited(&[Policy::ACCOUNT])
        .status(204)
        .audited("account.deleted");

    /// The caller's sessions.
    SESSIONS = Route::new(
        "sessions", "GET", "/auth/sessions",
        "List your sessions, the newest first",
    );

    /// The end of one of the caller's sessions.
    END_SESSION = Route::new(
        "sessions", "DELETE", "/auth/sessions/{id}",
        "End one of your sessions",
    )
    .status(204)
    .audited("auth.session_ended")
    .of("session");

    /// Another password in place of the current one.
    PASSWORD_CHANGE = Route::new(
        "password", "POST", "/auth/password",
        "Change your password, and end every other session",
    )
    .limited(&[Policy::ACCOUNT])
    .status(204)
    .audited("auth.password_changed");

    /// A mail with a token for a new password.
    PASSWORD_FORGOT = Route::new(
        "ask-mail", "POST", "/auth/password/forgot",
        "Ask for a mail with a token for a new password",
    )
    .public()
    .limited(&[Policy::MAIL, Policy::MAIL_ADDRESS])
    .status(202)
    .audited("auth.password_forgot");

    /// A new password for a mailed token.
    PASSWORD_RESET = Route::new(
        "password", "POST", "/auth/password/reset",
        "Set a new password with a mailed token, and end all sessions and API keys",
    )
    .public()
    .limited(&[Policy::MAIL_TOKEN])
    .status(204)
    .audited("auth.password_reset");

    /// The proof of an address by a mailed token.
    EMAIL_VERIFY = Route::new(
        "account", "POST", "/auth/email/verify",
        "Verify an address with a mailed token",
    )
    .public()
    .limited(&[Policy::MAIL_TOKEN])
    .audited("auth.email_verified");

    /// Another mail with a token that verifies an address.
    EMAIL_RESEND = Route::new(
        "ask-mail", "POST", "/auth/email/resend",
        "Ask for another mail with a token that verifies an address",
    )
    .public()
    .limited(&[Policy::MAIL, Policy::MAIL_ADDRESS])
    .status(202)
    .audited("auth.email_resend");

    /// A ticket for one WebSocket connection.
    WS_TICKET = Route::new(
        "ws-ticket", "POST", "/auth/ws-ticket",
        "Get a ticket for one WebSocket connection",
    )
    .limited(&[Policy::WS_TICKET])
    .status(201)
    .audited("auth.ws_ticket");

    /// A new API key.
    API_KEYS_CREATE = Route::new("api-keys", "POST", "/api-keys", "Create an API key for a service")
        .idempotent()
        .status(201)
        .audited("apikey.created");

    /// The caller's API keys.
    API_KEYS = Route::new("api-keys", "GET", "/api-keys", "List your API keys");

    /// The end of an API key.
    API_KEYS_DELETE = Route::new("api-keys", "DELETE", "/api-keys/{id}", "Revoke an API key")
        .status(204)
        .audited("apikey.deleted")
        .of("api_key");

    /// All accounts.
    USERS = Route::new(
        "users", "GET", "/users",
        "List all accounts, or find some by username or email",
    )
    .role(&[Role::Admin])
    .audited("users.read");

    /// One account.
    USER = Route::new("users", "GET", "/users/{id}", "Read an account")
        .role(&[Role::Admin])
        .audited("users.read")
        .of("user");

    /// Whether an account may sign in, and its roles.
    USER_UPDATE = Route::new(
        "users", "PATCH", "/users/{id}",
        "Activate or deactivate an account, or change its roles",
    )
    .role(&[Role::Admin])
    .audited("user.updated")
    .of("user");

    /// The person of the identity provider to whom an account belongs.
    USER_SSO = Route::new(
        "users", "PUT", "/users/{id}/sso",
        "Bind an account to a person of the identity provider",
    )
    .role(&[Role::Admin])
    .audited("account.linked")
    .of("user");

    /// The end of that.
    USER_SSO_DELETE = Route::new(
        "users", "DELETE", "/users/{id}/sso",
        "Free an account from the identity provider",
    )
    .role(&[Role::Admin])
    .status(204)
    .audited("account.unlinked")
    .of("user");

    /// The request to erase a user, which a second administrator has to confirm.
    ERASE = Route::new("erasures", "POST", "/users/{id}/erase", "Ask for the erasure of a user")
        .role(&[Role::Admin])
        .recent()
        .status(202)
        .audited("account.erase_requested")
        .of("user");

    /// The confirmation of a second administrator, which begins the erasure.
    ERASE_CONFIRM = Route::new(
        "erasures", "POST", "/users/{id}/erase/confirm",
        "Confirm the erasure of a user as a second administrator",
    )
    .role(&[Role::Admin])
    .recent()
    .status(202)
    .audited("account.erase_confirmed")
    .of("user");

    /// How far an erasure has come.
    ERASURE = Route::new(
        "erasures", "GET", "/users/{id}/erase",
        "Read how far the erasure of a user has come",
    )
    .role(&[Role::Admin])
    .audited("users.read")
    .of("user");

    /// A new invitation.
    INVITE_CREATE = Route::new("invites", "POST", "/users/invites", "Invite a person to register")
        .role(&[Role::Admin])
        .idempotent()
        .status(201)
        .audited("user.invited");

    /// The valid invitations.
    INVITES = Route::new("invites", "GET", "/users/invites", "List the valid invitations")
        .role(&[Role::Admin])
        .audited("users.read");

    /// The end of an invitation.
    INVITE_REVOKE = Route::new("invites", "DELETE", "/users/invites/{id}", "Revoke an invitation")
        .role(&[Role::Admin])
        .status(204)
        .audited("invite.revoked")
        .of("invite");

    // Profits

    /// Profits by company and month.
    PROFITS = Route::new(
        "profits", "GET", "/profits",
        "List profits by company and month, filtered and sorted",
    )
    .trusting()
    .scoped(Scope::ProfitsRead)
    .audited("profits.read");

    /// Figures of groups of profits.
    PROFITS_SUMMARY = Route::new(
        "profits", "GET", "/profits/summary",
        "Sum up profits by company, year or month of the year",
    )
    .trusting()
    .scoped(Scope::ProfitsRead)
    .audited("profits.read");

    // Workbooks

    /// A new workbook.
    WORKBOOK_CREATE = Route::new("workbooks", "POST", "/workbooks", "Create a workbook")
        .scoped(Scope::RangesWrite)
        .idempotent()
        .status(201)
        .audited("workbook.created");

    /// The workbooks that the caller may see.
    WORKBOOKS = Route::new(
        "workbooks", "GET", "/workbooks",
        "List the workbooks that you may see, your own first",
    )
    .scoped(Scope::RangesRead);

    /// One of them.
    WORKBOOK = Route::new("workbooks", "GET", "/workbooks/{id}", "Read a workbook")
        .scoped(Scope::RangesRead)
        .of("workbook");

    /// Another name, or another way to approve changes.
    WORKBOOK_UPDATE = Route::new(
        "workbooks", "PATCH", "/workbooks/{id}",
        "Rename a workbook, or change who approves its changes",
    )
    .audited("workbook.updated")
    .of("workbook");

    /// The end of a workbook, with its rules.
    WORKBOOK_DELETE = Route::new(
        "workbooks", "DELETE", "/workbooks/{id}",
        "Delete a workbook with its sheets and rules",
    )
    .status(204)
    .audited("workbook.deleted")
    .of("workbook");

    /// The sheets of a workbook that the caller may see.
    SHEETS = Route::new(
        "workbooks", "GET", "/workbooks/{id}/sheets",
        "List the sheets of a workbook that you may see",
    )
    .scoped(Scope::RangesRead)
    .of("workbook");

    /// A new sheet.
    SHEET_ADD = Route::new(
        "workbooks", "POST", "/workbooks/{id}/sheets",
        "Add a sheet to a workbook",
    )
    .scoped(Scope::RangesWrite)
    .idempotent()
    .status(201)
    .audited("workbook.updated")
    .of("workbook");

    /// The review of a sheet.
    SHEET_REVIEW = Route::new(
        "workbooks", "PUT", "/workbooks/{id}/sheets/{sheet_id}",
        "Map an unreviewed sheet to another sheet, or clear it",
    )
    .audited("columns.reviewed")
    .of("sheet");

    /// The register of a sheet's columns.
    COLUMNS = Route::new(
        "workbooks", "GET", "/workbooks/{id}/sheets/{sheet_id}/columns",
        "Read the columns of a sheet",
    )
    .scoped(Scope::RangesRead)
    .of("sheet");

    /// The register after a review.
    COLUMNS_SET = Route::new(
        "workbooks", "PUT", "/workbooks/{id}/sheets/{sheet_id}/columns",
        "Set the columns of a sheet: map them to those that rules know, or clear them",
    )
    .audited("columns.reviewed")
    .of("sheet");

    /// The actions that a user may take on a workbook, and the reasons. Its handler decides who may
    /// ask about others.
    ACCESS_EXPLAIN = Route::new(
        "access", "GET", "/workbooks/{id}/access",
        "Explain the rights of a user to a workbook, its sheets and columns",
    )
    .audited("access.explained")
    .of("workbook");

    // Ranges

    /// The upload of a range begins.
    RANGE_CREATE = Route::new(
        "ranges", "POST", "/workbooks/{id}/ranges",
        "Begin the upload of a range of cells",
    )
    .scoped(Scope::RangesWrite)
    .idempotent()
    .limited(&[Policy::RANGE_UPLOAD])
    .status(201)
    .of("workbook");

    /// The ranges of a workbook of which the caller may see a part.
    RANGES = Route::new(
        "ranges", "GET", "/workbooks/{id}/ranges",
        "List the ranges of a workbook that you may see",
    )
    .scoped(Scope::RangesRead)
    .of("workbook");

    /// Cells of a range under upload.
    RANGE_PART = Route::new(
        "ranges", "PUT", "/ranges/{id}/parts/{n}",
        "Send a part of a range, as JSON or CSV",
    )
    .scoped(Scope::RangesWrite)
    .limited(&[Policy::RANGE_UPLOAD])
    .status(204)
    .of("range");

    /// The end of an upload. From then on the range never changes.
    RANGE_COMPLETE = Route::new(
        "ranges", "POST", "/ranges/{id}/complete",
        "Complete the upload of a range",
    )
    .scoped(Scope::RangesWrite)
    .limited(&[Policy::RANGE_UPLOAD])
    .audited("range.uploaded")
    .of("range");

    /// A range with the profiles of its columns.
    RANGE = Route::new(
        "ranges", "GET", "/ranges/{id}",
        "Read a range: its columns, their types and statistics, and its issues by count",
    )
    .scoped(Scope::RangesRead)
    .audited("range.read")
    .of("range");

    /// Cells of a range. An export leaves another event.
    RANGE_CELLS = Route::new(
        "ranges", "GET", "/ranges/{id}/cells",
        "Read cells of a range, or export them as CSV",
    )
    .scoped(Scope::RangesRead)
    .audited("range.read")
    .of("range");

    /// The issues of the cells of a range.
    RANGE_ISSUES = Route::new(
        "ranges", "GET", "/ranges/{id}/issues",
        "List the issues of a range, row by row",
    )
    .scoped(Scope::RangesRead)
    .audited("range.read")
    .of("range");

    /// The cells of a range that a model would get. No model is asked.
    RANGE_PREVIEW = Route::new(
        "ranges", "POST", "/ranges/{id}/preview",
        "Preview the cells that a model would get, and the cost",
    )
    .scoped(Scope::RangesRead)
    .audited("range.previewed")
    .of("range");

    /// The end of a range.
    RANGE_DELETE = Route::new("ranges", "DELETE", "/ranges/{id}", "Delete a range")
        .scoped(Scope::RangesWrite)
        .status(204)
        .audited("range.deleted")
        .of("range");

    /// Why a cell is withheld. Its handler decides who may ask about others.
    RANGE_ACCESS = Route::new(
        "ranges", "GET", "/ranges/{id}/access",
        "Explain why a cell is withheld from you, or from another user",
    )
    .audited("access.explained")
    .of("range");

    /// The end of what is known about the columns that formulas read.
    GRAPH_RESET = Route::new(
        "ranges", "DELETE", "/workbooks/{id}/graph",
        "Forget the columns that formulas of a workbook read, until they are uploaded again",
    )
    .status(204)
    .audited("graph.reset")
    .of("workbook");

    // Rules and groups

    /// A change of rules, or its simulation.
    ACCESS_CHANGES = Route::new(
        "access", "POST", "/access/changes",
        "Add and remove rules, or simulate it",
    )
    .idempotent()
    .limited(&[Policy::ACCESS_CHANGE])
    .audited("access.changed");

    /// The rules of a workbook, or for every workbook.
    ACCESS_RULES = Route::new(
        "access", "GET", "/access/rules",
        "List the rules of a workbook, or those for every workbook",
    );

    /// One rule.
    ACCESS_RULE = Route::new("access", "GET", "/access/rules/{id}", "Read a rule").of("rule");

    /// A new group.
    GROUP_CREATE = Route::new("access", "POST", "/groups", "Create a group of users")
        .role(&[Role::Admin])
        .idempotent()
        .status(201)
        .audited("group.created");

    /// All groups.
    GROUPS = Route::new("access", "GET", "/groups", "List the groups")
        .role(&[Role::Admin])
        .audited("group.read");

    /// One group.
    GROUP = Route::new("access", "GET", "/groups/{id}", "Read a group")
        .role(&[Role::Admin])
        .audited("group.read")
        .of("group");

    /// Another name, description or external id.
    GROUP_UPDATE = Route::new(
        "access", "PATCH", "/groups/{id}",
        "Change a group's name, description or external id",
    )
    .role(&[Role::Admin])
    .audited("group.updated")
    .of("group");

    /// The end of a group that no rule names.
    GROUP_DELETE = Route::new(
        "access", "DELETE", "/groups/{id}",
        "Delete a group that no rule names",
    )
    .role(&[Role::Admin])
    .status(204)
    .audited("group.deleted")
    .of("group");

    /// The members of a group.
    GROUP_MEMBERS = Route::new(
        "access", "GET", "/groups/{id}/members",
        "List the members of a group",
    )
    .role(&[Role::Admin])
    .audited("group.read")
    .of("group");

    /// A new member.
    MEMBER_ADD = Route::new(
        "access", "PUT", "/groups/{id}/members/{user_id}",
        "Add a user to a group",
    )
    .role(&[Role::Admin])
    .status(204)
    .audited("group.member_added")
    .of("user");

    /// The end of a membership.
    MEMBER_REMOVE = Route::new(
        "access", "DELETE", "/groups/{id}/members/{user_id}",
        "Remove a user from a group",
    )
    .role(&[Role::Admin])
    .status(204)
    .audited("group.member_removed")
    .of("user");

    // Tasks

    /// A new task.
    TASK_CREATE = Route::new("tasks", "POST", "/tasks", "Create a task")
        .scoped(Scope::TasksWrite)
        .idempotent()
        .limited(&[Policy::TASKS_WRITE])
        .status(201)
        .audited("task.created");

    /// The caller's tasks.
    TASKS = Route::new("tasks", "GET", "/tasks", "List or search your tasks")
        .scoped(Scope::TasksRead);

    /// One of the caller's tasks.
    TASK = Route::new("tasks", "GET", "/tasks/{id}", "Read a task")
        .scoped(Scope::TasksRead)
        .of("task");

    /// Another title, description or due date.
    TASK_UPDATE = Route::new(
        "tasks", "PATCH", "/tasks/{id}",
        "Change a task's title, description or due date",
    )
    .scoped(Scope::TasksWrite)
    .limited(&[Policy::TASKS_WRITE])
    .audited("task.updated")
    .of("task");

    /// The end of a task.
    TASK_DELETE = Route::new("tasks", "DELETE", "/tasks/{id}", "Delete a task")
        .scoped(Scope::TasksWrite)
        .limited(&[Policy::TASKS_WRITE])
        .status(204)
        .audited("task.deleted")
        .of("task");

    /// A task is done.
    TASK_COMPLETE = Route::new(
        "tasks", "POST", "/tasks/{id}/complete",
        "Complete a task; a second call changes nothing",
    )
    .scoped(Scope::TasksWrite)
    .limited(&[Policy::TASKS_WRITE])
    .audited("task.completed")
    .of("task");

    // Chat

    /// A reply of the assistant. The call waits for it.
    CHAT = Route::new("chat", "POST", "/chat", "Ask the assistant, and wait for its reply")
        .scoped(Scope::ChatWrite)
        .idempotent()
        .limited(&[Policy::CHAT_USER, Policy::CHAT_SESSION])
        .audited("chat.requested");

    /// The caller's conversations.
    CONVERSATIONS = Route::new(
        "conversations", "GET", "/conversations",
        "List or search your conversations, the one with the newest message first",
    )
    .scoped(Scope::ChatWrite)
    .limited(&[Policy::SEARCH]);

    /// A conversation without messages.
    CONVERSATION_CREATE = Route::new(
        "conversations", "POST", "/conversations",
        "Begin a conversation before its first message",
    )
    .scoped(Scope::ChatWrite)
    .idempotent()
    .status(201);

    /// One of the caller's conversations.
    CONVERSATION = Route::new(
        "conversations", "GET", "/conversations/{id}",
        "Read a conversation with its messages, the newest first",
    )
    .scoped(Scope::ChatWrite)
    .of("conversation");

    /// Another title, or another agent.
    CONVERSATION_UPDATE = Route::new(
        "conversations", "PATCH", "/conversations/{id}",
        "Give a conversation another title, or another agent",
    )
    .scoped(Scope::ChatWrite)
    .of("conversation");

    /// The end of a conversation. An API key cannot delete one, so a leaked key destroys no
    /// messages.
    CONVERSATION_DELETE = Route::new(
        "conversations", "DELETE", "/conversations/{id}",
        "Delete a conversation",
    )
    .status(204)
    .audited("conversation.deleted")
    .of("conversation");

    /// A conversation as a file, for its owner alone.
    CONVERSATION_EXPORT = Route::new(
        "conversations", "GET", "/conversations/{id}/export",
        "Export a conversation as a JSON or Markdown file",
    )
    .limited(&[Policy::SEARCH])
    .audited("conversation.exported")
    .of("conversation");

    /// The working state of a conversation.
    CONVERSATION_STATE = Route::new(
        "conversations", "GET", "/conversations/{id}/state",
        "Read the working state of a conversation",
    )
    .scoped(Scope::ChatWrite)
    .of("conversation");

    /// Other values of the working state.
    CONVERSATION_STATE_SET = Route::new(
        "conversations", "PUT", "/conversations/{id}/state",
        "Set the working state of a conversation, if it is as you know it",
    )
    .scoped(Scope::ChatWrite)
    .of("conversation");

    /// The end of the values of the working state.
    CONVERSATION_STATE_DELETE = Route::new(
        "conversations", "DELETE", "/conversations/{id}/state",
        "Delete the values of the working state of a conversation",
    )
    .scoped(Scope::ChatWrite)
    .status(204)
    .of("conversation");

    /// One message of a conversation of the caller, also while a worker writes it.
    CONVERSATION_MESSAGE = Route::new(
        "conversations", "GET", "/conversations/{id}/messages/{message_id}",
        "Read one message of a conversation",
    )
    .scoped(Scope::ChatWrite)
    .of("message");

    /// The user's decisions about the calls of tools that a reply waits for. An API key cannot
    /// decide, so a leaked key confirms nothing.
    CONFIRMATION = Route::new(
        "chat", "POST", "/conversations/{id}/messages/{message_id}/confirmations",
        "Confirm or reject calls of tools, and wait for the rest of the reply",
    )
    .of("message");

    // Agents

    /// The agents that the caller may use. Administrators see all.
    AGENTS = Route::new("agents", "GET", "/agents", "List the agents that you may use, by name")
        .scoped(Scope::ChatWrite);

    /// One of them.
    AGENT = Route::new("agents", "GET", "/agents/{name}", "Read an agent")
        .scoped(Scope::ChatWrite);

    /// A new agent, or another one under its name.
    AGENT_SET = Route::new("agents", "PUT", "/agents/{name}", "Create or replace an agent")
        .role(&[Role::Admin])
        .audited("agent.updated");

    /// The end of an agent.
    AGENT_DELETE = Route::new("agents", "DELETE", "/agents/{name}", "Delete an agent")
        .role(&[Role::Admin])
        .status(204)
        .audited("agent.deleted");

    // Prompts

    /// All prompts. Those that are built in are among them.
    PROMPTS = Route::new("prompts", "GET", "/prompts", "List the prompts")
        .scoped(Scope::PromptsRead);

    /// One of them.
    PROMPT = Route::new("prompts", "GET", "/prompts/{name}", "Read a prompt, its labels and their moves")
        .scoped(Scope::PromptsRead);

    /// Its purpose, and whether callers may use it.
    PROMPT_UPDATE = Route::new("prompts", "PATCH", "/prompts/{name}", "Describe or archive a prompt")
        .role(Role::PROMPT_EDITORS)
        .scoped(Scope::PromptsWrite)
        .limited(&[Policy::PROMPTS_WRITE])
        .audited("prompt.updated");

    /// A new version. The first one makes the prompt.
    PROMPT_VERSION_CREATE = Route::new(
        "prompts", "POST", "/prompts/{name}/versions", "Save a version of a prompt",
    )
    .role(Role::PROMPT_EDITORS)
    .scoped(Scope::PromptsWrite)
    .idempotent()
    .limited(&[Policy::PROMPTS_WRITE])
    .status(201)
    .audited("prompt.version_created");

    /// The versions of a prompt, newest first.
    PROMPT_VERSIONS = Route::new(
        "prompts", "GET", "/prompts/{name}/versions", "List the versions of a prompt",
    )
    .role(Role::PROMPT_READERS)
    .scoped(Scope::PromptsRead);

    /// One of them, by its number or a label.
    PROMPT_VERSION = Route::new(
        "prompts", "GET", "/prompts/{name}/versions/{version}", "Read a version of a prompt",
    )
    .role(Role::PROMPT_READERS)
    .scoped(Scope::PromptsRead);

    /// A label from now on. Only an administrator moves `production`.
    PROMPT_LABEL_SET = Route::new(
        "prompts", "PUT", "/prompts/{name}/labels/{label}", "Move a label to a version",
    )
    .role(Role::PROMPT_EDITORS)
    .scoped(Scope::PromptsWrite)
    .limited(&[Policy::PROMPTS_WRITE])
    .audited("prompt.label_moved");

    /// The end of a label.
    PROMPT_LABEL_DELETE = Route::new(
        "prompts", "DELETE", "/prompts/{name}/labels/{label}", "Remove a label",
    )
    .role(Role::PROMPT_EDITORS)
    .scoped(Scope::PromptsWrite)
    .limited(&[Policy::PROMPTS_WRITE])
    .status(204)
    .audited("prompt.label_removed");

    /// The texts with values. No model is asked.
    PROMPT_RENDER = Route::new(
        "prompts", "POST", "/prompts/{name}/render", "Render a version, or a draft of one",
    )
    .role(Role::PROMPT_READERS)
    .scoped(Scope::PromptsRead);

    /// The tokens and costs of replies by version.
    PROMPT_USAGE = Route::new(
        "prompts", "GET", "/prompts/{name}/usage", "Read the usage of each version of a prompt",
    )
    .role(Role::PROMPT_READERS)
    .scoped(Scope::PromptsRead);

    // Files

    /// A file that is to be uploaded.
    FILE_CREATE = Route::new("files", "POST", "/files", "Announce a file, and get the request that uploads it")
        .scoped(Scope::JobsWrite)
        .idempotent()
        .limited(&[Policy::FILES])
        .status(201)
        .audited("file.created");

    /// The end of an upload. The file is prepared after it.
    FILE_COMPLETE = Route::new("files", "POST", "/files/{id}/complete", "Complete an upload; then the server prepares the file")
        .scoped(Scope::JobsWrite)
        .limited(&[Policy::FILES])
        .status(202)
        .audited("file.completed")
        .of("file");

    /// The caller's files.
    FILES = Route::new("files", "GET", "/files", "List your files")
        .scoped(Scope::JobsRead);

    /// One of them.
    FILE = Route::new("files", "GET", "/files/{id}", "Read the state of a file")
        .scoped(Scope::JobsRead)
        .of("file");

    /// The bytes, as they were uploaded.
    FILE_CONTENT = Route::new("files", "GET", "/files/{id}/content", "Get a URL that downloads the file")
        .scoped(Scope::JobsRead)
        .audited("file.read")
        .of("file");

    /// The end of a file.
    FILE_DELETE = Route::new("files", "DELETE", "/files/{id}", "Delete a file")
        .scoped(Scope::JobsWrite)
        .status(204)
        .audited("file.deleted")
        .of("file");

    // Jobs

    /// An analysis of files and texts.
    ANALYSIS_CREATE = Route::new(
        "analyses", "POST", "/analyses", "Start an analysis of files and texts",
    )
    .scoped(Scope::JobsWrite)
    .idempotent()
    .limited(&[Policy::JOBS])
    .status(202)
    .audited("job.requested");

    /// An evaluation of versions of a prompt.
    EVALUATION_CREATE = Route::new(
        "analyses", "POST", "/evaluations", "Start an evaluation of versions of a prompt",
    )
    .role(Role::PROMPT_EDITORS)
    .scoped(Scope::JobsWrite)
    .idempotent()
    .limited(&[Policy::JOBS])
    .status(202)
    .audited("job.requested");

    /// A model's work on the rows of a range.
    BATCH_CREATE = Route::new(
        "batches", "POST", "/batches", "Start a batch over the rows of a range",
    )
    .scoped(Scope::JobsWrite)
    .idempotent()
    .limited(&[Policy::JOBS])
    .status(202)
    .audited("job.requested");

    /// The results of a batch, row by row.
    BATCH_RESULTS = Route::new(
        "batches", "GET", "/batches/{id}/results", "Read the results of a batch, row by row",
    )
    .scoped(Scope::JobsRead)
    .audited("batch.read")
    .of("job");

    /// The caller's jobs.
    JOBS = Route::new("jobs", "GET", "/jobs", "List your jobs").scoped(Scope::JobsRead);

    /// One of them.
    JOB = Route::new("jobs", "GET", "/jobs/{id}", "Read the state of a job")
        .scoped(Scope::JobsRead)
        .of("job");

    /// Its items.
    JOB_ITEMS = Route::new("jobs", "GET", "/jobs/{id}/items", "List the items of a job")
        .scoped(Scope::JobsRead)
        .of("job");

    /// The end of a job before its items have ended.
    JOB_CANCEL = Route::new("jobs", "POST", "/jobs/{id}/cancel", "Cancel a job")
        .scoped(Scope::JobsWrite)
        .audited("job.cancelled")
        .of("job");

    /// Another round for the items without a result.
    JOB_RETRY = Route::new(
        "jobs", "POST", "/jobs/{id}/retry", "Retry the items of a job that have no result",
    )
    .scoped(Scope::JobsWrite)
    .limited(&[Policy::JOBS])
    .status(202)
    .audited("job.retried")
    .of("job");

    /// The end of a job's data.
    JOB_DELETE = Route::new("jobs", "DELETE", "/jobs/{id}", "Delete a job that has ended")
        .scoped(Scope::JobsWrite)
        .status(204)
        .audited("job.deleted")
        .of("job");

    /// What an analysis has found.
    JOB_FINDINGS = Route::new(
        "jobs", "GET", "/jobs/{id}/findings", "Read or export the findings of an analysis",
    )
    .scoped(Scope::JobsRead)
    .audited("job.exported")
    .of("job");

    /// What has changed since another analysis.
    JOB_COMPARE = Route::new(
        "jobs", "GET", "/jobs/{id}/compare", "Compare the findings of two analyses",
    )
    .scoped(Scope::JobsRead)
    .of("job");

    // Usage and budgets

    /// The tokens and costs of replies.
    USAGE = Route::new(
        "usage", "GET", "/usage",
        "Read the tokens and costs of your replies, or of another user's",
    )
    .role_or_mine(&[Role::Admin], "user_id")
    .audited("usage.read");

    /// The budget of a user.
    BUDGET = Route::new(
        "budgets", "GET", "/users/{id}/budget",
        "Read a user's monthly budget and spending",
    )
    .role_or_me(&[Role::Admin], "id")
    .audited("usage.read")
    .of("user");

    /// Another budget.
    BUDGET_SET = Route::new("budgets", "PUT", "/users/{id}/budget", "Set a user's monthly budget")
        .role(&[Role::Admin])
        .audited("budget.set")
        .of("user");

    /// The budget of all users together.
    DEPLOYMENT_BUDGET = Route::new(
        "budgets", "GET", "/budget",
        "Read the monthly budget and spending of all users together",
    )
    .role(&[Role::Admin])
    .audited("usage.read");

    /// Another budget for all users together.
    DEPLOYMENT_BUDGET_SET = Route::new(
        "budgets", "PUT", "/budget",
        "Set the monthly budget of all users together",
    )
    .role(&[Role::Admin])
    .audited("budget.set");

    // Audit

    /// The audit log.
    AUDIT = Route::new(
        "audit", "GET", "/audit",
        "Search or export the audit log; every user may search their own events",
    )
    .role_or_me(&[Role::Auditor, Role::Admin], "actor")
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT])
    .audited("audit.read");

    /// One event. Its handler decides who may read it, because only the event says whose it is.
    AUDIT_EVENT = Route::new(
        "audit", "GET", "/audit/{id}",
        "Read one of your events with its texts, or any event as an auditor or administrator",
    )
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT])
    .audited("audit.read")
    .of("event");

    /// The newest checkpoint of the sealed log. It has no data of users, so it leaves no event.
    AUDIT_CHECKPOINT = Route::new(
        "audit", "GET", "/audit/checkpoint",
        "Read the newest signed checkpoint of the sealed audit log",
    )
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT]);

    /// The keys that sign checkpoints.
    AUDIT_KEYS = Route::new(
        "audit", "GET", "/audit/keys",
        "Read the keys that sign the checkpoints of the sealed audit log",
    )
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT])
    .audited("audit.read");

    /// A part of the audit log, compared with the sealed log.
    AUDIT_VERIFY = Route::new(
        "audit", "GET", "/audit/verify",
        "Compare a part of the audit log with the sealed log",
    )
    .role(&[Role::Auditor, Role::Admin])
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT])
    .audited("audit.read");

    /// The proof that the sealed log has an event. Its handler decides who may read it.
    AUDIT_PROOF = Route::new(
        "audit", "GET", "/audit/{id}/proof",
        "Prove that the sealed log has one of your events, or any event as an auditor",
    )
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT])
    .audited("audit.read")
    .of("event");

    // MCP

    /// A message of the Model Context Protocol. The tools leave the events.
    MCP = Route::new(
        "mcp", "POST", "/mcp",
        "Send a message of the Model Context Protocol (JSON-RPC)",
    )
    .for_any_key()
    .limited(&[Policy::MCP]);
}

/// The route for requests that no other route takes. It answers with our own 404 and 405.
pub const FALLBACK: Route = Route::new(
    "fallback",
    "$default",
    "",
    "Answer 404 or 405 to requests that no other route takes",
)
.public();

table! {
    /// Every route of the WebSocket API.
    ACTIONS: ActionRoute;

    // Connections

    /// Opens a connection.
    CONNECT = ActionRoute::new("connect", "$connect", "Opens a connection for a session")
        .limited(&[Policy::WS_CONNECT])
        .audited("ws.connect");

    /// Forgets a connection that has ended.
    DISCONNECT = ActionRoute::new(
        "disconnect", "$disconnect",
        "Forgets a connection and its subscriptions",
    );

    /// Keeps API Gateway from closing an idle connection.
    PING = ActionRoute::new(
        "ping", "ping",
        "Answers `pong`, and keeps API Gateway from closing an idle connection",
    );

    /// Extends a connection by a newer token.
    AUTH_RENEW = ActionRoute::new(
        "auth-renew", "auth.renew",
        "Extends the connection by a newer access token of its session",
    );

    /// Messages whose action no other route takes.
    UNKNOWN_ACTION = ActionRoute::new(
        "unknown-action", "$default",
        "Answers `unknown_action` to a message that no other route takes",
    );

    // Charts

    /// Starts a stream of chart frames, or changes its pace.
    CHARTS_SUBSCRIBE = ActionRoute::new(
        "charts", "charts.subscribe",
        "Streams frames of a chart, or changes their pace",
    )
    .limited(&[Policy::CHARTS_SUBSCRIBE])
    .audited("charts.subscribe");

    /// Ends a stream of chart frames.
    CHARTS_UNSUBSCRIBE = ActionRoute::new(
        "charts", "charts.unsubscribe",
        "Ends the stream of a chart",
    );

    // Chat

    /// A reply of the assistant, streamed.
    CHAT_SEND = ActionRoute::new(
        "chat-send", "chat.send",
        "Asks the assistant, and streams its reply",
    )
    .idempotent()
    .limited(&[Policy::CHAT_USER, Policy::CHAT_SESSION])
    .audited("chat.requested");

    /// The end of a reply that a worker still writes. The first message that stops it leaves an
    /// event, and so does each that cannot.
    CHAT_CANCEL = ActionRoute::new(
        "chat-follow", "chat.cancel",
        "Stops a reply that is still being written, and keeps the text so far",
    );

    /// The user's decisions about the calls of tools that a reply waits for. Decisions that change
    /// something leave an event, and so does each message that is refused.
    CHAT_CONFIRM = ActionRoute::new(
        "chat-follow", "chat.confirm",
        "Confirms or rejects calls of tools that a reply waits for",
    );

    /// The rest of a reply, from the last delta that the client has.
    CHAT_RESUME = ActionRoute::new(
        "chat-follow", "chat.resume",
        "Sends the deltas of a reply that the client has missed, and the further ones",
    )
    .limited(&[Policy::CHAT_RESUME]);
}

/// Whether `path` is an instance of a route's path: `/users/42` of `/users/{id}`.
pub fn matches(route: &Route, path: &str) -> bool {
    let mut pattern = route.path.split('/');
    let mut segments = path.split('/');
    loop {
        match (pattern.next(), segments.next()) {
            (None, None) => return true,
            (Some(want), Some(have))
                if want == have || (want.starts_with('{') && !have.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_endpoint_is_limited_by_whatever_limits_what_it_does() {
        assert_eq!(TOKEN.limits, [REFRESH.limits, LOGIN.limits].concat());
    }

    #[test]
    fn a_route_that_takes_an_id_says_what_of() {
        for route in ROUTES {
            let takes_id = route.path.contains("id}");
            assert_eq!(route.resource.is_some(), takes_id, "{}", route.key());
        }
    }

    #[test]
    fn a_path_matches_segment_by_segment() {
        let route = Route::new("users", "GET", "/users/{id}", "");
        for (path, expected) in [
            ("/users/42", true),
            ("/users/", false),
            ("/users", false),
            ("/users/42/", false),
            ("/users/42/x", false),
            ("/other/42", false),
        ] {
            assert_eq!(matches(&route, path), expected, "{path}");
        }
    }
}
