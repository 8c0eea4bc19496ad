//! The origin of a request or message and its correlation id, for the audit log and the rate
//! limits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The circumstances of one request or message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Correlation id, in the answer, the logs and the audit log.
    pub request_id: String,
    /// The client's address as API Gateway saw it. An IPv6 address is cut to its /64, because a
    /// client can choose the rest.
    pub address: String,
    /// The client's `User-Agent`, at most 256 characters.
    pub user_agent: String,
    /// URL of the API as the client reached it, without a trailing slash.
    pub base_url: String,
}

impl Context {
    /// URL at which clients reach the HTTP API, without a trailing slash: the setting `PUBLIC_URL`,
    /// or else the URL of the request.
    pub fn public_url(&self, config: &Config) -> String {
        config
            .get("PUBLIC_URL")
            .map_or_else(|| self.base_url.clone(), |url| url.trim_end_matches('/').to_owned())
    }
}

/// Normalises API Gateway's `sourceIp`.
pub fn client_address(source: &str) -> String {
    source.parse::<IpAddr>().map_or_else(|_| "unknown".to_owned(), form_of)
}

/// The same form of an address that a caller names: any address, or a /64 as this form has it.
/// `None` if the text is neither.
pub fn named_address(text: &str) -> Option<String> {
    match text.strip_suffix("/64") {
        Some(network) => network.parse::<Ipv6Addr>().ok().map(network_of),
        None => text.parse::<IpAddr>().ok().map(form_of),
    }
}

/// The part of an address that its client cannot choose.
fn form_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped().or_else(|| nat64(address)) {
            Some(embedded) => embedded.to_string(),
            None => network_of(address),
        },
    }
}

fn network_of(address: Ipv6Addr) -> String {
    let [a, b, c, d, ..] = address.segments();
    format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
}

/// The IPv4 address in an address of NAT64's well-known prefix (RFC 6052). Otherwise all of IPv4
/// would share its /64.
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else { return None };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::{client_address, named_address};

    #[test]
    fn an_address_is_the_part_that_a_client_cannot_choose() {
        for (source, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("64:ff9b::203.0.113.7", "203.0.113.7"),
            ("64:ff9b::c000:201", "192.0.2.1"),
            ("64:ff9b:0:0:1::cb00:7107", "64:ff9b::/64"),
            ("64:ff9b:1::cb00:7107", "64:ff9b:1::/64"),
        ] {
            assert_eq!(client_address(source), expected, "{source}");
            // A caller may name it in full, or in this form.
            for named in [source, expected] {
                assert_eq!(named_address(named).as_deref(), Some(expected), "{named}");
            }
        }
        for text in ["", "evil, 10.0.0.1", "10.0.0", "10.0.0.1/64", "fe80::1%eth0", "::/48", "::/"]
        {
            assert_eq!(client_address(text), "unknown", "{text}");
            assert_eq!(named_address(text), None, "{text}");
        }
    }
}
