//! What clients read about the provider: its metadata, its keys, and Entra's list of hosts.

use serde_json::{Value, json};

use super::fault::Fault;
use super::setup::Kind;
use super::tenant::Tenant;

/// The host of Entra in real metadata.
const CLOUD: &str = "microsoftonline.com";

/// The metadata (OpenID Connect Discovery 1.0) of an issuer. The endpoints have the origin that the
/// client has named, so that a client of the https listener stays there.
pub(super) fn document(tenant: &Tenant, origin: &str, name: &str) -> Value {
    let mut document = match tenant.setup.kind {
        Kind::Entra => of_entra(tenant, origin, name),
        Kind::Oidc => of_another(tenant, origin),
    };
    if tenant.has(Fault::WrongIssuer) {
        document["issuer"] = "https://issuer.example/v2.0".into();
    }
    document
}

fn of_entra(tenant: &Tenant, origin: &str, name: &str) -> Value {
    let base = format!("{origin}/{name}");
    json!({
        "issuer": tenant.issuer_at(name),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "token_endpoint_auth_methods_supported": [
            "client_secret_post", "private_key_jwt", "client_secret_basic",
        ],
        "response_modes_supported": ["query", "fragment"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "aud", "exp", "iat", "auth_time", "acr", "nonce",
            "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email",
        ],
        "tenant_region_scope": "EU",
        "cloud_instance_name": CLOUD,
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
}

fn of_another(tenant: &Tenant, origin: &str) -> Value {
    json!({
        "issuer": tenant.issuer(),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "jwks_uri": format!("{origin}/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
        "response_modes_supported": ["query", "fragment"],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username",
            "email", "email_verified", "roles",
        ],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// The key set (RFC 7517). Entra's keys have an `issuer` and no `alg`.
pub(super) fn keys(tenant: &Tenant, name: &str) -> Value {
    let keys = if tenant.has(Fault::NoKeys) { Vec::new() } else { tenant.keys() };
    let keys = keys.into_iter().map(|published| {
        let mut jwk = published.key.jwk();
        match tenant.setup.kind {
            Kind::Entra => {
                let issuer = published.issuer.unwrap_or_else(|| tenant.issuer_at(name));
                jwk["issuer"] = issuer.into();
                jwk["cloud_instance_name"] = CLOUD.into();
            }
            Kind::Oidc => jwk["alg"] = published.key.algorithm().into(),
        }
        jwk
    });
    json!({"keys": keys.collect::<Vec<_>>()})
}

/// Entra's list of the hosts that stand for one another. This origin stands for itself.
pub(super) fn instance(origin: &str, authorization_endpoint: &str) -> Value {
    let host = origin.split_once("//").map_or(origin, |(_, host)| host);
    let authority = authorization_endpoint.split("/oauth2/").next().unwrap_or_default();
    json!({
        "tenant_discovery_endpoint": format!("{authority}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    })
}
