//! WebSocket: the actions, how a message is read and processed, and how messages reach a client.

mod action;
mod broadcast;
mod call;
mod close_connections;
mod connection_access;
mod dispatch;
mod floods;
mod frame;
mod function;
mod lifecycle;
mod sender;

pub use action::{Action, Message};
pub use broadcast::Broadcast;
pub use call::{MessageId, SocketCall};
pub use close_connections::CloseConnections;
pub use connection_access::ConnectionAccess;
pub use frame::{ErrorMessage, ServerMessage};
pub use function::SocketFunction;
pub use lifecycle::Lifecycle;
pub use sender::{SendError, Sender};
