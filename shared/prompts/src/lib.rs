//! Prompts under version control.
//!
//! A prompt has a name and versions. A version never changes. Labels point to versions, and the
//! label `production` says which version replies use. Some prompts are built in: as version 0 they
//! answer until `production` is set.
//!
//! - [`domain`]: names, references, versions with their templates and variables
//! - [`store`]: the table of prompts
//! - [`Registry`]: finds the version that a reference names, with a cache

mod builtin;
pub mod domain;
mod registry;
pub mod store;

pub use builtin::{built_in, built_ins};
pub use registry::Registry;
