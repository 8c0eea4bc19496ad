//! The texts of audit events: what a model was asked, and what it wrote. They are encrypted under a
//! key of their user, and are stored beside the audit log.
//!
//! - [`Texts`]: stores the texts of an event to come, and reads those of an event
//! - `data_keys`: the keys of users, which KMS wraps. Once the key of a user is erased, no text of
//!   that user can be read any more, in no backup either
//! - `data_key`: the encryption of one text; `pieces`: its items
//! - [`store`]: the tables of this area; the worker `erase` uses them without the plain keys

mod data_key;
mod data_keys;
mod error;
mod key_cache;
mod kms;
mod pieces;
pub mod store;
mod texts;

pub use error::TextError;
pub use texts::{SOURCES, Texts, Unreadable};
