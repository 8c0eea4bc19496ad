//! What a provider is started with: its ids, its ports, its clients and its people.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;

use super::person::Person;

/// The tenant (`tid`), a GUID.
pub const TENANT: &str = "3b5a8c1e-0f6d-4e2a-9c7b-1d2e3f405162";

/// The client id of Tally's registration. Tokens for Tally have it as their audience.
pub const CLIENT: &str = "8d1f6c2a-4b7e-4c39-a5d0-6f2e9b8c7a11";

/// The client secret of Tally's registration. It has 40 characters, as Entra's have.
pub const SECRET: &str = "fake~8Q.the-secret-of-the-fake-tenant_42";

/// The page of a front end that a sign-in in a browser returns to.
pub const PAGE: &str = "https://localhost:3000/auth.html";

/// The client id under which Office signs in for add-ins with `getAccessToken`.
pub const OFFICE: &str = "d3590ed6-52b3-4102-aeff-aad2292ab01c";

/// The path at which Tally receives codes. Codes for it are for a client with a credential.
const CALLBACK: &str = "/auth/sso/callback";

/// The kind of provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Microsoft Entra ID.
    Entra,
    /// Any other OpenID provider.
    Oidc,
}

/// What a provider is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The kind.
    pub kind: Kind,
    /// The port for http; 0 takes a free one.
    pub port: u16,
    /// The port for https; 0 takes a free one.
    pub https_port: u16,
    /// The issuer of its metadata and tokens. If it is `None`, Entra has Microsoft's for the
    /// tenant, and another provider its own URL.
    pub issuer: Option<String>,
    /// Tally's URL, for the commands on its own pages.
    pub tally: String,
    /// Redirect URIs beside those of this machine, all of which it takes.
    pub redirects: Vec<String>,
    /// The clients beside Tally. None of them has a credential.
    pub clients: Vec<String>,
    /// The people.
    pub people: Vec<Person>,
}

impl Setup {
    /// A provider of this kind on free ports, without people.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            port: 0,
            https_port: 0,
            issuer: None,
            tally: "http://localhost:8787".to_owned(),
            redirects: Vec::new(),
            clients: vec![OFFICE.to_owned()],
            people: Vec::new(),
        }
    }

    /// Whether a client is registered.
    pub(super) fn has_client(&self, id: &str) -> bool {
        id == CLIENT || self.clients.iter().any(|client| client == id)
    }

    /// Whether codes may go to this URI.
    pub(super) fn has_redirect(&self, uri: &str) -> bool {
        let is_local = Url::parse(uri).is_ok_and(|url| {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        });
        is_local || self.redirects.iter().any(|redirect| redirect == uri)
    }
}

/// Whether a code for this URI is for a client with a credential alone, as Entra has it for URIs of
/// the type `web`.
pub(super) fn is_web(redirect_uri: &str) -> bool {
    redirect_uri.split(['?', '#']).next().is_some_and(|uri| uri.ends_with(CALLBACK))
}

/// The address that it listens at.
pub(super) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
