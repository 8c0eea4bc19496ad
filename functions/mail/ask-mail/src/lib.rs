//! Mail that any caller who knows an address may ask for. This function cannot read any account. So
//! neither the answer nor the time it takes shows whether the address belongs to one.

mod ask;
mod mails;

pub use ask::{AccountAddress, Ask, Mail};
pub use mails::{RequestPasswordReset, ResendVerification};

/// The endpoints of this function.
pub type Endpoints = (Ask<RequestPasswordReset>, Ask<ResendVerification>);
