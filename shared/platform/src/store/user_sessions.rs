//! The sessions in the item of an account.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Deserialize;

use super::users::account_key;
use super::{Session, User, Users};
use crate::database::{Expression, StoreError, Write, key, n, read, s};

/// Live sessions a user can have; the oldest ends when another begins.
const SESSIONS_PER_USER: usize = 3;

/// Attributes of an account that the functions for sessions read and write when a session begins,
/// goes on or ends. Their policies allow no others (`dynamodb:Attributes` in template.yaml). A
/// login may write `password_hash` too.
pub const SESSION_ATTRIBUTES: &[&str] = &["key", "sessions", "version", "is_active"];

/// Attributes of an account that a function reads to post messages to its user.
pub const LISTED_SESSIONS_ATTRIBUTES: [&str; 1] = ["sessions"];

/// The part of an account that lists its sessions.
#[derive(Deserialize)]
struct Listed {
    sessions: BTreeMap<String, i64>,
}

/// Sessions that make room for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsToEvict {
    /// Live sessions that end: the oldest beyond the limit.
    pub evicted: Vec<String>,
    /// Sessions that have run out by themselves.
    pub idle: Vec<String>,
}

impl User {
    /// Which sessions make room when another begins.
    pub fn sessions_to_evict(&self, now: Timestamp) -> SessionsToEvict {
        let (live, idle): (Vec<_>, Vec<_>) =
            self.sessions.iter().partition(|(_, expires_at)| now.as_second() < **expires_at);
        let surplus = (live.len() + 1).saturating_sub(SESSIONS_PER_USER);
        let id = |(id, _): (&String, &i64)| id.clone();
        SessionsToEvict {
            evicted: live.into_iter().take(surplus).map(id).collect(),
            idle: idle.into_iter().map(id).collect(),
        }
    }
}

impl Users {
    /// The ids of the sessions that an account lists. Some of them may have run out. Nothing else
    /// of the account is read.
    pub async fn listed_sessions(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        let part = (self.table.as_str(), LISTED_SESSIONS_ATTRIBUTES.as_slice());
        let mut found = self.database.get_each_with(vec![self.place(user_id)], part).await?;
        let item = found.remove(&self.table).and_then(|items| items.into_iter().next());
        let listed: Option<Listed> = item.map(read).transpose()?;
        Ok(listed.map_or_else(Vec::new, |listed| listed.sessions.into_keys().collect()))
    }

    /// Adds a session and drops those that make room for it, if the account is still as it was when
    /// the password was checked. A stronger hash, if there is one, replaces the account's.
    pub fn begin_session(
        &self,
        user: &User,
        session: &Session,
        sessions_to_evict: &SessionsToEvict,
        stronger_hash: Option<&str>,
    ) -> Write {
        let mut expression = Expression::default()
            .name("sessions", "sessions")
            .name("new", &session.id)
            .name("version", "version")
            .value("expires", n(session.expires_at))
            .value("version", n(user.version))
            .value("next", n(user.version + 1))
            .value("active", AttributeValue::Bool(true));
        let mut update = "SET #sessions.#new = :expires, #version = :next".to_owned();
        if let Some(hash) = stronger_hash {
            update.push_str(", password_hash = :hash");
            expression = expression.value("hash", s(hash));
        }
        for (position, id) in
            sessions_to_evict.evicted.iter().chain(&sessions_to_evict.idle).enumerate()
        {
            let _ = write!(
                update,
                "{} #sessions.#old{position}",
                if position == 0 { " REMOVE" } else { "," }
            );
            expression = expression.name(&format!("old{position}"), id);
        }
        let condition = "#version = :version AND is_active = :active";
        Write::update(
            &self.table,
            key("key", &account_key(&user.id)),
            &update,
            condition,
            &expression,
        )
    }

