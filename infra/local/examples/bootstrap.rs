//! A function for the local stack's own tests. It does what its event asks for, `{"do": "echo",
//! …}`, also inside an HTTP event's body.

#![allow(
    clippy::disallowed_methods,
    reason = "there is no platform here to read clock and environment"
)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if let Ok(file) = std::env::var("STARTS") {
        let mut starts = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
        starts.write_all(b"a start\n")?;
    }
    match std::env::var("ON_START").as_deref() {
        Ok("exit") => exit(3),
        Ok("refuse") => {
            eprintln!("Error: the parameter Level is refused");
            exit(1)
        }
        Ok("hang") => std::thread::sleep(Duration::from_hours(1)),
        Ok("wait") => {
            // Wait until a file exists, so that a test decides how long the start takes.
            let directory = PathBuf::from(std::env::var("ON_START_DIRECTORY")?);
            std::fs::write(directory.join("started"), "now")?;
            while !directory.join("go").exists() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        _ => {}
    }
    lambda_runtime::run(service_fn(handle)).await
}

/// Takes a batch of a stream: appends it as a line to the file `BATCHES`, and then does what the
/// attribute `do` of each new item says.
fn records(event: &Value) -> Result<Value, Error> {
    let file = std::env::var("BATCHES")?;
    let mut batches = std::fs::OpenOptions::new().create(true).append(true).open(&file)?;
    batches.write_all(format!("{event}\n").as_bytes())?;
    let mut failures = Vec::new();
    for record in event["Records"].as_array().into_iter().flatten() {
        let failure = json!({"itemIdentifier": record["dynamodb"]["SequenceNumber"]});
        match record["dynamodb"]["NewImage"]["do"]["S"].as_str() {
            Some("crash") => exit(7),
            Some("fail") => return Err("the item says so".into()),
            Some("report") => failures.push(failure),
            Some("report another") => failures.push(json!({"itemIdentifier": "7"})),
            Some("wait") if !std::path::Path::new(&format!("{file}.go")).exists() => {
                failures.push(failure);
            }
            _ => {}
        }
    }
    Ok(json!({"batchItemFailures": failures}))
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if payload.get("Records").is_some() {
        return records(&payload);
    }
    let task = payload
        .get("body")
        .and_then(Value::as_str)
        .and_then(|body| serde_json::from_str::<Value>(body).ok());
    let task = task.as_ref().unwrap_or(&payload);
    let text = |key: &str| task.get(key).and_then(Value::as_str).unwrap_or_default();
    if payload.pointer("/requestContext/eventType").is_some_and(|kind| kind == "CONNECT") {
        return Ok(json!({"statusCode": 200}));
    }
    match text("do") {
        // Needs so many MB of memory.
        "allocate" => {
            let megabytes = usize::try_from(task["megabytes"].as_u64().unwrap_or_default())?;
            let used = vec![1_u8; megabytes * 1024 * 1024];
            Ok(json!(std::hint::black_box(used).len()))
        }
        "answer" => Ok(task["answer"].clone()),
        "append" => {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(text("file"))?;
            file.write_all(text("text").as_bytes())?;
            Ok(Value::Null)
        }
        "crash" => exit(7),
        "environment" => Ok(std::env::vars().map(|(name, value)| (name, json!(value))).collect()),
        "fail" => Err(text("message").into()),
        // Fails this many times, and notes the request id of each attempt.
        "fail_first" => {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(text("file"))?;
            writeln!(file, "{}", context.request_id)?;
            let attempts = std::fs::read_to_string(text("file"))?.lines().count();
            if json!(attempts).as_u64() <= task["times"].as_u64() {
                return Err(format!("attempt {attempts} fails").into());
            }
            Ok(json!(attempts))
        }
        "hang" => {
            // The child process must end with this one.
            let child = Command::new("sleep").arg("3600").spawn()?;
            std::fs::write(text("file"), format!("{} {}", std::process::id(), child.id()))?;
            loop {
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
        }
        "large" => Ok(json!("x".repeat(7 * 1024 * 1024))),
        "pid" => Ok(json!(std::process::id())),
        "print" => {
            println!("{}", text("text"));
            std::io::stderr().write_all(b"to stderr, \xff not UTF-8\n")?;
            Ok(Value::Null)
        }
        "wait" => {
            if !text("started").is_empty() {
                std::fs::write(text("started"), std::process::id().to_string())?;
            }
            // Wait until the file exists, so that a test decides how long this takes.
            while !std::path::Path::new(text("file")).exists() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(json!(std::process::id()))
        }
        _ => Ok(json!({
            "event": payload,
            "arn": context.invoked_function_arn,
            "request_id": context.request_id,
            "left_ms": i64::try_from(context.deadline)? - jiff::Timestamp::now().as_millisecond(),
        })),
    }
}
