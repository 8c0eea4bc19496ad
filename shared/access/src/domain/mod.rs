//! The terms of rules. They do no I/O, and a value that exists is a valid one.

mod action;
mod book;
mod glob;
mod letter;
mod name;
mod rule;
mod subject;

pub use action::{Action, Actions};
pub use book::{Approval, Book, Column, Sheet};
pub use cells::names::fold as folded;
pub use glob::Glob;
pub use letter::{Letter, Letters};
pub use name::Name;
pub use rule::{ColumnMatch, Derived, Effect, Label, Note, Rule};
pub use subject::{Standing, Subject};
