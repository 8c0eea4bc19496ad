//! The files of one bucket. A file holds one version: the bytes of the content, then the version as
//! JSON, then the length of the JSON in eight bytes. Its name is a number, so that no key becomes a
//! path.
//!
//! A file is complete and on disk before it gets its name. After a crash there is the old file or
//! the new one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::super::directory::{create_private_directory, unusable};
use super::super::error::AwsError;
use super::version::Version;

/// Start of the name of a file that is not complete.
const DRAFT: &str = ".draft-";
/// Bytes of the length at the end of a file.
const LENGTH: u64 = 8;

/// The directory of a bucket.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// Whether a file must survive a power failure. A temporary one need not.
    are_durable: bool,
}

impl Files {
    /// Opens the directory, creates it if it is missing, and reads the versions in it, oldest
    /// first.
    pub(super) fn open(
        directory: PathBuf,
        are_durable: bool,
    ) -> Result<(Self, Vec<Version>), AwsError> {
        create_private_directory(&directory).map_err(unusable(&directory))?;
        let files = Self { directory, are_durable };
        let mut versions = Vec::new();
        for path in files.list().map_err(unusable(&files.directory))? {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if name.starts_with(DRAFT) {
                fs::remove_file(&path).map_err(unusable(&path))?;
            } else if let Ok(number) = name.parse() {
                let version = read_version(&path)
                    .map_err(|source| AwsError::Object { path: path.clone(), source })?;
                versions.push(Version { number, ..version });
            }
        }
        versions.sort_by_key(|version| version.number);
        Ok((files, versions))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file for a new version. It is deleted when dropped before [`Files::publish`].
    pub(super) fn draft(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(DRAFT).tempfile_in(&self.directory)
    }

    /// Completes a draft that holds the content of `version`.
    pub(super) fn complete(&self, draft: &mut NamedTempFile, version: &Version) -> io::Result<()> {
        let description = serde_json::to_vec(version)?;
        draft.write_all(&description)?;
        draft.write_all(&(description.len() as u64).to_le_bytes())?;
        draft.flush()?;
        if self.are_durable { draft.as_file().sync_all() } else { Ok(()) }
    }

    /// Gives a complete draft its number. It replaces the file that has this number.
    pub(super) fn publish(&self, draft: NamedTempFile, number: u64) -> io::Result<()> {
        draft.persist(self.path(number))?;
        self.sync_directory()
    }

    /// Opens the file of a version at the start of its content.
    pub(super) fn read(&self, number: u64) -> io::Result<File> {
        File::open(self.path(number))
    }

    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.path(number))?;
        self.sync_directory()
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:020}"))
    }

    fn list(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn sync_directory(&self) -> io::Result<()> {
        if self.are_durable { File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }
}

fn read_version(path: &Path) -> io::Result<Version> {
    let mut file = File::open(path)?;
    let cut_off = || io::Error::new(ErrorKind::InvalidData, "it is cut off");
    let end = file.metadata()?.len().checked_sub(LENGTH).ok_or_else(cut_off)?;
    let mut length = [0; 8];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let size = end.checked_sub(length).ok_or_else(cut_off)?;
    file.seek(SeekFrom::Start(size))?;
    let mut description = Vec::new();
    file.take(length).read_to_end(&mut description)?;
    let version: Version = serde_json::from_slice(&description)?;
    if version.content.size != size {
        return Err(io::Error::new(ErrorKind::InvalidData, "it has another size than it says"));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::s3::clock;
    use crate::aws::s3::version::{Content, NULL};

    fn version(key: &str, size: u64) -> Version {
        Version {
            key: key.into(),
            id: NULL.into(),
            modified: clock::now(),
            is_delete_marker: false,
            content: Content { size, ..Content::default() },
            number: 0,
        }
    }

    fn write(files: &Files, number: u64, key: &str, content: &[u8]) {
        let mut draft = files.draft().unwrap();
        draft.write_all(content).unwrap();
        files.complete(&mut draft, &version(key, content.len() as u64)).unwrap();
        files.publish(draft, number).unwrap();
    }

    #[test]
    fn what_was_published_is_there_and_what_a_crash_left_unfinished_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("bucket");
        let (files, found) = Files::open(directory.clone(), true).unwrap();
        assert!(found.is_empty());
        write(&files, 2, "../b", b"second");
        write(&files, 1, "a", b"");
        write(&files, 2, "../b", b"replaced");
        let mut unfinished = files.draft().unwrap();
        unfinished.write_all(b"half").unwrap();
        unfinished.keep().unwrap();
        fs::write(directory.join("README"), "not ours").unwrap();

        let (files, found) = Files::open(directory.clone(), true).unwrap();
        let found: Vec<_> =
            found.iter().map(|version| (version.number, version.key.as_str())).collect();
        assert_eq!(found, [(1, "a"), (2, "../b")]);
        let mut content = Vec::new();
        files.read(2).unwrap().take(8).read_to_end(&mut content).unwrap();
        assert_eq!(content, b"replaced");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_holds_no_object_is_left_alone_and_named() {
        for content in [&b""[..], b"short", b"12345678", b"{}\x02\0\0\0\0\0\0\0", &[255; 30]] {
            let parent = tempfile::tempdir().unwrap();
            let file = parent.path().join("00000000000000000001");
            fs::write(&file, content).unwrap();
            let refusal = Files::open(parent.path().into(), true).unwrap_err().to_string();
            assert!(refusal.contains("00000000000000000001"), "{content:?}: {refusal}");
            assert_eq!(fs::read(&file).unwrap(), content);
        }
        let parent = tempfile::tempdir().unwrap();
        let (files, _) = Files::open(parent.path().into(), true).unwrap();
        let mut draft = files.draft().unwrap();
        draft.write_all(b"damaged").unwrap();
        files.complete(&mut draft, &version("key", 3)).unwrap();
        files.publish(draft, 1).unwrap();
        assert!(Files::open(parent.path().into(), true).is_err());
    }
}
