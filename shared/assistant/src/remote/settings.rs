//! The settings that all providers over a network have.

use std::time::Duration;

use platform::ConfigError;
use platform::config::{Config, invalid};
use reqwest::Url;

/// Time limits of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// `AI_CONNECT_MILLISECONDS`: until a connection is established, TLS included (default 5 s, as
    /// in the SDKs of the providers). The connections of `bedrock` have the limit of all AWS
    /// clients.
    pub connect: Duration,
    /// `AI_FIRST_TOKEN_MILLISECONDS`: from the request to the first word or thought; pings do not
    /// count (default 60 s).
    pub first_token: Duration,
    /// `AI_IDLE_MILLISECONDS`: between two messages after that; pings count (default 30 s).
    pub idle: Duration,
}

impl Patience {
    /// Reads the settings.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let milliseconds = |name, default| config.count(name, default).map(Duration::from_millis);
        Ok(Self {
            connect: milliseconds("AI_CONNECT_MILLISECONDS", 5_000)?,
            first_token: milliseconds("AI_FIRST_TOKEN_MILLISECONDS", 60_000)?,
            idle: milliseconds("AI_IDLE_MILLISECONDS", 30_000)?,
        })
    }
}

/// The URL of a server, which the setting `name` has, with a path added. The conversation and the
/// key travel there, so plain HTTP is allowed to this machine alone.
pub(crate) fn server_url(name: &str, base: &str, path: &[&str]) -> Result<Url, ConfigError> {
    let wrong = || {
        invalid(
            name,
            base,
            "it must be an https URL, or an http one of a loopback address, without user, query \
             and fragment",
        )
    };
    let mut url = Url::parse(base).map_err(|_| wrong())?;
    let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" if is_plain => {}
        "http" if is_plain && is_loopback => {}
        _ => return Err(wrong()),
    }
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_to_the_server_or_to_this_machine() {
        for (base, expected) in [
            ("https://api.anthropic.com", Some("https://api.anthropic.com/v1/messages")),
            (
                "https://gateway.example.com/claude/",
                Some("https://gateway.example.com/claude/v1/messages"),
            ),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080/v1/messages")),
            ("http://localhost", Some("http://localhost/v1/messages")),
            ("http://[::1]:1", Some("http://[::1]:1/v1/messages")),
            ("http://api.anthropic.com", None),
            ("http://127.0.0.1.example.com", None),
            ("http://localhost@example.com", None),
            ("https://user:password@example.com", None),
            ("https://example.com?x=1", None),
            ("https://example.com#x", None),
            ("file:///etc/passwd", None),
            ("api.anthropic.com", None),
        ] {
            let found = server_url("ANTHROPIC_BASE_URL", base, &["v1", "messages"]).ok();
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{base}");
        }
    }

    #[test]
    fn a_number_that_is_none_stops_the_function() {
        for name in
            ["AI_CONNECT_MILLISECONDS", "AI_FIRST_TOKEN_MILLISECONDS", "AI_IDLE_MILLISECONDS"]
        {
            for value in ["0", "-1", "1.5", "soon"] {
                let config = [(name, value)].into_iter().collect();
                assert!(Patience::from_config(&config).is_err(), "{name}={value}");
            }
        }
    }
}
