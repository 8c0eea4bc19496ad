//! Why a stack could not be started.

use std::io;
use std::path::PathBuf;

use crate::aws::AwsError;
use crate::builder::BuildError;
use crate::lambda::InvokeError;
use crate::template::TemplateError;

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The port is taken.
    #[error("port {0} is in use: end what listens there, or choose another port with --port")]
    PortInUse(u16),
    /// Something of this machine failed.
    #[error("{what}: {source}")]
    Machine {
        /// What was tried.
        what: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// The template can't be brought up.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A binary is not there.
    #[error("the binary of {function} is missing at {path}: build it with `cargo build --bin {binary}`, or leave --no-build away")]
    MissingBinary {
        /// Logical id.
        function: String,
        /// Where it should be.
        path: PathBuf,
        /// Its name.
        binary: String,
    },
    /// The functions' binaries can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Tables, secrets or the endpoints for them failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Functions can't start with the settings that they have.
    #[error("{}", .0.join("\n       "))]
    Settings(Vec<String>),
    /// A function that is to be invoked at the start failed.
    #[error("{function}, which the template invokes at the start: {source}")]
    InvokeOnStart {
        /// Logical id.
        function: String,
        /// What went wrong.
        source: InvokeError,
    },
}
