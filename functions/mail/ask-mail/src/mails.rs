//! The mails: their routes, answers and tokens.

use platform::routes::{self, Route};
use tally_accounts::domain::EmailKind;
use tally_accounts::mail::Accepted;

use crate::ask::Mail;

/// `POST /auth/password/forgot`: mails a token for a new password, if the address belongs to an
/// account.
pub struct RequestPasswordReset;

impl Mail for RequestPasswordReset {
    const ROUTE: Route = routes::PASSWORD_FORGOT;
    const ANSWER: Accepted = Accepted::RESET;

    fn kind(email: String) -> EmailKind {
        EmailKind::PasswordReset { email }
    }
}

/// `POST /auth/email/resend`: mails another token that verifies an address, if an account waits for
/// that.
pub struct ResendVerification;

impl Mail for ResendVerification {
    const ROUTE: Route = routes::EMAIL_RESEND;
    const ANSWER: Accepted = Accepted::VERIFICATION;

    fn kind(email: String) -> EmailKind {
        EmailKind::EmailVerification { email, moving_to: None }
    }
}
