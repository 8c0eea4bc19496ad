//! Access tokens of Microsoft Entra ID for this API.
//!
//! Entra signs many tokens with the same keys: ID tokens, tokens for other APIs, tokens of apps
//! without a user, tokens of version 1.0. The checks admit only a token that a user of an allowed
//! tenant got for this API, by a client that the settings name.

use jiff::Timestamp;
use jsonwebtoken::Algorithm;

use crate::claims::{Check, Claims};
use crate::provider::Provider;
use crate::token::Unverified;
use crate::{Refusal, Verified};

/// The algorithm with which Entra signs access tokens.
const ALGORITHMS: &[Algorithm] = &[Algorithm::RS256];

/// The scope of this API.
const SCOPE: &str = "access_as_user";

/// The checks of a token whose signature has held, in their order. A token of version 1.0 has other
/// issuers and audiences, so its version is the reason that helps.
const CHECKS: &[Check] = &[
    ("version", |claims, _| claims.text("ver") == Some("2.0")),
    ("tenant", Claims::has_allowed_tenant),
    ("issuer", Claims::has_issuer_of_tenant),
    ("audience", |claims, settings| claims.text("aud") == Some(settings.client_id.as_str())),
    ("app_only", |claims, _| !claims.has("idtyp") || claims.text("idtyp") == Some("user")),
    ("scope", |claims, _| {
        claims.text("scp").is_some_and(|scopes| scopes.split(' ').any(|scope| scope == SCOPE))
    }),
    ("client", |claims, settings| {
        claims.text("azp").is_some_and(|azp| settings.clients.iter().any(|client| client == azp))
    }),
    ("expired", |claims, _| claims.is_live() && claims.has_come("nbf") && claims.has_come("iat")),
    ("requirement", |claims, settings| {
        claims.text("sub").is_some_and(|subject| !subject.is_empty())
            && claims.meets_requirements(settings)
    }),
];

/// Verifies access tokens.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    provider: Provider,
}

impl AccessTokens {
    /// Verifies by the keys of this provider.
    pub fn new(provider: &Provider) -> Self {
        Self { provider: provider.clone() }
    }

    /// The sign-in that a token proves. A provider of another kind has no allowed tenant, so each
    /// of its tokens is refused.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, Refusal> {
        let token = Unverified::parse(token, ALGORITHMS).ok_or(Refusal::SIGNATURE)?;
        let keys = self.provider.keys(&token.kid, now).await?;
        let claims = token.claims(&keys, now).ok_or(Refusal::SIGNATURE)?;
        let settings = self.provider.settings();
        claims.pass(CHECKS, settings)?;
        let identity = claims.entra_identity().ok_or(Refusal::Token("requirement"))?;
        Ok(claims.verified(identity, settings))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::*;
    use crate::samples::{
        CLIENT, CURVE, FIRST, ISSUER, NOW, OTHER_TENANT, SECOND, TENANT, TestProvider, at, patched,
    };

    const OBJECT: &str = "b3b7a0b7-1111-4222-8333-444455556666";

    fn header() -> Value {
        json!({"typ": "JWT", "alg": "RS256", "kid": "first"})
    }

    /// The claims of a token that Entra issues for this API.
    fn claims() -> Value {
        json!({
            "aud": CLIENT, "iss": ISSUER, "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 4000,
            "aio": "A", "azp": CLIENT, "azpacr": "0", "name": "Anna", "oid": OBJECT,
            "preferred_username": "anna@contoso.example", "rh": "0.A", "roles": ["Tally.User"],
            "scp": "access_as_user", "sid": "s", "sub": "pairwise", "tid": TENANT, "uti": "u",
            "ver": "2.0",
        })
    }

    fn token(patch: &Value) -> String {
        FIRST.token(&header(), &patched(&claims(), patch))
    }

    async fn refusal(tokens: &AccessTokens, token: &str) -> Option<Refusal> {
        tokens.verify(token, at(0)).await.err()
    }

