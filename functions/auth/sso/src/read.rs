//! `GET /auth/sso`: how this deployment takes single sign-on. It fetches nothing: a client that
//! needs more reads the provider's own metadata.

use http::header;
use platform::config::Config;
use platform::http::PlainEndpoint;
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use tally_sso::{Kind, Settings};
use utoipa::ToSchema;

/// The endpoint.
pub struct ReadSso {
    config: Config,
    settings: Option<Settings>,
}

/// What a client needs to know of single sign-on. All but `enabled` is null where the deployment
/// has none.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SsoSettings {
    /// Whether the deployment takes single sign-on.
    pub enabled: bool,
    /// The kind of provider. `entra`: send access tokens of Microsoft Entra ID, or sign in by
    /// `authorize_url`. `oidc`: sign in by `authorize_url`.
    #[schema(required)]
    pub kind: Option<SsoKind>,
    /// The authority at which a client of Microsoft Entra ID asks for tokens, or the issuer of
    /// another provider.
    #[schema(
        required,
        example = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47"
    )]
    pub authority: Option<String>,
    /// Id of this API at the provider. A client of Microsoft Entra ID that has no id of its own
    /// asks for tokens with it.
    #[schema(required, example = "0c1d2e3f-4a5b-4c6d-8e7f-901a2b3c4d5e")]
    pub client_id: Option<String>,
    /// The scope that a client asks the provider for.
    #[schema(required, example = "api://0c1d2e3f-4a5b-4c6d-8e7f-901a2b3c4d5e/access_as_user")]
    pub scope: Option<String>,
    /// URL at which a sign-in in a browser begins, by the parameters of `GET /auth/sso/authorize`.
    /// Null if no page may begin one.
    #[schema(required, example = "https://api.example.com/auth/sso/authorize")]
    pub authorize_url: Option<String>,
    /// The provider's page that ends its own session. Null if it is not known. A client in Excel
    /// must not go there, because it would sign the user out of Office.
    #[schema(
        required,
        example = "https://login.microsoftonline.com/organizations/oauth2/v2.0/logout"
    )]
    pub end_session_url: Option<String>,
}

/// A kind of provider.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SsoKind {
    /// Microsoft Entra ID.
    Entra,
    /// Another OpenID provider.
    Oidc,
}

impl PlainEndpoint for ReadSso {
    const ROUTE: Route = routes::SSO;
    type Output = SsoSettings;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = platform.config.clone();
        Ok(Self { settings: Settings::from_config(&config)?, config })
    }

    async fn handle(&self, call: &HttpCall) -> Result<Reply<SsoSettings>, Problem> {
        let known = self.settings.as_ref().map(|settings| SsoSettings {
            enabled: true,
            kind: Some(match settings.kind {
                Kind::Entra => SsoKind::Entra,
                Kind::Oidc => SsoKind::Oidc,
            }),
            authority: Some(settings.authority().to_owned()),
            client_id: Some(settings.client_id.clone()),
            scope: Some(settings.scope.clone()),
            authorize_url: self.config.get("SSO_RETURN_URLS").map(|_| {
                let url = call.context.public_url(&self.config);
                format!("{url}{}", routes::SSO_AUTHORIZE.path)
            }),
            end_session_url: settings.end_session_url(),
        });
        let reply = Reply::new(known.unwrap_or_default());
        let reply = reply.header(header::CACHE_CONTROL, "public, max-age=300");
        // A kept answer names the origin that it was for, in its CORS headers.
        Ok(reply.header(header::VARY, "Origin"))
    }
}
