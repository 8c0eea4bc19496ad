//! Another password for an account: for whoever knows the old one, or has the account's mail.

mod reset;
mod set;

pub use reset::{NewPassword, Reset};