    /// Notes the new expiry of a session, if it has not ended and the account is active.
    pub fn keep_session(&self, session: &Session) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("id", &session.id)
            .value("expires", n(session.expires_at))
            .value("active", AttributeValue::Bool(true));
        Write::update(
            &self.table,
            key("key", &account_key(&session.user_id)),
            "SET #sessions.#id = :expires",
            "attribute_exists(#sessions.#id) AND is_active = :active",
            &expression,
        )
    }

    /// Forgets a session that has ended. Where a login has forgotten it already, the list stays as
    /// it is.
    pub fn end_session(&self, user_id: &str, session_id: &str) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("id", session_id)
            .name("version", "version")
            .name("key", "key")
            .value("one", n(1))
            .value("key", s(account_key(user_id)));
        Write::update(
            &self.table,
            key("key", &account_key(user_id)),
            // Raises the version, so that a login which read the session as live makes a new plan.
            "REMOVE #sessions.#id ADD #version :one",
            "#key = :key",
            &expression,
        )
    }

    /// Forgets a session, if it is the user's and has not run out.
    pub fn revoke_session(&self, user_id: &str, session_id: &str, now: Timestamp) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("id", session_id)
            .name("version", "version")
            .value("one", n(1))
            .value("now", n(now.as_second()));
        Write::update(
            &self.table,
            key("key", &account_key(user_id)),
            "REMOVE #sessions.#id ADD #version :one",
            "#sessions.#id > :now",
            &expression,
        )
    }

    /// Forgets every session, if no other has begun.
    pub fn end_all_sessions(&self, user: &User) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("version", "version")
            .value("none", AttributeValue::M(HashMap::new()))
            .value("version", n(user.version))
            .value("next", n(user.version + 1));
        let update = "SET #sessions = :none, #version = :next";
        Write::update(
            &self.table,
            key("key", &account_key(&user.id)),
            update,
            "#version = :version",
            &expression,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::samples::{sample_session, sample_user, sample_users};

    fn user(sessions: &[(&str, i64)]) -> User {
        let sessions = sessions.iter().map(|(id, expires_at)| ((*id).to_owned(), *expires_at));
        User { sessions: sessions.collect(), ..sample_user() }
    }

    /// The top-level attributes that a write names, as DynamoDB reckons them for a policy.
    fn attributes(write: &Write) -> BTreeSet<String> {
        let update = write.0.update().unwrap();
        let names = update.expression_attribute_names().cloned().unwrap_or_default();
        let text = format!(
            "{} {}",
            update.update_expression(),
            update.condition_expression().unwrap_or_default()
        );
        let is_word =
            |character: char| character.is_ascii_alphanumeric() || "_#:.".contains(character);
        let words =
            text.split(|character| !is_word(character)).filter_map(|word| word.split('.').next());
        let is_name = |word: &&str| {
            word.starts_with('#') || word.starts_with(|first: char| first.is_ascii_lowercase())
        };
        let words = words
            .filter(is_name)
            .filter(|word| !matches!(*word, "attribute_exists" | "attribute_not_exists"));
        let attributes = words.map(|word| names.get(word).map_or(word, String::as_str).to_owned());
        attributes.chain(update.key().keys().cloned()).collect()
    }

    #[test]
    fn sessions_touch_no_more_of_an_account_than_their_functions_may() {
        let user = user(&[("a", 1), ("b", 900), ("c", 900), ("d", 900)]);
        let now = Timestamp::from_second(100).unwrap();
        let users = sample_users();
        let allowed: BTreeSet<String> =
            SESSION_ATTRIBUTES.iter().map(|&name| name.to_owned()).collect();
        let session = sample_session();
        let ends = [
            users.end_session("u", "s"),
            users.revoke_session("u", "s", now),
            users.end_all_sessions(&user),
        ];
        for write in ends.iter().chain([&users.keep_session(&session)]) {
            assert!(attributes(write).is_subset(&allowed), "{write:?}");
        }
        let with_hash = |hash| {
            attributes(&users.begin_session(&user, &session, &user.sessions_to_evict(now), hash))
        };
        assert!(with_hash(None).is_subset(&allowed));
        let beyond: Vec<_> = with_hash(Some("hash")).difference(&allowed).cloned().collect();
        assert_eq!(beyond, ["password_hash"]);
    }

    #[test]
    fn a_new_session_takes_the_place_of_the_oldest() {
        let now = Timestamp::from_second(100).unwrap();
        for (sessions, evicted, idle) in [
            (&[][..], &[][..], &[][..]),
            (&[("a", 101), ("b", 101)], &[], &[]),
            (&[("c", 101), ("b", 900), ("a", 500)], &["a"], &[]),
            (&[("a", 101), ("b", 101), ("c", 101), ("d", 101)], &["a", "b"], &[]),
            // A session that has run out takes no place.
            (&[("a", 101), ("b", 100), ("c", 101)], &[], &["b"]),
            (&[("a", 50), ("b", 101), ("c", 101), ("d", 101)], &["b"], &["a"]),
        ] {
            let user = user(sessions);
            let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
            assert_eq!(
                user.sessions_to_evict(now),
                SessionsToEvict { evicted: owned(evicted), idle: owned(idle) },
                "{sessions:?}"
            );
        }
    }
}
