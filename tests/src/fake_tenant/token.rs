//! The token endpoint (RFC 6749, section 3.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use platform::ids;
use serde_json::{Value, json};

use super::call::{Answer, Call, Form};
use super::claims::{ACCESS_SECONDS, Recipient};
use super::fault::Fault;
use super::grants::{BadCode, Contexts, Grant};
use super::person::Person;
use super::refusal::Refusal;
use super::setup::{TENANT, is_web};
use super::tenant::{Tenant, now};
use super::token_client::TokenClient;

/// Answers a request for tokens.
pub(super) fn answer(tenant: &Tenant, call: &Call) -> Answer {
    let answer = match issue(tenant, call) {
        Ok(tokens) => Answer::json(200, &tokens),
        Err(refusal) => Answer::json(refusal.status(), &refusal.body(tenant.setup.kind)),
    };
    answer.header(CACHE_CONTROL, "no-store")
}

fn issue(tenant: &Tenant, call: &Call) -> Result<Value, Refusal> {
    let told = tenant.faults().into_iter().find_map(|fault| match fault {
        Fault::Refuse(code) => Some(code),
        _ => None,
    });
    if let Some(code) = told {
        return Err(Refusal::new(error_of(code), code, "The fake tenant was told to refuse."));
    }
    if !call.header(CONTENT_TYPE).starts_with("application/x-www-form-urlencoded") {
        let text = "The request body is not application/x-www-form-urlencoded.";
        return Err(Refusal::new("invalid_request", "AADSTS900144", text));
    }
    let form = Form::read(&call.body);
    let client = TokenClient::of(tenant, call, &form)?;
    let grant = match form.get("grant_type") {
        Some("authorization_code") => redeem(tenant, &client, &form)?,
        Some("refresh_token") => refresh(tenant, &client, &form)?,
        _ => {
            let text = "The app requested an unsupported grant type.";
            return Err(Refusal::new("unsupported_grant_type", "AADSTS70003", text));
        }
    };
    let person = tenant.person(&grant.object).ok_or_else(|| {
        let text = "The user account does not exist in the directory 'Contoso'.";
        Refusal::new("invalid_grant", "AADSTS50034", text)
    })?;
    let asked = Contexts::read(form.get("claims")).ok_or_else(|| {
        let text = "The value of the parameter 'claims' is not valid JSON.";
        Refusal::new("invalid_request", "AADSTS50013", text)
    })?;
    let contexts = grant.contexts.clone().and(asked);
    let grant = Grant { contexts, ..grant };
    let wants_info = form.get("client_info") == Some("1");
    Ok(tokens(tenant, &client, grant, &person, wants_info))
}

/// The error of RFC 6749 for a code of Entra. Codes of credentials have seven digits.
fn error_of(code: &str) -> &'static str {
    let is_of_credential = code.starts_with("AADSTS7000") && code.len() == "AADSTS7000222".len();
    if is_of_credential { "invalid_client" } else { "invalid_grant" }
}

/// The grant of a code.
fn redeem(tenant: &Tenant, client: &TokenClient, form: &Form) -> Result<Grant, Refusal> {
    let refuse = |code: &str, text: &str| Err(Refusal::new("invalid_grant", code, text));
    let code = form.get("code").unwrap_or_default();
    let redirect_uri = form.get("redirect_uri").unwrap_or_default();
    if !client.is_proved() && is_web(redirect_uri) {
        return Err(needs_credential());
    }
    let grant = match tenant.grants.redeem(code) {
        Ok(grant) => grant,
        Err(BadCode::Spent) => {
            let text = "OAuth2 Authorization code was already redeemed, please retry with a new \
                        valid code or use an existing refresh token.";
            return refuse("AADSTS54005", text);
        }
        Err(BadCode::Unknown) => {
            let text = "The provided value for the input parameter 'code' is not valid.";
            return refuse("AADSTS70000", text);
        }
    };
    if grant.client != client.id {
        let text = "The provided authorization code was issued to another client.";
        return refuse("AADSTS70000", text);
    }
    if grant.redirect_uri != redirect_uri {
        let text = "The reply address does not match the reply address provided when requesting \
                    Authorization code.";
        return refuse("AADSTS500112", text);
    }
    if grant.expires_at <= now() {
        return refuse("AADSTS70008", "The provided authorization code has expired.");
    }
    let shown = form.get("code_verifier").map(ids::sha256);
    let is_public = !client.is_proved() && grant.challenge.is_none();
    if grant.challenge != shown || is_public {
        let text = "The Code_Verifier does not match the code_challenge supplied in the \
                    authorization request.";
        return refuse("AADSTS501481", text);
    }
    Ok(grant)
}

/// The grant of a refresh token.
fn refresh(tenant: &Tenant, client: &TokenClient, form: &Form) -> Result<Grant, Refusal> {
    let found = tenant.grants.refreshed(form.get("refresh_token").unwrap_or_default());
    let grant = found.filter(|grant| grant.client == client.id).ok_or_else(|| {
        let text = "The provided value for the input parameter 'refresh_token' is not valid.";
        Refusal::new("invalid_grant", "AADSTS70000", text)
    })?;
    if !client.is_proved() && is_web(&grant.redirect_uri) {
        return Err(needs_credential());
    }
    let scope = form.get("scope").map_or_else(|| grant.scope.clone(), str::to_owned);
    // Only the first ID token of a sign-in has its nonce.
    Ok(Grant { scope, nonce: None, ..grant })
}

fn needs_credential() -> Refusal {
    let text = "The request body must contain the following parameter: 'client_assertion' or \
                'client_secret'.";
    Refusal::new("invalid_client", "AADSTS7000218", text)
}

/// The tokens of a grant.
fn tokens(
    tenant: &Tenant,
    client: &TokenClient,
    grant: Grant,
    person: &Person,
    wants_info: bool,
) -> Value {
    let recipient = |contexts| Recipient {
        client: &client.id,
        proof: client.proof,
        scope: &grant.scope,
        contexts,
    };
    let access_token = if tenant.is_entra() {
        let claims = tenant.access_claims(person, &recipient(&grant.contexts.access));
        tenant.sign(&claims)
    } else {
        ids::new_secret::<32>()
    };
    let mut body = json!({
        "token_type": "Bearer", "scope": grant.scope, "access_token": access_token,
        "expires_in": ACCESS_SECONDS,
    });
    if tenant.is_entra() {
        body["ext_expires_in"] = ACCESS_SECONDS.into();
    }
    let has = |scope: &str| grant.scope.split(' ').any(|asked| asked == scope);
    if has("openid") {
        let recipient = recipient(&grant.contexts.id);
        let claims = tenant.id_claims(person, &recipient, grant.nonce.as_deref());
        body["id_token"] = tenant.sign(&claims).into();
    }
    if tenant.is_entra() && wants_info {
        body["client_info"] = client_info(person).into();
    }
    if has("offline_access") {
        body["refresh_token"] = tenant.grants.refresh_token(grant).into();
    }
    body
}

/// What MSAL names an account by.
pub(super) fn client_info(person: &Person) -> String {
    URL_SAFE_NO_PAD.encode(json!({"uid": person.object, "utid": TENANT}).to_string())
}
