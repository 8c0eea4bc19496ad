//! The pages that may begin a sign-in.

use platform::ConfigError;
use platform::config::{Config, invalid};
use reqwest::Url;

use crate::settings::{is_safe, list};

/// The setting `SSO_RETURN_URLS`: the pages that a browser returns to.
#[derive(Debug, Clone)]
pub struct ReturnUrls {
    urls: Vec<String>,
}

impl ReturnUrls {
    /// Reads the setting; `None` if it lists no page.
    pub fn from_config(config: &Config) -> Result<Option<Self>, ConfigError> {
        let urls: Vec<_> = list(config, "SSO_RETURN_URLS").map(str::to_owned).collect();
        if let Some(wrong) = urls.iter().find(|url| !is_page(url)) {
            let expected = "each must be an https URL, or an http one of a loopback address, \
                            without a user and without a fragment";
            return Err(invalid("SSO_RETURN_URLS", wrong, expected));
        }
        Ok((!urls.is_empty()).then_some(Self { urls }))
    }

    /// Whether this is one of the pages, character by character.
    pub fn has(&self, url: &str) -> bool {
        self.urls.iter().any(|known| known == url)
    }
}

/// Whether the answer of a sign-in may go to a URL, in its fragment.
fn is_page(text: &str) -> bool {
    // The parser of URLs would skip blanks and line breaks.
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && Url::parse(text).is_ok_and(|url| is_safe(&url) && url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(text: &str) -> Result<Option<ReturnUrls>, ConfigError> {
        ReturnUrls::from_config(&[("SSO_RETURN_URLS", text)].into_iter().collect())
    }

    #[test]
    fn a_page_is_listed_exactly_or_not_at_all() {
        let listed = "https://app.example.com/auth?from=tally, http://localhost:3000/auth.html";
        let pages = pages(listed).unwrap().unwrap();
        for (url, expected) in [
            ("https://app.example.com/auth?from=tally", true),
            ("http://localhost:3000/auth.html", true),
            ("https://app.example.com/auth", false),
            ("https://app.example.com/auth?from=tally&more", false),
            ("https://app.example.com:443/auth?from=tally", false),
            ("https://APP.example.com/auth?from=tally", false),
            ("http://localhost:3000/auth.html#", false),
            ("http://localhost:3000", false),
            ("", false),
        ] {
            assert_eq!(pages.has(url), expected, "{url}");
        }
    }

    #[test]
    fn other_settings_are_refused() {
        for text in [
            "http://app.example.com/auth",
            "https://app.example.com/auth#",
            "https://app.example.com/auth#part",
            "https://user@app.example.com/auth",
            "https://app.example.com/a b",
            "https://bücher.example/auth",
            "app.example.com",
            "javascript:alert(1)",
            "https://app.example.com/auth,ftp://app.example.com",
        ] {
            assert!(pages(text).is_err(), "{text}");
        }
        for text in ["", " ", ","] {
            assert!(pages(text).unwrap().is_none(), "{text:?}");
        }
    }
}
