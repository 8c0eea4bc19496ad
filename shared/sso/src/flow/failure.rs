//! Why a sign-in in a browser failed, as its page is told.

use form_urlencoded::Serializer;
use platform::Problem;

use crate::Refusal;

/// Characters of an error code of the provider, at most.
const LONGEST_CODE: usize = 64;

/// What the numbers of Entra's errors begin with.
const NUMBER_PREFIX: &str = "AADSTS";

/// Digits of such a number, at most.
const LONGEST_NUMBER: usize = 10;

/// A sign-in that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The provider's error code, or the code of one of our problems.
    error: String,
    /// The number of an error of Entra, as in `AADSTS50105`.
    error_code: Option<String>,
    /// The check that refused.
    reason: Option<&'static str>,
}

impl Failure {
    /// An error of the provider (RFC 6749 sections 4.1.2.1 and 5.2). Its description can hold
    /// personal data, so only the number in it is kept.
    pub(super) fn of_provider(error: &str, description: Option<&str>) -> Self {
        let is_code = (1..=LONGEST_CODE).contains(&error.len())
            && error.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte));
        if !is_code {
            return Problem::malformed_request("The provider's error is no error code.").into();
        }
        let error_code = description.and_then(number).map(str::to_owned);
        Self { error: error.to_owned(), error_code, reason: None }
    }

    /// The reason, as the event of the sign-in has it: the check that refused, or the error.
    pub fn reason(&self) -> &str {
        self.reason.unwrap_or(&self.error)
    }

    /// The number of an error of Entra.
    pub fn error_code(&self) -> Option<&str> {
        self.error_code.as_deref()
    }

    /// The fragment that tells the page, form-encoded.
    pub fn fragment(&self) -> String {
        let mut fragment = Serializer::new(String::new());
        fragment.append_pair("error", &self.error);
        if let Some(error_code) = &self.error_code {
            fragment.append_pair("error_code", error_code);
        }
        if let Some(reason) = self.reason {
            fragment.append_pair("reason", reason);
        }
        fragment.finish()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let reason = problem.sso.and_then(|details| details.reason);
        Self { error: problem.code.as_str().to_owned(), error_code: None, reason }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Problem::from(refusal).into()
    }
}

/// The number of an error of Entra in its description: `AADSTS50105: The signed in user …`.
fn number(description: &str) -> Option<&str> {
    let start = description.find(NUMBER_PREFIX)?;
    let found = &description[start..];
    let digits = found[NUMBER_PREFIX.len()..].bytes().take_while(u8::is_ascii_digit).count();
    (1..=LONGEST_NUMBER).contains(&digits).then(|| &found[..NUMBER_PREFIX.len() + digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_the_code_and_the_number_and_no_description() {
        for (error, description, fragment, reason) in [
            ("access_denied", None, "error=access_denied", "access_denied"),
            (
                "access_denied",
                Some(
                    "AADSTS50105: The user 'anna@contoso.example' is not assigned.\r\nTrace ID: 1",
                ),
                "error=access_denied&error_code=AADSTS50105",
                "access_denied",
            ),
            ("a b&c=#", Some("no number"), "error=a+b%26c%3D%23", "a b&c=#"),
            (
                "login_required",
                Some("(AADSTS50058)"),
                "error=login_required&error_code=AADSTS50058",
                "login_required",
            ),
            ("e", Some("AADSTS: none"), "error=e", "e"),
            ("e", Some("AADSTS12345678901"), "error=e", "e"),
            ("e", Some("aadsts50105"), "error=e", "e"),
            ("e", Some("äAADSTS1é"), "error=e&error_code=AADSTS1", "e"),
            ("", Some("AADSTS50105"), "error=malformed_request", "malformed_request"),
            ("a\"b", None, "error=malformed_request", "malformed_request"),
            ("a\\b", None, "error=malformed_request", "malformed_request"),
            ("a\nb", None, "error=malformed_request", "malformed_request"),
            ("é", None, "error=malformed_request", "malformed_request"),
            (&"a".repeat(65), None, "error=malformed_request", "malformed_request"),
        ] {
            let failure = Failure::of_provider(error, description);
            assert_eq!(failure.fragment(), fragment, "{error} {description:?}");
            assert_eq!(failure.reason(), reason, "{error} {description:?}");
        }
        let longest = "a".repeat(64);
        assert_eq!(Failure::of_provider(&longest, None).reason(), longest);
    }

    #[test]
    fn a_problem_tells_its_code_and_its_reason() {
        for (failure, fragment, reason) in [
            (Failure::from(Problem::unavailable()), "error=unavailable", "unavailable"),
            (
                Failure::from(Problem::invalid_sso_token("nonce")),
                "error=invalid_sso_token&reason=nonce",
                "nonce",
            ),
            (
                Failure::from(Refusal::Token("issuer")),
                "error=invalid_sso_token&reason=issuer",
                "issuer",
            ),
            (Failure::from(Refusal::Unavailable), "error=unavailable", "unavailable"),
        ] {
            assert_eq!((failure.fragment().as_str(), failure.reason()), (fragment, reason));
            assert_eq!(failure.error_code(), None);
        }
    }
}
