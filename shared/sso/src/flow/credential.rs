//! Our credential at the provider's token endpoint. Operators put it into Secrets Manager. When
//! they replace it, the code reads the new one.

use jiff::Timestamp;
use platform::secrets::{Secret, SecretError, Secrets};
use platform::{ConfigError, Platform};

use super::assertion::assertion;
use crate::provider::Metadata;

/// Type of an assertion that is a JWT (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The place of the credential.
pub struct Credentials {
    arn: String,
    secrets: Secrets,
}

/// A credential.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key of RSA and its certificate, both PEM, which the provider knows.
    Certificate {
        /// Member `private_key` of the secret.
        private_key: String,
        /// Member `certificate` of the secret.
        certificate: String,
    },
    /// Member `client_secret` of the secret.
    Secret(String),
}

platform::opaque!(Credential);

/// What a request to the token endpoint has for its authentication (RFC 6749 section 2.3).
#[derive(PartialEq, Eq)]
pub struct Authentication {
    /// Fields of its form.
    pub fields: Vec<(&'static str, String)>,
    /// Name and password of the scheme `Basic`, not yet encoded.
    pub basic: Option<(String, String)>,
}

platform::opaque!(Authentication);

impl Credentials {
    /// The credential in the secret that `SSO_CREDENTIAL_ARN` names; nothing is fetched yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            arn: platform.config.require("SSO_CREDENTIAL_ARN")?.to_owned(),
            secrets: platform.secrets()?,
        })
    }

    /// The credential, from a secret at most five minutes old; `None` if the secret has none.
    pub async fn current(&self) -> Result<Option<Credential>, SecretError> {
        let secret = self.secrets.get(&self.arn).await?;
        Ok(Credential::of(&secret))
    }

    /// The credential as it is now, for a caller whose credential was refused; `None` if it is
    /// still the same.
    pub async fn replacement(&self, refused: &Credential) -> Option<Credential> {
        let secret = self.secrets.reread(&self.arn).await.ok()?;
        Credential::of(&secret).filter(|credential| credential != refused)
    }
}

impl Credential {
    /// The credential of a secret. A certificate comes before a client secret.
    fn of(secret: &Secret) -> Option<Self> {
        let member = |name| secret.issued(name).filter(|text| !text.is_empty()).map(str::to_owned);
        match (member("private_key"), member("certificate")) {
            (Some(private_key), Some(certificate)) => {
                Some(Self::Certificate { private_key, certificate })
            }
            _ => member("client_secret").map(Self::Secret),
        }
    }

    /// The authentication of a request at `now`; `None` if the key or the certificate is unusable.
    pub fn authenticate(
        &self,
        client_id: &str,
        metadata: &Metadata,
        now: Timestamp,
    ) -> Option<Authentication> {
        let client = ("client_id", client_id.to_owned());
        let takes_post =
            metadata.token_endpoint_auth_methods.iter().any(|name| name == "client_secret_post");
        Some(match self {
            Self::Certificate { private_key, certificate } => {
                let audience = metadata.token_endpoint.as_str();
                let signed = assertion(private_key, certificate, client_id, audience, now)?;
                let kind = ("client_assertion_type", ASSERTION_TYPE.to_owned());
                let fields = vec![client, kind, ("client_assertion", signed)];
                Authentication { fields, basic: None }
            }
            Self::Secret(secret) if takes_post => {
                let fields = vec![client, ("client_secret", secret.clone())];
                Authentication { fields, basic: None }
            }
            Self::Secret(secret) => {
                let basic = Some((client_id.to_owned(), secret.clone()));
                Authentication { fields: Vec::new(), basic }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::samples::metadata;

    fn of(secret: Value) -> Option<Credential> {
        Credential::of(&serde_json::from_value(secret).unwrap())
    }

    fn at() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[test]
    fn a_certificate_comes_before_a_client_secret() {
        let certificate =
            || Some(Credential::Certificate { private_key: "k".into(), certificate: "c".into() });
        let secret = || Some(Credential::Secret("s".into()));
        for (members, expected) in [
            (json!({"private_key": "k", "certificate": "c", "client_secret": "s"}), certificate()),
            (json!({"private_key": "k", "certificate": "c"}), certificate()),
            (json!({"private_key": "k", "client_secret": "s"}), secret()),
            (json!({"private_key": "", "certificate": "c", "client_secret": "s"}), secret()),
            (json!({"client_secret": "s"}), secret()),
            (json!({"client_secret": ""}), None),
            (json!({"unused": "x"}), None),
        ] {
            assert!(of(members.clone()) == expected, "{members}");
        }
    }

    #[test]
    fn a_client_secret_goes_where_the_provider_takes_it() {
        let credential = Credential::Secret("s: ä".into());
        let (client, secret) = ("client".to_owned(), "s: ä".to_owned());
        let post = vec![("client_id", client.clone()), ("client_secret", secret.clone())];
        let basic = (client, secret);
        for (methods, fields, basic) in [
            (&["client_secret_post"][..], post.clone(), None),
            (&["private_key_jwt", "client_secret_post", "client_secret_basic"], post, None),
            (&["client_secret_basic"], Vec::new(), Some(basic.clone())),
            (&["private_key_jwt"], Vec::new(), Some(basic.clone())),
            // The default of OpenID Connect Discovery 1.0.
            (&[], Vec::new(), Some(basic)),
        ] {
            let found = credential.authenticate("client", &metadata(methods), at()).unwrap();
            assert_eq!((found.fields, found.basic), (fields, basic), "{methods:?}");
        }
    }

    #[test]
    fn a_key_that_is_none_authenticates_no_request() {
        let credential =
            Credential::Certificate { private_key: "key".into(), certificate: "c".into() };
        assert_eq!(credential.authenticate("client", &metadata(&[]), at()), None);
    }
}
