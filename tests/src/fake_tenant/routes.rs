//! Which part of the provider answers which path.

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, ORIGIN, VARY,
};
use serde_json::json;

use super::call::{Answer, Call};
use super::fault::Fault;
use super::refusal::Refusal;
use super::setup::{Kind, TENANT};
use super::tenant::{Counts, Tenant};
use super::trial::{self, RETURN_PATH};
use super::{authorize, control, metadata, page, token};

/// The names of tenants in the paths of Entra.
const NAMES: [&str; 3] = [TENANT, "organizations", "common"];

/// Where a redirected answer is.
const MOVED: &str = "/moved";

/// What a path leads to.
enum Route {
    /// The metadata of the issuer with this name.
    Metadata(String),
    Keys(String),
    Authorize,
    Token,
    SignOut,
    /// Entra's list of hosts.
    Instance,
    /// The provider's own pages and switches.
    Own,
    /// A tenant that Entra does not know.
    UnknownTenant,
}

/// Answers a call.
pub(super) async fn answer(tenant: &Tenant, call: &Call) -> Answer {
    let path = call.path.strip_prefix(MOVED).unwrap_or(&call.path);
    let route = Route::of(tenant.setup.kind, &call.method, path);
    let origin = call.header(ORIGIN);
    let answer = if call.method == Method::OPTIONS {
        preflight(call)
    } else {
        dispatch(tenant, call, route).await
    };
    // Clients in a browser are on other origins.
    if origin.is_empty() {
        return answer;
    }
    answer.header(ACCESS_CONTROL_ALLOW_ORIGIN, origin).header(VARY, "Origin")
}

impl Route {
    fn of(kind: Kind, method: &Method, path: &str) -> Self {
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        match (kind, segments.as_slice()) {
            (Kind::Entra, ["common", "discovery", "instance"]) => Self::Instance,
            (Kind::Entra, [name, rest @ ..]) => Self::of_entra(name, rest),
            (_, [".well-known", "openid-configuration"]) => Self::Metadata(String::new()),
            (_, ["keys"]) => Self::Keys(String::new()),
            (_, ["authorize"]) => Self::Authorize,
            (_, ["token"]) if method != Method::GET => Self::Token,
            _ => Self::Own,
        }
    }

    fn of_entra(name: &str, rest: &[&str]) -> Self {
        let route = match rest {
            ["v2.0", ".well-known", "openid-configuration"] => Self::Metadata(name.to_owned()),
            ["discovery", "v2.0", "keys"] => Self::Keys(name.to_owned()),
            ["oauth2", "v2.0", "authorize"] => Self::Authorize,
            ["oauth2", "v2.0", "token"] => Self::Token,
            ["oauth2", "v2.0", "logout"] => Self::SignOut,
            _ => return Self::Own,
        };
        if NAMES.contains(&name) { route } else { Self::UnknownTenant }
    }
}

async fn dispatch(tenant: &Tenant, call: &Call, route: Route) -> Answer {
    let counts = &tenant.counts;
    match route {
        Route::Metadata(name) => {
            Counts::add(&counts.metadata);
            let made = || Answer::json(200, &metadata::document(tenant, &call.origin, &name));
            disturbed(tenant, call, made).await
        }
        Route::Keys(name) => {
            Counts::add(&counts.keys);
            disturbed(tenant, call, || Answer::json(200, &metadata::keys(tenant, &name))).await
        }
        Route::Token if call.method != Method::POST => not_allowed("POST"),
        Route::Token => {
            Counts::add(&counts.tokens);
            disturbed(tenant, call, || token::answer(tenant, call)).await
        }
        Route::UnknownTenant => {
            let text = "Tenant not found. Check to make sure you have the correct tenant ID.";
            let refusal = Refusal::new("invalid_tenant", "AADSTS90002", text);
            Answer::json(refusal.status(), &refusal.body(tenant.setup.kind))
        }
        _ if call.method == Method::POST && !is_control(call) => not_allowed("GET"),
        Route::Authorize => authorize::answer(tenant, call),
        Route::SignOut => signed_out(tenant, call),
        Route::Instance => {
            let endpoint = call.query.get("authorization_endpoint").unwrap_or_default();
            Answer::json(200, &metadata::instance(&call.origin, endpoint))
        }
        Route::Own => own(tenant, call).unwrap_or_else(|| {
            Answer::html(404, page::message("Not found", "The fake tenant has no such page."))
        }),
    }
}

/// Makes the answer of an endpoint that programs call, with the faults of the provider.
async fn disturbed(tenant: &Tenant, call: &Call, made: impl FnOnce() -> Answer) -> Answer {
    for fault in tenant.faults() {
        match fault {
            Fault::Hang => std::future::pending().await,
            Fault::Status(status) => {
                return Answer::json(status, &json!({"error": "the fake tenant has a fault"}));
            }
            Fault::Redirect if !call.path.starts_with(MOVED) => {
                return Answer::redirect(format!("{}{MOVED}{}", call.origin, call.path));
            }
            Fault::Garbage => {
                return Answer::html(200, "<p>Please come back later.</p>".to_owned());
            }
            Fault::Huge => return made().after(&" ".repeat(1 << 20)),
            _ => {}
        }
    }
    made()
}

/// The pages of the provider, and what scripts call.
fn own(tenant: &Tenant, call: &Call) -> Option<Answer> {
    let segments: Vec<_> = call.path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["control", rest @ ..] => control::answer(tenant, call, rest),
        ["token"] if tenant.is_entra() => control::token(tenant, call),
        [""] => Some(start(tenant)),
        [_] if call.path == RETURN_PATH => {
            let body = page::returned(&trial::code_command(tenant), trial::CODE);
            Some(Answer::html(200, body))
        }
        _ => None,
    }
}

fn start(tenant: &Tenant) -> Answer {
    let people = tenant.people().into_iter().map(|person| {
        let hint = person.upn.split('@').next().unwrap_or_default();
        let command = tenant.is_entra().then(|| trial::token_command(tenant, hint));
        (person, command)
    });
    let people: Vec<_> = people.collect();
    Answer::html(200, page::start(&people, &trial::browser_url(tenant)))
}

/// There is no session that could end. So only the redirect is left.
fn signed_out(tenant: &Tenant, call: &Call) -> Answer {
    match call.query.get("post_logout_redirect_uri") {
        Some(uri) if tenant.setup.has_redirect(uri) => Answer::redirect(uri.to_owned()),
        _ => Answer::html(200, page::message("You are signed out", "You can close this page.")),
    }
}

fn is_control(call: &Call) -> bool {
    call.path.starts_with("/control/")
}

fn not_allowed(allowed: &str) -> Answer {
    let answer = Answer::json(405, &json!({"error": "method not allowed"}));
    answer.header(ALLOW, allowed)
}

fn preflight(call: &Call) -> Answer {
    let asked = call.header(ACCESS_CONTROL_REQUEST_HEADERS);
    let headers = if asked.is_empty() { "content-type" } else { asked };
    Answer::new(200, "text/plain", String::new())
        .header(ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS")
        .header(ACCESS_CONTROL_ALLOW_HEADERS, headers)
}
