//! `tally prompts`: prompts as files, for version control.
//!
//! ```text
//! command    the command line
//! key        the API key
//! address    the URL of the API
//! api        its calls; problem: their errors; pause: the time until a repetition
//! content    the content of a version, as the API has it
//! form       a prompt as a TOML file has it
//! directory  the files
//! pull, push the work of the commands; plan: the steps of a push for one prompt
//! report     their output
//! ```
//!
//! It knows the HTTP API alone, as any client does.

mod address;
mod api;
mod command;
mod content;
mod directory;
mod form;
mod key;
mod pause;
mod plan;
mod problem;
mod pull;
mod push;
mod report;

pub(crate) use command::{PromptsCommand, run};
