//! What replies cost, and how much they may: a budget for each user and month, and one for the whole deployment.
//!
//! The worst case of a call is held before it is made, and what it has cost takes the hold's place when its reply ends. Both are
//! writes of the transactions that ask for a reply and end it, so that none is asked for without its hold and none is billed twice.
//!
//! - [`Tariff`]: prices, what a reply has cost, and what it can cost
//! - [`Reserve`]: the hold, for those that ask
//! - [`Settle`]: the cost, for those that end

mod reserve;
mod settle;
mod tariff;

pub use reserve::{Limits, Reserve, Reserved};
pub use settle::Settle;
pub use tariff::{Tariff, tokens_at_most};
