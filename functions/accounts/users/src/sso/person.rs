//! A person of the identity provider, as an administrator names them.

use platform::config::{Config, invalid};
use platform::domain::{SsoIdentity, guid};
use platform::input::{Fields, Input};
use platform::{ConfigError, Problem};
use utoipa::ToSchema;

/// The person to whom the account belongs from now on.
#[derive(ToSchema)]
pub struct SsoPerson {
    /// With Microsoft Entra ID the id of the person's tenant, a GUID (`tid`). With another provider
    /// its issuer (`iss`).
    #[schema(example = "72f988bf-86f1-41af-91ab-2d7cd011db47")]
    pub tenant: String,
    /// With Microsoft Entra ID the id of the person's object in that tenant, a GUID (`oid`). With
    /// another provider the person's `sub`.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[ -~]+$",
        example = "b3b7a0b7-1111-4222-8333-444455556666"
    )]
    pub subject: String,
}

/// How the provider of this deployment names its people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Microsoft Entra ID.
    Entra,
    /// Another OpenID provider, by its issuer.
    Oidc(String),
}

impl Input for SsoPerson {
    fn read(fields: &mut Fields) -> Option<Self> {
        let tenant = fields.required("tenant");
        let subject = fields.required("subject");
        Some(Self { tenant: tenant?, subject: subject? })
    }
}

impl Provider {
    /// The settings `SSO_KIND` and `SSO_ISSUER`; `None` if single sign-on is off. This function
    /// calls no provider, so it needs no other setting of it.
    pub fn from_config(config: &Config) -> Result<Option<Self>, ConfigError> {
        match config.get("SSO_KIND") {
            None | Some("off") => Ok(None),
            Some("entra") => Ok(Some(Self::Entra)),
            Some("oidc") => Ok(Some(Self::Oidc(config.require("SSO_ISSUER")?.to_owned()))),
            Some(other) => Err(invalid("SSO_KIND", other, "it must be `off`, `entra` or `oidc`")),
        }
    }

    /// The identity of a person.
    pub fn identity(&self, person: &SsoPerson) -> Result<SsoIdentity, Problem> {
        let SsoPerson { tenant, subject } = person;
        match self {
            Self::Entra => SsoIdentity::of_entra(tenant, subject).ok_or_else(|| {
                let wrong = [("tenant", tenant), ("subject", subject)].into_iter();
                let wrong = wrong.filter(|(_, text)| guid(text).is_none());
                let wrong = wrong.flat_map(|(field, _)| {
                    Problem::invalid_field(field, "must be a GUID with hyphens").errors
                });
                Problem::validation_failed(wrong.collect())
            }),
            Self::Oidc(issuer) if tenant != issuer => {
                Err(Problem::invalid_field("tenant", "must be the issuer of this deployment"))
            }
            Self::Oidc(issuer) => SsoIdentity::of_issuer(issuer, subject).ok_or_else(|| {
                Problem::invalid_field("subject", "must be 1 to 255 printable ASCII characters")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const OBJECT: &str = "B3B7A0B7-1111-4222-8333-444455556666";
    const ISSUER: &str = "https://id.example.com";

    #[test]
    fn a_person_is_named_as_the_provider_names_its_people() {
        let long = "a".repeat(256);
        let oidc = Provider::Oidc(ISSUER.to_owned());
        for (provider, tenant, subject, wrong) in [
            (&Provider::Entra, TENANT, OBJECT, &[][..]),
            (&Provider::Entra, ISSUER, OBJECT, &["/tenant"]),
            (&Provider::Entra, TENANT, "anna@example.com", &["/subject"]),
            (&Provider::Entra, "common", "", &["/tenant", "/subject"]),
            (&oidc, ISSUER, "248289761001", &[]),
            (&oidc, "https://id.example.com/", "248289761001", &["/tenant"]),
            (&oidc, TENANT, OBJECT, &["/tenant"]),
            (&oidc, ISSUER, "", &["/subject"]),
            (&oidc, ISSUER, "ä", &["/subject"]),
            (&oidc, ISSUER, long.as_str(), &["/subject"]),
        ] {
            let person = SsoPerson { tenant: tenant.to_owned(), subject: subject.to_owned() };
            let errors = provider.identity(&person).err().map(|problem| problem.errors);
            let found = errors.into_iter().flatten().filter_map(|error| error.pointer);
            assert_eq!(found.collect::<Vec<_>>(), wrong, "{tenant} {subject}");
        }
    }

    #[test]
    fn a_deployment_has_one_provider_or_none() {
        let read = |settings: &[(&str, &str)]| {
            Provider::from_config(&settings.iter().copied().collect()).map_err(|_| ())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("SSO_KIND", "off"), ("SSO_ISSUER", ISSUER)]), Ok(None));
        assert_eq!(read(&[("SSO_KIND", "entra")]), Ok(Some(Provider::Entra)));
        let oidc = Provider::Oidc(ISSUER.to_owned());
        assert_eq!(read(&[("SSO_KIND", "oidc"), ("SSO_ISSUER", ISSUER)]), Ok(Some(oidc)));
        assert_eq!(read(&[("SSO_KIND", "oidc")]), Err(()));
        assert_eq!(read(&[("SSO_KIND", "saml")]), Err(()));
    }
}
