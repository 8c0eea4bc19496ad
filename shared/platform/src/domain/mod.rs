//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod account;
mod chart;
mod chat;
mod claims;
mod cost;
mod fingerprint;
mod letter;
mod password;
mod peer;
mod profit;
mod resource_id;
mod roles;

pub use account::{Email, FullName, Identifier, Username};
pub use chart::{ChartType, Interval, Seq};
pub use chat::{MessageRole, MessageStatus, MessageText, PromptName, StopReason, Usage};
pub use claims::{AccessClaims, PairClaims, RefreshClaims, TokenError};
pub(crate) use claims::{Claims, LEEWAY};
pub use cost::{Budget, Cost};
pub use fingerprint::Fingerprint;
pub use letter::{Letter, Notice, Purpose};
pub use password::{Check, HashError, Hasher, Password, Work};
pub use peer::Peer;
pub use profit::{Company, Money, Month, Year};
pub use resource_id::{NotAnId, ResourceId};
pub use roles::{Role, Roles};
