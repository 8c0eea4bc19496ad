//! `GET /prompts` and the paths below it: prompts, their versions and labels, rendered texts,
//! usage.

mod change;
mod fields;
mod labels;
mod list;
mod names;
mod read;
mod render;
mod rights;
mod save;
mod update;
mod usage;
mod version_request;
mod versions;
mod view;

pub use labels::{LabelMove, MoveLabel, RemoveLabel};
pub use list::{ListPrompts, PromptFilters, PromptsQuery};
pub use read::ReadPrompt;
pub use render::{RenderPrompt, RenderRequest, Texts};
pub use save::SaveVersion;
pub use update::{PromptChange, UpdatePrompt};
pub use usage::{PromptUsage, ReadPromptUsage, UsageQuery};
pub use version_request::{SaveOptions, VersionRequest};
pub use versions::{ListVersions, ReadVersion};
pub use view::{
    LabelMoved, MoveView, PromptSummary, PromptView, VariableView, VersionItem, VersionView,
};

/// The endpoints of this function.
pub type Endpoints = (
    ListPrompts,
    ReadPrompt,
    UpdatePrompt,
    SaveVersion,
    ListVersions,
    ReadVersion,
    MoveLabel,
    RemoveLabel,
    RenderPrompt,
    ReadPromptUsage,
);
