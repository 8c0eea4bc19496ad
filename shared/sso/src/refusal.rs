//! Why a token gives no sign-in.

use platform::Problem;

/// The reason why a token gives no sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This check refuses the token.
    #[error("the check `{0}` refuses the token")]
    Token(&'static str),
    /// The provider does not answer, or not as it should. The log has the cause.
    #[error("the identity provider does not answer as it should")]
    Unavailable,
}

impl Refusal {
    /// The token has another form than a token of the provider, or none of the provider's keys
    /// verifies it.
    pub(crate) const SIGNATURE: Self = Self::Token("signature");
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Token(reason) => Problem::invalid_sso_token(reason),
            Refusal::Unavailable => Problem::unavailable(),
        }
    }
}
