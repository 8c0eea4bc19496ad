//! The cost of replies, and its limits: a budget for each user and month, and one for the whole
//! deployment.
//!
//! The worst-case cost of a call is reserved (a hold) before the call. When the reply ends, its
//! cost replaces the hold. The transactions that ask for a reply and end it contain these writes.
//! So no reply is asked for without a hold, and none is billed twice.
//!
//! - [`assistant::pricing`]: prices, the cost of a reply, and its worst case
//! - [`Reserve`]: the hold, for functions that ask for replies
//! - [`Settle`]: the cost, for functions that end them

mod reserve;
mod settle;

pub use reserve::{Limits, Reserve, Reserved, TOOL_TOKENS, Worst};
pub use settle::Settle;
