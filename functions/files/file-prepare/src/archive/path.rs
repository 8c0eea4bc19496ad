//! Paths within an archive.

use tally_files::domain::Reason;

/// Bytes of a path, at most.
const LONGEST: usize = 1_024;

/// Folders of tools. A tool has downloaded, built or recorded their content.
const LEFT_OUT: [&str; 3] = ["node_modules", "target", ".git"];

/// A path without `.` and empty components. A path is refused if it leads out of the folder into
/// which a program would unpack it, on this system or on Windows.
pub fn safe(name: &str) -> Result<String, Reason> {
    let has_drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let is_odd = |c: char| c == '\\' || c.is_control();
    if name.starts_with('/') || has_drive || name.contains(is_odd) {
        return Err(Reason::UnsafeArchive);
    }
    let parts: Vec<_> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Reason::UnsafeArchive);
    }
    let path = parts.join("/");
    if path.len() > LONGEST { Err(Reason::TooLarge) } else { Ok(path) }
}

/// The outermost folder of a path that is left out.
pub fn left_out(path: &str, is_folder: bool) -> Option<&str> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        if LEFT_OUT.contains(&part) && (is_folder || end < path.len()) {
            return path.get(..end);
        }
        end += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_within_its_folder() {
        let deep = "a/".repeat(511);
        let cases = [
            ("src/main.rs", Ok("src/main.rs")),
            ("./src//main.rs", Ok("src/main.rs")),
            ("src/", Ok("src")),
            ("./", Ok("")),
            ("Übersicht/日本語.txt", Ok("Übersicht/日本語.txt")),
            ("a:b", Err(Reason::UnsafeArchive)),
            ("notes: draft.txt", Ok("notes: draft.txt")),
            ("..a/b..", Ok("..a/b..")),
            (deep.as_str(), Ok(deep.trim_end_matches('/'))),
            ("/etc/passwd", Err(Reason::UnsafeArchive)),
            ("../a", Err(Reason::UnsafeArchive)),
            ("a/../../b", Err(Reason::UnsafeArchive)),
            ("a/..", Err(Reason::UnsafeArchive)),
            ("C:\\a", Err(Reason::UnsafeArchive)),
            ("c:/a", Err(Reason::UnsafeArchive)),
            ("..\\a", Err(Reason::UnsafeArchive)),
            ("\\\\host\\a", Err(Reason::UnsafeArchive)),
            ("a\\b", Err(Reason::UnsafeArchive)),
            ("a\0.txt", Err(Reason::UnsafeArchive)),
            ("a\nb", Err(Reason::UnsafeArchive)),
            ("a\u{85}b", Err(Reason::UnsafeArchive)),
        ];
        for (name, expected) in cases {
            assert_eq!(safe(name), expected.map(str::to_owned), "{name:?}");
        }
        assert_eq!(safe(&"a".repeat(LONGEST + 1)), Err(Reason::TooLarge));
    }

    #[test]
    fn folders_of_tools_are_left_out_by_their_outermost_name() {
        let cases = [
            ("node_modules/a/index.js", false, Some("node_modules")),
            ("app/node_modules/a/node_modules/b.js", false, Some("app/node_modules")),
            ("target/debug/app", false, Some("target")),
            ("a/.git/config", false, Some("a/.git")),
            ("target", true, Some("target")),
            // Files of these names are files.
            ("target", false, None),
            ("a/.git", false, None),
            ("targets/a", false, None),
            ("my_node_modules/a", false, None),
            ("src/main.rs", false, None),
        ];
        for (path, is_folder, expected) in cases {
            assert_eq!(left_out(path, is_folder), expected, "{path}");
        }
    }
}
