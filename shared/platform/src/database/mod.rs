//! The one way to DynamoDB: single-item reads and writes, queries, and the transaction that commits
//! a plan. Only the stores of each area use this module (`store/` of each crate in `shared/`).
//!
//! Calls return boxed futures. So the compiler makes the SDK's code of such a call once, here. For
//! an `async fn` it makes that code anew in each function that awaits it.

mod client;
mod error;
mod items;
mod resend;
mod several;
mod single;
mod transaction;
mod write;

pub use client::Database;
pub use error::{StoreError, unavailable};
pub use items::{Item, item, key, key2, n, read, s, value};
pub use resend::{ATTEMPTS, Collision, resend};
pub use several::query;
pub use single::{attempt, get};
pub use transaction::CommitError;
pub use write::{Expression, Write};
