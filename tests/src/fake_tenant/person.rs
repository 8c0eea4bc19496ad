//! The people of a provider.

use platform::clock::Clock;
use platform::ids;

/// A person, as a provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The object id (`oid`), a GUID. Other providers than Entra give it as `sub`.
    pub object: String,
    /// The name that they sign in with, like an address (`preferred_username`).
    pub upn: String,
    /// The name that is shown (`name`).
    pub name: String,
    /// The address (`email`), if they have one.
    pub email: Option<String>,
    /// The values of app roles (`roles`).
    pub roles: Vec<String>,
}

impl Person {
    /// A new person with the role `Tally.User`. The address is `<name>@contoso.example`, which they
    /// sign in with too.
    pub fn new(name: &str) -> Self {
        let upn = format!("{}@contoso.example", name.to_lowercase().replace(' ', "."));
        Self {
            object: ids::new_id(Clock::System.now()),
            email: Some(upn.clone()),
            upn,
            name: name.to_owned(),
            roles: vec!["Tally.User".to_owned()],
        }
    }

    /// The same person with these roles.
    #[must_use]
    pub fn with_roles(self, roles: &[&str]) -> Self {
        Self { roles: roles.iter().map(|&role| role.to_owned()).collect(), ..self }
    }

    /// The same person with this address, or without one.
    #[must_use]
    pub fn with_email(self, email: Option<&str>) -> Self {
        Self { email: email.map(str::to_owned), ..self }
    }

    /// Whether a hint means this person: the whole name that they sign in with, or its first part.
    pub(super) fn is_meant_by(&self, hint: &str) -> bool {
        let hint = hint.to_lowercase();
        let upn = self.upn.to_lowercase();
        upn == hint || upn.split('@').next() == Some(hint.as_str()) || self.object == hint
    }
}
