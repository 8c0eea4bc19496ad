//! `GET /auth/sso/authorize`, `GET /auth/sso/callback`: a sign-in in a browser, from a page to the
//! identity provider and back to the page.
//!
//! This function has the credential at the provider, and neither accounts nor keys of tokens. The
//! page gets a code, which `POST /auth/sso` takes.

mod begin;
mod end;
mod query;

use platform::config::Config;
use platform::context::Context;
use platform::routes;
use platform::{ConfigError, Platform};
use tally_sso::Provider;
use tally_sso::flow::ReturnUrls;

pub use begin::BeginSso;
pub use end::EndSso;
pub use query::{BeginQuery, CodeChallenge, EndQuery, LoginHint, Prompt};

/// The endpoints of this function.
pub type Endpoints = (BeginSso, EndSso);

/// The provider, and the pages that may begin a sign-in; `None` if this deployment has no sign-in
/// in a browser.
fn provider(platform: &Platform) -> Result<Option<(Provider, ReturnUrls)>, ConfigError> {
    let Some(provider) = Provider::of_process(platform)? else { return Ok(None) };
    Ok(ReturnUrls::from_config(&platform.config)?.map(|pages| (provider, pages)))
}

/// URL of the callback, as the provider knows it.
fn redirect_uri(context: &Context, config: &Config) -> String {
    format!("{}{}", context.public_url(config), routes::SSO_CALLBACK.path)
}
