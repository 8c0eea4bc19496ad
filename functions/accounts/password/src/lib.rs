//! Another password for an account, for a user who knows the old one or receives the account's
//! mail.

mod change;
mod reset;
mod set;

pub use change::{ChangePassword, PasswordChange};
pub use reset::{PasswordReset, ResetPassword};

/// The endpoints of this function.
pub type Endpoints = (ChangePassword, ResetPassword);
