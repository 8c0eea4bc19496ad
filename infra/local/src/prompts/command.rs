//! The command line of `tally prompts`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::address::ServerUrl;
use super::api::Api;
use super::key;
use super::pull::pull;
use super::push::{PushOptions, push};

/// The commands for prompts in files.
#[derive(Debug, Subcommand)]
pub(crate) enum PromptsCommand {
    /// Writes the newest version of each prompt to `DIR/<name>.toml`, and replaces the file that is
    /// there: commit your changes first
    Pull {
        /// Directory of the files
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// Saves a version of each prompt whose `DIR/<name>.toml` differs from the newest one
    Push {
        /// Directory of the files
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Moves this label of each prompt in DIR to its newest version
        #[arg(long, value_parser = label)]
        label: Option<String>,
        /// What has changed, for the history of each version
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Shows the steps of a push, and changes nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: Server,
    },
}

/// The API.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// URL of the API; the API key is in `TALLY_API_KEY`
    #[arg(
        long,
        value_name = "URL",
        env = "TALLY_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8787"
    )]
    url: ServerUrl,
}

impl Server {
    fn api(&self) -> Result<Api, String> {
        Api::new(self.url.clone(), key::from_environment()?)
    }
}

/// Runs a command. The error is for the user.
pub(crate) async fn run(command: &PromptsCommand) -> Result<(), String> {
    match command {
        PromptsCommand::Pull { directory, server } => pull(&server.api()?, directory).await,
        PromptsCommand::Push { directory, label, note, dry_run, server } => {
            let options =
                PushOptions { label: label.as_deref(), note: note.as_deref(), dry_run: *dry_run };
            push(&server.api()?, directory, &options).await
        }
    }
}

fn label(text: &str) -> Result<String, &'static str> {
    let is_label = (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text != "latest";
    if is_label {
        Ok(text.to_owned())
    } else {
        Err("it must be 1 to 32 of a-z, 0-9 and `-`, begin with a letter, and not be `latest`")
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_begins_with_a_letter() {
        for (text, expected) in [
            ("staging", true),
            ("eu-west-2", true),
            ("", false),
            ("2", false),
            ("latest", false),
            ("Staging", false),
            ("a/b", false),
            ("a b", false),
        ] {
            assert_eq!(label(text).is_ok(), expected, "{text}");
        }
        assert!(label(&"a".repeat(33)).is_err());
    }
}
