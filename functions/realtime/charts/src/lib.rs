//! `charts.subscribe` begins a stream of frames or changes its pace. `charts.unsubscribe` ends it.

mod subscribe;
mod unsubscribe;

pub use subscribe::{Subscribe, SubscribeBody};
pub use unsubscribe::{Unsubscribe, UnsubscribeBody, Unsubscribed};
