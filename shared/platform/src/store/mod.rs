//! The tables that requests of every area use: one file each, with its key shape, item conversion
//! and queries. The other tables belong to the crates of their areas. A table belongs to one crate,
//! so one crate knows the form of its items.

mod admins;
mod api_keys;
mod audit;
mod audit_search;
mod connections;
mod denials;
mod event_range;
mod idempotency;
mod limits;
mod login_attempts;
mod retention;
#[cfg(test)]
mod samples;
mod sessions;
mod user;
mod user_changes;
mod user_names;
mod user_search;
mod user_sessions;
mod user_sso;
mod users;

pub use admins::AdminsChange;
pub use api_keys::{
    API_KEYS_PER_USER, ApiKey, ApiKeys, KEY_CHECK_ATTRIBUTES, KEY_SCOPES_ATTRIBUTES,
};
pub use audit::AuditLog;
pub use audit_search::{Found, Room, Search};
pub use connections::{Connection, Connections};
pub use denials::{Denial, Untold, UntoldPlace};
pub use event_range::{EventRange, Order};
pub use idempotency::{Record, Remembered};
pub use limits::LimitCounters;
pub use login_attempts::LoginAttempts;
pub use retention::Retention;
pub use sessions::{CONNECTIONS_PER_SESSION, Session, Sessions};
pub use user::{Account, SignInMethod, SsoLink, User};
pub use user_search::{AccountFilter, Place};
pub use user_sessions::{LISTED_SESSIONS_ATTRIBUTES, SESSION_ATTRIBUTES, SessionsToEvict};
pub use users::{AccountStanding, STANDING_ATTRIBUTES, Users};
