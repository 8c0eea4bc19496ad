//! The file that tells `tally env` how to reach a running stack.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tally_local::{Stack, names};

#[derive(Serialize, Deserialize)]
struct Content {
    /// Address of the APIs. If no program listens there, the stack is gone.
    address: String,
    /// Maps a logical id to the function's variables.
    functions: BTreeMap<String, BTreeMap<String, String>>,
}

/// The file of one stack, removed when this is dropped.
pub(crate) struct EnvironmentFile(PathBuf);

impl EnvironmentFile {
    /// Writes the variables of every function into the state directory. They hold credentials: only
    /// the user may read them.
    pub(crate) fn write(stack: &Stack, state: &Path) -> Result<EnvironmentFile, String> {
        let functions = &stack.deployment().functions;
        let content = Content {
            address: stack.url().trim_start_matches("http://").to_owned(),
            functions: functions
                .iter()
                .map(|function| (function.id.clone(), stack.environment(function)))
                .collect(),
        };
        let path = path(state);
        // A file that a killed stack has left may have another mode.
        let _ = fs::remove_file(&path);
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written =
            created.and_then(|mut file| file.write_all(&serde_json::to_vec_pretty(&content)?));
        written.map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        Ok(EnvironmentFile(path))
    }
}

impl Drop for EnvironmentFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The variables of `function` in the stack that runs with this state directory, one `NAME=value` a
/// line.
pub(crate) fn variables(state: &Path, function: &str) -> Result<String, String> {
    let not_running = || {
        format!(
            "no stack is running with the state directory {}: start it with `cargo run`",
            state.display()
        )
    };
    let content: Content = fs::read(path(state))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(not_running)?;
    let address: Option<SocketAddr> = content.address.parse().ok();
    if address.and_then(|address| TcpStream::connect(address).ok()).is_none() {
        return Err(not_running());
    }
    let Some(variables) = content.functions.get(function) else {
        return Err(names::unknown(
            "function",
            function,
            content.functions.keys().map(String::as_str),
        ));
    };
    let lines: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(lines.join("\n") + "\n")
}

fn path(state: &Path) -> PathBuf {
    state.join("environment.json")
}
