//! Accounts whose owners sign in by an identity provider.
//!
//! The unique name `sso#<fingerprint>` of the users' table makes each person of the provider the
//! owner of one account at most. Their address is no unique name, because nothing has verified it.
//! The item `email#<lower-case email>#<id>` only lets a search find it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::user_names::UniqueName;
use super::users::{NameKind, Stored, account_key};
use super::{SsoLink, User, Users};
use crate::database::{Expression, StoreError, Write, item, key, n, s, value};
use crate::domain::{Email, SsoIdentity, Username};

/// Key of the unique name of a person of the provider.
fn sso_key(identity: &SsoIdentity) -> String {
    format!("sso#{}", identity.fingerprint())
}

/// Key of the item by which the address of an account is found. With a password the address is a
/// unique name. With single sign-on it is not, so the key has the account's id, too.
fn address_key(user: &User) -> Option<String> {
    let key = NameKind::Email.key(&user.email.as_ref()?.to_lowercase());
    Some(if user.sso.is_some() { format!("{key}#{}", user.id) } else { key })
}

impl User {
    /// Whether the account belongs to this person of the provider.
    pub fn belongs_to(&self, identity: &SsoIdentity) -> bool {
        self.sso.as_ref().is_some_and(|sso| sso.identity == *identity)
    }

    /// The account once it belongs to another person of the provider. It has neither a password nor
    /// sessions, and waits for no address. API keys that were made with the password are valid
    /// again when the person has signed in. Those of another person end.
    #[must_use]
    pub fn bound_to(self, identity: SsoIdentity) -> Self {
        let api_keys = if self.sso.is_some() { BTreeMap::new() } else { self.api_keys };
        Self {
            unverified_email: None,
            password_hash: None,
            sso: Some(SsoLink { identity, keys_until: 0 }),
            sessions: BTreeMap::new(),
            api_keys,
            ..self
        }
    }

    /// The account once it belongs to no person of the provider. It has neither a password, nor
    /// sessions, nor API keys. If it keeps its address, that becomes a login, and its owner has yet
    /// to verify it. An address to which no mail can be sent is given up, because only mail lets
    /// the owner in.
    #[must_use]
    pub fn freed(self, keeps_address: bool) -> Self {
        let email = self.email.filter(|_| keeps_address);
        let email = email.and_then(|email| email.parse::<Email>().ok());
        let email = email.map(|email| email.to_string());
        Self {
            unverified_email: email.clone(),
            email,
            password_hash: None,
            sso: None,
            sessions: BTreeMap::new(),
            api_keys: BTreeMap::new(),
            ..self
        }
    }
}

