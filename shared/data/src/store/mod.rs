//! The tables of this area: one file each, with its key shape, item conversion and queries. Nothing
//! else here uses the DynamoDB SDK.

mod profits;
mod streaming;
mod subscription;
mod subscriptions;

pub use profits::{Profit, ProfitFilter, Profits};
pub use subscription::{StreamStart, Subscription, SubscriptionState};
pub use subscriptions::Subscriptions;
