//! The identity provider of this deployment.

use platform::ConfigError;
use platform::config::{Config, invalid};
use platform::domain::guid;
use reqwest::Url;

/// Tenant of the issuer that stands for every organisation.
const ORGANIZATIONS: &str = "organizations";

/// The kind of provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Microsoft Entra ID: its access tokens for this API, and sign-ins in a browser.
    Entra,
    /// Any other OpenID provider: sign-ins in a browser alone.
    Oidc,
}

/// The settings of single sign-on that both functions read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SSO_KIND`.
    pub kind: Kind,
    /// `SSO_ISSUER`, without a slash at its end unless the provider's own has one.
    pub issuer: String,
    /// For Entra: the tenants whose users may sign in, as GUIDs in lower case.
    pub tenants: Vec<String>,
    /// `SSO_CLIENT_ID`.
    pub client_id: String,
    /// `SSO_METADATA_URL`, or the issuer's own.
    pub metadata_url: Url,
    /// `SSO_SCOPE`.
    pub scope: String,
    /// The clients whose tokens are taken: this one, and those of `SSO_CLIENTS`.
    pub clients: Vec<String>,
    /// `SSO_REQUIRE`: claims and the text that each must have.
    pub requirements: Vec<(String, String)>,
    /// `SSO_ROLES_CLAIM`.
    pub roles_claim: String,
}

impl Settings {
    /// Reads the settings named above; `None` if `SSO_KIND` is `off`.
    pub fn from_config(config: &Config) -> Result<Option<Self>, ConfigError> {
        let kind = match config.get("SSO_KIND") {
            None | Some("off") => return Ok(None),
            Some("entra") => Kind::Entra,
            Some("oidc") => Kind::Oidc,
            Some(other) => {
                return Err(invalid("SSO_KIND", other, "it must be `off`, `entra` or `oidc`"));
            }
        };
        let issuer = config.require("SSO_ISSUER")?.to_owned();
        let is_url = Url::parse(&issuer).is_ok_and(|url| is_safe(&url) && is_plain(&url));
        if !is_url {
            let expected = "it must be an https URL, or an http one of a loopback address, without \
                            user, query and fragment";
            return Err(invalid("SSO_ISSUER", &issuer, expected));
        }
        let tenants = match kind {
            Kind::Entra => tenants(config, &issuer)?,
            Kind::Oidc => Vec::new(),
        };
        let client_id = config.require("SSO_CLIENT_ID")?.to_owned();
        let metadata = config.get("SSO_METADATA_URL").map_or_else(
            || format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')),
            str::to_owned,
        );
        let metadata_url = Url::parse(&metadata).ok().filter(is_safe).ok_or_else(|| {
            let expected =
                "it must be an https URL, or an http one of a loopback address, without user";
            invalid("SSO_METADATA_URL", &metadata, expected)
        })?;
        let default_scope = || match kind {
            Kind::Entra => format!("api://{client_id}/access_as_user"),
            Kind::Oidc => "openid profile email".to_owned(),
        };
        let scope = config.get("SSO_SCOPE").map_or_else(default_scope, str::to_owned);
        let others = list(config, "SSO_CLIENTS").map(str::to_owned);
        let clients = [client_id.clone()].into_iter().chain(others).collect();
        let requirements = list(config, "SSO_REQUIRE").map(|pair| {
            let (claim, text) = pair.split_once('=')?;
            Some((claim.trim().to_owned(), text.trim().to_owned()))
        });
        let requirements = requirements.collect::<Option<_>>().ok_or_else(|| {
            let value = config.get("SSO_REQUIRE").unwrap_or_default();
            invalid("SSO_REQUIRE", value, "it must be like acct=0, with a comma between two claims")
        })?;
        Ok(Some(Self {
            kind,
            issuer,
            tenants,
            client_id,
            metadata_url,
            scope,
            clients,
            requirements,
            roles_claim: config.get("SSO_ROLES_CLAIM").unwrap_or("roles").to_owned(),
        }))
    }

    /// For Entra: the issuer of the tokens of a tenant.
    pub(crate) fn issuer_of(&self, tenant: &str) -> String {
        match self.issuer.rsplit_once(&format!("/{ORGANIZATIONS}/")) {
            Some((host, version)) => format!("{host}/{tenant}/{version}"),
            None => self.issuer.clone(),
        }
    }

    /// The authority that a client of Entra signs in at, or the issuer of another provider.
    pub fn authority(&self) -> &str {
        match self.kind {
            Kind::Entra => self.issuer.trim_end_matches("/v2.0"),
            Kind::Oidc => &self.issuer,
        }
    }

