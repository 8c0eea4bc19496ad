//! WebSocket: the actions, how a message is read and processed, and how messages reach a client.

mod action;
mod call;
mod dispatch;
mod floods;
mod frame;
mod function;
mod hangup;
mod lifecycle;
mod presence;
mod sender;

pub use action::{Action, Message};
pub use call::{Call, MessageId};
pub use frame::{ErrorMessage, ServerMessage};
pub use function::SocketFunction;
pub use hangup::Hangup;
pub use lifecycle::Lifecycle;
pub use presence::Presence;
pub use sender::{SendError, Sender};
