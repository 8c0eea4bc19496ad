//! Why the AWS endpoints could not be started.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the AWS endpoints could not be started. The text also says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// Other machines could reach the listener.
    #[error("the AWS endpoints are for this machine alone and {0} is not: bind them to 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The listener's own address can't be read.
    #[error("the address of the AWS endpoints can't be read: {0}")]
    Listener(#[source] io::Error),
    /// The directory belongs to another stack.
    #[error(
        "another local stack is using {0}: stop it, or choose another directory with --state, or \
         none with --memory"
    )]
    Locked(PathBuf),
    /// The directory, or a file in it, can't be used.
    #[error(
        "{path} can't be used ({source}): make it readable and writable, or choose another \
         directory with --state"
    )]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the state directory has another content than it must.
    #[error(
        "{path} does not hold {holds} ({source}): restore it, or remove the state directory to \
         start afresh"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// The content that it must have: `secrets`.
        holds: &'static str,
        /// The error in its content.
        source: serde_json::Error,
    },
    /// A KMS key can't be used.
    #[error(
        "the KMS key {key} can't be used ({reason}): remove the state directory, or choose another \
         with --state"
    )]
    Key {
        /// Logical id of the key.
        key: String,
        /// Why: `its material is damaged`.
        reason: &'static str,
    },
    /// A file of a bucket does not hold an object.
    #[error(
        "{path} does not hold an object ({source}): restore it, or remove the state directory to \
         start afresh"
    )]
    Object {
        /// The file.
        path: PathBuf,
        /// The error in its content.
        source: io::Error,
    },
    /// The database can't be opened.
    #[error(
        "the database can't be opened ({0}): remove the state directory, or choose another with \
         --state"
    )]
    Database(String),
    /// DynamoDB would not create the template's table.
    #[error("table {table} can't be created or used: {reason}")]
    Table {
        /// Table name.
        table: String,
        /// The database's error.
        reason: String,
    },
    /// The stored table has keys that the template no longer gives it.
    #[error(
        "table {table} is kept with another {what} than the template gives it: remove the state \
         directory, or choose another with --state"
    )]
    TableChanged {
        /// Table name.
        table: String,
        /// Its key schema or an index.
        what: String,
    },
}
