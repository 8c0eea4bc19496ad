//! The place of the log's files: a directory, or a bucket of S3.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::bucket::Bucket;
use crate::error::Unreadable;

/// A reader of files. It never writes.
pub(crate) enum Source {
    Directory(PathBuf),
    Bucket(Bucket),
}

impl Source {
    /// Opens a directory, or `s3://<bucket>[/<prefix>]`.
    pub(crate) fn open(place: &str) -> Result<Self, Unreadable> {
        if let Some(place) = place.strip_prefix("s3://") {
            return Bucket::open(place).map(Self::Bucket);
        }
        let directory = PathBuf::from(place);
        if directory.is_dir() {
            Ok(Self::Directory(directory))
        } else {
            Err(Unreadable(format!("{place} is not a directory")))
        }
    }

    /// The file at this path, if there is one. A file that is longer than `limit` is cut after one
    /// byte more, so that its length shows it.
    pub(crate) async fn read(
        &self,
        path: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        match self {
            Self::Directory(directory) => read_file(&directory.join(path), limit),
            Self::Bucket(bucket) => bucket.read(path, limit).await,
        }
    }

    /// Gives the name of each file in a folder. A folder that is not there has none.
    pub(crate) async fn list(
        &self,
        folder: &str,
        each: impl FnMut(&str),
    ) -> Result<(), Unreadable> {
        match self {
            Self::Directory(directory) => list_directory(&directory.join(folder), each),
            Self::Bucket(bucket) => bucket.list(folder, each).await,
        }
    }
}

fn read_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = fs::metadata(path).and_then(|metadata| {
        // A pipe would be waited for without end.
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        File::open(path)?.take(most).read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if is_absent(error.kind()) => Ok(None),
        Err(error) => Err(Unreadable::file(&path.to_string_lossy(), &error)),
    }
}

fn list_directory(path: &Path, mut each: impl FnMut(&str)) -> Result<(), Unreadable> {
    let failed = |error: io::Error| Unreadable::file(&path.to_string_lossy(), &error);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absent(error.kind()) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        each(&entry.map_err(failed)?.file_name().to_string_lossy());
    }
    Ok(())
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
