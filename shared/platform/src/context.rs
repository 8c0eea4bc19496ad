//! Where a request or message came from and how it is correlated: what the audit trail and the limits need of it.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::Config;

use serde::{Deserialize, Serialize};

/// The circumstances of one request or message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Correlation id, in the answer, the logs and the audit trail.
    pub request_id: String,
    /// The client's address as API Gateway saw it; an IPv6 one is its /64, because a client can choose the rest.
    pub address: String,
    /// The client's `User-Agent`, at most 256 characters.
    pub user_agent: String,
    /// URL of the API as the client reached it, without a trailing slash.
    pub base_url: String,
}

impl Context {
    /// URL under which clients reach the HTTP API, without a trailing slash: the setting `PUBLIC_URL`, or the request's own.
    pub fn public_url(&self, config: &Config) -> String {
        config.get("PUBLIC_URL").map_or_else(|| self.base_url.clone(), |url| url.trim_end_matches('/').to_owned())
    }
}

/// Normalises API Gateway's `sourceIp`.
pub fn client_address(source: &str) -> String {
    match source.parse() {
        Ok(IpAddr::V6(address)) => {
            if let Some(mapped) = address.to_ipv4_mapped() {
                return mapped.to_string();
            }
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::client_address;

    #[test]
    fn an_address_is_the_part_that_a_client_cannot_choose() {
        for (source, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("", "unknown"),
            ("evil, 10.0.0.1", "unknown"),
        ] {
            assert_eq!(client_address(source), expected, "{source}");
        }
    }
}
