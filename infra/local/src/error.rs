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
    /// Another program uses the port.
    #[error("another process listens on port {0}: end it, or choose another port with --port")]
    PortInUse(u16),
    /// A system call failed.
    #[error("{what}: {source}")]
    Machine {
        /// The attempted action.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The template is not valid.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A binary is missing.
    #[error(
        "the binary of {function} is missing at {path}: build it with `cargo build --bin \
         {binary}`, or leave --no-build away"
    )]
    MissingBinary {
        /// Logical id.
        function: String,
        /// The path where it should be.
        path: PathBuf,
        /// The binary's name.
        binary: String,
    },
    /// The functions' binaries can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Tables, secrets or the endpoints for them failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Functions can't start with their settings.
    #[error("{}", .0.join("\n       "))]
    Settings(Vec<String>),
    /// A function has no enabled `DynamoDB` event.
    #[error("{0} has no enabled DynamoDB event")]
    NoStream(String),
    /// A function that the template invokes at the start failed.
    #[error("{function}, which the template invokes at the start: {source}")]
    InvokeOnStart {
        /// Logical id.
        function: String,
        /// The function's error.
        source: InvokeError,
    },
}
