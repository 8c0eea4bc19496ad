//! The memory of a process: as much as `MemorySize` of its function. An allocation beyond it ends
//! the process, as on Lambda.
//!
//! The bound is on data, the pages that only this process writes (`VmData` in `/proc`). A bound on
//! the address space would not do: a binary of a development build maps some 100 MB. Lambda also
//! counts the pages of the binary that are in use, 10 to 30 MB. So a function may have a little
//! more here.

use rustix::process::Pid;

/// Bounds the memory of a process that has just started. Its own processes inherit the bound.
#[cfg(target_os = "linux")]
pub(super) fn bound(process: Pid, megabytes: u32) {
    use rustix::io::Errno;
    use rustix::process::{Resource, Rlimit, prlimit};

    let bytes = Some(u64::from(megabytes) * 1024 * 1024);
    match prlimit(Some(process), Resource::Data, Rlimit { current: bytes, maximum: bytes }) {
        // It may have ended at once.
        Ok(_) | Err(Errno::SRCH) => {}
        Err(error) => {
            tracing::warn!(%error, "failed to bound the memory of a function's process");
        }
    }
}

/// Only Linux lets one process bound the memory of another.
#[cfg(not(target_os = "linux"))]
pub(super) fn bound(_: Pid, _: u32) {}
