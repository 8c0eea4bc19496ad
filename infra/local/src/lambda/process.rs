//! Processes of one function: starts them, reads their output, kills them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::InvokeError;
use super::environment::process_environment;
use super::logs::{FunctionLog, Stream};
use super::memory;
use crate::template::model::Function;

/// How long reading may take after a process has ended. Its output is there already, unless a child
/// of the process keeps the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Starts the processes of one function.
pub(super) struct Launcher {
    pub(super) log: Arc<FunctionLog>,
    function: String,
    binary: PathBuf,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    memory_mb: u32,
    runtime_api: SocketAddr,
}

/// The end of a process.
pub(super) struct Exit {
    pub process: String,
    pub error: InvokeError,
}

impl Launcher {
    pub(super) fn new(
        function: &Function,
        binaries: &Path,
        extra: &BTreeMap<String, String>,
        runtime_api: SocketAddr,
        logs: &Path,
    ) -> io::Result<Launcher> {
        // The system would look for a relative path in the process's own directory.
        let directory = std::path::absolute(binaries)?;
        Ok(Launcher {
            log: Arc::new(FunctionLog::open(&function.id, logs)?),
            function: function.id.clone(),
            binary: directory.join(&function.binary),
            environment: process_environment(function, extra, &directory),
            memory_mb: function.memory_mb,
            directory,
            runtime_api,
        })
    }

    /// Starts a process. Its end goes to `exits`. Its output goes to the log, and to the terminal
    /// if it is `shown`. Dropping the returned sender kills the whole process group.
    pub(super) fn start(
        &self,
        process: &str,
        exits: &mut JoinSet<Exit>,
        shown: bool,
    ) -> Result<oneshot::Sender<()>, String> {
        let mut child = Command::new(&self.binary)
            .env_clear()
            .envs(&self.environment)
            // The path tells the processes of a function apart. It must be hard to guess, because
            // any program that knows it can answer for the function. The URL has a scheme because
            // lambda_runtime takes no path without one.
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                format!("http://{}/{}/{process}", self.runtime_api, self.function),
            )
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{process}"))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The process has its own group: Ctrl-C in the terminal reaches only the stack, which
            // then ends its functions in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.binary.display()))?;
        if let Some(id) = id_of(&child) {
            memory::bound(id, self.memory_mb);
        }
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(copy_lines(stdout, Stream::Stdout, Arc::clone(&self.log), shown));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(copy_lines(stderr, Stream::Stderr, Arc::clone(&self.log), shown));
        }
        let (alive, dropped) = oneshot::channel();
        exits.spawn(watch(process.to_owned(), child, readers, dropped));
        Ok(alive)
    }
}

/// Waits for the end of a process, or kills it when the sender of `dropped` is dropped.
async fn watch(
    process: String,
    mut child: Child,
    readers: JoinSet<Option<String>>,
    dropped: oneshot::Receiver<()>,
) -> Exit {
    let group = id_of(&child);
    let status = tokio::select! {
        status = child.wait() => status,
        _ = dropped => {
            // The process may have ended at this very moment. Then there is no group to kill, and
            // the error does not matter.
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait().await
        }
    };
    let last_words = timeout(LAST_WORDS, readers.join_all())
        .await
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .next_back();
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    Exit { process, error: InvokeError::Crashed { status, last_words } }
}

/// The id of a process, which is also the id of its group. `None` if the process has ended.
fn id_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// Copies a process's output to the log. Returns the last line of stderr, where `main` says why it
/// ends.
async fn copy_lines(
    output: impl AsyncRead + Unpin,
    stream: Stream,
    log: Arc<FunctionLog>,
    shown: bool,
) -> Option<String> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    let mut last = None;
    // Read bytes, not text: a function may write output that is not UTF-8, and must not be stopped
    // by it.
    while output.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        log.line(stream, text.trim_end(), shown);
        last = Some(text.trim_end().to_owned())
            .filter(|text| stream == Stream::Stderr && !text.is_empty())
            .or(last);
        line.clear();
    }
    last
}
