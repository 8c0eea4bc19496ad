//! The authorization endpoint (RFC 6749, section 3.1).

use http::header::CACHE_CONTROL;
use platform::clock::Clock;
use platform::ids;

use super::call::{Answer, Call, Form};
use super::fault::Fault;
use super::grants::{CODE_SECONDS, Contexts, Grant};
use super::page::{self, Choice};
use super::person::Person;
use super::refusal::Refusal;
use super::tenant::{Tenant, now};
use super::token::client_info;

/// Answers a browser that begins a sign-in.
pub(super) fn answer(tenant: &Tenant, call: &Call) -> Answer {
    decide(tenant, &call.query).header(CACHE_CONTROL, "no-store")
}

fn decide(tenant: &Tenant, query: &Form) -> Answer {
    // Until both are known, the answer is a page for the user, and no redirect.
    let client = query.get("client_id").unwrap_or_default();
    if !tenant.setup.has_client(client) {
        let text = "AADSTS700016: The application was not found in the directory 'Contoso'.";
        return Answer::html(400, page::message("Sorry, signing you in has failed", text));
    }
    let redirect_uri = query.get("redirect_uri").unwrap_or_default();
    if !tenant.setup.has_redirect(redirect_uri) {
        let text = "AADSTS50011: The redirect URI specified in the request does not match the \
                    redirect URIs configured for the application.";
        return Answer::html(400, page::message("Sorry, signing you in has failed", text));
    }
    let target = Target { tenant, query, redirect_uri };
    let grant = match asked(query, client, redirect_uri) {
        Ok(grant) => grant,
        Err(refusal) => return target.refuse(&refusal),
    };
    if query.get("cancel").is_some() {
        let text = "User declined to consent to access the app.";
        return target.refuse(&Refusal::new("access_denied", "AADSTS65004", text));
    }
    let hint = query.get("user").or(query.get("login_hint"));
    match hint.and_then(|hint| tenant.person(hint)) {
        Some(person) => target.sign_in(grant, &person),
        None if query.get("prompt") == Some("none") => {
            let text = "Session information is not sufficient for single-sign-on.";
            target.refuse(&Refusal::new("login_required", "AADSTS50058", text))
        }
        None => {
            let choices = tenant.people().into_iter().map(|person| {
                let query = query.and("user", &person.upn);
                Choice { person, query }
            });
            let choices: Vec<_> = choices.collect();
            Answer::html(200, page::people(&choices, &query.and("cancel", "1")))
        }
    }
}

/// What the client asks for. The person is still open.
fn asked(query: &Form, client: &str, redirect_uri: &str) -> Result<Grant, Refusal> {
    let refuse = |error, code: &str, text: &str| Err(Refusal::new(error, code, text));
    if query.get("response_type") != Some("code") {
        let text = "The response_type is not enabled for the application.";
        return refuse("unsupported_response_type", "AADSTS700054", text);
    }
    if !matches!(query.get("response_mode"), None | Some("query" | "fragment")) {
        let text = "The response_mode is not one that the fake tenant has.";
        return refuse("invalid_request", "AADSTS90023", text);
    }
    let challenge = query.get("code_challenge");
    if challenge.is_some() && query.get("code_challenge_method") != Some("S256") {
        let text = "The code_challenge_method must be S256.";
        return refuse("invalid_request", "AADSTS501491", text);
    }
    let Some(contexts) = Contexts::read(query.get("claims")) else {
        let text = "The value of the parameter 'claims' is not valid JSON.";
        return refuse("invalid_request", "AADSTS50013", text);
    };
    Ok(Grant {
        client: client.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        challenge: challenge.map(str::to_owned),
        nonce: query.get("nonce").map(str::to_owned),
        scope: query.get("scope").unwrap_or_default().to_owned(),
        contexts,
        object: String::new(),
        expires_at: now() + CODE_SECONDS,
    })
}

/// The redirect URI, and what its answers depend on.
struct Target<'t> {
    tenant: &'t Tenant,
    query: &'t Form,
    redirect_uri: &'t str,
}

impl Target<'_> {
    fn sign_in(&self, grant: Grant, person: &Person) -> Answer {
        let denied = self.tenant.faults().into_iter().find_map(|fault| match fault {
            Fault::Deny(code) => Some(code),
            _ => None,
        });
        if let Some(code) = denied {
            let text = "The fake tenant was told to deny the sign-in.";
            return self.refuse(&Refusal::new("access_denied", code, text));
        }
        let code = self.tenant.grants.code(Grant { object: person.object.clone(), ..grant });
        let session = ids::new_id(Clock::System.now());
        let info = client_info(person);
        let wants_info = self.tenant.is_entra() && self.query.get("client_info") == Some("1");
        let more = wants_info.then_some(("client_info", info.as_str()));
        let fields = [("code", code.as_str()), ("session_state", session.as_str())];
        self.redirect(fields.into_iter().chain(more))
    }

    fn refuse(&self, refusal: &Refusal) -> Answer {
        let description = refusal.description(self.tenant.setup.kind);
        self.redirect([("error", refusal.error), ("error_description", description.as_str())])
    }

    fn redirect<'f>(&self, fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Answer {
        let mut answer = form_urlencoded::Serializer::new(String::new());
        answer.extend_pairs(fields);
        if let Some(state) = self.query.get("state") {
            answer.append_pair("state", state);
        }
        // Entra sends no `iss`.
        if !self.tenant.is_entra() && !self.tenant.has(Fault::NoIss) {
            let is_wrong = self.tenant.has(Fault::WrongIss);
            let another = "https://issuer.example".to_owned();
            let issuer = if is_wrong { another } else { self.tenant.issuer() };
            answer.append_pair("iss", &issuer);
        }
        let mark = match self.query.get("response_mode") {
            Some("fragment") => '#',
            _ if self.redirect_uri.contains('?') => '&',
            _ => '?',
        };
        Answer::redirect(format!("{}{mark}{}", self.redirect_uri, answer.finish()))
    }
}
