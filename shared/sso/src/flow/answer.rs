//! The answer of the provider, as the browser brings it back.

use platform::Problem;

use super::Failure;
use crate::provider::Metadata;
use crate::{Kind, Refusal, Settings};

/// The parameters of an authorization response (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).
pub struct Answer<'a> {
    /// The code, of a success.
    pub code: Option<&'a str>,
    /// The error code, of a failure.
    pub error: Option<&'a str>,
    /// Text about the error.
    pub error_description: Option<&'a str>,
    /// The issuer that answers.
    pub iss: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// The code, if the provider of this deployment has given one.
    pub fn code(&self, settings: &Settings, metadata: &Metadata) -> Result<&'a str, Failure> {
        let is_ours = match self.iss {
            Some(issuer) => is_issuer(settings, issuer),
            None => !metadata.sends_iss,
        };
        if !is_ours {
            return Err(Refusal::Token("issuer").into());
        }
        match (self.error, self.code) {
            (Some(error), _) => Err(Failure::of_provider(error, self.error_description)),
            (None, Some(code)) if !code.is_empty() => Ok(code),
            _ => Err(Problem::malformed_request("The provider's answer has no code.").into()),
        }
    }
}

/// Whether an issuer is that of this deployment, or one of its tenants.
fn is_issuer(settings: &Settings, issuer: &str) -> bool {
    match settings.kind {
        Kind::Entra => settings.tenants.iter().any(|tenant| settings.issuer_of(tenant) == issuer),
        Kind::Oidc => settings.issuer == issuer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{
        ISSUER, OIDC_ISSUER, OTHER_TENANT, TENANT, entra_settings, metadata, oidc_settings,
    };

    /// The code of an answer, or the fragment of its failure.
    fn code(settings: &Settings, sends_iss: bool, answer: &Answer<'_>) -> String {
        match answer.code(settings, &Metadata { sends_iss, ..metadata(&[]) }) {
            Ok(code) => code.to_owned(),
            Err(failure) => failure.fragment(),
        }
    }

    #[test]
    fn an_answer_names_its_issuer_exactly_where_the_provider_sends_it() {
        let oidc = oidc_settings(&[]);
        let at = |tenant: &str| ISSUER.replace(TENANT, tenant);
        let all = at("organizations");
        let entra = entra_settings(&[("SSO_ISSUER", &all), ("SSO_TENANTS", TENANT)]);
        let refused = "error=invalid_sso_token&reason=issuer";
        for (settings, sends_iss, iss, expected) in [
            (&oidc, true, Some(OIDC_ISSUER), "c"),
            (&oidc, false, Some(OIDC_ISSUER), "c"),
            (&oidc, false, None, "c"),
            (&oidc, true, None, refused),
            (&oidc, false, Some("https://id.example.com/"), refused),
            (&oidc, false, Some("https://ID.example.com"), refused),
            (&oidc, false, Some(""), refused),
            (&entra, false, None, "c"),
            (&entra, false, Some(ISSUER), "c"),
            (&entra, false, Some(&all), refused),
            (&entra, false, Some(&at(OTHER_TENANT)), refused),
        ] {
            let answer = Answer { code: Some("c"), error: None, error_description: None, iss };
            assert_eq!(code(settings, sends_iss, &answer), expected, "{iss:?}");
            // An error of another issuer is not passed on.
            let answer = Answer { error: Some("e"), code: None, ..answer };
            let expected = if expected == "c" { "error=e" } else { expected };
            assert_eq!(code(settings, sends_iss, &answer), expected, "{iss:?}");
        }
    }

    #[test]
    fn an_answer_has_an_error_or_a_code() {
        let settings = oidc_settings(&[]);
        for (given, error, expected) in [
            (Some("c"), None, "c"),
            (Some("c"), Some("access_denied"), "error=access_denied&error_code=AADSTS1"),
            (None, Some("access_denied"), "error=access_denied&error_code=AADSTS1"),
            (Some(""), None, "error=malformed_request"),
            (None, None, "error=malformed_request"),
        ] {
            let description = Some("AADSTS1: Anna has said no.");
            let answer = Answer { code: given, error, error_description: description, iss: None };
            assert_eq!(code(&settings, false, &answer), expected, "{given:?} {error:?}");
        }
    }
}
