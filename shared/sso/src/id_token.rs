//! ID tokens, which the token endpoint of the provider gives for a code (OpenID Connect Core 1.0,
//! section 3.1.3.7).

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use platform::ids;

use crate::claims::{Check, Claims};
use crate::provider::Provider;
use crate::token::Unverified;
use crate::{Kind, Refusal, Settings, Verified};

/// The algorithms of the keys that are read. The type of the key decides among them.
const ALGORITHMS: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// Seconds after which a token is too old for a sign-in that ends now.
const OLDEST: i64 = 600;

/// The checks of Entra's tokens alone. A token of version 1.0 has other issuers and audiences, so
/// its version is the reason that helps.
const OF_ENTRA: &[Check] = &[
    ("version", |claims, _| claims.text("ver") == Some("2.0")),
    ("tenant", Claims::has_allowed_tenant),
    ("issuer", Claims::has_issuer_of_tenant),
];

/// The check of the tokens of another provider alone.
const OF_OTHERS: &[Check] = &[("issuer", |claims, settings| claims.has_issuer(&settings.issuer))];

/// The checks of both, after those.
const OF_ALL: &[Check] = &[
    ("audience", |claims, settings| claims.texts("aud").contains(&settings.client_id)),
    ("client", is_for_this_client),
    ("expired", |claims, _| {
        let has_begun = !claims.has("nbf") || claims.has_come("nbf");
        claims.is_live() && has_begun && claims.is_younger(OLDEST)
    }),
    ("requirement", Claims::meets_requirements),
];

/// Whether `azp` is this client. It may be absent if the token has one audience.
fn is_for_this_client(claims: &Claims, settings: &Settings) -> bool {
    match claims.text("azp") {
        Some(client) => client == settings.client_id,
        None => !claims.has("azp") && claims.texts("aud").len() == 1,
    }
}

/// Verifies ID tokens.
#[derive(Debug, Clone)]
pub struct IdTokens {
    provider: Provider,
}

impl IdTokens {
    /// Verifies by the keys of this provider.
    pub fn new(provider: &Provider) -> Self {
        Self { provider: provider.clone() }
    }

