//! Mails, and what the tokens in them are good for.

use serde::{Deserialize, Serialize};

/// A mail, and what tells to whom it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
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
    /// That something happened to an account which its owner would want to know of.
    Notice {
        /// What.
        of: Notice,
        /// Whose account.
        username: String,
        /// The account's address, as it was before.
        email: String,
    },
}

/// What an owner is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Another password, by whoever knew the one before.
    PasswordChanged,
    /// Another password, by a mailed token.
    PasswordReset,
    /// Another address.
    EmailChanged,
    /// No account any more.
    AccountDeleted,
}

/// What a mailed token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To set a new password without the old one.
    PasswordReset,
    /// To show that an address is one's own.
    EmailVerification,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::PasswordReset, Self::EmailVerification];

    /// As tables and events have it.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::PasswordReset => "password_reset",
            Purpose::EmailVerification => "email_verification",
        }
    }

    /// How long it is good.
    pub fn lifetime_seconds(self) -> i64 {
        match self {
            Purpose::PasswordReset => 30 * 60,
            // It is good for nothing else, and waits in a mailbox that may not be read at once.
            Purpose::EmailVerification => 24 * 3600,
        }
    }
}