impl Users {
    /// The account of a person of the provider, as it is now. An account that an administrator has
    /// just bound to another person is none of theirs.
    pub fn find_by_sso<'a>(
        &'a self,
        identity: &'a SsoIdentity,
    ) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        async move {
            let Some(holder) = self.holder(&sso_key(identity)).await? else { return Ok(None) };
            let user = self.get(&holder.user_id).await?;
            Ok(user.filter(|user| user.belongs_to(identity)))
        }
        .boxed()
    }

    /// A new account of a person of the provider. First comes its identity, then its username, and
    /// each condition fails where another account has it. The account itself comes last.
    pub fn create_by_sso(
        &self,
        user: &User,
        username: &Username,
    ) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        if let Some(sso) = &user.sso {
            writes.push(self.claim_sso(&sso.identity, &user.id)?);
        }
        writes.push(self.claim_name(username, &user.id)?);
        writes.extend(self.take_address(user)?);
        writes.push(self.put_new(item(Stored { key: account_key(&user.id), user: user.clone() })?));
        Ok(writes)
    }

    /// Changes an account to `after`, if nothing that a login notices has changed. The change
    /// covers its roles, name, address and sessions, and how its owner signs in. A session whose
    /// expiry differs gets the new one. First comes the account's own write. Then come its identity
    /// and its address. The condition of each fails where another account has it. A change that
    /// makes the account an administrator, or ends that, changes the set of administrators by a
    /// write of its own.
    pub fn become_as(&self, before: &User, after: &User) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.update_to(before, after)?];
        let identity = |user: &User| user.sso.as_ref().map(|sso| sso.identity.clone());
        let (given_up, taken) = (identity(before), identity(after));
        if given_up != taken {
            if let Some(identity) = &taken {
                writes.push(self.claim_sso(identity, &after.id)?);
            }
            if let Some(identity) = &given_up {
                writes.push(Write::delete(&self.table, key("key", &sso_key(identity))));
            }
        }
        let (given_up, taken) = (address_key(before), address_key(after));
        if given_up != taken {
            writes.extend(self.take_address(after)?);
            writes.extend(given_up.map(|held| Write::delete(&self.table, key("key", &held))));
        }
        Ok(writes)
    }

    /// The unique names of an account beside its username, as keys of the table.
    pub(super) fn further_names(user: &User) -> Vec<String> {
        let identity = user.sso.as_ref().map(|sso| sso_key(&sso.identity));
        identity.into_iter().chain(address_key(user)).collect()
    }

    fn update_to(&self, before: &User, after: &User) -> Result<Write, StoreError> {
        let mut expression = Expression::default()
            .name("version", "version")
            .name("roles", "roles")
            .value("version", n(before.version))
            .value("next", n(before.version + 1))
            .value("roles", value(&after.roles)?);
        let mut set = "SET #version = :next, #roles = :roles".to_owned();
        // A key may have been made meanwhile, so the list ends without regard to `after`.
        if before.sso.as_ref().is_some_and(|sso| !after.belongs_to(&sso.identity)) {
            set.push_str(", api_keys = :none");
            expression = expression.value("none", AttributeValue::M(HashMap::new()));
        }
        let mut removed: Vec<String> = Vec::new();
        for (name, text) in [
            ("full_name", &after.full_name),
            ("email", &after.email),
            ("unverified_email", &after.unverified_email),
            ("password_hash", &after.password_hash),
        ] {
            match text {
                Some(text) => {
                    let _ = write!(set, ", {name} = :{name}");
                    expression = expression.value(name, s(text));
                }
                None => removed.push(name.to_owned()),
            }
        }
        match &after.sso {
            Some(sso) => {
                set.push_str(", sso = :sso");
                expression = expression.value("sso", value(sso)?);
            }
            None => removed.push("sso".to_owned()),
        }
        let noted =
            after.sessions.iter().filter(|(id, end)| before.sessions.get(*id) != Some(*end));
        for (position, (id, expires_at)) in noted.enumerate() {
            let _ = write!(set, ", #sessions.#new{position} = :new{position}");
            expression = expression
                .name(&format!("new{position}"), id)
                .value(&format!("new{position}"), n(*expires_at));
        }
        let ended = before.sessions.keys().filter(|id| !after.sessions.contains_key(*id));
        for (position, id) in ended.enumerate() {
            removed.push(format!("#sessions.#old{position}"));
            expression = expression.name(&format!("old{position}"), id);
        }
        if set.contains("#sessions") || removed.iter().any(|path| path.starts_with("#sessions")) {
            expression = expression.name("sessions", "sessions");
        }
        let remove = if removed.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", removed.join(", "))
        };
        Ok(Write::update(
            &self.table,
            key("key", &account_key(&before.id)),
            &format!("{set}{remove}"),
            "#version = :version",
            &expression,
        ))
    }

    fn claim_sso(&self, identity: &SsoIdentity, user_id: &str) -> Result<Write, StoreError> {
        Ok(self.put_new(item(UniqueName { key: sso_key(identity), kind: None, user_id })?))
    }

    /// The writes by which an account takes its address.
    fn take_address(&self, user: &User) -> Result<Vec<Write>, StoreError> {
        let (Some(email), Some(key)) = (&user.email, address_key(user)) else {
            return Ok(Vec::new());
        };
        match email.parse::<Email>() {
            Ok(email) if user.sso.is_none() => self.claim_email(&email, &user.id, None),
            _ => {
                let kind = Some(NameKind::Email.as_str());
                Ok(vec![self.put_new(item(UniqueName { key, kind, user_id: &user.id })?)])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Item;
    use crate::domain::Role;
    use crate::store::samples::{sample_user, sample_users};

    const ADDRESS: &str = "Anna@example.com";

    fn person(subject: &str) -> SsoIdentity {
        SsoIdentity::of_issuer("https://id.example.com", subject).unwrap()
    }

    /// An account with a password, a session and an API key.
    fn with_password() -> User {
        User {
            email: Some(ADDRESS.into()),
            unverified_email: Some("next@example.com".into()),
            sessions: BTreeMap::from([("s".into(), 1)]),
            api_keys: BTreeMap::from([("k".into(), 1)]),
            ..sample_user()
        }
    }

    /// The kind of a write, and the key of its item without the length of a fingerprint.
    fn told(write: &Write) -> String {
        let (kind, item): (_, &Item) = match (write.0.update(), write.0.put(), write.0.delete()) {
            (Some(update), ..) => ("update", update.key()),
            (_, Some(put), _) => ("put", put.item()),
            (.., Some(delete)) => ("delete", delete.key()),
            _ => ("check", write.0.condition_check().unwrap().key()),
        };
        let key = item["key"].as_s().unwrap();
        let named = ["one", "other"].into_iter().find(|name| *key == sso_key(&person(name)));
        let key = named.map_or_else(|| key.clone(), |name| format!("sso#{name}"));
        format!("{kind} {key}")
    }

    #[test]
    fn a_change_takes_and_gives_up_what_others_may_want() {
        let users = sample_users();
        let own = "update user#u";
        let (taken, shown) = ("email#anna@example.com", "email#anna@example.com#u");
        let bound = with_password().bound_to(person("one"));
        let signed_in = User { roles: vec![Role::User, Role::Auditor], ..bound.clone() };
        let moved = User { email: Some("b@example.com".into()), ..bound.clone() };
        let unknown = User { email: None, ..bound.clone() };
        let abroad = User { email: Some("a@bücher.example".into()), ..bound.clone() };
        for (before, after, expected) in [
            (
                &with_password(),
                &bound,
                vec![
                    own.to_owned(),
                    "put sso#one".to_owned(),
                    format!("put {shown}"),
                    format!("delete {taken}"),
                ],
            ),
            (&bound, &signed_in, vec![own.to_owned()]),
            (
                &bound,
                &moved,
                vec![
                    own.to_owned(),
                    "put email#b@example.com#u".to_owned(),
                    format!("delete {shown}"),
                ],
            ),
            (&bound, &unknown, vec![own.to_owned(), format!("delete {shown}")]),
            (
                &bound,
                &bound.clone().bound_to(person("other")),
                vec![own.to_owned(), "put sso#other".to_owned(), "delete sso#one".to_owned()],
            ),
            (
                &bound,
                &bound.clone().freed(true),
                vec![
                    own.to_owned(),
                    "delete sso#one".to_owned(),
                    format!("put {taken}"),
                    format!("delete {shown}"),
                ],
            ),
            (
                &bound,
                &bound.clone().freed(false),
                vec![own.to_owned(), "delete sso#one".to_owned(), format!("delete {shown}")],
            ),
            // Another account may have claimed the address in the form from earlier.
            (
                &abroad,
                &abroad.clone().freed(true),
                vec![
                    own.to_owned(),
                    "delete sso#one".to_owned(),
                    "put email#a@xn--bcher-kva.example".to_owned(),
                    "check email#a@bücher.example".to_owned(),
                    "delete email#a@bücher.example#u".to_owned(),
                ],
            ),
        ] {
            let writes = users.become_as(before, after).unwrap();
            assert_eq!(writes.iter().map(told).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn keys_end_with_the_link_under_which_they_were_made() {
        let users = sample_users();
        let bound = with_password().bound_to(person("one"));
        let other = bound.clone().bound_to(person("other"));
        let freed = bound.clone().freed(true);
        for (before, after, end) in [
            (&with_password(), &bound, false),
            (&bound, &bound, false),
            (&bound, &other, true),
            (&bound, &freed, true),
        ] {
            assert_eq!(after.api_keys.is_empty(), end);
            let write = users.update_to(before, after).unwrap();
            assert_eq!(write.0.update().unwrap().update_expression().contains("api_keys"), end);
        }
    }

    #[test]
    fn an_account_has_one_way_to_sign_in_at_most() {
        let bound = with_password().bound_to(person("one"));
        assert!(bound.password_hash.is_none() && bound.unverified_email.is_none());
        assert!(bound.sessions.is_empty() && bound.email.as_deref() == Some(ADDRESS));
        assert!(!bound.has_valid_key("k", jiff::Timestamp::UNIX_EPOCH));
        let freed = bound.clone().freed(true);
        assert!(freed.password_hash.is_none() && freed.sso.is_none() && freed.is_unverified());
        assert_eq!(bound.clone().freed(false).email, None);
        // No mail would arrive there.
        let odd = User { email: Some("anna@localhost".into()), ..bound };
        assert_eq!((odd.clone().freed(true).email, odd.freed(true).unverified_email), (None, None));
    }
}
