//! The files of a directory.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// Characters of a name, at most.
const LONGEST_NAME: usize = 64;

/// Makes the directory, if it is not there.
pub(crate) fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory)
        .map_err(|error| format!("{} can't be made: {error}", directory.display()))
}

/// The file of a prompt. A server gives the name, which must not lead out of the directory.
pub(crate) fn path_of(directory: &Path, name: &str) -> Result<PathBuf, String> {
    if is_name(name) {
        Ok(directory.join(format!("{name}.toml")))
    } else {
        Err("the server gives it a name that no prompt may have".to_owned())
    }
}

/// The `.toml` files of a directory, by name. Directories below it are left out.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: io::Error| format!("{} can't be read: {error}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The prompt of a file.
pub(crate) fn prompt_of(path: &Path) -> Result<String, String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.filter(|stem| is_name(stem)).map(str::to_owned).ok_or_else(|| {
        "the file must be called <prompt>.toml: 1 to 64 of a-z, 0-9, `.`, `_` and `-`, with a \
         letter or a digit at both ends"
            .to_owned()
    })
}

/// The text of a file, if it is there. Its lines end with LF, also where git has checked it out
/// with CRLF.
pub(crate) fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            Ok(Some(text.replace("\r\n", "\n")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("it can't be read: {error}")),
    }
}

/// Writes a file. A reader, or a crash, finds the old text or the new one.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    replace(path, text).map_err(|error| format!("it can't be written: {error}"))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // As any new file: the user's umask applies.
    let mode = Permissions::from_mode(0o666);
    let mut file = Builder::new().permissions(mode).tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// Whether a prompt may have this name.
fn is_name(text: &str) -> bool {
    let is_outer = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_inner = |b: u8| is_outer(b) || matches!(b, b'.' | b'_' | b'-');
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= LONGEST_NAME
        && ends.iter().all(|end| end.is_some_and(is_outer))
        && text.bytes().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_name_does_not_lead_out_of_the_directory() {
        for (name, expected) in [
            ("default", Some("d/default.toml")),
            ("excel.formula", Some("d/excel.formula.toml")),
            ("a-b_c.d", Some("d/a-b_c.d.toml")),
            ("..", None),
            ("../a", None),
            ("a/b", None),
            ("/a", None),
            (".a", None),
            ("a.", None),
            ("", None),
            ("A", None),
        ] {
            let path = path_of(Path::new("d"), name);
            assert_eq!(path.as_deref().ok(), expected.map(Path::new), "{name}");
            if let Ok(path) = path {
                assert_eq!(prompt_of(&path).as_deref(), Ok(name));
            }
        }
        for name in ["a b.toml", ".toml", "A.toml", "..toml", "é.toml"] {
            assert!(prompt_of(&Path::new("d").join(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn files_are_read_with_lf_and_written_whole() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.toml");
        assert_eq!(read(&path), Ok(None));
        for text in ["one\n", "two\nlines\n"] {
            write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(text));
        }
        fs::write(&path, "\u{feff}a\r\nb\rc\r\n").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("a\nb\rc\n"));
        fs::write(&path, b"\xff").unwrap();
        assert!(read(&path).unwrap_err().starts_with("it can't be read: "));
        assert!(write(&directory.path().join("no/a.toml"), "").is_err());

        fs::write(directory.path().join("README.md"), "").unwrap();
        fs::write(directory.path().join("0.toml"), "").unwrap();
        make(&directory.path().join("b.toml")).unwrap();
        let found = [directory.path().join("0.toml"), path];
        assert_eq!(files(directory.path()), Ok(found.into()));
        assert!(files(&directory.path().join("no")).is_err());
    }
}
