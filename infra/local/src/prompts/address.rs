//! The URL of the API.

use std::str::FromStr;

use reqwest::Url;

/// URL of an API. The key travels there, so plain HTTP is allowed to this machine alone.
#[derive(Debug, Clone)]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// Whether calls are encrypted. Others do not leave this machine.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL of a path that begins with a slash.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// The URL itself.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl FromStr for ServerUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "it must be an https URL, or an http one of a loopback address, \
                             without user, query and fragment";
        let url = Url::parse(text).map_err(|_| WRONG)?;
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        match url.scheme() {
            "https" if is_plain => Ok(Self(url)),
            "http" if is_plain && is_loopback => Ok(Self(url)),
            _ => Err(WRONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_encrypted_or_to_this_machine() {
        for (text, expected) in [
            ("https://api.example.com", Some("https://api.example.com/prompts")),
            ("https://api.example.com/", Some("https://api.example.com/prompts")),
            ("https://example.com/prod/", Some("https://example.com/prod/prompts")),
            ("http://127.0.0.1:8787", Some("http://127.0.0.1:8787/prompts")),
            ("http://localhost:1", Some("http://localhost:1/prompts")),
            ("http://[::1]:1", Some("http://[::1]:1/prompts")),
            ("http://api.example.com", None),
            ("http://127.0.0.1.example.com", None),
            ("http://localhost@example.com", None),
            ("https://user:password@example.com", None),
            ("https://example.com?x=1", None),
            ("https://example.com#x", None),
            ("file:///etc/passwd", None),
            ("api.example.com", None),
            ("", None),
        ] {
            let url = text.parse::<ServerUrl>().map(|url| url.at("/prompts").to_string());
            assert_eq!(url.ok().as_deref(), expected, "{text}");
        }
    }
}
