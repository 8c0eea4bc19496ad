//! `chat.cancel`, `chat.confirm` and `chat.resume`, about a reply that has not ended. They stop it,
//! decide about the calls of tools that it waits for, or send it from where a client has left it.

mod cancel;
mod confirm;
mod resume;

pub use cancel::{Cancel, CancelBody, Cancelling};
pub use confirm::{Confirm, ConfirmBody, Confirmed};
pub use resume::{Resume, ResumeBody, Resumed};
