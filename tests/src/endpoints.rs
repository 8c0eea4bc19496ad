//! docs/api/README.md: every HTTP route and every WebSocket action, with its callers and limits.

use std::fmt::Write as _;

use platform::domain::Role;
use platform::limits::{Limits, OnStoreFailure, Policy, Subject};
use platform::routes::{ACTIONS, Access, ROUTES};
use serde_json::Value;

use crate::{asyncapi, openapi};

const INTRODUCTION: &str = "\
# API

This page lists every HTTP route and every message of the WebSocket. Other documents have the details:

- [openapi.json](openapi.json): the HTTP API (OpenAPI 3.1), with every field, status and header
- [asyncapi.json](asyncapi.json): the messages of the WebSocket (AsyncAPI 3)
- [errors.md](errors.md): every error code, and how a client reacts to it

`tests/src/endpoints.rs` makes this page from the tables in `shared/platform/src/routes.rs`. A test keeps it current.

## HTTP routes

Errors are RFC 9457 problems (`application/problem+json`) with a stable `code`. Their `request_id` finds them in the logs.

A caller signs in by `POST /auth/login` or `POST /auth/sso`, and sends the access token as `Authorization: Bearer <token>`. A service sends
an API key as `X-API-Key`. A route without a scope takes no API key. Every call of a user or an API key also counts against the limit
`user`.

The tables do not show these facts:

- An access token is valid for 15 minutes by default. `POST /auth/refresh` spends the refresh token and gives the next pair.
- With `refresh_in` `cookie` a sign-in sets the refresh token as a cookie, for pages whose origin is in `CookieOrigins`. From such a page,
  `POST /auth/refresh` without `refresh_token` spends the cookie. It needs the header `X-Requested-With`, and the browser has to send
  credentials.
- The parameter `Registration` opens `POST /auth/register` to all, limits it to invited people, or closes it.
- `POST /auth/login` takes JSON. It takes OAuth 2.0's password form too, where `PasswordGrant` is on. The same setting lets
  `POST /auth/token` take passwords.
- Where `SsoKind` is `off`, `GET /auth/sso` says so. The other routes of single sign-on are not found then, except
  `DELETE /users/{id}/sso`.
- `POST /auth/logout` with `{\"all\": true}` ends every session of the caller.
- A new address and the deletion of the account need the current password.
- `PATCH /auth/me` answers 202 if the new address has to be verified first.
- The last administrator can't be deleted, deactivated or demoted.
- `POST /auth/password/forgot` and `POST /auth/email/resend` answer 202, with or without an account. Where `MailDomain` is empty, they
  answer 503.
- Where `EmailVerification` is on, a new account can sign in after `POST /auth/email/verify`. Another address takes effect then too.
- `POST /users/{id}/erase` and its confirmation need a session that began within five minutes, and two administrators.
- A ticket of `POST /auth/ws-ticket` opens one connection within 60 s.
- `POST /users/invites` and `POST /api-keys` show the token or key once.
- `POST /chat` waits at most 25 s. After that it answers 202 with the path of the reply.
- `POST /analyses`, `POST /evaluations` and `POST /batches` answer 202 with the path of the job. With `dry_run=true`, `POST /analyses`
  starts nothing and answers with the worst case of the job.
";

const ROUTES_HEAD: &str = "\
| Route | Effect | Callers | Scope of an API key | Limits |
|---|---|---|---|---|
";

const ACTIONS_TEXT: &str = "
## WebSocket messages

A client connects to `/live` and sends JSON objects with an `action`. Every message also counts against the limit `ws_messages`.
`$connect`, `$disconnect` and `$default` are routes of API Gateway. No message names them.

A client authenticates `$connect` by one of four credentials:

- a single-use ticket of `POST /auth/ws-ticket`
- the header `Authorization`
- the subprotocols `tally.v1, bearer.<token>`
- the token in the URL, where `WsQueryToken` is on. Use it for trying things alone.

A browser hides why a WebSocket was refused: its page sees close code 1006 alone. So ask for a ticket first. The status of
`POST /auth/ws-ticket` says whether the session is valid.

A message can overtake the one before it. Wait for the answer before you send the next message about the same chart, or number these
messages by `seq`. A message that arrives after a higher number changes nothing, and its answer is the error `conflict`.

Any message can be answered by `error`. The codes are those of the HTTP API.

| Action | Effect | Answers | Limits |
|---|---|---|---|
";

const LIMITS_TEXT: &str = "
## Limits