    /// The page of the provider that ends its own session, if it is known without asking.
    pub fn end_session_url(&self) -> Option<String> {
        match self.kind {
            Kind::Entra => Some(format!("{}/oauth2/v2.0/logout", self.authority())),
            Kind::Oidc => None,
        }
    }
}

/// The tenants of an issuer of Entra. `common` would admit every personal account, too.
fn tenants(config: &Config, issuer: &str) -> Result<Vec<String>, ConfigError> {
    let tenant = issuer.strip_suffix("/v2.0").and_then(|rest| rest.rsplit_once('/'));
    let listed = list(config, "SSO_TENANTS").map(guid).collect::<Option<Vec<_>>>();
    let listed = listed.ok_or_else(|| {
        let value = config.get("SSO_TENANTS").unwrap_or_default();
        invalid("SSO_TENANTS", value, "it must be GUIDs of tenants, with commas between them")
    })?;
    match tenant.map(|(_, tenant)| (guid(tenant), tenant)) {
        Some((Some(tenant), as_given)) if tenant == as_given => Ok(vec![tenant]),
        Some((_, ORGANIZATIONS)) if !listed.is_empty() => Ok(listed),
        Some((_, ORGANIZATIONS)) => {
            let expected = "the issuer of all organizations needs the tenants that may sign in";
            Err(invalid("SSO_TENANTS", "", expected))
        }
        _ => {
            let expected = "it must be https://login.microsoftonline.com/<tenant>/v2.0 with the \
                            tenant's GUID in lower case, or with `organizations` and SsoTenants";
            Err(invalid("SSO_ISSUER", issuer, expected))
        }
    }
}

/// Whether a URL may be called: https, or http on this machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let has_user = !url.username().is_empty() || url.password().is_some();
    !has_user && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback))
}

fn is_plain(url: &Url) -> bool {
    url.query().is_none() && url.fragment().is_none()
}

/// The items of a list with commas between them.
pub(crate) fn list<'c>(config: &'c Config, name: &str) -> impl Iterator<Item = &'c str> {
    let text = config.get(name).unwrap_or_default();
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const OTHER: &str = "00000000-0000-4000-8000-000000000001";

    fn settings(own: &[(&str, &str)]) -> Result<Option<Settings>, ConfigError> {
        let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        let usual = [("SSO_KIND", "entra"), ("SSO_ISSUER", &issuer), ("SSO_CLIENT_ID", "client")];
        Settings::from_config(&usual.iter().chain(own).copied().collect())
    }

    #[test]
    fn an_issuer_of_entra_names_one_tenant_or_lists_them() {
        let of_one = settings(&[]).unwrap().unwrap();
        assert_eq!(of_one.tenants, [TENANT]);
        assert_eq!(of_one.issuer_of(TENANT), of_one.issuer);
        assert_eq!(of_one.authority(), format!("https://login.microsoftonline.com/{TENANT}"));
        assert_eq!(of_one.scope, "api://client/access_as_user");
        let all = "https://login.microsoftonline.us/organizations/v2.0";
        let tenants = OTHER.to_uppercase();
        let of_all = settings(&[("SSO_ISSUER", all), ("SSO_TENANTS", &tenants)]).unwrap().unwrap();
        assert_eq!(of_all.tenants, [OTHER]);
        let issuer = format!("https://login.microsoftonline.us/{OTHER}/v2.0");
        assert_eq!(of_all.issuer_of(OTHER), issuer);
    }

    #[test]
    fn other_settings_are_refused() {
        let at = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        for own in [
            &[("SSO_KIND", "saml")][..],
            &[("SSO_ISSUER", "")],
            &[("SSO_ISSUER", &at("common"))],
            &[("SSO_ISSUER", &at("organizations"))],
            &[("SSO_ISSUER", &at("contoso.onmicrosoft.com"))],
            &[("SSO_ISSUER", &at(&TENANT.to_uppercase()))],
            &[("SSO_ISSUER", &format!("https://sts.windows.net/{TENANT}/"))],
            &[("SSO_ISSUER", &format!("http://login.example.com/{TENANT}/v2.0"))],
            &[("SSO_CLIENT_ID", "")],
            &[("SSO_TENANTS", "common")],
            &[("SSO_METADATA_URL", "http://metadata.example.com")],
            &[("SSO_METADATA_URL", "https://user@metadata.example.com")],
            &[("SSO_REQUIRE", "acct")],
        ] {
            assert!(settings(own).is_err(), "{own:?}");
        }
        assert!(settings(&[("SSO_KIND", "off")]).unwrap().is_none());
        assert!(settings(&[("SSO_KIND", "")]).unwrap().is_none());
    }
}
