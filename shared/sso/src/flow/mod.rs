//! Sign-ins in a browser: the authorization code flow of OpenID Connect Core 1.0, with PKCE (RFC
//! 7636).
//!
//! - [`ReturnUrls`]: the pages that may begin one
//! - [`Flow`], [`FlowCookies`]: what the browser keeps until the provider has answered
//! - [`Authorization`]: the request that the browser takes to the provider; [`Answer`]: what it
//!   brings back
//! - [`Exchange`]: gets the ID token for the code, by our credential
//! - [`Failure`]: what the page is told if a sign-in fails

mod answer;
mod assertion;
mod authorization;
mod credential;
mod exchange;
mod failure;
mod return_urls;
mod state;

pub use answer::Answer;
pub use authorization::Authorization;
pub use exchange::{CodeGrant, Exchange};
pub use failure::Failure;
pub use return_urls::ReturnUrls;
pub use state::{Flow, FlowCookies, PURPOSE};
