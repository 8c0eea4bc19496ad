//! The API key.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the environment is the functions'"
)]

use std::env;

use reqwest::header::HeaderValue;

/// The variable with the key. No argument has it, because other users can list arguments.
const VARIABLE: &str = "TALLY_API_KEY";

/// The key as the value of a header. Its `Debug` implementation hides it.
pub(crate) fn from_environment() -> Result<HeaderValue, String> {
    let text = env::var(VARIABLE).map_err(|_| {
        format!(
            "set {VARIABLE} to an API key with the scopes prompts:read and, to push, prompts:write"
        )
    })?;
    // A key that comes from a file may end with a newline.
    let key = HeaderValue::from_str(text.trim()).ok().filter(|key| !key.is_empty());
    let mut key = key.ok_or_else(|| format!("{VARIABLE} is no API key"))?;
    key.set_sensitive(true);
    Ok(key)
}
