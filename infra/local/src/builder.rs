//! Builds the functions' binaries with cargo.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the environment is the functions'"
)]

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::template::model::Deployment;

/// Variables that `cargo run` and `cargo test` set for the programs they run. A cargo started from
/// there must not see them. Otherwise build scripts that watch them would run again, and their
/// dependents would be rebuilt.
const OF_THE_RUNNING_PACKAGE: &[&str] =
    &["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_PACKAGE"];

/// Why the functions could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The program can't find its own path.
    #[error("the directory of the binaries can't be found: {0}")]
    NoDirectory(#[source] io::Error),
    /// Cargo could not be started.
    #[error("cargo can't be started: {0}")]
    NoCargo(#[source] io::Error),
    /// Cargo failed, and has printed its errors.
    #[error("the functions could not be built (cargo: {0})")]
    Failed(ExitStatus),
}

/// The directory of the binaries in the cargo profile that this program was built with.
pub fn binaries_directory() -> Result<PathBuf, BuildError> {
    let mut directory = env::current_exe().map_err(BuildError::NoDirectory)?;
    directory.pop();
    // Test binaries are in `deps`.
    if directory.ends_with("deps") {
        directory.pop();
    }
    Ok(directory)
}

/// Builds the binaries of all functions of `deployment` in the workspace at `root` into `binaries`.
/// Cargo's own output passes through.
pub fn build(deployment: &Deployment, root: &Path, binaries: &Path) -> Result<(), BuildError> {
    build_binaries(
        deployment.functions.iter().map(|function| function.binary.as_str()),
        root,
        binaries,
    )
}

/// Builds binaries of the workspace at `root` by their names into `binaries`. Cargo's own output
/// passes through.
pub fn build_binaries<'n>(
    names: impl IntoIterator<Item = &'n str>,
    root: &Path,
    binaries: &Path,
) -> Result<(), BuildError> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(());
    }
    run_cargo(names.into_iter().flat_map(|name| ["--bin", name]), root, binaries)
}

/// Builds an example of the workspace at `root` by its name into `examples` below `binaries`.
/// Cargo's own output passes through.
pub fn build_example(name: &str, root: &Path, binaries: &Path) -> Result<(), BuildError> {
    run_cargo(["--example", name], root, binaries)
}

fn run_cargo<'n>(
    targets: impl IntoIterator<Item = &'n str>,
    root: &Path,
    binaries: &Path,
) -> Result<(), BuildError> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // Build the whole workspace, though only these targets of it. Then dependencies get the same
    // features as in `cargo run` and `cargo test --workspace`, and cargo does not build the AWS SDK
    // a second time.
    cargo.arg("build").arg("--workspace").arg("--manifest-path").arg(root.join("Cargo.toml"));
    // `target/debug` is the profile `dev` in `target`.
    match (binaries.parent(), binaries.file_name()) {
        (Some(target), Some(profile)) => {
            let profile = if profile == "debug" { "dev".into() } else { profile.to_owned() };
            cargo.arg("--target-dir").arg(target).arg("--profile").arg(profile);
        }
        _ => return Err(BuildError::NoDirectory(io::ErrorKind::NotFound.into())),
    }
    cargo.args(targets);
    for (name, _) in env::vars_os() {
        if OF_THE_RUNNING_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().map_err(BuildError::NoCargo)?;
    if status.success() { Ok(()) } else { Err(BuildError::Failed(status)) }
}
