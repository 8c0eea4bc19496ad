//! What owners do with their account: another name, another address, its end.

mod address;
mod delete;
mod update;

pub use delete::{Confirmation, DeleteMe};
pub use update::{AccountChange, Changed, UpdateMe};
