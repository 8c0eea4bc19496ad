//! Tools: what a model in a chat, or an MCP client, may do on behalf of a user. Each tool is one
//! type, which the chat and MCP use alike.
//!
//! - [`Tool`]: a tool, with its schemas, its rights, its preview and its work
//! - [`Toolbox`]: all of them; checks rights, arguments and limits, recognises a repeated call, and
//!   commits the plan of a call with its event
//! - [`Keyed`], [`Paged`], [`Continued`], [`Cut`]: arguments and outputs that several tools have

mod answer;
mod cut;
mod entry;
mod input;
mod schema;
mod sentence;
mod tool;
mod toolbox;
mod tools;

pub use answer::{Answer, Refused};
pub use cut::Cut;
pub use entry::Listed;
pub use input::{Continued, Keyed, Paged};
pub use sentence::{quoted, visible};
pub use tool::{About, CALLED, Effect, Found, Given, OUTPUT_BYTES, Tool};
pub use toolbox::{Call, Toolbox};
pub use tools::NAMES;
