//! `tally prompts push`.

use std::collections::BTreeMap;
use std::path::Path;

use super::api::{Api, Head, NewVersion};
use super::directory;
use super::form::{PromptFile, with_version};
use super::plan::{Plan, conflict};
use super::report;

/// The options of a push.
pub(crate) struct PushOptions<'a> {
    /// The label that is to point to the newest version of each prompt.
    pub label: Option<&'a str>,
    /// What has changed, for people.
    pub note: Option<&'a str>,
    /// Whether to show the steps of the push, and change nothing.
    pub dry_run: bool,
}

/// A push of some files.
struct Push<'a> {
    api: &'a Api,
    options: &'a PushOptions<'a>,
    /// The prompts of the server that are not archived.
    heads: BTreeMap<String, Head>,
}

/// Saves a version for each file that differs from the newest one. A file that fails does not stop
/// the others.
pub(crate) async fn push(
    api: &Api,
    directory: &Path,
    options: &PushOptions<'_>,
) -> Result<(), String> {
    let paths = directory::files(directory)?;
    if paths.is_empty() {
        return Err(format!("{} has no file that ends with .toml", directory.display()));
    }
    let heads = api.prompts().await.map_err(|error| error.to_string())?;
    let push = Push { api, options, heads };
    let mut failed = 0;
    for path in &paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        match push.file(path).await {
            Ok(plan) => report::tell(state(&plan, options.dry_run), &file, &plan.steps()),
            Err(fault) => {
                failed += 1;
                report::fail(&file, &fault);
            }
        }
    }
    if options.dry_run {
        report::say("This was a dry run: nothing has changed.");
    }
    report::verdict(failed, paths.len())
}

/// The word for what has been done, or would be.
fn state(plan: &Plan, dry_run: bool) -> &'static str {
    match (plan.is_empty(), plan.saved.is_some(), dry_run) {
        (true, ..) => "same",
        (_, true, false) => "saved",
        (_, true, true) => "would save",
        (_, false, false) => "changed",
        (_, false, true) => "would change",
    }
}

impl Push<'_> {
    /// Pushes one file. Returns the plan that it has carried out.
    async fn file(&self, path: &Path) -> Result<Plan, String> {
        let name = directory::prompt_of(path)?;
        let text = directory::read(path)?.ok_or("it is gone")?;
        let file = PromptFile::read(&text)?;
        let head = self.head(&name, file.version).await?;
        let newest = match &head {
            // Version 0 is the one that is built in.
            Some(head) => self.api.version(&name, head.latest).await,
            None => Ok(None),
        };
        let newest = newest.map_err(|error| error.to_string())?;
        let newest = newest.as_ref().map(|newest| &newest.content);
        let head = head.unwrap_or_default();
        let mut plan = Plan::new(&file, &head, newest, self.options.label)?;
        if self.options.dry_run {
            return Ok(plan);
        }
        if plan.saved.is_some() {
            plan.number = self.save(&name, &file, head.latest).await?;
        }
        // The next change is made from this version.
        if file.version.unwrap_or(0) != plan.number {
            directory::write(path, &with_version(&text, plan.number)?)?;
        }
        if let (None, Some(label)) = (&plan.saved, &plan.label) {
            let moved = self.api.move_label(&name, &label.label, plan.number, self.options.note);
            moved.await.map_err(|error| format!("{}: {error}", label.label))?;
        }
        if let (true, Some(description)) = (plan.described, &file.description) {
            let described = self.api.describe(&name, description);
            described.await.map_err(|error| format!("description: {error}"))?;
        }
        Ok(plan)
    }

    /// The prompt as the server has it. One that is archived is not in the list, and the list may
    /// be older than the file.
    async fn head(&self, name: &str, version: Option<u32>) -> Result<Option<Head>, String> {
        let known = self.heads.get(name).filter(|head| version.unwrap_or(0) <= head.latest);
        match known {
            Some(head) => Ok(Some(head.clone())),
            None => self.api.prompt(name).await.map_err(|error| error.to_string()),
        }
    }

    /// Saves a version, with the label. Returns its number.
    async fn save(&self, name: &str, file: &PromptFile, based_on: u32) -> Result<u32, String> {
        let version = NewVersion {
            content: &file.content,
            based_on,
            labels: self.options.label.into_iter().collect(),
            note: self.options.note,
        };
        match self.api.save(name, &version).await {
            Ok(saved) => Ok(saved.version),
            Err(error) if error.code() == Some("version_conflict") => {
                let head = self.api.prompt(name).await.ok().flatten();
                let newest = head.map(|head| head.latest).filter(|newest| *newest > based_on);
                Err(newest.map_or(error.to_string(), |newest| conflict(file.version, newest)))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
