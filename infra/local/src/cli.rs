//! The command line.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the environment is the functions'"
)]

use std::env;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use tally_local::StackOptions;
use tally_local::aws::State;
use tally_local::builder::{self, BuildError};

use crate::prompts::PromptsCommand;

/// Brings template.yaml up on this machine.
#[derive(Debug, Parser)]
#[command(name = "tally", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Directory for tables, secrets, objects, messages, mail and logs [default: .local beside the
    /// template]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Keep nothing after this run: tables, secrets, objects and messages are gone when the stack
    /// ends
    #[arg(long, conflicts_with = "state")]
    memory: bool,
    /// Port of the HTTP and WebSocket APIs; 0 takes a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Another name by which clients reach that port, beside localhost, 127.0.0.1 and `[::1]`; can
    /// be repeated
    #[arg(long = "host", value_name = "NAME[:PORT]")]
    hosts: Vec<String>,
    /// The template [default: template.yaml here or in the nearest directory above]
    #[arg(long, global = true, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Environment of samconfig.toml that gives the template's parameters
    #[arg(long, value_name = "NAME", default_value = "local")]
    config_env: String,
    /// Gives a parameter of the template another value; can be repeated
    #[arg(long = "set", value_name = "PARAMETER=VALUE", value_parser = parameter)]
    sets: Vec<(String, String)>,
    /// Run the binaries as they are
    #[arg(long)]
    pub no_build: bool,
    /// Show all that the functions log, not only warnings and errors
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints the variables with which a function runs against the running stack, as NAME=value
    /// lines
    Env {
        /// Logical id of the function in the template
        function: String,
    },
    /// Keeps the prompts of a running stack or a deployment in files, for version control
    #[command(subcommand)]
    Prompts(PromptsCommand),
}

impl Cli {
    /// The template's path, from any directory of the project.
    pub(crate) fn template(&self) -> Result<PathBuf, String> {
        if let Some(template) = &self.template {
            // Make it absolute, because the command also looks for files beside it.
            return std::path::absolute(template)
                .map_err(|error| format!("{}: {error}", template.display()));
        }
        // `cargo run` sets the package's directory, in any working directory.
        let starts =
            [env::current_dir().ok(), env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)];
        let found = starts
            .iter()
            .flatten()
            .flat_map(|start| start.ancestors())
            .map(|directory| directory.join("template.yaml"));
        found.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            "there is no template.yaml here or in a directory above: start this inside the \
             project, or name the file with --template"
                .to_owned()
        })
    }

    /// The directory of the stack's state.
    pub(crate) fn state_directory(&self, template: &Path) -> PathBuf {
        self.state.clone().unwrap_or_else(|| template.with_file_name(".local"))
    }

    pub(crate) fn stack_options(&self, template: PathBuf) -> Result<StackOptions, BuildError> {
        let state = if self.memory {
            State::Memory
        } else {
            State::Directory(self.state_directory(&template))
        };
        let mut options = StackOptions::new(template, builder::binaries_directory()?);
        options.config_env.clone_from(&self.config_env);
        options.sets.clone_from(&self.sets);
        options.state = state;
        options.port = Some(self.port).filter(|port| *port != 0);
        options.hosts.clone_from(&self.hosts);
        options.tries_functions = true;
        Ok(options)
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write PARAMETER=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_may_hold_equals_signs() {
        let cli = Cli::parse_from(["tally", "--set", "RateLimits=login=1/1m", "--set", "A="]);
        assert_eq!(
            cli.sets,
            [("RateLimits".to_owned(), "login=1/1m".to_owned()), ("A".to_owned(), String::new())]
        );
    }

    #[test]
    fn prompts_go_to_a_named_server_or_to_the_local_stack() {
        for (arguments, expected) in [
            (&["pull", "prompts"][..], true),
            (&["push", "prompts", "--dry-run", "--label", "staging", "--note", "Shorter"], true),
            (&["push", "prompts", "--url", "https://api.example.com/prod"], true),
            (&["push", "prompts", "--url", "http://api.example.com"], false),
            (&["push", "prompts", "--label", "latest"], false),
            (&["push", "prompts", "--key", "tly_1"], false),
            (&["push"], false),
            (&[], false),
        ] {
            let cli = Cli::try_parse_from([&["tally", "prompts"][..], arguments].concat());
            assert_eq!(cli.is_ok(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn a_stack_in_memory_has_no_directory() {
        assert!(Cli::try_parse_from(["tally", "--memory", "--state", "x"]).is_err());
    }
}