    #[tokio::test]
    async fn a_token_for_this_api_proves_a_sign_in() {
        let server = TestProvider::start().await;
        let tokens = AccessTokens::new(&server.entra(&[]));
        let verified = tokens.verify(&token(&json!({})), at(0)).await.unwrap();
        assert_eq!((&*verified.identity.tenant, &*verified.identity.subject), (TENANT, OBJECT));
        assert_eq!(verified.preferred_username.as_deref(), Some("anna@contoso.example"));
        assert_eq!(verified.client.as_deref(), Some(CLIENT));
        assert_eq!(
            (verified.roles, verified.token_id),
            (vec!["Tally.User".into()], Some("u".into()))
        );
        for patch in [
            json!({"idtyp": "user"}),
            json!({"scp": "openid access_as_user profile"}),
            json!({"exp": NOW - 59}),
            json!({"nbf": NOW + 60, "iat": NOW + 60}),
            json!({"oid": OBJECT.to_uppercase()}),
            json!({"roles": null, "name": null, "preferred_username": null}),
        ] {
            assert_eq!(refusal(&tokens, &token(&patch)).await, None, "{patch}");
        }
    }

    #[tokio::test]
    async fn first_verifications_at_once_fetch_each_document_once() {
        let server = TestProvider::start().await;
        let tokens = AccessTokens::new(&server.entra(&[]));
        let token = token(&json!({}));
        let refusals = join_all((0..20).map(|_| refusal(&tokens, &token))).await;
        assert!(refusals.iter().all(Option::is_none), "{refusals:?}");
        assert_eq!(server.fetched(), (1, 1));
    }

    #[tokio::test]
    async fn each_check_refuses_with_its_reason() {
        let server = TestProvider::start().await;
        let own = [("SSO_REQUIRE", "acct=0"), ("SSO_CLIENTS", "office")];
        let tokens = AccessTokens::new(&server.entra(&own));
        let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
        let issuer = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let old = format!("https://sts.windows.net/{TENANT}/");
        let graph = "00000003-0000-0000-c000-000000000000";
        for (patch, reason) in [
            (json!({}), None),
            (json!({"azp": "office"}), None),
            // A token of version 1.0.
            (json!({"ver": "1.0", "iss": old, "azp": null, "appid": CLIENT}), Some("version")),
            (json!({"ver": null}), Some("version")),
            (json!({"ver": 2.0}), Some("version")),
            (json!({"ver": "2.00"}), Some("version")),
            (json!({"tid": OTHER_TENANT, "iss": issuer(OTHER_TENANT)}), Some("tenant")),
            (json!({"tid": personal, "iss": issuer(personal)}), Some("tenant")),
            (json!({"tid": OTHER_TENANT}), Some("tenant")),
            (json!({"tid": null}), Some("tenant")),
            (json!({"tid": [TENANT]}), Some("tenant")),
            (json!({"tid": "common"}), Some("tenant")),
            (json!({"iss": issuer(OTHER_TENANT)}), Some("issuer")),
            (json!({"iss": old}), Some("issuer")),
            (json!({"iss": issuer(TENANT) + "/"}), Some("issuer")),
            (json!({"iss": issuer("organizations")}), Some("issuer")),
            (json!({"iss": issuer("{tenantid}")}), Some("issuer")),
            (json!({"iss": ISSUER.to_uppercase()}), Some("issuer")),
            (json!({"iss": [ISSUER]}), Some("issuer")),
            (json!({"iss": null}), Some("issuer")),
            (json!({"aud": graph}), Some("audience")),
            (json!({"aud": format!("api://{CLIENT}")}), Some("audience")),
            (json!({"aud": [CLIENT]}), Some("audience")),
            (json!({"aud": ""}), Some("audience")),
            (json!({"aud": null}), Some("audience")),
            // A token of an app without a user.
            (json!({"idtyp": "app", "scp": null, "roles": ["Tally.Admin"]}), Some("app_only")),
            (json!({"idtyp": "app"}), Some("app_only")),
            (json!({"idtyp": ["app"]}), Some("app_only")),
            (json!({"idtyp": "APP"}), Some("app_only")),
            (json!({"scp": null, "roles": ["Tally.Admin"]}), Some("scope")),
            // An ID token.
            (json!({"scp": null, "azp": null, "nonce": "n"}), Some("scope")),
            (json!({"scp": ""}), Some("scope")),
            (json!({"scp": "User.Read"}), Some("scope")),
            (json!({"scp": "access_as_users"}), Some("scope")),
            (json!({"scp": "Access_As_User"}), Some("scope")),
            (json!({"scp": "read,access_as_user"}), Some("scope")),
            (json!({"scp": ["access_as_user"]}), Some("scope")),
            (json!({"azp": OTHER_TENANT}), Some("client")),
            (json!({"azp": null}), Some("client")),
            (json!({"azp": null, "appid": CLIENT}), Some("client")),
            (json!({"azp": [CLIENT]}), Some("client")),
            (json!({"exp": NOW - 60}), Some("expired")),
            (json!({"exp": null}), Some("expired")),
            (json!({"exp": "1900000000"}), Some("expired")),
            (json!({"exp": 1_900_000_000.5}), Some("expired")),
            (json!({"exp": u64::MAX}), Some("expired")),
            (json!({"nbf": NOW + 61}), Some("expired")),
            (json!({"nbf": null}), Some("expired")),
            (json!({"iat": NOW + 61}), Some("expired")),
            (json!({"iat": null}), Some("expired")),
            (json!({"acct": 1}), Some("requirement")),
            (json!({"acct": null}), Some("requirement")),
            (json!({"sub": null}), Some("requirement")),
            (json!({"oid": null}), Some("requirement")),
            (json!({"oid": "anna@contoso.example"}), Some("requirement")),
        ] {
            let usual = patched(&claims(), &json!({"acct": 0}));
            let token = FIRST.token(&header(), &patched(&usual, &patch));
            let expected = reason.map(Refusal::Token);
            assert_eq!(refusal(&tokens, &token).await, expected, "{patch}");
        }
    }

