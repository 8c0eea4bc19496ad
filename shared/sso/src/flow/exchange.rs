//! The exchange of a code for its ID token, at the provider's token endpoint.

use http::StatusCode;
use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};
use serde::Deserialize;

use super::Failure;
use super::credential::{Credential, Credentials};
use crate::Refusal;
use crate::provider::{Metadata, Provider};
use crate::store::Outages;

/// Errors of the token endpoint (RFC 6749 section 5.2) that only the operator can end. Our
/// credential is wrong or has expired, or the client may not use this grant.
const OF_THE_CREDENTIAL: [&str; 2] = ["invalid_client", "unauthorized_client"];

/// Exchanges codes.
pub struct Exchange {
    provider: Provider,
    credentials: Credentials,
    outages: Outages,
}

/// A code of the provider, and what proves that it is ours (RFC 6749 section 4.1.3, RFC 7636).
pub struct CodeGrant<'a> {
    /// The code.
    pub code: &'a str,
    /// The verifier of the request that the code answers.
    pub verifier: &'a str,
    /// URL of the callback, as that request had it.
    pub redirect_uri: &'a str,
}

/// Members of the token endpoint's answer (RFC 6749 sections 5.1 and 5.2).
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// What came of a request to the token endpoint.
enum Outcome {
    IdToken(String),
    /// The provider refuses the code.
    Refused(Failure),
    /// Our credential is unusable. The text names the error, for the log.
    NoCredential(String),
    Unavailable,
}

impl Exchange {
    /// Uses `OUTAGES_TABLE` and the secret that `SSO_CREDENTIAL_ARN` names.
    pub fn new(platform: &Platform, provider: &Provider) -> Result<Self, ConfigError> {
        Ok(Self {
            provider: provider.clone(),
            credentials: Credentials::new(platform)?,
            outages: Outages::new(platform)?,
        })
    }

    /// The ID token for a code, not yet verified.
    pub async fn id_token(&self, grant: &CodeGrant<'_>, now: Timestamp) -> Result<String, Failure> {
        let metadata = self.provider.metadata(now).await?;
        let outcome = match self.credentials.current().await.map_err(Problem::from)? {
            Some(credential) => self.request_with(&credential, &metadata, grant, now).await?,
            None => Outcome::NoCredential("no_credential".to_owned()),
        };
        match outcome {
            Outcome::IdToken(token) => {
                self.outages.credential_accepted(now).await;
                Ok(token)
            }
            Outcome::Refused(failure) => Err(failure),
            Outcome::NoCredential(error) => {
                tracing::error!(
                    error,
                    "the provider does not take our credential: replace it in the secret \
                     SsoCredential"
                );
                self.outages.credential_refused(now).await;
                Err(Problem::unavailable().into())
            }
            Outcome::Unavailable => Err(Problem::unavailable().into()),
        }
    }

    /// A request with this credential. If the provider refuses it, and the operator has replaced it
    /// meanwhile, another one with the new credential.
    async fn request_with(
        &self,
        credential: &Credential,
        metadata: &Metadata,
        grant: &CodeGrant<'_>,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let outcome = self.request(credential, metadata, grant, now).await?;
        if let Outcome::NoCredential(_) = outcome
            && let Some(newer) = self.credentials.replacement(credential).await
        {
            return self.request(&newer, metadata, grant, now).await;
        }
        Ok(outcome)
    }

    async fn request(
        &self,
        credential: &Credential,
        metadata: &Metadata,
        grant: &CodeGrant<'_>,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let client_id = &self.provider.settings().client_id;
        let Some(authentication) = credential.authenticate(client_id, metadata, now) else {
            return Ok(Outcome::NoCredential("unusable_certificate".to_owned()));
        };
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", grant.code),
            ("redirect_uri", grant.redirect_uri),
            ("code_verifier", grant.verifier),
        ];
        form.extend(authentication.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let basic = authentication.basic.as_ref();
        let basic = basic.map(|(name, password)| (name.as_str(), password.as_str()));
        let (status, body) =
            self.provider.post_form(&metadata.token_endpoint, &form, basic).await?;
        Ok(outcome(status, &body))
    }
}

/// What an answer of the token endpoint says.
fn outcome(status: StatusCode, body: &[u8]) -> Outcome {
    let answer: Option<TokenAnswer> = serde_json::from_slice(body).ok();
    let (token, error, description) = match answer {
        Some(answer) => (answer.id_token, answer.error, answer.error_description),
        None => (None, None, None),
    };
    match (token, error) {
        (Some(token), None) if status.is_success() => Outcome::IdToken(token),
        (_, Some(error))
            if status == StatusCode::UNAUTHORIZED
                || OF_THE_CREDENTIAL.contains(&error.as_str()) =>
        {
            let failure = Failure::of_provider(&error, description.as_deref());
            Outcome::NoCredential(failure.error_code().unwrap_or(failure.reason()).to_owned())
        }
        (_, Some(error)) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Refused(Failure::of_provider(&error, description.as_deref()))
        }
        _ => {
            tracing::error!(
                status = status.as_u16(),
                "the provider's token endpoint gave neither an ID token nor an error of RFC 6749"
            );
            Outcome::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An outcome in few words.
    fn told(status: u16, body: &[u8]) -> String {
        match outcome(StatusCode::from_u16(status).unwrap(), body) {
            Outcome::IdToken(token) => format!("token {token}"),
            Outcome::Refused(failure) => format!("refused {}", failure.fragment()),
            Outcome::NoCredential(error) => format!("credential {error}"),
            Outcome::Unavailable => "unavailable".into(),
        }
    }

    #[test]
    fn an_answer_is_a_token_a_refusal_or_an_outage() {
        let expired = "AADSTS7000222: The provided client secret keys for app 'x' are expired.";
        let redeemed = "AADSTS54005: OAuth2 Authorization code was already redeemed.";
        for (status, body, expected) in [
            (200, json!({"id_token": "t", "access_token": "a", "expires_in": 1}), "token t"),
            (200, json!({"access_token": "a"}), "unavailable"),
            (200, json!({"id_token": 1}), "unavailable"),
            (400, json!({"id_token": "t"}), "unavailable"),
            (
                401,
                json!({"error": "invalid_client", "error_description": expired,
                       "error_codes": [7_000_222]}),
                "credential AADSTS7000222",
            ),
            (400, json!({"error": "invalid_client"}), "credential invalid_client"),
            (400, json!({"error": "unauthorized_client"}), "credential unauthorized_client"),
            (401, json!({"error": "other"}), "credential other"),
            (
                400,
                json!({"error": "invalid_grant", "error_description": redeemed}),
                "refused error=invalid_grant&error_code=AADSTS54005",
            ),
            (
                400,
                json!({"error": "invalid_grant", "id_token": "t"}),
                "refused error=invalid_grant",
            ),
            (200, json!({"error": "invalid_grant", "id_token": "t"}), "unavailable"),
            (429, json!({"error": "temporarily_unavailable"}), "unavailable"),
            (500, json!({"error": "server_error"}), "unavailable"),
            (302, json!({}), "unavailable"),
        ] {
            assert_eq!(told(status, body.to_string().as_bytes()), expected, "{status} {body}");
        }
        for body in [&b""[..], b"<html>", b"[]", b"\xff"] {
            assert_eq!(told(401, body), "unavailable");
        }
    }
}
