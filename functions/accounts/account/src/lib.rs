//! The changes that owners make to their account: another name, another address, the proof of an
//! address, and its deletion.

mod address;
mod delete;
mod update;
mod verify;

pub use delete::{Confirmation, DeleteMe};
pub use update::{AccountChange, UpdateMe};
pub use verify::{EmailVerification, VerifyEmail};

use platform::store::Account;
use serde::Serialize;
use utoipa::ToSchema;

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed {
    /// The account as it is now.
    pub user: Account,
}

/// The endpoints of this function.
pub type Endpoints = (UpdateMe, DeleteMe, VerifyEmail);
