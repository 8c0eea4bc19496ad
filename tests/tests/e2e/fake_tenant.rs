//! The stand-in for identity providers: it gives what Entra gives, and refuses what Entra refuses.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use platform::clock::Clock;
use platform::ids;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Url};
use serde_json::{Value, json};
use tally_tests::fake_tenant::{CLIENT, FakeTenant, Fault, OFFICE, Person, SECRET, TENANT};

/// Where Tally receives codes, and where a public client does.
const CALLBACK: &str = "http://127.0.0.1:8787/auth/sso/callback";
const SPA: &str = "http://localhost:3000/blank.html";

const VERIFIER: &str = "a-code-verifier-with-more-than-forty-two-characters";
const ISSUER: &str = "https://login.microsoftonline.com/3b5a8c1e-0f6d-4e2a-9c7b-1d2e3f405162/v2.0";
const SCOPE: &str =
    "openid profile offline_access api://8d1f6c2a-4b7e-4c39-a5d0-6f2e9b8c7a11/access_as_user";

/// A client that shows redirects. It knows no certificates, because reading them takes long.
fn client() -> Client {
    Client::builder().redirect(Policy::none()).tls_certs_only([]).build().unwrap()
}

/// The fields of these pairs; a later value of a field holds.
fn fields<'f>(usual: &[(&'f str, &'f str)], own: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let is_replaced = |name: &str| own.iter().any(|(replaced, _)| *replaced == name);
    let kept = usual.iter().filter(|(name, _)| !is_replaced(name));
    kept.chain(own).copied().filter(|(_, value)| !value.is_empty()).collect()
}

async fn get(url: &str) -> Value {
    client().get(url).send().await.unwrap().json().await.unwrap()
}

async fn metadata(tenant: &FakeTenant) -> Value {
    let parameters = tenant.parameters();
    get(&parameters.iter().find(|(name, _)| *name == "SsoMetadataUrl").unwrap().1).await
}

async fn keys(tenant: &FakeTenant) -> Vec<Value> {
    let keys = get(metadata(tenant).await["jwks_uri"].as_str().unwrap()).await;
    keys["keys"].as_array().unwrap().clone()
}

/// The address at which a sign-in begins, with these parameters beside the usual ones.
async fn begin(tenant: &FakeTenant, own: &[(&str, &str)]) -> String {
    let challenge = ids::sha256(VERIFIER);
    let usual = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", SCOPE),
        ("state", "the state"),
        ("nonce", "the-nonce"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let endpoint = metadata(tenant).await["authorization_endpoint"].as_str().unwrap().to_owned();
    Url::parse_with_params(&endpoint, fields(&usual, own)).unwrap().into()
}

/// A parameter of the answer of a sign-in, in the query or in the fragment.
fn parameter(answer: &str, name: &str) -> Option<String> {
    let url = Url::parse(answer).unwrap();
    let text = url.query().or(url.fragment()).unwrap_or_default();
    let read = Url::parse(&format!("http://answer/?{text}")).unwrap();
    let found = read.query_pairs().find(|(field, _)| field == name);
    found.map(|(_, value)| value.into_owned())
}

/// The code of a new sign-in.
async fn code(tenant: &FakeTenant, person: &Person, own: &[(&str, &str)]) -> String {
    let answer = tenant.authorize(&begin(tenant, own).await, person).await;
    parameter(&answer, "code").unwrap()
}

/// A request that redeems a code as Tally does, with these fields beside the usual ones. An empty
/// value leaves a field out.
async fn request(tenant: &FakeTenant, code: &str, own: &[(&str, &str)]) -> RequestBuilder {
    let usual = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("code", code),
    ];
    let endpoint = metadata(tenant).await["token_endpoint"].as_str().unwrap().to_owned();
    client().post(endpoint).form(&fields(&usual, own))
}

