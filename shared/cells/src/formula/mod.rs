//! The columns that a formula reads, its sources. A formula that may read others is unresolved.

mod book;
mod columns;
mod functions;
mod groups;
mod key;
mod reference;
mod sources;
mod tree;
mod walk;

pub use book::{Book, Name, Table};
pub use groups::{Groups, MAX_FORMULAS, NONE, UNRESOLVED};
pub use sources::{Sources, Span};
