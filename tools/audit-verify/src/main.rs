//! `audit-verify`: verifies an audit log offline.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use audit_verify::{Options, Report, Unreadable, verify};
use clap::Parser;
use jiff::Timestamp;
use serde_json::{Value, json};
use transparency::Verifier;
use uuid::Uuid;

/// Nothing is wrong.
const GOOD: u8 = 0;
/// Something is wrong.
const BAD: u8 = 1;
/// The log can't be read, or the command is wrong. Clap ends with the same code.
const UNREADABLE: u8 = 2;

/// Verifies an audit log from its files alone.
///
/// The exit code is 0 if the log is good, 1 if it is bad, and 2 if it can't be read.
#[derive(Debug, Parser)]
#[command(name = "audit-verify", version)]
struct Cli {
    /// Directory with the log's files, or `s3://BUCKET[/PREFIX]` with credentials in the
    /// environment
    place: String,
    /// Key of the log, from a source that you trust: <name>+<id>+<key>
    #[arg(long)]
    vkey: Verifier,
    /// Demand a checkpoint within 10 minutes of this time, such as 2026-11-29T09:00:00Z, or `now`
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,
    /// A checkpoint that you kept: the log must continue it
    #[arg(long, value_name = "FILE")]
    expect_checkpoint: Option<PathBuf>,
    /// Print the event with this id, its place in the log, and its proof
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    /// Days after which the log deletes entries; their hashes stay
    #[arg(long, value_name = "DAYS", default_value_t = 400)]
    retention_days: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let report = match options(cli) {
        Ok(options) => verify(&options).await,
        Err(error) => Err(error),
    };
    let (text, code) = match report {
        Ok(report) => (shown(&report, json), if report.is_good() { GOOD } else { BAD }),
        Err(Unreadable(error)) if json => {
            let object = json!({"verdict": "unreadable", "error": error});
            (format!("{object}\n"), UNREADABLE)
        }
        Err(error) => (format!("verdict: unreadable: {error}\n"), UNREADABLE),
    };
    // An answer that was not written must not look like a good one.
    let written = io::stdout().write_all(text.as_bytes());
    ExitCode::from(if written.is_ok() { code } else { UNREADABLE })
}

fn options(cli: Cli) -> Result<Options, Unreadable> {
    let read = |path: PathBuf| {
        fs::read(&path)
            .map_err(|error| Unreadable(format!("can't read {}: {error}", path.display())))
    };
    Ok(Options {
        place: cli.place,
        key: cli.vkey,
        as_of: cli.as_of,
        expected: cli.expect_checkpoint.map(read).transpose()?,
        id: cli.id,
        retention_days: cli.retention_days,
    })
}

/// The report as lines, or as a JSON object in one line.
fn shown(report: &Report, json: bool) -> String {
    if !json {
        return report.to_string();
    }
    let mut object = json!(report);
    object["verdict"] = if report.is_good() { "good" } else { "bad" }.into();
    object["first_bad"] = match report.first_bad() {
        Some((index, what)) => json!({"index": index, "what": what}),
        None => Value::Null,
    };
    format!("{object}\n")
}

#[expect(clippy::disallowed_methods, reason = "there is no platform here to read the clock")]
fn time(text: &str) -> Result<Timestamp, jiff::Error> {
    if text == "now" { Ok(Timestamp::now()) } else { text.parse() }
}
