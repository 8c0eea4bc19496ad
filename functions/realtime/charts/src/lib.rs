//! `charts.subscribe` and `charts.unsubscribe`: begin a stream of frames, change its pace, end it.

mod subscribe;
mod unsubscribe;

pub use subscribe::{Subscribe, SubscribeBody};
pub use unsubscribe::{Unsubscribe, UnsubscribeBody, Unsubscribed};
