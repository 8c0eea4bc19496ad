//! The roles that the provider's roles stand for.

use std::collections::BTreeSet;

use platform::ConfigError;
use platform::config::{Config, invalid};
use platform::domain::Role;

/// The default of `SSO_ROLES`.
const DEFAULT: &str = "Tally.User=user,Tally.Auditor=auditor,Tally.Editor=editor,Tally.Admin=admin";

/// The provider's value that stands for every user of the provider.
const EVERYONE: &str = "*";

/// The setting `SSO_ROLES`: pairs of the provider's value and a role.
#[derive(Debug, Clone)]
pub struct RoleMap {
    pairs: Vec<(String, Role)>,
}

impl RoleMap {
    /// Reads `SSO_ROLES`, as in `Tally.User=user,Tally.Admin=admin`. `*=user` gives everyone a
    /// role.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let text = config.get("SSO_ROLES").unwrap_or(DEFAULT);
        let pairs = text.split(',').map(|pair| {
            let (value, name) = pair.split_once('=')?;
            let role = match name.trim() {
                "user" => Role::User,
                "auditor" => Role::Auditor,
                "editor" => Role::Editor,
                "admin" => Role::Admin,
                _ => return None,
            };
            let value = value.trim();
            (!value.is_empty()).then(|| (value.to_owned(), role))
        });
        let pairs = pairs.collect::<Option<_>>().ok_or_else(|| {
            let expected = "it must be pairs like Tally.User=user, with commas between them; the \
                            roles are user, auditor, editor and admin";
            invalid("SSO_ROLES", text, expected)
        })?;
        Ok(Self { pairs })
    }

    /// The roles of a user with these values, in their fixed order; `None` if no value stands for a
    /// role. Every account has the role `user`.
    pub fn roles(&self, values: &[String]) -> Option<Vec<Role>> {
        let given = |value: &String| value == EVERYONE || values.contains(value);
        let roles: BTreeSet<_> =
            self.pairs.iter().filter(|(value, _)| given(value)).map(|(_, role)| *role).collect();
        (!roles.is_empty())
            .then(|| roles.into_iter().chain([Role::User]).collect::<BTreeSet<_>>())
            .map(|roles| roles.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Result<RoleMap, ConfigError> {
        RoleMap::from_config(&[("SSO_ROLES", text)].into_iter().collect())
    }

    #[test]
    fn values_stand_for_roles_exactly() {
        use Role::{Admin, Auditor, Editor, User};
        let everyone = "*=user, Tally.Admin = admin";
        for (text, values, expected) in [
            ("", &[][..], None),
            ("", &["Tally.User"][..], Some(&[User][..])),
            ("", &["Tally.Editor"], Some(&[User, Editor])),
            ("", &["Tally.Admin", "Tally.Auditor"], Some(&[User, Auditor, Admin])),
            ("", &["tally.admin", "Tally.Admin ", "*"], None),
            (everyone, &[], Some(&[User])),
            (everyone, &["Tally.Admin"], Some(&[User, Admin])),
        ] {
            let values: Vec<_> = values.iter().map(|&value| value.to_owned()).collect();
            assert_eq!(map(text).unwrap().roles(&values).as_deref(), expected, "{text} {values:?}");
        }
    }

    #[test]
    fn a_map_that_is_none_is_refused() {
        for text in ["Tally.User", "=user", "a=user,", "a=root", "a=User"] {
            assert!(map(text).is_err(), "{text}");
        }
    }
}
