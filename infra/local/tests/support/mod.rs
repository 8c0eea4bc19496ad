//! Helpers of the local stack's tests: the function they run, and waits for processes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tally_local::builder;
use tokio::time::{sleep, timeout};

/// Directory of `examples/bootstrap`, which is built if missing: cargo builds examples for a whole
/// test run, but not for a single test.
pub fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let binaries = builder::binaries_directory().expect("the directory of this test");
        builder::build_example("bootstrap", &root, &binaries).expect("cargo builds it");
        binaries.join("examples")
    })
}

/// Waits until a process is gone, or dead and not yet collected.
pub async fn gone(pid: u64) {
    let dead = async {
        while std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_mins(1), dead)
        .await
        .unwrap_or_else(|_| panic!("process {pid} is still there"));
}

/// Waits until a file exists, and reads it.
pub async fn appears(file: &Path) -> String {
    let there = async {
        loop {
            match std::fs::read_to_string(file) {
                Ok(text) if !text.is_empty() => return text,
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(Duration::from_mins(1), there)
        .await
        .unwrap_or_else(|_| panic!("{} does not appear", file.display()))
}
