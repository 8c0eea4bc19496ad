//! The Model Context Protocol over HTTP, without what this server does by it.

mod answer;
mod client;
mod declared;
mod era;
mod fault;
mod message;

pub use answer::{RpcAnswer, RpcResult, Sent, server_info};
pub use client::client_of;
pub use declared::era_of;
pub use era::{Era, SUPPORTED, negotiated};
pub use fault::Fault;
pub use message::{Message, RpcRequest};
