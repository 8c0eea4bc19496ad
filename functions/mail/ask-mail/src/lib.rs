//! Mail that any caller who knows an address may ask for. This function cannot read any account. So
//! neither the answer nor the time it takes shows whether the address belongs to one.

mod ask;
mod forgot;
mod resend;

pub use ask::AccountAddress;
pub use forgot::RequestPasswordReset;
pub use resend::ResendVerification;

/// The endpoints of this function.
pub type Endpoints = (RequestPasswordReset, ResendVerification);
