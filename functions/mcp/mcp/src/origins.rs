//! Origins of pages that may send messages. A page that has rebound a name to this machine sends an
//! `Origin` that is neither on the list nor ours.

use http::{HeaderValue, Uri, header};
use platform::ConfigError;
use platform::config::Config;
use platform::request::HttpCall;

/// The allow-list, and our own origin.
#[derive(Debug)]
pub struct Origins {
    allowed: Vec<String>,
    /// The origin of `PUBLIC_URL`.
    own: Option<String>,
}

impl Origins {
    /// Reads `CORS_ORIGINS` and `PUBLIC_URL`.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let allowed = config.require("CORS_ORIGINS")?.split(',');
        Ok(Self {
            allowed: allowed.map(|origin| origin.trim().to_owned()).collect(),
            own: config.get("PUBLIC_URL").and_then(origin_of),
        })
    }

    /// Whether every `Origin` of a request is on the list or our own. A request without one is no
    /// page's.
    pub fn admit(&self, call: &HttpCall) -> bool {
        let mut origins = call.headers.get_all(header::ORIGIN).iter();
        origins.all(|origin| self.knows(origin, &call.context.base_url))
    }

    fn knows(&self, origin: &HeaderValue, base_url: &str) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.allowed.iter().chain(&self.own).any(|known| known == origin)
            || host(origin).is_some_and(|named| Some(named) == host(base_url))
    }
}

/// The host and port of an origin. API Gateway answers at hosts of its API alone, so a page of the
/// request's own host is ours.
fn host(origin: &str) -> Option<&str> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))?;
    Some(host).filter(|host| !host.is_empty())
}

/// The origin of a URL.
fn origin_of(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_list_or_of_our_own_is_known_and_no_other() {
        let origins = Origins {
            allowed: vec!["https://excel.office.com".into()],
            own: origin_of("https://api.example.com/v1"),
        };
        for (origin, base_url, expected) in [
            ("https://excel.office.com", "https://a.execute-api.example", true),
            ("https://api.example.com", "https://a.execute-api.example", true),
            ("https://a.execute-api.example", "https://a.execute-api.example", true),
            ("http://127.0.0.1:8787", "https://127.0.0.1:8787", true),
            ("http://127.0.0.1:8788", "https://127.0.0.1:8787", false),
            ("https://excel.office.com.evil.example", "https://127.0.0.1:8787", false),
            ("https://excel.office.com,https://evil.example", "https://127.0.0.1:8787", false),
            ("https://api.example.com/v1", "https://127.0.0.1:8787", false),
            ("http://api.example.com", "https://127.0.0.1:8787", false),
            ("null", "https://127.0.0.1:8787", false),
            ("https://", "https://", false),
            ("", "https://", false),
        ] {
            let origin = HeaderValue::from_static(origin);
            assert_eq!(origins.knows(&origin, base_url), expected, "{origin:?} at {base_url}");
        }
    }
}
