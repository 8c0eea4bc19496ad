//! The request that the browser takes to the provider.

use platform::ids;
use reqwest::Url;

use super::Flow;
use crate::{Kind, Settings};

/// The scope of a sign-in at Entra. `SSO_SCOPE` is that of access tokens there.
const SCOPE_OF_ENTRA: &str = "openid profile email";

/// An authentication request (OpenID Connect Core 1.0 section 3.1.2.1).
pub struct Authorization<'a> {
    /// The provider.
    pub settings: &'a Settings,
    /// The sign-in.
    pub flow: &'a Flow,
    /// URL of our callback, which the provider has to know.
    pub redirect_uri: &'a str,
    /// The user's name at the provider, to fill in its form.
    pub login_hint: Option<&'a str>,
    /// What the provider shows even to a user who is signed in there.
    pub prompt: Option<&'a str>,
    /// Claims that the ID token has to have, as JSON.
    pub claims: Option<&'a str>,
}

impl Authorization<'_> {
    /// URL of the request at the provider's endpoint.
    pub fn url(&self, endpoint: &Url) -> Url {
        let Self { settings, flow, redirect_uri, .. } = self;
        let scope = match settings.kind {
            Kind::Entra => SCOPE_OF_ENTRA,
            Kind::Oidc => settings.scope.as_str(),
        };
        let challenge = ids::sha256(&flow.verifier);
        let parameters = [
            ("client_id", Some(settings.client_id.as_str())),
            ("response_type", Some("code")),
            ("response_mode", Some("query")),
            ("redirect_uri", Some(*redirect_uri)),
            ("scope", Some(scope)),
            ("state", Some(flow.state.as_str())),
            ("nonce", Some(flow.nonce.as_str())),
            ("code_challenge", Some(challenge.as_str())),
            ("code_challenge_method", Some("S256")),
            ("login_hint", self.login_hint),
            ("prompt", self.prompt),
            ("claims", self.claims),
        ];
        let given = parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let mut url = endpoint.clone();
        url.query_pairs_mut().extend_pairs(given);
        url
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::samples::{CLIENT, entra_settings, oidc_settings};

    /// The parameters of a request at an endpoint that has one of its own.
    fn parameters(authorization: &Authorization<'_>) -> BTreeMap<String, String> {
        let endpoint = Url::parse("https://id.example.com/authorize?p=policy").unwrap();
        let url = authorization.url(&endpoint);
        assert!(url.as_str().starts_with("https://id.example.com/authorize?p=policy&"), "{url}");
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let parameters: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(parameters.len(), pairs.len(), "a parameter comes twice: {url}");
        parameters
    }

    #[test]
    fn a_request_has_its_state_nonce_and_challenge() {
        let settings = entra_settings(&[]);
        let now = Timestamp::UNIX_EPOCH;
        let flow = Flow::begin(0, "https://localhost:3000".into(), "c".repeat(43), now);
        let redirect_uri = "https://api.example.com/auth/sso/callback";
        let plain = Authorization {
            settings: &settings,
            flow: &flow,
            redirect_uri,
            login_hint: None,
            prompt: None,
            claims: None,
        };
        let challenge = ids::sha256(&flow.verifier);
        let expected = [
            ("p", "policy"),
            ("client_id", CLIENT),
            ("response_type", "code"),
            ("response_mode", "query"),
            ("redirect_uri", redirect_uri),
            ("scope", "openid profile email"),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let expected: BTreeMap<_, _> =
            expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(parameters(&plain), expected);

        let claims = r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let full = Authorization {
            login_hint: Some("änna+b@contoso.example"),
            prompt: Some("select_account"),
            claims: Some(claims),
            ..plain
        };
        let full = parameters(&full);
        assert_eq!(full.len(), expected.len() + 3);
        assert_eq!(full["login_hint"], "änna+b@contoso.example");
        assert_eq!((full["prompt"].as_str(), full["claims"].as_str()), ("select_account", claims));
    }

    #[test]
    fn another_provider_is_asked_for_the_scope_of_the_setting() {
        let flow = Flow::begin(0, String::new(), String::new(), Timestamp::UNIX_EPOCH);
        for (scope, expected) in [("", "openid profile email"), ("openid groups", "openid groups")]
        {
            let settings = oidc_settings(&[("SSO_SCOPE", scope)]);
            let authorization = Authorization {
                settings: &settings,
                flow: &flow,
                redirect_uri: "",
                login_hint: None,
                prompt: None,
                claims: None,
            };
            assert_eq!(parameters(&authorization)["scope"], expected);
        }
    }
}
