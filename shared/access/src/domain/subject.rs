//! Subjects of rules, and the facts that make a user one of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use platform::domain::{ResourceId, Role};
use platform::input::{Fields, FromField, Input, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The users that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schema(as = AccessSubject)]
pub enum Subject {
    /// One user.
    User {
        /// Id of the user.
        #[schema(format = "uuid")]
        id: String,
    },
    /// The members of a group.
    Group {
        /// Id of the group.
        #[schema(format = "uuid")]
        id: String,
    },
    /// The users with a role.
    Role {
        /// The role.
        id: Role,
    },
    /// Every user.
    Everyone,
}

/// The facts about a user that make them one of a rule's subjects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Id of the user.
    pub user_id: String,
    /// The roles they have now.
    pub roles: Vec<Role>,
    /// The groups they are a member of now.
    pub groups: BTreeSet<String>,
}

impl Subject {
    /// The group, if the subject is one.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Group { id } => Some(id),
            _ => None,
        }
    }
}

impl Standing {
    /// Whether a rule about this subject is about the user.
    pub fn is(&self, subject: &Subject) -> bool {
        match subject {
            Subject::User { id } => *id == self.user_id,
            Subject::Group { id } => self.groups.contains(id),
            Subject::Role { id } => self.roles.contains(id),
            Subject::Everyone => true,
        }
    }

    /// Whether the user has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Every subject that the user is one of, the narrowest first.
    pub fn subjects(&self) -> Vec<Subject> {
        let user = Subject::User { id: self.user_id.clone() };
        let groups = self.groups.iter().map(|id| Subject::Group { id: id.clone() });
        let roles = self.roles.iter().map(|id| Subject::Role { id: *id });
        [user].into_iter().chain(groups).chain(roles).chain([Subject::Everyone]).collect()
    }
}

/// `user:<id>`, `group:<id>`, `role:admin`, `everyone`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { id } => write!(f, "user:{id}"),
            Self::Group { id } => write!(f, "group:{id}"),
            Self::Role { id } => write!(f, "role:{}", id.as_str()),
            Self::Everyone => f.write_str("everyone"),
        }
    }
}

impl FromStr for Subject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be user:<id>, group:<id>, role:<name> or everyone";
        let id = |id: &str| id.parse::<ResourceId>().map(String::from).map_err(|_| wrong);
        match text.split_once(':') {
            Some(("user", user)) => Ok(Self::User { id: id(user)? }),
            Some(("group", group)) => Ok(Self::Group { id: id(group)? }),
            Some(("role", role)) => {
                Role::read(&RawValue::Text(role)).map(|id| Self::Role { id }).map_err(|_| wrong)
            }
            None if text == "everyone" => Ok(Self::Everyone),
            _ => Err(wrong),
        }
    }
}

/// As it is in a query.
impl FromField for Subject {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

/// As it is in a body: `{"type": "group", "id": "..."}`.
impl Input for Subject {
    fn read(fields: &mut Fields) -> Option<Self> {
        let kind: String = fields.required("type")?;
        match kind.as_str() {
            "user" => fields.required::<ResourceId>("id").map(|id| Self::User { id: id.into() }),
            "group" => fields.required::<ResourceId>("id").map(|id| Self::Group { id: id.into() }),
            "role" => fields.required("id").map(|id| Self::Role { id }),
            "everyone" => Some(Self::Everyone),
            _ => {
                fields.refuse("type", "must be user, group, role or everyone");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019ab9a0-0000-7000-8000-00000000c0de";

    #[test]
    fn a_subject_is_read_as_it_is_printed() {
        for (text, is_known) in [
            (format!("user:{ID}"), true),
            (format!("group:{ID}"), true),
            ("role:admin".into(), true),
            ("everyone".into(), true),
            ("everyone:".into(), false),
            ("user:me".into(), false),
            ("role:root".into(), false),
            (ID.into(), false),
            (String::new(), false),
        ] {
            let found: Result<Subject, _> = text.parse();
            assert_eq!(found.is_ok(), is_known, "{text}");
            if let Ok(subject) = found {
                assert_eq!(subject.to_string(), text);
            }
        }
    }

    #[test]
    fn a_user_is_what_their_standing_says() {
        let who = Standing {
            user_id: "u-1".into(),
            roles: vec![Role::User, Role::Admin],
            groups: ["g-1".to_owned()].into(),
        };
        for (subject, expected) in [
            (Subject::User { id: "u-1".into() }, true),
            (Subject::User { id: "g-1".into() }, false),
            (Subject::Group { id: "g-1".into() }, true),
            (Subject::Group { id: "u-1".into() }, false),
            (Subject::Role { id: Role::Admin }, true),
            (Subject::Role { id: Role::Auditor }, false),
            (Subject::Everyone, true),
        ] {
            assert_eq!(who.is(&subject), expected, "{subject}");
        }
        assert!(who.subjects().iter().all(|subject| who.is(subject)));
        assert_eq!(who.subjects().len(), 5);
    }
}
