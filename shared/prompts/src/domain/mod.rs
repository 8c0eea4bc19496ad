//! Names, references, versions with their templates and variables.

mod content;
mod label;
mod name;
mod reference;
mod template;
mod values;
mod variable;
mod version;
mod version_number;

pub use content::{Content, Kind};
pub use label::Label;
pub use name::PromptName;
pub use reference::{PromptRef, Which};
pub use template::{Fault as TemplateFault, Template};
pub use values::Values;
pub use variable::{Variable, VariableType};
pub use version::{Pinned, Rendered, Version};
pub use version_number::VersionNumber;
