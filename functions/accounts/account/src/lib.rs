//! What owners do with their account: another name, another address, the proof of an address, its end.

mod address;
mod delete;
mod update;
mod verify;

pub use delete::{Confirmation, DeleteMe};
pub use update::{AccountChange, Changed, UpdateMe};
pub use verify::{EmailVerification, VerifyEmail};

/// The endpoints of this function.
pub type Endpoints = (UpdateMe, DeleteMe, VerifyEmail);