async fn sent(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn redeem(tenant: &FakeTenant, code: &str, own: &[(&str, &str)]) -> (u16, Value) {
    sent(request(tenant, code, own).await).await
}

/// The claims of a token, if one of the provider's keys has signed it for this audience.
async fn verified(tenant: &FakeTenant, token: &str, audience: &str) -> Value {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let kid = header.kid.unwrap();
    let key = keys(tenant).await.into_iter().find(|key| key["kid"] == kid.as_str()).unwrap();
    let member = |name: &str| key[name].as_str().unwrap();
    let (key, algorithm) = match member("kty") {
        "RSA" => (DecodingKey::from_rsa_components(member("n"), member("e")), Algorithm::RS256),
        _ => (DecodingKey::from_ec_components(member("x"), member("y")), Algorithm::ES256),
    };
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[tenant.issuer()]);
    decode::<Value>(token, &key.unwrap(), &validation).unwrap().claims
}

#[tokio::test]
async fn tokens_of_entra_are_as_the_documentation_has_them() {
    let tenant = FakeTenant::start();
    assert_eq!(tenant.issuer(), ISSUER);
    let ann = Person::new("Ann Lee").with_roles(&["Tally.User", "Tally.Admin"]);
    let code = code(&tenant, &ann, &[]).await;
    let (status, body) = redeem(&tenant, &code, &[]).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");

    let access = verified(&tenant, body["access_token"].as_str().unwrap(), CLIENT).await;
    let id = verified(&tenant, body["id_token"].as_str().unwrap(), CLIENT).await;
    for claims in [&access, &id] {
        let expected = json!({
            "ver": "2.0", "tid": TENANT, "oid": ann.object, "name": "Ann Lee", "acct": 0,
            "preferred_username": "ann.lee@contoso.example", "email": "ann.lee@contoso.example",
            "roles": ["Tally.User", "Tally.Admin"],
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(claims[name], *value, "{name}");
        }
        assert_ne!(claims["sub"], ann.object.as_str());
    }
    let of_access = json!({
        "azp": CLIENT, "azpacr": "1", "scp": "access_as_user", "idtyp": "user",
    });
    for (name, value) in of_access.as_object().unwrap() {
        assert_eq!(access[name], *value, "{name}");
        assert_eq!(id[name], Value::Null, "{name}");
    }
    assert_eq!((&id["nonce"], &access["nonce"]), (&json!("the-nonce"), &Value::Null));
    // Empty claims are left out.
    let plain = tenant.claims(&Person::new("Bo").with_roles(&[]).with_email(None));
    assert!(plain.get("roles").is_none() && plain.get("email").is_none(), "{plain}");
    assert_eq!(verified(&tenant, &tenant.token(&ann), CLIENT).await["azpacr"], "0");
}

#[tokio::test]
async fn keys_come_and_go() {
    let tenant = FakeTenant::start();
    let old = tenant.token(&Person::new("Ann"));
    let published = keys(&tenant).await;
    assert_eq!(published.len(), 1);
    assert_eq!((&published[0]["alg"], &published[0]["issuer"]), (&Value::Null, &json!(ISSUER)));
    tenant.rotate();
    tenant.rotate_to_es256();
    assert_eq!(keys(&tenant).await.len(), 3);
    verified(&tenant, &old, CLIENT).await;
    verified(&tenant, &tenant.token(&Person::new("Ann")), CLIENT).await;
    tenant.rotate_for("https://login.microsoftonline.com/another/v2.0");
    tenant.retire();
    let published = keys(&tenant).await;
    let issuers: Vec<_> = published.iter().map(|key| key["issuer"].as_str().unwrap()).collect();
    assert_eq!(issuers, ["https://login.microsoftonline.com/another/v2.0"]);
    assert_eq!((tenant.keys_fetched() > 3, tenant.metadata_fetched() > 3), (true, true));
    tenant.fault(Fault::NoKeys);
    assert!(keys(&tenant).await.is_empty());
}

#[tokio::test]
async fn a_header_says_how_a_token_is_signed() {
    let tenant = FakeTenant::start();
    let claims = tenant.claims(&Person::new("Ann"));
    for (algorithm, length) in [("RS256", 256), ("PS256", 256), ("HS256", 32), ("none", 0)] {
        let header = json!({"alg": algorithm, "kid": tenant.kid(), "crit": ["exp"]});
        let token = tenant.sign_as(&header, &claims);
        let parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part)).collect();
        let sent: Value = serde_json::from_slice(parts[0].as_ref().unwrap()).unwrap();
        assert_eq!(sent, header);
        assert_eq!(parts[2].as_ref().unwrap().len(), length, "{algorithm}");
    }
    let raw = tenant.sign_text("{\"alg\": \"RS256\", \"alg\": \"RS256\"}", "{\"a\":1,\"a\":2}");
    assert!(raw.contains(&URL_SAFE_NO_PAD.encode("{\"a\":1,\"a\":2}")), "{raw}");
}