    /// The sign-in that a token proves, if it is the answer to the request with this nonce.
    pub async fn verify(
        &self,
        token: &str,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let token = Unverified::parse(token, ALGORITHMS).ok_or(Refusal::SIGNATURE)?;
        let keys = self.provider.keys(&token.kid, now).await?;
        let claims = token.claims(&keys, now).ok_or(Refusal::SIGNATURE)?;
        let settings = self.provider.settings();
        let (own, identity) = match settings.kind {
            Kind::Entra => (OF_ENTRA, claims.entra_identity()),
            Kind::Oidc => (OF_OTHERS, claims.oidc_identity()),
        };
        claims.pass(own, settings)?;
        claims.pass(OF_ALL, settings)?;
        if !claims.text("nonce").is_some_and(|sent| ids::same(sent, nonce)) {
            return Err(Refusal::Token("nonce"));
        }
        let identity = identity.ok_or(Refusal::Token("requirement"))?;
        Ok(claims.verified(identity, settings))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::samples::{
        CLIENT, CURVE, FIRST, ISSUER, NOW, OIDC_ISSUER, OTHER_TENANT, SECOND, TENANT, TestProvider,
        at, patched,
    };

    const NONCE: &str = "n-0S6_WzA2Mj";
    const OBJECT: &str = "b3b7a0b7-1111-4222-8333-444455556666";

    fn of_entra() -> Value {
        json!({
            "aud": CLIENT, "iss": ISSUER, "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 3600,
            "name": "Anna", "nonce": NONCE, "oid": OBJECT, "sub": "pairwise", "tid": TENANT,
            "preferred_username": "anna@contoso.example", "roles": ["Tally.User"], "uti": "u",
            "ver": "2.0",
        })
    }

    fn of_other() -> Value {
        json!({
            "aud": CLIENT, "iss": OIDC_ISSUER, "iat": NOW - 5, "exp": NOW + 300, "nonce": NONCE,
            "sub": "248289761001", "email": "anna@example.com", "groups": ["finance"],
        })
    }

    fn signed(claims: &Value) -> String {
        FIRST.token(&json!({"alg": "RS256", "kid": "first"}), claims)
    }

    async fn refusal(tokens: &IdTokens, claims: &Value) -> Option<Refusal> {
        tokens.verify(&signed(claims), NONCE, at(0)).await.err()
    }

    #[tokio::test]
    async fn a_token_proves_the_sign_in_of_a_person() {
        let server = TestProvider::start().await;
        let entra = IdTokens::new(&server.entra(&[]));
        let verified = entra.verify(&signed(&of_entra()), NONCE, at(0)).await.unwrap();
        assert_eq!((&*verified.identity.tenant, &*verified.identity.subject), (TENANT, OBJECT));
        assert_eq!((verified.roles, verified.client), (vec!["Tally.User".to_owned()], None));
        let other = IdTokens::new(&server.oidc(&[("SSO_ROLES_CLAIM", "groups")]));
        let verified = other.verify(&signed(&of_other()), NONCE, at(0)).await.unwrap();
        assert_eq!(verified.identity.tenant, OIDC_ISSUER);
        assert_eq!(verified.identity.subject, "248289761001");
        assert_eq!(verified.email.as_deref(), Some("anna@example.com"));
        assert_eq!(verified.roles, ["finance"]);
    }

    #[tokio::test]
    async fn each_check_refuses_with_its_reason() {
        let server = TestProvider::start().await;
        let own = [("SSO_REQUIRE", "acct=0")];
        let (entra, other) =
            (IdTokens::new(&server.entra(&own)), IdTokens::new(&server.oidc(&own)));
        for (patch, reason) in [
            (json!({}), None),
            (json!({"aud": [CLIENT]}), None),
            (json!({"aud": [CLIENT], "azp": CLIENT}), None),
            (json!({"aud": ["api", CLIENT], "azp": CLIENT}), None),
            (json!({"nbf": null}), None),
            (json!({"exp": NOW - 59, "iat": NOW - 600}), None),
            (json!({"iss": format!("{ISSUER}/")}), Some("issuer")),
            (json!({"iss": "https://id.example.com/"}), Some("issuer")),
            (json!({"iss": [ISSUER, OIDC_ISSUER]}), Some("issuer")),
            (json!({"iss": null}), Some("issuer")),
            (json!({"aud": "another"}), Some("audience")),
            (json!({"aud": ["another"]}), Some("audience")),
            (json!({"aud": []}), Some("audience")),
            (json!({"aud": [CLIENT, 1]}), Some("audience")),
            (json!({"aud": null}), Some("audience")),
            (json!({"aud": ["api", CLIENT]}), Some("client")),
            (json!({"aud": ["api", CLIENT], "azp": "api"}), Some("client")),
            (json!({"azp": "another"}), Some("client")),
            (json!({"azp": [CLIENT]}), Some("client")),
            (json!({"exp": NOW - 60}), Some("expired")),
            (json!({"exp": null}), Some("expired")),
            (json!({"exp": 1_900_000_000.0}), Some("expired")),
            (json!({"nbf": NOW + 61}), Some("expired")),
            (json!({"nbf": "0"}), Some("expired")),
            (json!({"iat": NOW - 601}), Some("expired")),
            (json!({"iat": NOW + 61}), Some("expired")),
            (json!({"iat": null}), Some("expired")),
            (json!({"acct": 1}), Some("requirement")),
            (json!({"acct": null}), Some("requirement")),
            (json!({"nonce": null}), Some("nonce")),
            (json!({"nonce": ""}), Some("nonce")),
            (json!({"nonce": NONCE.to_lowercase()}), Some("nonce")),
            (json!({"nonce": [NONCE]}), Some("nonce")),
            (json!({"oid": null, "sub": null}), Some("requirement")),
        ] {
            let expected = reason.map(Refusal::Token);
            for (tokens, claims) in [(&entra, of_entra()), (&other, of_other())] {
                let claims = patched(&patched(&claims, &json!({"acct": 0})), &patch);
                assert_eq!(refusal(tokens, &claims).await, expected, "{claims}");
            }
        }
        for (patch, reason) in [
            (json!({"ver": "1.0"}), "version"),
            (json!({"ver": null}), "version"),
            (json!({"tid": OTHER_TENANT}), "tenant"),
            (json!({"tid": null}), "tenant"),
            (json!({"oid": "anna"}), "requirement"),
        ] {
            let claims = patched(&patched(&of_entra(), &json!({"acct": 0})), &patch);
            assert_eq!(refusal(&entra, &claims).await, Some(Refusal::Token(reason)), "{patch}");
        }
        for subject in [json!(""), json!("ä"), json!("x".repeat(256)), json!(1)] {
            let claims = patched(&of_other(), &json!({"acct": 0, "sub": subject}));
            assert_eq!(refusal(&other, &claims).await, Some(Refusal::Token("requirement")));
        }
    }

    #[tokio::test]
    async fn the_type_of_the_key_decides_the_algorithm() {
        let server = TestProvider::start().await;
        server.publish(&[FIRST.jwk("rsa"), CURVE.jwk("curve"), SECOND.jwk("second")]);
        let tokens = IdTokens::new(&server.oidc(&[]));
        for (signer, alg, kid, holds) in [
            (&FIRST, "RS256", "rsa", true),
            (&FIRST, "PS256", "rsa", true),
            (&CURVE, "ES256", "curve", true),
            (&FIRST, "RS512", "rsa", false),
            (&FIRST, "ES256", "rsa", false),
            (&CURVE, "RS256", "curve", false),
            (&CURVE, "ES256", "rsa", false),
            (&FIRST, "RS256", "curve", false),
            (&FIRST, "RS256", "second", false),
            (&FIRST, "HS256", "rsa", false),
            (&FIRST, "none", "rsa", false),
        ] {
            let token = signer.token(&json!({"alg": alg, "kid": kid}), &of_other());
            let refused = tokens.verify(&token, NONCE, at(0)).await.err();
            assert_eq!(refused, (!holds).then_some(Refusal::SIGNATURE), "{alg} {kid}");
        }
    }
}
