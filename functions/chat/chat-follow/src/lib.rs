//! `chat.cancel` and `chat.resume`: stops a reply that is being written, or hears one from where a client has left it.

mod cancel;
mod resume;

pub use cancel::{Cancel, CancelBody, Cancelling};
pub use resume::{Resume, ResumeBody, Resumed};