#[tokio::test]
async fn every_tenant_has_the_template_for_an_issuer() {
    let tenant = FakeTenant::start();
    for name in ["organizations", "common"] {
        let base = format!("{}/{name}", tenant.url);
        let document = get(&format!("{base}/v2.0/.well-known/openid-configuration")).await;
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        assert_eq!(document["issuer"], template);
        let keys = get(document["jwks_uri"].as_str().unwrap()).await;
        assert_eq!(keys["keys"][0]["issuer"], template);
    }
    let parameters = tenant.parameters_of_organizations(&[TENANT]);
    assert!(parameters.contains(&("SsoTenants", TENANT.to_owned())), "{parameters:?}");
    assert!(parameters.contains(&("SsoIssuer", ISSUER.replace(TENANT, "organizations"))));
    let unknown = format!("{}/another/v2.0/.well-known/openid-configuration", tenant.url);
    assert_eq!(get(&unknown).await["error"], "invalid_tenant");
}

#[tokio::test]
async fn a_code_is_good_once_and_for_whom_it_was_given() {
    let tenant = FakeTenant::start();
    let ann = Person::new("Ann");
    let another = "another-code-verifier-with-more-than-forty-two-characters";
    for (own, status, error, number) in [
        (&[("code_verifier", another)][..], 400, "invalid_grant", 501_481),
        (&[("code_verifier", "")], 400, "invalid_grant", 501_481),
        (&[("redirect_uri", SPA)], 400, "invalid_grant", 500_112),
        (&[("code", "another")], 400, "invalid_grant", 70_000),
        (&[("client_secret", "another")], 401, "invalid_client", 7_000_215),
        (&[("client_secret", "")], 401, "invalid_client", 7_000_218),
        (&[("client_id", TENANT)], 400, "unauthorized_client", 700_016),
        (&[("client_id", "")], 400, "invalid_request", 900_144),
        (&[("grant_type", "password")], 400, "unsupported_grant_type", 70_003),
        (&[("claims", "{")], 400, "invalid_request", 50_013),
    ] {
        let code = code(&tenant, &ann, &[]).await;
        let (found, body) = redeem(&tenant, &code, own).await;
        assert_eq!((found, &body["error"]), (status, &json!(error)), "{own:?} {body}");
        assert_eq!(body["error_codes"], json!([number]), "{own:?}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
        assert!(description.contains(" Trace ID: "), "{description}");
        for member in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
            assert!(body[member].is_string(), "{member}");
        }
    }
    let code = code(&tenant, &ann, &[]).await;
    assert_eq!(redeem(&tenant, &code, &[]).await.0, 200);
    let (status, body) = redeem(&tenant, &code, &[]).await;
    assert_eq!((status, &body["error_codes"]), (400, &json!([54_005])), "{body}");
    assert_eq!(tenant.tokens_asked(), 12);
}

/// The DER of a private key in PEM.
fn private_key(credential: &Value) -> RsaKeyPair {
    let lines = credential["private_key"].as_str().unwrap().lines();
    let text: String = lines.filter(|line| !line.starts_with("--")).collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(text).unwrap()).unwrap()
}

