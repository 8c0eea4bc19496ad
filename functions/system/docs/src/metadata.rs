//! `GET /.well-known/oauth-authorization-server`: the metadata of this server for OAuth 2.0 clients
//! (RFC 8414).

use http::header;
use platform::config::Config;
use platform::http::PlainEndpoint;
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use utoipa::ToSchema;

/// The endpoint.
pub struct ReadOAuthMetadata {
    config: Config,
    grant_types: Vec<&'static str>,
}

/// Metadata of this server. It has no authorization endpoint, so it has no response types.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorizationServer {
    /// URL of this server. RFC 8414 requires the URL under which the client found this document.
    /// The claim `iss` of tokens is the setting `ISSUER`.
    #[schema(example = "https://api.example.com")]
    pub issuer: String,
    /// Endpoint that issues tokens.
    #[schema(example = "https://api.example.com/auth/token")]
    pub token_endpoint: String,
    /// Endpoint that revokes tokens (RFC 7009).
    #[schema(example = "https://api.example.com/auth/revoke")]
    pub revocation_endpoint: String,
    /// Endpoint at which services check a token (RFC 7662). It needs an API key, for which RFC 8414
    /// has no name.
    #[schema(example = "https://api.example.com/auth/introspect")]
    pub introspection_endpoint: String,
    /// `refresh_token`, and `password` if the deployment accepts it.
    pub grant_types_supported: Vec<&'static str>,
    /// None.
    pub response_types_supported: [&'static str; 0],
    /// `none`: clients are public ones.
    pub token_endpoint_auth_methods_supported: [&'static str; 1],
    /// `none`: any client that has a token may revoke it.
    pub revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// The documentation for people.
    #[schema(example = "https://api.example.com/docs")]
    pub service_documentation: String,
}

impl PlainEndpoint for ReadOAuthMetadata {
    const ROUTE: Route = routes::OAUTH_METADATA;
    type Output = AuthorizationServer;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = platform.config.clone();
        let password = config.switch("PASSWORD_GRANT")?.then_some("password");
        Ok(Self { grant_types: ["refresh_token"].into_iter().chain(password).collect(), config })
    }

    async fn handle(&self, call: &HttpCall) -> Result<Reply<AuthorizationServer>, Problem> {
        let url = call.context.public_url(&self.config);
        let server = AuthorizationServer {
            token_endpoint: format!("{url}{}", routes::TOKEN.path),
            revocation_endpoint: format!("{url}{}", routes::REVOKE.path),
            introspection_endpoint: format!("{url}{}", routes::INTROSPECT.path),
            grant_types_supported: self.grant_types.clone(),
            response_types_supported: [],
            token_endpoint_auth_methods_supported: ["none"],
            revocation_endpoint_auth_methods_supported: ["none"],
            service_documentation: format!("{url}{}", routes::DOCS.path),
            issuer: url,
        };
        Ok(Reply::new(server).header(header::CACHE_CONTROL, "public, max-age=300"))
    }
}
