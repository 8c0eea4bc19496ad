//! `tally prompts pull`.

use std::path::Path;

use super::api::{Api, Head};
use super::directory;
use super::form::PromptFile;
use super::report;

/// Writes the newest version of each prompt that has one. Other files stay as they are.
pub(crate) async fn pull(api: &Api, directory: &Path) -> Result<(), String> {
    let prompts = api.prompts().await.map_err(|error| error.to_string())?;
    let stored: Vec<_> = prompts.into_values().filter(|head| head.latest > 0).collect();
    if stored.is_empty() {
        report::say("No prompt has a version that is stored.");
        return Ok(());
    }
    directory::make(directory)?;
    let mut failed = 0;
    for head in &stored {
        let file = format!("{}.toml", head.name);
        match pull_one(api, directory, head).await {
            Ok((state, rest)) => report::tell(state, &file, &rest),
            Err(fault) => {
                failed += 1;
                report::fail(&file, &fault);
            }
        }
    }
    report::verdict(failed, stored.len())
}

/// Writes one file, unless it says the same. Returns what it has done.
async fn pull_one(
    api: &Api,
    directory: &Path,
    head: &Head,
) -> Result<(&'static str, String), String> {
    let path = directory::path_of(directory, &head.name)?;
    let newest = api.version(&head.name, head.latest).await.map_err(|error| error.to_string())?;
    let newest = newest.ok_or("the server does not have its newest version")?;
    let file = PromptFile {
        description: Some(head.description.clone()).filter(|text| !text.is_empty()),
        version: Some(newest.version),
        content: newest.content,
    };
    let version = format!("version {}", newest.version);
    let Some(before) = directory::read(&path)? else {
        directory::write(&path, &file.write()?)?;
        return Ok(("new", version));
    };
    // A file that can't be read is replaced.
    let before = PromptFile::read(&before).ok();
    if before.as_ref().is_some_and(|before| says_the_same(before, &file)) {
        return Ok(("same", version));
    }
    directory::write(&path, &file.write()?)?;
    let from = before.and_then(|before| before.version).filter(|from| *from != newest.version);
    let from = from.map(|from| format!("version {from} -> {}", newest.version));
    Ok(("changed", from.unwrap_or(version)))
}

/// Whether a pull would change nothing but comments and the layout.
fn says_the_same(one: &PromptFile, other: &PromptFile) -> bool {
    one.version == other.version
        && one.description.as_deref().unwrap_or_default()
            == other.description.as_deref().unwrap_or_default()
        && one.content.differing(&other.content).is_empty()
}
