//! The directory in which a stack keeps its state, locked for as long as the stack runs.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::AwsError;

/// An open state directory. The database does not notice a second process on its file and would
/// serve it stale metadata. So the directory is locked until this is dropped.
#[derive(Debug)]
pub(super) struct StateDirectory {
    path: PathBuf,
    lock: File,
}

impl StateDirectory {
    /// Creates the directory if it is missing, for its owner alone, and locks it.
    pub(super) fn open(path: PathBuf) -> Result<Self, AwsError> {
        create_private_directory(&path).map_err(unusable(&path))?;
        let lock_path = path.join("lock");
        let lock = open_private_file(&lock_path).map_err(unusable(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(AwsError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(unusable(&lock_path)(source)),
        }
    }

    /// Path of the database's file. `SQLite` keeps the permissions of an existing file, also for
    /// the logs that it puts beside it.
    pub(super) fn database(&self) -> Result<PathBuf, AwsError> {
        let path = self.path.join("dynamodb.sqlite");
        open_private_file(&path).map_err(unusable(&path))?;
        Ok(path)
    }

    /// Path of the secrets' file.
    pub(super) fn secrets(&self) -> PathBuf {
        self.path.join("secrets.json")
    }

    /// Path of the KMS keys' file.
    pub(super) fn keys(&self) -> PathBuf {
        self.path.join("kms.json")
    }

    /// The directory of the queues' messages.
    pub(super) fn queues(&self) -> PathBuf {
        self.path.join("queues")
    }

    /// The directory of buckets.
    pub(super) fn buckets(&self) -> PathBuf {
        self.path.join("s3")
    }

    /// The directory of mail.
    pub(super) fn outbox(&self) -> PathBuf {
        self.path.join("outbox")
    }
}

impl Drop for StateDirectory {
    /// Unlocks explicitly: closing the file does not while a process that another thread is
    /// starting has a copy of its descriptor.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// The directory of logs in the state directory `path`. Both are created if missing, because logs
/// are written before the tables are opened.
pub(crate) fn log_directory(path: &Path) -> Result<PathBuf, AwsError> {
    let logs = path.join("logs");
    for directory in [path, &logs] {
        create_private_directory(directory).map_err(unusable(directory))?;
    }
    Ok(logs)
}

/// Makes the error for a path of the state directory.
pub(super) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> AwsError + use<'_> {
    |source| AwsError::Directory { path: path.to_owned(), source }
}

/// Creates a directory for its owner alone. An existing one keeps its permissions, because it may
/// contain files of other programs.
pub(super) fn create_private_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if path
        .ancestors()
        .find(|ancestor| ancestor.exists())
        .is_some_and(|ancestor| !ancestor.is_dir())
    {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn open_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.create(true).truncate(false).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_stack_on_the_same_directory_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("nested/state");
        let first = StateDirectory::open(path.clone()).unwrap();
        let refusal = StateDirectory::open(path.clone()).unwrap_err().to_string();
        assert!(
            refusal.contains("another local stack is using") && refusal.contains("--state"),
            "{refusal}"
        );
        drop(first);
        StateDirectory::open(path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_created_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        let directory = StateDirectory::open(path.clone()).unwrap();
        let database = directory.database().unwrap();
        for (path, mode) in [(path.clone(), 0o700), (path.join("lock"), 0o600), (database, 0o600)] {
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                mode,
                "{}",
                path.display()
            );
        }
    }
}
