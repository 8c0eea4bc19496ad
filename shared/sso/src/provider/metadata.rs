//! The provider's metadata (OpenID Connect Discovery 1.0, section 3).

use reqwest::Url;
use serde::Deserialize;

use super::client::FetchError;
use crate::settings::is_safe;
use crate::{Kind, Settings};

/// The stand-in for the tenant in the issuer of Entra's metadata for all organizations.
const TENANT: &str = "{tenantid}";

/// The client authentication of a provider whose metadata names none.
const DEFAULT_METHOD: &str = "client_secret_basic";

/// What the provider says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer. Entra's for all organizations has `{tenantid}` in the place of the tenant.
    pub issuer: String,
    /// The page where its users sign in.
    pub authorization_endpoint: Url,
    /// The endpoint that takes codes.
    pub token_endpoint: Url,
    /// Its public keys.
    pub jwks_uri: Url,
    /// The ways in which a client may authenticate at the token endpoint.
    pub token_endpoint_auth_methods: Vec<String>,
    /// Whether its redirects back to us have the parameter `iss` (RFC 9207).
    pub sends_iss: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

impl Metadata {
    /// Reads a document. It is refused if its issuer is not that of the settings, or if one of its
    /// URLs may not be called.
    pub(super) fn parse(body: &[u8], settings: &Settings) -> Result<Self, FetchError> {
        let document: Document = serde_json::from_slice(body)
            .map_err(|error| FetchError::Document(format!("it is no metadata: {error}")))?;
        let template = match settings.kind {
            Kind::Entra => settings.issuer_of(TENANT),
            Kind::Oidc => settings.issuer.clone(),
        };
        if ![&settings.issuer, &template].contains(&&document.issuer) {
            return Err(FetchError::Document(format!(
                "its issuer is {:?}, and SSO_ISSUER is {:?}",
                document.issuer, settings.issuer
            )));
        }
        let url = |name: &str, text: &str| {
            let url = Url::parse(text).ok().filter(|url| may_be_called(url, settings));
            url.ok_or_else(|| {
                FetchError::Document(format!("its member {name} is {text:?}, and no https URL"))
            })
        };
        let methods = document.token_endpoint_auth_methods_supported;
        Ok(Self {
            authorization_endpoint: url(
                "authorization_endpoint",
                &document.authorization_endpoint,
            )?,
            token_endpoint: url("token_endpoint", &document.token_endpoint)?,
            jwks_uri: url("jwks_uri", &document.jwks_uri)?,
            issuer: document.issuer,
            token_endpoint_auth_methods: methods.unwrap_or_else(|| vec![DEFAULT_METHOD.to_owned()]),
            sends_iss: document.authorization_response_iss_parameter_supported.unwrap_or_default(),
        })
    }
}

/// Whether a URL of the metadata may be called. Only metadata from this machine may name plain http
/// on this machine. A provider elsewhere could else have the function call itself.
fn may_be_called(url: &Url, settings: &Settings) -> bool {
    is_safe(url) && (url.scheme() == "https" || settings.metadata_url.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::samples::{ISSUER, OTHER_TENANT, entra_settings, oidc_settings, patched};

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.example.com/authorize",
            "token_endpoint": "https://login.example.com/token",
            "jwks_uri": "https://login.example.com/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "authorization_response_iss_parameter_supported": true,
            "unknown": [1],
        })
    }

    #[test]
    fn metadata_is_read() {
        let parse = |document: Value| {
            Metadata::parse(document.to_string().as_bytes(), &entra_settings(&[])).unwrap()
        };
        let metadata = parse(document());
        assert_eq!(metadata.jwks_uri.as_str(), "https://login.example.com/keys");
        assert_eq!(metadata.token_endpoint_auth_methods, ["client_secret_post", "private_key_jwt"]);
        assert!(metadata.sends_iss);
        let short = parse(patched(
            &document(),
            &json!({
                "token_endpoint_auth_methods_supported": null,
                "authorization_response_iss_parameter_supported": null,
            }),
        ));
        assert_eq!(short.token_endpoint_auth_methods, [DEFAULT_METHOD]);
        assert!(!short.sends_iss);
    }

    #[test]
    fn the_issuer_is_ours_or_the_template_of_all_organizations() {
        let of_all = "https://login.microsoftonline.com/organizations/v2.0";
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let one = entra_settings(&[]);
        let all = entra_settings(&[("SSO_ISSUER", of_all), ("SSO_TENANTS", OTHER_TENANT)]);
        let other = oidc_settings(&[("SSO_ISSUER", "https://id.example.com/organizations/v2.0")]);
        for (settings, issuer, is_ours) in [
            (&one, ISSUER, true),
            (&one, template, false),
            (&one, of_all, false),
            (&one, "https://login.microsoftonline.com", false),
            (&all, template, true),
            (&all, of_all, true),
            (&all, ISSUER, false),
            (&other, "https://id.example.com/organizations/v2.0", true),
            (&other, "https://id.example.com/organizations/v2.0/", false),
            (&other, "https://id.example.com/{tenantid}/v2.0", false),
        ] {
            let document = patched(&document(), &json!({"issuer": issuer})).to_string();
            let metadata = Metadata::parse(document.as_bytes(), settings);
            assert_eq!(metadata.is_ok(), is_ours, "{issuer} for {}", settings.issuer);
        }
    }

    #[test]
    fn urls_are_https_unless_the_metadata_is_from_this_machine() {
        let far = entra_settings(&[]);
        let near = entra_settings(&[("SSO_METADATA_URL", "http://127.0.0.1:8080/metadata")]);
        for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            for (url, from_far, from_near) in [
                ("https://keys.example.com/", true, true),
                ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", false, true),
                ("http://localhost/", false, true),
                ("http://169.254.169.254/", false, false),
                ("https://user@keys.example.com/", false, false),
                ("file:///etc/passwd", false, false),
                ("/keys", false, false),
                ("", false, false),
            ] {
                let document = patched(&document(), &json!({member: url})).to_string();
                for (settings, is_right) in [(&far, from_far), (&near, from_near)] {
                    let metadata = Metadata::parse(document.as_bytes(), settings);
                    assert_eq!(metadata.is_ok(), is_right, "{member} {url}");
                }
            }
            let document = patched(&document(), &json!({member: null})).to_string();
            assert!(Metadata::parse(document.as_bytes(), &near).is_err(), "{member}");
        }
        for text in ["", "[]", "{}", "<html>"] {
            assert!(Metadata::parse(text.as_bytes(), &near).is_err(), "{text}");
        }
    }
}
