//! The limit of open files. Each connection, each pipe of a function and each file counts. A
//! shell's usual limit (1,024 on Linux, 256 on macOS) is too low for a stack under load.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most that macOS allows a process if it has no hard limit: `OPEN_MAX`.
const MACOS_MOST: u64 = 10_240;

/// Raises this process's soft limit to the hard limit, or as near to it as the system allows. The
/// functions inherit it.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let is_raised = |most: Option<u64>| {
        setrlimit(Resource::Nofile, Rlimit { current: most, maximum: limit.maximum }).is_ok()
    };
    let may_rise = limit.current.is_some_and(|current| current < MACOS_MOST);
    if !is_raised(limit.maximum) && may_rise && !is_raised(Some(MACOS_MOST)) {
        tracing::warn!(
            ?limit,
            "failed to raise the limit of open files; a stack under load may run out of them"
        );
    }
}
