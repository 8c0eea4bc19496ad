//! Versions as they are stored or built in, and the writes of a change.

use platform::database::{StoreError, Write};
use tally_prompts::built_in;
use tally_prompts::domain::{PromptName, Version};
use tally_prompts::store::{Current, Head, Prompts};

/// Changes of a prompt that may come before one while it is made. Each of them makes it fail once at
/// most, because it reads the head anew.
pub const AT_ONCE: u32 = 64;

/// A version of a prompt. 0 is the one that is built in.
pub async fn version(
    prompts: &Prompts,
    name: &PromptName,
    number: u32,
) -> Result<Option<Version>, StoreError> {
    match number {
        0 => Ok(built_in(name).map(|version| (*version).clone())),
        number => prompts.version(name, number).await,
    }
}

/// The stored version that the label `production` names. `None` if it is not set, or names the
/// version that is built in.
pub async fn production(prompts: &Prompts, head: &Head) -> Result<Option<Version>, StoreError> {
    let Some(number) = head.production() else { return Ok(None) };
    let found = prompts.version(&head.name, number).await?;
    let missing = || {
        // No version is ever deleted, and no label points to one that is not there.
        StoreError::Unavailable(format!("version {number} of the prompt {} is missing", head.name))
    };
    found.ok_or_else(missing).map(Some)
}

/// The version that replies use from now on. `production` is the stored version that the label
/// names, if it names one.
pub fn current(head: &Head, production: Option<Version>) -> Current {
    match production {
        _ if head.archived => Current::Archived,
        None => Current::BuiltIn,
        Some(version) => Current::Version(Box::new(version)),
    }
}

/// The writes of a change of a prompt: its head, and then the version that replies use from now on.
/// They fail if the stored head does not have the revision `before`.
pub fn writes(
    prompts: &Prompts,
    before: u64,
    head: &Head,
    current: &Current,
) -> Result<[Write; 2], StoreError> {
    Ok([prompts.replace(before, head)?, prompts.set_current(&head.name, current)?])
}
