//! Who asks the token endpoint: a client with a credential, or a public one.

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::call::{Call, Form};
use super::certificate::Certified;
use super::refusal::Refusal;
use super::setup::{CLIENT, Kind, SECRET};
use super::tenant::{Tenant, now};

/// The type of a client's assertion (RFC 7523).
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds into the future for which an assertion may be good.
const ASSERTION_SECONDS: i64 = 86_400;

/// A client that asks for tokens.
pub(super) struct TokenClient {
    pub id: String,
    /// How it has proved who it is, as in `azpacr`.
    pub proof: &'static str,
}

impl TokenClient {
    /// Finds out who asks. A wrong credential is refused. A client without one is public.
    pub fn of(tenant: &Tenant, call: &Call, form: &Form) -> Result<Self, Refusal> {
        let basic = basic(call)?;
        let named = basic.as_ref().map(|(id, _)| id.as_str()).or(form.get("client_id"));
        let id = named.ok_or_else(|| {
            let text = "The request body must contain the following parameter: 'client_id'.";
            Refusal::new("invalid_request", "AADSTS900144", text)
        })?;
        if !tenant.setup.has_client(id) {
            let text = format!(
                "Application with identifier '{id}' was not found in the directory 'Contoso'."
            );
            return Err(Refusal::new("unauthorized_client", "AADSTS700016", &text));
        }
        let proof = match (&basic, form.get("client_secret"), form.get("client_assertion")) {
            (Some((_, secret)), None, None) => secret_proves(id, secret)?,
            (None, Some(_), None) if tenant.setup.kind == Kind::Oidc => {
                return Err(method("This provider does not offer client_secret_post."));
            }
            (None, Some(secret), None) => secret_proves(id, secret)?,
            (None, None, Some(assertion)) => {
                if form.get("client_assertion_type") != Some(ASSERTION) {
                    return Err(method("The client_assertion_type is unknown."));
                }
                check_assertion(tenant, call, id, assertion)?;
                "2"
            }
            (None, None, None) => "0",
            _ => return Err(method("The request has more than one credential.")),
        };
        Ok(Self { id: id.to_owned(), proof })
    }

    /// Whether it has proved who it is.
    pub fn is_proved(&self) -> bool {
        self.proof != "0"
    }
}

/// Client id and secret of the header `Authorization` (RFC 6749, section 2.3.1). Both are encoded
/// like fields of a form.
fn basic(call: &Call) -> Result<Option<(String, String)>, Refusal> {
    let Some(text) = call.header(AUTHORIZATION).strip_prefix("Basic ") else { return Ok(None) };
    let read = || {
        let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let form = Form::read(format!("id={id}&secret={secret}").as_bytes());
        Some((form.get("id")?.to_owned(), form.get("secret")?.to_owned()))
    };
    read().map(Some).ok_or_else(|| method("The header Authorization is malformed."))
}

fn secret_proves(id: &str, secret: &str) -> Result<&'static str, Refusal> {
    if id == CLIENT && secret == SECRET {
        return Ok("1");
    }
    let text = format!(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client \
         secret value, not the client secret ID, for a secret added to app '{id}'."
    );
    Err(Refusal::new("invalid_client", "AADSTS7000215", &text))
}

/// Checks a client's assertion (`private_key_jwt`).
fn check_assertion(
    tenant: &Tenant,
    call: &Call,
    client: &str,
    assertion: &str,
) -> Result<(), Refusal> {
    let refuse = |code: &str, text: &str| Err(Refusal::new("invalid_client", code, text));
    let Some((message, header, claims, signature)) = parts(assertion) else {
        return refuse("AADSTS50027", "JWT token is invalid or malformed.");
    };
    let certified = Certified::of_client();
    let is_registered = client == CLIENT
        && header["alg"] == "PS256"
        && header["x5t#S256"] == certified.thumbprint().as_str();
    let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, certified.public_key());
    if !is_registered || key.verify(message.as_bytes(), &signature).is_err() {
        let text = "The certificate with identifier used to sign the client assertion is not \
                    registered on application, or its signature is invalid.";
        return refuse("AADSTS700027", text);
    }
    if claims["iss"] != client || claims["sub"] != client {
        let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
        return refuse("AADSTS700021", text);
    }
    let audience = claims["aud"].as_str().unwrap_or_default();
    let is_issuer = tenant.setup.kind == Kind::Oidc && audience == tenant.issuer();
    if audience != format!("{}{}", call.origin, call.path) && !is_issuer {
        return refuse(
            "AADSTS700023",
            "Client assertion audience claim does not match the endpoint.",
        );
    }
    let second = |name: &str| claims[name].as_i64();
    let is_current = second("exp").is_some_and(|end| {
        (now()..=now() + ASSERTION_SECONDS).contains(&end)
            && second("nbf").is_none_or(|start| start <= now())
    });
    if !is_current {
        return refuse("AADSTS700024", "Client assertion is not within its valid time range.");
    }
    match claims["jti"].as_str() {
        Some(id) if tenant.grants.is_new_assertion(id) => Ok(()),
        _ => refuse("AADSTS50027", "JWT token is invalid: its jti is missing or has come before."),
    }
}

/// The signed text, the header, the claims and the signature of a JWT.
fn parts(jwt: &str) -> Option<(&str, Value, Value, Vec<u8>)> {
    let (message, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let json = |text: &str| -> Option<Value> { serde_json::from_slice(&bytes(text)?).ok() };
    Some((message, json(header)?, json(claims)?, bytes(signature)?))
}

fn method(text: &str) -> Refusal {
    Refusal::new("invalid_client", "AADSTS7000218", text)
}
