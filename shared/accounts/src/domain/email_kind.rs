//! Mails, and the purposes of the tokens in them.

use platform::store::User;
use serde::{Deserialize, Serialize};

/// A mail, and the data that tells its recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EmailKind {
    /// A token that sets a new password, if an account that may sign in has this address.
    PasswordReset {
        /// As it was typed.
        email: String,
    },
    /// A token that verifies the address which an account waits for.
    EmailVerification {
        /// The address that the account has now.
        email: String,
        /// The address that the mail goes to, where the account is to move to another one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moving_to: Option<String>,
    },
    /// A notice that something happened to an account which its owner would want to know of.
    Notice {
        /// The event.
        of: Notice,
        /// Username of the account.
        username: String,
        /// The account's address, as it was before.
        email: String,
    },
}

impl EmailKind {
    /// A notice to the owner of an account as it is. An account with a password has an address.
    pub fn notice(of: Notice, user: &User) -> Self {
        let email = user.email.clone().unwrap_or_default();
        Self::Notice { of, username: user.username.clone(), email }
    }
}

/// The events of which an owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Another password, set by a user who knew the one before.
    PasswordChanged,
    /// Another password, by a mailed token.
    PasswordReset,
    /// The address was changed.
    EmailChanged,
    /// The account was deleted.
    AccountDeleted,
}

/// The purpose of a mailed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To set a new password without the old one.
    PasswordReset,
    /// To show that an address belongs to the owner of the account.
    EmailVerification,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::PasswordReset, Self::EmailVerification];

    /// The name in tables and events.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::PasswordReset => "password_reset",
            Purpose::EmailVerification => "email_verification",
        }
    }

    /// Seconds for which the token is valid.
    pub fn lifetime_seconds(self) -> i64 {
        match self {
            Purpose::PasswordReset => 30 * 60,
            // This token is good for nothing else, and waits in a mailbox that its owner may not
            // read at once.
            Purpose::EmailVerification => 24 * 3600,
        }
    }
}
