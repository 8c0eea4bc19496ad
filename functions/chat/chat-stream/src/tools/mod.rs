//! The tools that a chat alone has: they change the notes that the model keeps for its
//! conversation.

mod change;
mod forget;
mod remember;

pub use forget::Forget;
pub use remember::Remember;