A deployment overrides these quotas by the parameter `RateLimits` (`login=10/15m,*=1000/1m`). A refused call is answered 429 with
`Retry-After`. `login_lock` lets five failures in a row pass. After that each attempt waits: a minute first, doubling to an hour. It slows
fifty attempts in an hour from anywhere likewise.

| Limit | Calls | Counted for each | If the counter does not answer |
|---|---|---|---|
";

/// Builds the whole page.
pub fn document() -> String {
    let mut page = INTRODUCTION.to_owned();
    add_idempotent(&mut page);
    add_routes(&mut page);
    page.push_str(ACTIONS_TEXT);
    add_actions(&mut page);
    page.push_str(LIMITS_TEXT);
    add_limits(&mut page);
    page
}

/// The routes and actions that honour a key.
fn add_idempotent(page: &mut String) {
    let routes = ROUTES.iter().filter(|route| route.idempotent).map(|route| route.key());
    let actions =
        ACTIONS.iter().filter(|route| route.idempotent).map(|route| route.action.to_owned());
    writeln!(
        page,
        "- These honour an `Idempotency-Key`: {}. {} takes it as `idempotency_key`.",
        code(routes),
        code(actions)
    )
    .unwrap();
}

/// A table for each heading of the OpenAPI document.
fn add_routes(page: &mut String) {
    let openapi = openapi::document();
    for tag in openapi["tags"].as_array().unwrap() {
        let name = tag["name"].as_str().unwrap();
        write!(page, "\n### {name}\n\n{}\n\n{ROUTES_HEAD}", tag["description"].as_str().unwrap())
            .unwrap();
        for route in ROUTES.iter().filter(|route| {
            openapi["paths"][route.path][route.method.to_lowercase()]["tags"][0] == name
        }) {
            let scope = code(route.scope.iter().map(|scope| scope.as_str().to_owned()));
            let key = route.key();
            let callers = callers(route.access);
            let limits = names(route.limits);
            writeln!(page, "| `{key}` | {} | {callers} | {scope} | {limits} |", route.summary)
                .unwrap();
        }
    }
}

fn add_actions(page: &mut String) {
    let asyncapi = asyncapi::document();
    for route in ACTIONS {
        let answers = answers(&asyncapi["operations"][route.action]);
        writeln!(
            page,
            "| `{}` | {} | {answers} | {} |",
            route.action,
            route.summary,
            names(route.limits)
        )
        .unwrap();
    }
}

fn add_limits(page: &mut String) {
    for policy in Policy::ALL {
        let quota = Limits::default().quota(policy);
        let calls = match quota.window_seconds {
            60 => format!("{} a minute", quota.limit),
            3600 => format!("{} an hour", quota.limit),
            seconds => format!("{} in {} minutes", quota.limit, seconds / 60),
        };
        let calls = if policy.name == "login_lock" {
            format!("{} failures in a row", quota.limit)
        } else {
            calls
        };
        let on_failure = match policy.on_store_failure {
            OnStoreFailure::Refuse => "503",
            OnStoreFailure::Allow => "the call goes on",
        };
        writeln!(
            page,
            "| `{}` | {calls} | {} | {on_failure} |",
            policy.name,
            subject(policy.subject)
        )
        .unwrap();
    }
}

fn callers(access: Access) -> String {
    let named = |roles: &[Role]| {
        roles.iter().map(|role| format!("`{}`", role.as_str())).collect::<Vec<_>>().join(" or ")
    };
    match access {
        Access::Public => "anyone".to_owned(),
        Access::SignedIn => "signed-in users".to_owned(),
        Access::Role(roles) => named(roles),
        Access::Key => "API keys".to_owned(),
        Access::AnyKey => "API keys, by the scopes of the tools".to_owned(),
        Access::RoleOrMe { roles, .. } => {
            format!("{}; signed-in users about themselves", named(roles))
        }
    }
}

fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Address => "client address",
        Subject::LoginAttempt => "username or email, with a client address",
        Subject::Recipient => "recipient of a mail",
        Subject::SpentSession => "session whose refresh token is spent",
        Subject::SsoIdentity => "person of the identity provider",
        Subject::User => "user",
        Subject::Session => "session or API key",
        Subject::Connection => "connection",
    }
}

/// The messages that answer an action, without `error`.
fn answers(operation: &Value) -> String {
    let references = operation["reply"]["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| message["$ref"].as_str());
    let names = references
        .filter_map(|reference| reference.rsplit('/').next())
        .filter(|name| *name != "error");
    code(names.map(str::to_owned))
}

fn names(policies: &[Policy]) -> String {
    code(policies.iter().map(|policy| policy.name.to_owned()))
}

/// Names as code, with commas between them.
fn code(names: impl Iterator<Item = String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
