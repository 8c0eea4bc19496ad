//! The API as data: every HTTP route and every WebSocket action, who may call it, its limits and its audit action.
//! The documents, the fallback's 405 and the coverage tests walk these tables; template.yaml has one event per row.

use crate::domain::{ResourceId, Role};
use crate::identity::Scope;
use crate::limits::Policy;
use crate::request::Call;

/// One HTTP route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Binary that answers it, which is also its crate.
    pub function: &'static str,
    /// Method.
    pub method: &'static str,
    /// Path with `{parameters}`.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    /// How far a caller's session is believed.
    pub session: Session,
    /// What an API key needs to call; without one no key is taken.
    pub scope: Option<Scope>,
    /// Whether an `Idempotency-Key` is honoured.
    pub idempotent: bool,
    /// Limits, each counted on every call that passed validation.
    pub limits: &'static [Policy],
    /// Status of success.
    pub success: u16,
    /// Audit action written for each call, if any.
    pub audit: Option<&'static str>,
    /// Kind of the resource whose id the last parameter of the path is: an event that names no other names this one.
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
    /// An API key with the route's scope, and nobody else.
    Key,
    /// A user with one of these roles now, or anyone signed in who asks of themselves.
    RoleOrMe {
        /// The roles, of which one is enough.
        roles: &'static [Role],
        /// The parameter of the path or the query that says of whom: it is `me` then, or the caller's own id.
        parameter: &'static str,
        /// Whether one asks of oneself without it.
        unless_given: bool,
    },
}

/// How far a caller's session is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The session is read, consistently, on every call.
    Reread,
    /// The token is trusted for its lifetime.
    Trusted,
}

