//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod account;
mod claims;
mod fingerprint;
mod peer;
mod resource_id;
mod roles;
mod sso_identity;
mod words;

pub use account::{Email, FullName, Identifier, Username};
pub use claims::{AccessClaims, Claims, LEEWAY, PairClaims, RefreshClaims, TokenError};
pub use fingerprint::Fingerprint;
pub use peer::Peer;
pub use resource_id::{NotAnId, ResourceId};
pub use roles::{Role, Roles};
pub use sso_identity::{SsoIdentity, guid};
pub use words::Words;
