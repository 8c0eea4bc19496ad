//! A process of a function, and the Lambda Runtime API for it. This API implements only the parts
//! that one well-behaved process needs.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tally_local::template::model::Function;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Longer than any start or invocation takes, so that a hanging process becomes an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that waits for its next invocation. Dropping this kills it.
pub struct Process {
    /// Time from exec to the first request for an invocation.
    pub init: Duration,
    child: Child,
    runtime_api: TcpListener,
    connection: BufStream<TcpStream>,
}

impl Process {
    /// Starts a function's binary and waits until it asks for its first invocation.
    pub async fn start(
        binaries: &Path,
        function: &Function,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Box<dyn Error>> {
        let runtime_api = TcpListener::bind("127.0.0.1:0").await?;
        let mut command = Command::new(binaries.join(&function.binary));
        command
            .env_clear()
            .envs(&function.environment)
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api.local_addr()?.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", &function.id)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.id))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "[$LATEST]benchmark")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);

        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", function.binary))?;
        let connection = tokio::select! {
            accepted = timeout(PATIENCE, runtime_api.accept()) => accepted??.0,
            ended = child.wait() => return Err(format!("{} ended at its start: \
                {}", function.binary, ended?).into()),
        };
        connection.set_nodelay(true)?;
        let mut process = Self {
            init: Duration::ZERO,
            child,
            runtime_api,
            connection: BufStream::new(connection),
        };
        let (next, _) = process.request().await?;
        process.init = started.elapsed();
        if next.starts_with("GET ") {
            Ok(process)
        } else {
            Err(format!("{} began with {next}", function.binary).into())
        }
    }

    /// Invokes the function. Returns its answer, and the time from the event's last byte to the
    /// answer's.
    pub async fn invoke(&mut self, event: &str) -> Result<(Value, Duration), Box<dyn Error>> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \
             {}\r\nLambda-Runtime-Aws-Request-Id: 1\r\n\
             Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: \
             arn:aws:lambda:us-east-1:0:function:f\r\n\r\n",
            event.len()
        );
        self.connection.write_all(head.as_bytes()).await?;
        self.connection.write_all(event.as_bytes()).await?;
        self.connection.flush().await?;
        let sent = Instant::now();
        let (request, body) = self.request().await?;
        let took = sent.elapsed();
        self.connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await?;
        self.connection.flush().await?;
        self.request().await?;
        if !request.contains("/response ") {
            return Err(format!("the function failed: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok((serde_json::from_slice(&body)?, took))
    }

    /// The processor time that the process has used. Only Linux reports it.
    pub fn cpu(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()?)).ok()?;
        let used = threads.map(|thread| {
            let times = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            // In nanoseconds. The time that it has waited for a processor follows.
            times.split_whitespace().next()?.parse::<u64>().ok()
        });
        used.sum::<Option<u64>>().map(Duration::from_nanos)
    }

    /// The process's peak resident memory in KiB. Only Linux reports it.
    pub fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .ok()
    }

    /// Ends the process and waits until it is gone, so that its end does not slow down the next
    /// one's start.
    pub async fn end(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// The next request: its first line and its body.
    async fn request(&mut self) -> Result<(String, Vec<u8>), Box<dyn Error>> {
        loop {
            match timeout(PATIENCE, read(&mut self.connection)).await? {
                // The process may close an old connection and open a new one.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.connection =
                        BufStream::new(timeout(PATIENCE, self.runtime_api.accept()).await??.0);
                }
                request => return Ok(request?),
            }
        }
    }
}

async fn read(connection: &mut BufStream<TcpStream>) -> io::Result<(String, Vec<u8>)> {
    let mut head: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head
        .iter()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)];
    connection.read_exact(&mut body).await?;
    Ok((head.swap_remove(0), body))
}