impl Route {
    const fn new(function: &'static str, method: &'static str, path: &'static str, summary: &'static str) -> Self {
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

    const fn scoped(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    const fn trusting(self) -> Self {
        Self { session: Session::Trusted, ..self }
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

    /// The resource that a call names in its path, `user:<id>`.
    pub fn resource_of(&self, call: &Call) -> Option<String> {
        let parameter = self.path.split('/').rev().find_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))?;
        Some(format!("{}:{}", self.resource?, call.path_parameter(parameter).parse::<ResourceId>().ok()?))
    }

    /// `POST /auth/login`: what API Gateway calls the route key.
    pub fn key(&self) -> String {
        if self.path.is_empty() { self.method.to_owned() } else { format!("{} {}", self.method, self.path) }
    }
}

/// One route of the WebSocket API: an action that a message names, or `$connect`, `$disconnect`, `$default`.
/// Every caller of an action has a connection, and with it a session that is read again.
#[derive(Debug, Clone)]
pub struct ActionRoute {
    /// Binary that answers it, which is also its crate.
    pub function: &'static str,
    /// Route key: `charts.subscribe`.
    pub action: &'static str,
    /// Whether an `idempotency_key` is honoured.
    pub idempotent: bool,
    /// Limits beside `ws_messages`, against which every message counts; each counted on messages that passed validation, and
    /// for `$connect` on connections whose caller and query are good.
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

/// Every HTTP route except `$default`.
pub const ROUTES: &[&Route] = &[
    // System
    &ROOT,
    &HEALTH,
    &READY,
    &OPENAPI,
    &ASYNCAPI,
    &DOCS,
    &REDOC,
    &DOCS_ASSET,
    &OAUTH_METADATA,
    // Accounts
    &REGISTER,
    &LOGIN,
    &REFRESH,
    &TOKEN,
    &REVOKE,
    &INTROSPECT,
    &LOGOUT,
    &ME,
    &ME_UPDATE,
    &ME_DELETE,
    &SESSIONS,
    &END_SESSION,
    &PASSWORD_CHANGE,
    &PASSWORD_FORGOT,
    &PASSWORD_RESET,
    &EMAIL_VERIFY,
    &EMAIL_RESEND,
    &WS_TICKET,
    &API_KEYS_CREATE,
    &API_KEYS,
    &API_KEYS_DELETE,
    &USERS,
    &USER,
    &USER_UPDATE,
    &INVITE_CREATE,
    &INVITES,
    &INVITE_REVOKE,
    // Profits
    &PROFITS,
    // Chat
    &CHAT,
    &CONVERSATIONS,
    &CONVERSATION,
    &CONVERSATION_UPDATE,
    &CONVERSATION_DELETE,
    &CONVERSATION_EXPORT,
    &CONVERSATION_MESSAGE,
    // Usage and budgets
    &USAGE,
    &BUDGET,
    &BUDGET_SET,
    &DEPLOYMENT_BUDGET,
    &DEPLOYMENT_BUDGET_SET,
    // Audit
    &AUDIT,
];

/// Alive: touches nothing.
pub const HEALTH: Route = Route::new("health", "GET", "/health", "Whether the function is alive; touches nothing").public();

/// Where everything else is.
pub const ROOT: Route = Route::new("docs", "GET", "/", "Where the documentation and the other APIs are").public();

/// Whether what the API stands on answers.
pub const READY: Route = Route::new("ready", "GET", "/ready", "Whether the database, the secrets and the assistant answer").public();

/// The OpenAPI document.
pub const OPENAPI: Route = Route::new("docs", "GET", "/openapi.json", "This document").public();

/// The AsyncAPI document.
pub const ASYNCAPI: Route = Route::new("docs", "GET", "/asyncapi.json", "The WebSocket messages (AsyncAPI 3)").public();

/// The documentation as a page.
pub const DOCS: Route = Route::new("docs", "GET", "/docs", "The documentation as a page (Swagger UI)").public();

/// The documentation as one page to read.
pub const REDOC: Route = Route::new("docs", "GET", "/redoc", "The documentation as one page to read (ReDoc)").public();

/// A file of these pages.
pub const DOCS_ASSET: Route = Route::new("docs", "GET", "/docs/{file}", "A file of a documentation page").public();

/// What an OAuth 2.0 client has to know of this server.
pub const OAUTH_METADATA: Route =
    Route::new("docs", "GET", "/.well-known/oauth-authorization-server", "What OAuth 2.0 clients have to know (RFC 8414)").public();

/// A new account.
pub const REGISTER: Route = Route::new("register", "POST", "/auth/register", "Register an account")
    .public()
    .limited(&[Policy::REGISTER])
    .idempotent()
    .status(201)
    .audited("auth.register");

/// A session and its first pair of tokens.
pub const LOGIN: Route = Route::new("login", "POST", "/auth/login", "Sign in with a password")
    .public()
    .limited(&[Policy::LOGIN, Policy::LOGIN_ADDRESS, Policy::LOGIN_LOCK])
    .audited("auth.login");

/// The next pair of tokens.
pub const REFRESH: Route = Route::new("refresh", "POST", "/auth/refresh", "Exchange a refresh token for a new pair")
    .public()
    .limited(&[Policy::REFRESH, Policy::REFRESH_ADDRESS])
    .audited("auth.refresh");

/// Both for clients that know OAuth 2.0 and nothing else of this API: each grant goes by the row of what it does.
pub const TOKEN: Route = Route::new("token", "POST", "/auth/token", "OAuth 2.0's token endpoint (RFC 6749)")
    .public()
    .limited(&[Policy::REFRESH, Policy::REFRESH_ADDRESS, Policy::LOGIN, Policy::LOGIN_ADDRESS, Policy::LOGIN_LOCK])
    .audited("auth.refresh");

/// The end of a token, and of its session.
pub const REVOKE: Route = Route::new("revoke", "POST", "/auth/revoke", "Give a token up, and its session with it (RFC 7009)")
    .public()
    .limited(&[Policy::REVOKE_ADDRESS])
    .audited("auth.token_revoked");

/// Whether a token is good.
pub const INTROSPECT: Route = Route::new("introspect", "POST", "/auth/introspect", "Whether a token is good, and what it says (RFC 7662)")
    .for_keys(Scope::TokensIntrospect)
    .audited("auth.token_introspected");

/// The end of a session, or of all.
pub const LOGOUT: Route =
    Route::new("logout", "POST", "/auth/logout", "End this session, or all of one's own").status(204).audited("auth.logout");

/// The caller's own account.
pub const ME: Route = Route::new("me", "GET", "/auth/me", "One's own account").trusting();

/// What the caller changes of the own account.
pub const ME_UPDATE: Route = Route::new("account", "PATCH", "/auth/me", "Change one's own name, or with the password one's address")
    .limited(&[Policy::ACCOUNT])
    .audited("account.updated");

/// The end of the caller's own account.
pub const ME_DELETE: Route = Route::new("account", "DELETE", "/auth/me", "Delete one's own account")
    .limited(&[Policy::ACCOUNT])
    .status(204)
    .audited("account.deleted");

/// The caller's sessions.
pub const SESSIONS: Route = Route::new("sessions", "GET", "/auth/sessions", "One's own sessions, the newest first");

/// The end of one of the caller's sessions.
pub const END_SESSION: Route = Route::new("sessions", "DELETE", "/auth/sessions/{id}", "End one of one's own sessions")
    .status(204)
    .audited("auth.session_ended")
    .of("session");

/// Another password in place of the current one.
pub const PASSWORD_CHANGE: Route = Route::new("password", "POST", "/auth/password", "Change the password; every other session ends")
    .limited(&[Policy::ACCOUNT])
    .status(204)
    .audited("auth.password_changed");

/// A mail with a token for a new password.
pub const PASSWORD_FORGOT: Route =
    Route::new("ask-mail", "POST", "/auth/password/forgot", "Ask for a mail with a token for a new password")
        .public()
        .limited(&[Policy::MAIL, Policy::MAIL_ADDRESS])
        .status(202)
        .audited("auth.password_forgot");

/// A new password for a mailed token.
pub const PASSWORD_RESET: Route =
    Route::new("password", "POST", "/auth/password/reset", "Set a new password with a mailed token; sessions and API keys end")
        .public()
        .limited(&[Policy::MAIL_TOKEN])
        .status(204)
        .audited("auth.password_reset");

/// The proof of an address by a mailed token.
pub const EMAIL_VERIFY: Route = Route::new("account", "POST", "/auth/email/verify", "Verify an address with a mailed token")
    .public()
    .limited(&[Policy::MAIL_TOKEN])
    .audited("auth.email_verified");

/// Another mail with a token that verifies an address.
pub const EMAIL_RESEND: Route =
    Route::new("ask-mail", "POST", "/auth/email/resend", "Ask for another mail with a token that verifies an address")
        .public()
        .limited(&[Policy::MAIL, Policy::MAIL_ADDRESS])
        .status(202)
        .audited("auth.email_resend");

/// A ticket for one WebSocket connection.
pub const WS_TICKET: Route = Route::new("ws-ticket", "POST", "/auth/ws-ticket", "A ticket for one WebSocket connection")
    .limited(&[Policy::WS_TICKET])
    .status(201)
    .audited("auth.ws_ticket");

/// A new API key.
pub const API_KEYS_CREATE: Route =
    Route::new("api-keys", "POST", "/api-keys", "Make an API key for a service").idempotent().status(201).audited("apikey.created");

/// One's own API keys.
pub const API_KEYS: Route = Route::new("api-keys", "GET", "/api-keys", "One's own API keys");

/// The end of an API key.
pub const API_KEYS_DELETE: Route =
    Route::new("api-keys", "DELETE", "/api-keys/{id}", "End an API key").status(204).audited("apikey.deleted").of("api_key");

/// All accounts.
pub const USERS: Route =
    Route::new("users", "GET", "/users", "Every account, or those found by username or email").role(&[Role::Admin]).audited("users.read");

/// One account.
pub const USER: Route = Route::new("users", "GET", "/users/{id}", "An account").role(&[Role::Admin]).audited("users.read").of("user");

/// Whether an account may sign in, and its roles.
pub const USER_UPDATE: Route = Route::new("users", "PATCH", "/users/{id}", "Say whether an account may sign in, and its roles")
    .role(&[Role::Admin])
    .audited("user.updated")
    .of("user");

/// A new invitation.
pub const INVITE_CREATE: Route = Route::new("invites", "POST", "/users/invites", "Invite someone to register")
    .role(&[Role::Admin])
    .idempotent()
    .status(201)
    .audited("user.invited");

/// The invitations that are good.
pub const INVITES: Route =
    Route::new("invites", "GET", "/users/invites", "The invitations that are good").role(&[Role::Admin]).audited("users.read");

/// The end of an invitation.
pub const INVITE_REVOKE: Route = Route::new("invites", "DELETE", "/users/invites/{id}", "Take an invitation back")
    .role(&[Role::Admin])
    .status(204)
    .audited("invite.revoked")
    .of("invite");

/// Profits by company and month.
pub const PROFITS: Route = Route::new("profits", "GET", "/profits", "Profits by company and month, filtered and sorted")
    .trusting()
    .scoped(Scope::ProfitsRead)
    .audited("profits.read");

/// The audit trail.
pub const AUDIT: Route = Route::new("audit", "GET", "/audit", "Search the audit trail; anyone may ask for their own events")
    .role_or_me(&[Role::Auditor, Role::Admin], "actor")
    .scoped(Scope::AuditRead)
    .limited(&[Policy::AUDIT])
    .audited("audit.read");

/// A reply of the assistant, waited for.
pub const CHAT: Route = Route::new("chat", "POST", "/chat", "Ask the assistant, and wait for its reply")
    .scoped(Scope::ChatWrite)
    .idempotent()
    .limited(&[Policy::CHAT_USER, Policy::CHAT_SESSION])
    .audited("chat.requested");

/// One's own conversations.
pub const CONVERSATIONS: Route =
    Route::new("conversations", "GET", "/conversations", "One's own conversations, that with the newest message first; search")
        .scoped(Scope::ChatWrite)
        .limited(&[Policy::SEARCH]);

/// One of one's own conversations.
pub const CONVERSATION: Route =
    Route::new("conversations", "GET", "/conversations/{id}", "A conversation with its messages, the newest first")
        .scoped(Scope::ChatWrite)
        .of("conversation");

/// Another title.
pub const CONVERSATION_UPDATE: Route = Route::new("conversations", "PATCH", "/conversations/{id}", "Give a conversation another title")
    .scoped(Scope::ChatWrite)
    .of("conversation");

/// The end of a conversation. No API key may: one that leaks must not destroy what was said.
pub const CONVERSATION_DELETE: Route = Route::new("conversations", "DELETE", "/conversations/{id}", "Delete a conversation")
    .status(204)
    .audited("conversation.deleted")
    .of("conversation");

/// A conversation as a file, for its owner alone.
pub const CONVERSATION_EXPORT: Route =
    Route::new("conversations", "GET", "/conversations/{id}/export", "A conversation as a file: JSON or Markdown")
        .limited(&[Policy::SEARCH])
        .audited("conversation.exported")
        .of("conversation");

/// One message of one's own conversation, also while it is being written.
pub const CONVERSATION_MESSAGE: Route =
    Route::new("conversations", "GET", "/conversations/{id}/messages/{message_id}", "One message of a conversation")
        .scoped(Scope::ChatWrite)
        .of("message");

/// What replies have taken.
pub const USAGE: Route = Route::new("usage", "GET", "/usage", "What one's own replies have taken, or anyone's")
    .role_or_mine(&[Role::Admin], "user_id")
    .audited("usage.read");

/// What a user may spend.
pub const BUDGET: Route = Route::new("budgets", "GET", "/users/{id}/budget", "What a user's replies may cost in a month, and have")
    .role_or_me(&[Role::Admin], "id")
    .audited("usage.read")
    .of("user");

/// Another budget.
pub const BUDGET_SET: Route = Route::new("budgets", "PUT", "/users/{id}/budget", "Say what a user's replies may cost in a month")
    .role(&[Role::Admin])
    .audited("budget.set")
    .of("user");

/// What all users may spend together.
pub const DEPLOYMENT_BUDGET: Route =
    Route::new("budgets", "GET", "/budget", "What all users' replies together may cost in a month, and have")
        .role(&[Role::Admin])
        .audited("usage.read");

/// Another budget for all users together.
pub const DEPLOYMENT_BUDGET_SET: Route =
    Route::new("budgets", "PUT", "/budget", "Say what all users' replies together may cost in a month")
        .role(&[Role::Admin])
        .audited("budget.set");

/// The route that answers what no other does: our own 404 and 405.
pub const FALLBACK: Route = Route::new("fallback", "$default", "", "Everything else: 404 and 405").public();

/// Every route of the WebSocket API.
pub const ACTIONS: &[&ActionRoute] = &[
    // Connections
    &CONNECT,
    &DISCONNECT,
    &PING,
    &AUTH_RENEW,
    &UNKNOWN_ACTION,
    // Charts
    &CHARTS_SUBSCRIBE,
    &CHARTS_UNSUBSCRIBE,
    // Chat
    &CHAT_SEND,
    &CHAT_CANCEL,
    &CHAT_RESUME,
];

/// Opens a connection.
pub const CONNECT: ActionRoute =
    ActionRoute::new("connect", "$connect", "Opens a connection for a session").limited(&[Policy::WS_CONNECT]).audited("ws.connect");

/// Forgets a connection that has ended.
pub const DISCONNECT: ActionRoute = ActionRoute::new("disconnect", "$disconnect", "Forgets a connection and its subscriptions");

/// Keeps a connection from idling out.
pub const PING: ActionRoute = ActionRoute::new("ping", "ping", "Answers `pong`, and keeps the connection from idling out");

/// Lets a connection live on by a newer token.
pub const AUTH_RENEW: ActionRoute =
    ActionRoute::new("auth-renew", "auth.renew", "Lets the connection live on by a newer access token of its session");

/// What no other action takes.
pub const UNKNOWN_ACTION: ActionRoute = ActionRoute::new("unknown-action", "$default", "Everything else: `unknown_action`");

/// Starts a stream of chart frames, or changes its pace.
pub const CHARTS_SUBSCRIBE: ActionRoute =
    ActionRoute::new("charts", "charts.subscribe", "Streams frames of a chart, or changes their pace")
        .limited(&[Policy::CHARTS_SUBSCRIBE])
        .audited("charts.subscribe");

/// Ends a stream of chart frames.
pub const CHARTS_UNSUBSCRIBE: ActionRoute = ActionRoute::new("charts", "charts.unsubscribe", "Ends the stream of a chart");

/// A reply of the assistant, streamed.
pub const CHAT_SEND: ActionRoute = ActionRoute::new("chat-send", "chat.send", "Asks the assistant, and streams its reply")
    .idempotent()
    .limited(&[Policy::CHAT_USER, Policy::CHAT_SESSION])
    .audited("chat.requested");

/// The end of a reply that is being written. Its event comes with the first one that stops it, and with each that cannot.
pub const CHAT_CANCEL: ActionRoute =
    ActionRoute::new("chat-follow", "chat.cancel", "Stops a reply that is being written, and keeps what there is of it");

/// A reply from where a client has left it.
pub const CHAT_RESUME: ActionRoute =
    ActionRoute::new("chat-follow", "chat.resume", "Sends what a client has missed of a reply, and what comes")
        .limited(&[Policy::CHAT_RESUME]);

/// Whether `path` is an instance of a route's path: `/users/42` of `/users/{id}`.
pub fn matches(route: &Route, path: &str) -> bool {
    let (mut pattern, mut segments) = (route.path.split('/'), path.split('/'));
    loop {
        match (pattern.next(), segments.next()) {
            (None, None) => return true,
            (Some(want), Some(have)) if want == have || (want.starts_with('{') && !have.is_empty()) => {}
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
