//! Single sign-on: what the functions `sso` and `sso-browser` share. Only this crate talks to the
//! identity provider.
//!
//! - [`Settings`]: the provider of this deployment; [`RoleMap`], [`StepUp`]: the rights that a
//!   sign-in gives
//! - [`Verified`]: a sign-in whose token has been verified
//! - [`Provider`]: the provider's metadata, keys and token endpoint; [`AccessTokens`],
//!   [`IdTokens`]: verify its tokens; [`Refusal`]: why a token gives no sign-in
//! - [`flow`]: sign-ins in a browser
//! - [`store`]: the codes of sign-ins in a browser, and the outages of the provider

mod access_token;
mod claims;
pub mod flow;
mod id_token;
mod provider;
mod refusal;
mod role_map;
#[cfg(test)]
mod samples;
mod settings;
mod step_up;
pub mod store;
mod token;
mod verified;

pub use access_token::AccessTokens;
pub use id_token::IdTokens;
pub use provider::{Metadata, Provider};
pub use refusal::Refusal;
pub use role_map::RoleMap;
pub use settings::{Kind, Settings};
pub use step_up::StepUp;
pub use verified::Verified;
