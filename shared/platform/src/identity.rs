//! The caller of a request, as the verified credential names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{ResourceId, Role};
use crate::input::{FromField, RawValue};

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub user_id: String,
    /// Username.
    pub username: String,
    /// Session id.
    pub session_id: String,
}

/// A signed-in caller: a user in one of their sessions, or a service with one of their API keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// User id.
    pub user_id: String,
    /// Username.
    pub username: String,
    /// The credential that they sent.
    #[serde(flatten)]
    pub credential: Credential,
}

/// The credential that a caller sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A token of this session.
    SessionId(String),
    /// This API key.
    KeyId(String),
}

impl Credential {
    /// Id of the session or key.
    pub fn id(&self) -> &str {
        match self {
            Self::SessionId(id) | Self::KeyId(id) => id,
        }
    }
}

impl From<Identity> for Principal {
    fn from(identity: Identity) -> Self {
        Self {
            user_id: identity.user_id,
            username: identity.username,
            credential: Credential::SessionId(identity.session_id),
        }
    }
}

/// A right of an API key. A route without a scope accepts no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Read profits.
    #[serde(rename = "profits:read")]
    ProfitsRead,
    /// Ask the assistant, and read its replies.
    #[serde(rename = "chat:write")]
    ChatWrite,
    /// Search the audit log, as far as the owner may.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Check that a token is valid (RFC 7662).
    #[serde(rename = "tokens:introspect")]
    TokensIntrospect,
    /// Read workbooks and ranges, as far as the owner may.
    #[serde(rename = "ranges:read")]
    RangesRead,
    /// Register workbooks and upload ranges, as far as the owner may.
    #[serde(rename = "ranges:write")]
    RangesWrite,
    /// Read the tasks of the owner.
    #[serde(rename = "tasks:read")]
    TasksRead,
    /// Create, change, complete and delete tasks.
    #[serde(rename = "tasks:write")]
    TasksWrite,
    /// Read prompts, as far as the owner may.
    #[serde(rename = "prompts:read")]
    PromptsRead,
    /// Write prompts and move their labels, as far as the owner may.
    #[serde(rename = "prompts:write")]
    PromptsWrite,
    /// Read the files and jobs of the owner.
    #[serde(rename = "jobs:read")]
    JobsRead,
    /// Upload and delete files, and start, stop and delete jobs.
    #[serde(rename = "jobs:write")]
    JobsWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 12] = [
        Self::ProfitsRead,
        Self::ChatWrite,
        Self::AuditRead,
        Self::TokensIntrospect,
        Self::RangesRead,
        Self::RangesWrite,
        Self::TasksRead,
        Self::TasksWrite,
        Self::PromptsRead,
        Self::PromptsWrite,
        Self::JobsRead,
        Self::JobsWrite,
    ];

    /// The scope as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProfitsRead => "profits:read",
            Self::ChatWrite => "chat:write",
            Self::AuditRead => "audit:read",
            Self::TokensIntrospect => "tokens:introspect",
            Self::RangesRead => "ranges:read",
            Self::RangesWrite => "ranges:write",
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::PromptsRead => "prompts:read",
            Self::PromptsWrite => "prompts:write",
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
        }
    }
}

/// The rights of a caller at the moment of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The scopes of the API key; `None` in a session, which has all of them.
    pub scopes: Option<Vec<Scope>>,
    /// The current roles of the user.
    pub roles: Vec<Role>,
}

impl Authority {
    /// Whether the caller has a scope.
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope))
    }

    /// Whether the caller has one of these roles. An empty list asks for none.
    pub fn has_role(&self, any_of: &[Role]) -> bool {
        any_of.is_empty() || any_of.iter().any(|role| self.roles.contains(role))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A user as a caller names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Someone {
    /// `me`: the caller.
    Me,
    /// The user with this id.
    User(ResourceId),
}

impl Someone {
    /// The user id, if the caller has this one.
    pub fn or<'a>(&'a self, caller_id: &'a str) -> &'a str {
        match self {
            Self::Me => caller_id,
            Self::User(id) => id,
        }
    }
}

impl FromStr for Someone {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "me" => Ok(Self::Me),
            id => id.parse().map(Self::User).map_err(|_| "must be a user id or `me`"),
        }
    }
}

impl PartialSchema for Someone {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("uuid".into())));
        let me = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["me"]));
        RefOr::T(Schema::AnyOf(AnyOfBuilder::new().item(id).item(me).build()))
    }
}

impl ToSchema for Someone {}

impl FromField for Someone {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

/// The kind of caller that an endpoint takes: any caller (`()`), a user in a session
/// ([`Identity`]), or a user or an API key ([`Principal`]).
pub trait Caller: Sized + Send {
    /// Whether a route has to be protected to have such a caller.
    const SIGNED_IN: bool;

    /// Whether it may be an API key. If so, the route names the scope that the key needs.
    const BY_KEY: bool;

    /// The caller, if the principal is of this kind.
    fn from_principal(principal: Option<&Principal>) -> Option<Self>;
}

impl Caller for () {
    const SIGNED_IN: bool = false;
    const BY_KEY: bool = false;

    fn from_principal(_: Option<&Principal>) -> Option<Self> {
        Some(())
    }
}

impl Caller for Identity {
    const SIGNED_IN: bool = true;
    const BY_KEY: bool = false;

    fn from_principal(principal: Option<&Principal>) -> Option<Self> {
        let Principal { user_id, username, credential } = principal?;
        let Credential::SessionId(session_id) = credential else { return None };
        Some(Self {
            user_id: user_id.clone(),
            username: username.clone(),
            session_id: session_id.clone(),
        })
    }
}

/// On a route that may be open to anyone, by a setting of the deployment.
impl Caller for Option<Principal> {
    const SIGNED_IN: bool = true;
    const BY_KEY: bool = true;

    fn from_principal(principal: Option<&Principal>) -> Option<Self> {
        Some(principal.cloned())
    }
}

impl Caller for Principal {
    const SIGNED_IN: bool = true;
    const BY_KEY: bool = true;

    fn from_principal(principal: Option<&Principal>) -> Option<Self> {
        principal.cloned()
    }
}