/// A client's assertion, with these members of its header and its claims beside the usual ones.
fn assertion(credential: &Value, endpoint: &str, header: &Value, claims: &Value) -> String {
    let with = |mut usual: Value, own: &Value| {
        usual.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        URL_SAFE_NO_PAD.encode(usual.to_string())
    };
    let lines = credential["certificate"].as_str().unwrap().lines();
    let text: String = lines.filter(|line| !line.starts_with("--")).collect();
    let thumbprint = ids::sha256_of(&STANDARD.decode(text).unwrap());
    let now = Clock::System.now().as_second();
    let message = format!(
        "{}.{}",
        with(json!({"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint}), header),
        with(
            json!({
                "iss": CLIENT, "sub": CLIENT, "aud": endpoint, "jti": ids::new_secret::<16>(),
                "nbf": now, "exp": now + 300,
            }),
            claims
        )
    );
    let key = private_key(credential);
    let encoding: &'static dyn RsaEncoding =
        if header["alg"] == "RS256" { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_client_proves_who_it_is_by_its_certificate() {
    let tenant = FakeTenant::start();
    let (ann, credential) = (Person::new("Ann"), tenant.certificate_credential());
    let endpoint = metadata(&tenant).await["token_endpoint"].as_str().unwrap().to_owned();
    let nothing = json!({});
    let now = Clock::System.now().as_second();
    let fixed = json!({"jti": "the-same-each-time"});
    for (header, claims, number) in [
        (&nothing, &nothing, None),
        (&nothing, &fixed, None),
        (&nothing, &fixed, Some(50_027)),
        (&nothing, &json!({"jti": null}), Some(50_027)),
        (&json!({"alg": "RS256"}), &nothing, Some(700_027)),
        (&json!({"x5t#S256": "another"}), &nothing, Some(700_027)),
        (&nothing, &json!({"sub": TENANT}), Some(700_021)),
        (&nothing, &json!({"aud": ISSUER}), Some(700_023)),
        (&nothing, &json!({"exp": now - 1}), Some(700_024)),
        (&nothing, &json!({"nbf": now + 300}), Some(700_024)),
    ] {
        let signed = assertion(&credential, &endpoint, header, claims);
        let own = [
            ("client_secret", ""),
            ("client_assertion", signed.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ];
        let code = code(&tenant, &ann, &[]).await;
        let (status, body) = redeem(&tenant, &code, &own).await;
        let found = body["error_codes"][0].as_u64();
        assert_eq!(found, number, "{header} {claims} {body}");
        assert_eq!(status, if number.is_some() { 401 } else { 200 });
        if number.is_none() {
            let token = body["access_token"].as_str().unwrap();
            assert_eq!(verified(&tenant, token, CLIENT).await["azpacr"], "2");
        }
    }
}

#[tokio::test]
async fn a_public_client_gets_tokens_in_a_browser() {
    let tenant = FakeTenant::start();
    let ann = Person::new("Ann");
    let own = [
        ("redirect_uri", SPA),
        ("client_id", OFFICE),
        ("response_mode", "fragment"),
        ("client_info", "1"),
    ];
    let answer = tenant.authorize(&begin(&tenant, &own).await, &ann).await;
    assert!(answer.starts_with(&format!("{SPA}#code=")), "{answer}");
    assert_eq!(parameter(&answer, "state").as_deref(), Some("the state"));
    let code = parameter(&answer, "code").unwrap();
    let own =
        [("redirect_uri", SPA), ("client_id", OFFICE), ("client_secret", ""), ("client_info", "1")];
    let request = request(&tenant, &code, &own).await.header("origin", "http://localhost:3000");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:3000");
    let body: Value = answer.json().await.unwrap();
    let claims = verified(&tenant, body["access_token"].as_str().unwrap(), CLIENT).await;
    assert_eq!((&claims["azp"], &claims["azpacr"]), (&json!(OFFICE), &json!("0")));
    let info = URL_SAFE_NO_PAD.decode(body["client_info"].as_str().unwrap()).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info, json!({"uid": ann.object, "utid": TENANT}));
    verified(&tenant, body["id_token"].as_str().unwrap(), OFFICE).await;

    // Its refresh token gives others, and none to another client.
    let token = body["refresh_token"].as_str().unwrap();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", OFFICE),
        ("client_secret", ""),
    ];
    let (status, body) = redeem(&tenant, "", &refresh).await;
    assert_eq!((status, &body["scope"]), (200, &json!(SCOPE)), "{body}");
    let (status, body) = redeem(&tenant, "", &refresh[..2]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "{body}");
}

#[tokio::test]
async fn tokens_have_the_scopes_and_contexts_that_are_asked_for() {
    let tenant = FakeTenant::start();
    let ann = Person::new("Ann");
    let graph = "00000003-0000-0000-c000-000000000000";
    let code_of_graph = code(&tenant, &ann, &[("scope", "openid email")]).await;
    let (_, body) = redeem(&tenant, &code_of_graph, &[]).await;
    let access = verified(&tenant, body["access_token"].as_str().unwrap(), graph).await;
    assert_eq!((&access["scp"], &access["acrs"]), (&json!("openid email"), &Value::Null));
    assert_eq!(body["refresh_token"], Value::Null);

    let of_id = r#"{"id_token": {"acrs": {"essential": true, "value": "c1"}}}"#;
    let of_access = r#"{"access_token": {"acrs": {"essential": true, "values": ["c2", "c3"]}}}"#;
    let code = code(&tenant, &ann, &[("claims", of_id)]).await;
    let (_, body) = redeem(&tenant, &code, &[("claims", of_access)]).await;
    let id = verified(&tenant, body["id_token"].as_str().unwrap(), CLIENT).await;
    let access = verified(&tenant, body["access_token"].as_str().unwrap(), CLIENT).await;
    assert_eq!((&id["acrs"], &access["acrs"]), (&json!(["c1"]), &json!(["c2", "c3"])));
}

#[tokio::test]
async fn a_page_lists_the_people() {
    let tenant = FakeTenant::start();
    let ann = Person::new("Ann <b>").with_roles(&[]);
    tenant.add(&ann);
    let url = begin(&tenant, &[]).await;
    let answer = client().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let page = answer.text().await.unwrap();
    for part in ["<html lang=\"en\">", "Ann &lt;b&gt;</a>", "no role", "Cancel the sign-in"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    for (own, expected) in [
        (&[("login_hint", "ann.<b>@CONTOSO.example")][..], None),
        (&[("prompt", "none")], Some(("login_required", "AADSTS50058"))),
        (&[("cancel", "1")], Some(("access_denied", "AADSTS65004"))),
        (&[("response_type", "token")], Some(("unsupported_response_type", "AADSTS700054"))),
        (&[("response_mode", "form_post")], Some(("invalid_request", "AADSTS90023"))),
        (&[("code_challenge_method", "plain")], Some(("invalid_request", "AADSTS501491"))),
        (&[("claims", "{")], Some(("invalid_request", "AADSTS50013"))),
    ] {
        let answer = client().get(begin(&tenant, own).await).send().await.unwrap();
        assert_eq!(answer.status(), 302, "{own:?}");
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
        assert_eq!(parameter(location, "state").as_deref(), Some("the state"));
        let (error, code) = expected.unzip();
        assert_eq!(parameter(location, "error").as_deref(), error);
        let description = parameter(location, "error_description").unwrap_or_default();
        assert!(description.starts_with(code.unwrap_or_default()), "{description}");
        assert_eq!(parameter(location, "code").is_some(), expected.is_none(), "{location}");
    }
    // A stranger gets no redirect.
    for own in [("redirect_uri", "https://attacker.example/cb"), ("client_id", TENANT)] {
        let answer = client().get(begin(&tenant, &[own]).await).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("location")), (400, None));
    }
    tenant.fault(Fault::Deny("AADSTS50105"));
    let denied = tenant.authorize(&url, &ann).await;
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn another_provider_keeps_to_the_standards() {
    let tenant = FakeTenant::oidc();
    let ann = Person::new("Ann");
    let document = metadata(&tenant).await;
    assert_eq!(document["issuer"], tenant.url.as_str());
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    tenant.rotate_to_es256();
    let own = [("scope", "openid email")];
    let answer = tenant.authorize(&begin(&tenant, &own).await, &ann).await;
    assert_eq!(parameter(&answer, "iss").as_deref(), Some(tenant.url.as_str()));
    let (status, body) = redeem(&tenant, &parameter(&answer, "code").unwrap(), &[]).await;
    assert_eq!((status, body["error"].as_str()), (401, Some("invalid_client")), "{body}");
    assert_eq!(body["error_codes"], Value::Null);

    let basic = [("client_secret", ""), ("client_id", "")];
    let code = code(&tenant, &ann, &own).await;
    let request = request(&tenant, &code, &basic).await.basic_auth(CLIENT, Some(SECRET));
    let (status, body) = sent(request).await;
    assert_eq!(status, 200, "{body}");
    let claims = verified(&tenant, body["id_token"].as_str().unwrap(), CLIENT).await;
    assert_eq!((&claims["sub"], &claims["nonce"]), (&json!(ann.object), &json!("the-nonce")));
    assert_eq!((&claims["email_verified"], &claims["tid"]), (&json!(true), &Value::Null));

    tenant.fault(Fault::WrongIss);
    let answer = tenant.authorize(&begin(&tenant, &own).await, &ann).await;
    assert_eq!(parameter(&answer, "iss").as_deref(), Some("https://issuer.example"));
    tenant.fault(Fault::NoIss);
    let answer = tenant.authorize(&begin(&tenant, &own).await, &ann).await;
    assert_eq!(parameter(&answer, "iss"), None);
}

#[tokio::test]
async fn faults_last_until_they_are_healed() {
    let tenant = FakeTenant::start();
    let ann = Person::new("Ann");
    let url = format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", tenant.url);
    let answer = async || client().get(&url).send().await.unwrap();
    tenant.fault(Fault::Status(503));
    assert_eq!(answer().await.status(), 503);
    tenant.heal();
    tenant.fault(Fault::Redirect);
    let moved = answer().await;
    let location = moved.headers()["location"].to_str().unwrap();
    assert_eq!((moved.status().as_u16(), &get(location).await["issuer"]), (302, &json!(ISSUER)));
    tenant.heal();
    tenant.fault(Fault::Garbage);
    assert!(answer().await.json::<Value>().await.is_err());
    tenant.heal();
    tenant.fault(Fault::Huge);
    assert!(answer().await.bytes().await.unwrap().len() > 1 << 20);
    tenant.heal();
    tenant.fault(Fault::WrongIssuer);
    assert_ne!(get(&url).await["issuer"], ISSUER);
    tenant.heal();
    tenant.fault(Fault::Groups);
    let claims = tenant.claims(&ann);
    assert!(claims["_claim_names"]["groups"].is_string() && claims["groups"].is_null());
    tenant.fault(Fault::WrongNonce);
    assert_ne!(tenant.id_claims(&ann, "the-nonce")["nonce"], "the-nonce");
    tenant.heal();
    assert_eq!(tenant.id_claims(&ann, "the-nonce")["nonce"], "the-nonce");
    let code = code(&tenant, &ann, &[]).await;
    tenant.fault(Fault::Refuse("AADSTS7000222"));
    let (status, body) = redeem(&tenant, &code, &[]).await;
    assert_eq!((status, &body["error_codes"]), (401, &json!([7_000_222])), "{body}");
    tenant.heal();
    assert_eq!(redeem(&tenant, &code, &[]).await.0, 200);
    // The end of the provider ends a connection that it has left without an answer.
    tenant.fault(Fault::Hang);
    let before = tenant.metadata_fetched();
    let hanging = tokio::spawn(client().get(&url).send());
    while tenant.metadata_fetched() == before {
        tokio::task::yield_now().await;
    }
    drop(tenant);
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn the_same_provider_speaks_tls() {
    let tenant = FakeTenant::start();
    let pem = std::fs::read(tenant.https_certificate()).unwrap();
    let certificate = Certificate::from_pem(&pem).unwrap();
    let client = Client::builder().tls_certs_only([certificate]).build().unwrap();
    let get =
        async |url: &str| -> Value { client.get(url).send().await.unwrap().json().await.unwrap() };
    let base = tenant.https_url();
    for base in [base.to_owned(), base.replace("127.0.0.1", "localhost")] {
        let path = format!("{base}/{TENANT}/v2.0/.well-known/openid-configuration");
        let document = get(&path).await;
        assert_eq!(document["issuer"], ISSUER);
        let endpoint = format!("{base}/{TENANT}/oauth2/v2.0/authorize");
        assert_eq!(document["authorization_endpoint"], endpoint);
        let keys = get(document["jwks_uri"].as_str().unwrap()).await;
        assert_eq!(keys["keys"][0]["kid"], tenant.kid());
        let query = format!("api-version=1.1&authorization_endpoint={endpoint}");
        let instance = get(&format!("{base}/common/discovery/instance?{query}")).await;
        assert_eq!(instance["tenant_discovery_endpoint"], path);
        let host = base.trim_start_matches("https://");
        assert_eq!(instance["metadata"][0]["aliases"], json!([host]));
    }
}

#[tokio::test]
async fn scripts_get_tokens_and_turn_switches() {
    let tenant = FakeTenant::start();
    let ann = Person::new("Ann");
    tenant.add(&ann);
    let text = async |path: &str| {
        client().get(format!("{}{path}", tenant.url)).send().await.unwrap().text().await.unwrap()
    };
    let token = text("/token?user=ann").await;
    assert_eq!(verified(&tenant, &token, CLIENT).await["oid"], ann.object.as_str());
    let page = text("/").await;
    assert!(page.contains("/token?user=ann") && page.contains("/auth/sso/authorize?"), "{page}");
    assert!(text("/page").await.contains("URLSearchParams"));
    assert!(text("/nothing").await.contains("Not found"));

    let post = async |path: &str, body: &Value| {
        let request = client().post(format!("{}/control/{path}", tenant.url)).json(body);
        request.send().await.unwrap()
    };
    let claims: Value = serde_json::from_str(&text("/control/claims?user=ann").await).unwrap();
    let signed = post("sign", &json!({"claims": claims})).await.text().await.unwrap();
    assert_eq!(verified(&tenant, &signed, CLIENT).await["uti"], claims["uti"]);
    let unsigned = json!({"header": {"alg": "none"}, "claims": claims});
    assert!(post("sign", &unsigned).await.text().await.unwrap().ends_with('.'));
    let nothing = Value::Null;
    for (path, status) in [
        ("rotate", 200),
        ("rotate-es256", 200),
        ("retire", 200),
        ("fault/status-500", 200),
        ("fault/refuse-AADSTS7000222", 200),
        ("fault/deny-AADSTS50105", 200),
        ("fault/a-broken-leg", 404),
        ("heal", 200),
    ] {
        assert_eq!(post(path, &nothing).await.status().as_u16(), status, "{path}");
    }
    assert_eq!(keys(&tenant).await.len(), 1);
    let key: Value = serde_json::from_str(&text("/control/key").await).unwrap();
    assert_eq!((&key["kid"], &key["alg"]), (&json!(tenant.kid()), &json!("ES256")));
    let counts: Value = serde_json::from_str(&text("/control/counts").await).unwrap();
    assert_eq!(counts["keys"], tenant.keys_fetched());
    let setup: Value = serde_json::from_str(&text("/control/setup").await).unwrap();
    assert_eq!((&setup["client_id"], &setup["credential"]), (&json!(CLIENT), &tenant.credential()));
}
