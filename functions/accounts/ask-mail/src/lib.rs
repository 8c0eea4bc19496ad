//! Mail that a stranger may ask for, knowing an address. This function can't look into any account: whether the address
//! belongs to one shows neither in the answer nor in the time it takes.

mod ask;
mod forgot;
mod resend;

pub use ask::AccountAddress;
pub use forgot::RequestPasswordReset;
pub use resend::ResendVerification;

/// The endpoints of this function.
pub type Endpoints = (RequestPasswordReset, ResendVerification);