    #[tokio::test]
    async fn tenants_are_those_of_the_settings() {
        let server = TestProvider::start().await;
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        server.describe(&json!({"issuer": template}));
        let jwk = patched(&FIRST.jwk("first"), &json!({"issuer": template}));
        server.publish(&[jwk]);
        let own = [
            ("SSO_ISSUER", "https://login.microsoftonline.com/organizations/v2.0"),
            ("SSO_TENANTS", OTHER_TENANT),
        ];
        let tokens = AccessTokens::new(&server.entra(&own));
        let issuer = format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0");
        for (patch, reason) in [
            (json!({"tid": OTHER_TENANT, "iss": issuer}), None),
            (json!({}), Some("tenant")),
            (json!({"iss": issuer}), Some("tenant")),
            (json!({"tid": OTHER_TENANT}), Some("issuer")),
            (json!({"tid": OTHER_TENANT, "iss": template}), Some("issuer")),
        ] {
            let expected = reason.map(Refusal::Token);
            assert_eq!(refusal(&tokens, &token(&patch)).await, expected, "{patch}");
        }
    }

    #[tokio::test]
    async fn a_key_of_another_issuer_signs_for_no_tenant_of_ours() {
        let server = TestProvider::start().await;
        let of = |issuer: &str| patched(&FIRST.jwk("first"), &json!({"issuer": issuer}));
        let personal =
            of("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0");
        let every = of("https://login.microsoftonline.com/{tenantid}/v2.0");
        for (keys, reason) in [
            (vec![every.clone()], None),
            (vec![of(ISSUER)], None),
            (vec![personal.clone()], Some("issuer")),
            (vec![personal, every], None),
            (vec![of("https://login.microsoftonline.us/{tenantid}/v2.0")], Some("issuer")),
        ] {
            server.publish(&keys);
            let tokens = AccessTokens::new(&server.entra(&[]));
            let expected = reason.map(Refusal::Token);
            assert_eq!(refusal(&tokens, &token(&json!({}))).await, expected, "{keys:?}");
        }
    }

