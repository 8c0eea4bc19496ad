//! The sign-ins that a newcomer tries by hand: the commands and addresses that the pages show.

use platform::ids;

use super::setup::PAGE;
use super::tenant::Tenant;

/// The code verifier (RFC 7636) of each sign-in in a browser that is tried by hand.
const VERIFIER: &str = "the-code-verifier-of-the-fake-tenants-own-page";

/// The path of the page that such a sign-in returns to.
pub(super) const RETURN_PATH: &str = "/page";

/// What the page puts the code in the place of.
pub(super) const CODE: &str = "CODE";

/// The pages that a sign-in may return to, with commas between them.
pub(super) fn return_urls(tenant: &Tenant) -> String {
    format!("{PAGE},{}", own_page(tenant))
}

/// The address at which a sign-in in a browser begins.
pub(super) fn browser_url(tenant: &Tenant) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("return_to", &own_page(tenant));
    query.append_pair("code_challenge", &ids::sha256(VERIFIER));
    format!("{}/auth/sso/authorize?{}", tenant.setup.tally, query.finish())
}

/// The command that signs this person in with an access token, as an add-in does.
pub(super) fn token_command(tenant: &Tenant, hint: &str) -> String {
    let token = format!("$(curl -s '{}/token?user={hint}')", tenant.url);
    command(tenant, &format!(r#""{{\"token\": \"{token}\"}}""#))
}

/// The command that signs in with the code of a sign-in in a browser, which goes in the place of
/// [`CODE`].
pub(super) fn code_command(tenant: &Tenant) -> String {
    command(tenant, &format!(r#"'{{"code": "{CODE}", "code_verifier": "{VERIFIER}"}}'"#))
}

fn command(tenant: &Tenant, body: &str) -> String {
    format!("curl -s {}/auth/sso -H 'content-type: application/json' -d {body}", tenant.setup.tally)
}

fn own_page(tenant: &Tenant) -> String {
    format!("{}{RETURN_PATH}", tenant.url)
}
