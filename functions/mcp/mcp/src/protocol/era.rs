//! Versions of the protocol. Since 2026-07-28 each request names its version and the capabilities
//! of its client. Before, `initialize` settled both.

/// The version that names itself in each request.
pub const MODERN: &str = "2026-07-28";

/// The newest version with `initialize`.
const NEWEST_LEGACY: &str = "2025-11-25";

/// The oldest version that this server speaks.
const OLDEST_LEGACY: &str = "2025-06-18";

/// The versions that this server speaks, the newest first.
pub const SUPPORTED: [&str; 3] = [MODERN, NEWEST_LEGACY, OLDEST_LEGACY];

/// Earlier versions. A client that has asked for one of them may go on to name it.
const EARLIER: [&str; 2] = ["2025-03-26", "2024-11-05"];

/// How a request is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// By 2026-07-28.
    Modern,
    /// By a version with `initialize`.
    Legacy,
}

/// Whether a request may name this version.
pub fn is_known(version: &str) -> bool {
    SUPPORTED.contains(&version) || EARLIER.contains(&version)
}

/// The version that `initialize` settles on: the one that was asked for, or else the oldest or
/// newest that has `initialize`. Versions are dates, so they have the order of text.
pub fn negotiated(requested: &str) -> &'static str {
    if requested <= OLDEST_LEGACY { OLDEST_LEGACY } else { NEWEST_LEGACY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_settles_on_a_version_that_has_it() {
        for (requested, expected) in [
            ("2024-11-05", "2025-06-18"),
            ("2025-03-26", "2025-06-18"),
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("2027-01-01", "2025-11-25"),
            ("", "2025-06-18"),
        ] {
            assert_eq!(negotiated(requested), expected, "{requested}");
        }
    }
}