    #[tokio::test]
    async fn what_the_keys_do_not_verify_is_refused_for_its_signature() {
        let server = TestProvider::start().await;
        server.publish(&[FIRST.jwk("first"), CURVE.jwk("curve"), SECOND.jwk("second")]);
        let tokens = AccessTokens::new(&server.entra(&[]));
        let good = token(&json!({}));
        assert_eq!(refusal(&tokens, &good).await, None);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let by = |patch: Value| FIRST.token(&patched(&header(), &patch), &claims());
        let unsigned = |header: Value| format!("{}.{payload}.", encoded(&header.to_string()));
        let text = claims().to_string();
        let twice = |member: &str| format!("{},{member}}}", text.strip_suffix('}').unwrap());
        let long = token(&json!({"padding": "x".repeat(12 * 1024)}));
        for (forged, why) in [
            (String::new(), "no text"),
            ("a".to_owned(), "no parts"),
            ("..".to_owned(), "empty parts"),
            ("a.b.c".to_owned(), "no base64"),
            (format!("{signed}."), "no signature"),
            (format!("{signed}.{}", &signature[..signature.len() - 4]), "a short signature"),
            (format!("{good}="), "padding"),
            (format!("{good}\n"), "a line break"),
            (format!(" {good}"), "a space"),
            (format!("{good}.e30"), "four parts"),
            (format!("{signed}.{payload}.{signature}"), "a part twice"),
            (format!("{}.{payload}.{signature}", encoded("{}")), "another header"),
            (
                {
                    let other = patched(&claims(), &json!({"roles": ["Tally.Admin"]}));
                    let head = signed.split_once('.').unwrap().0;
                    format!("{head}.{}.{signature}", encoded(&other.to_string()))
                },
                "other claims",
            ),
            (SECOND.token(&header(), &claims()), "another key"),
            (by(json!({"kid": "second"})), "the name of another key"),
            (by(json!({"kid": "curve"})), "the name of a key of another type"),
            (by(json!({"kid": "third"})), "an unknown name"),
            (by(json!({"kid": null})), "no name"),
            (by(json!({"kid": ["first"]})), "a list of names"),
            (by(json!({"kid": ""})), "an empty name"),
            (by(json!({"alg": "PS256"})), "PS256"),
            (by(json!({"alg": "RS512"})), "RS512"),
            (by(json!({"alg": "rs256"})), "rs256"),
            (by(json!({"alg": null})), "no algorithm"),
            (by(json!({"alg": ["RS256"]})), "a list of algorithms"),
            (by(json!({"alg": "none"})), "none, signed"),
            (unsigned(json!({"alg": "none", "kid": "first"})), "none"),
            (unsigned(json!({"alg": "None", "kid": "first"})), "None"),
            (unsigned(json!({"alg": "RS256", "kid": "first"})), "an empty signature"),
            (unsigned(json!({"alg": "HS256", "kid": "first"})), "HS256"),
            (
                CURVE.token(&json!({"alg": "ES256", "kid": "curve"}), &claims()),
                "ES256, which Entra does not use",
            ),
            (CURVE.token(&json!({"alg": "RS256", "kid": "curve"}), &claims()), "mixed types"),
            (by(json!({"crit": []})), "an empty crit"),
            (by(json!({"crit": ["exp"]})), "crit"),
            (by(json!({"crit": ["b64"], "b64": false})), "crit with b64"),
            (
                SECOND.token(&patched(&header(), &json!({"jwk": SECOND.jwk("first")})), &claims()),
                "a key of its own",
            ),
            (
                FIRST.token_of(r#"{"alg":"RS256","kid":"first","kid":"first"}"#, &text),
                "a member of the header twice",
            ),
            (FIRST.token_of(&header().to_string(), &twice(r#""oid":"x""#)), "a claim twice"),
            (FIRST.token_of(&header().to_string(), &twice(r#""n":{"a":1,"a":1}"#)), "twice inside"),
            (FIRST.token_of(&header().to_string(), "[]"), "claims that are a list"),
            (FIRST.token_of(&header().to_string(), "null"), "no claims"),
            (FIRST.token_of(&header().to_string(), &format!("{text} x")), "text behind the claims"),
            (FIRST.token_of("[]", &text), "a header that is a list"),
            (long, "more than 16 KiB"),
        ] {
            let refused = refusal(&tokens, &forged).await;
            assert_eq!(refused, Some(Refusal::SIGNATURE), "{why}");
        }
        // The size counts, and not what fills it.
        assert_eq!(refusal(&tokens, &token(&json!({"padding": "x".repeat(11_000)}))).await, None);
    }

    #[tokio::test]
    async fn another_kind_of_provider_has_no_access_tokens() {
        let server = TestProvider::start().await;
        let tokens = AccessTokens::new(&server.oidc(&[]));
        for patch in [json!({}), json!({"iss": crate::samples::OIDC_ISSUER})] {
            let refused = refusal(&tokens, &token(&patch)).await;
            assert_eq!(refused, Some(Refusal::Token("tenant")), "{patch}");
        }
    }
}
