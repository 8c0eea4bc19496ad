//! Functions, run by real processes through the emulated Runtime API.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use support::{appears, binaries, gone};
use tally_local::lambda::{Functions, FunctionsSettings, InvokeError, ProcessLimits, logs};
use tally_local::template::model::{EventInvoke, Function};
use tempfile::TempDir;

struct Setup {
    functions: Functions,
    directory: TempDir,
}

async fn start(change: impl FnOnce(&mut Function, &mut ProcessLimits)) -> Setup {
    let directory = TempDir::new().unwrap();
    let mut function = Function {
        schedules: Vec::new(),
        streams: Vec::new(),
        id: "Tested".to_owned(),
        binary: "bootstrap".to_owned(),
        environment: BTreeMap::from([("OWN".to_owned(), "1".to_owned())]),
        timeout: Duration::from_secs(20),
        memory_mb: 128,
        reserved_concurrency: None,
        event_invoke: EventInvoke::default(),
    };
    let mut limits = ProcessLimits::default();
    change(&mut function, &mut limits);
    let settings = FunctionsSettings {
        functions: vec![function],
        binaries: binaries().to_owned(),
        environment: BTreeMap::from([("EXTRA".to_owned(), "2".to_owned())]),
        logs: directory.path().join("logs"),
        limits,
    };
    Setup { functions: Functions::start(settings).await.unwrap(), directory }
}

impl Setup {
    async fn invoke(&self, payload: Value) -> Result<Value, InvokeError> {
        let answer = self.functions.invoke("Tested", Bytes::from(payload.to_string())).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    async fn pid(&self) -> u64 {
        self.invoke(json!({"do": "pid"})).await.unwrap().as_u64().unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_string_lossy().into_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(logs::file(&self.directory.path().join("logs"), "Tested")).unwrap()
    }
}

#[tokio::test]
async fn an_invocation_has_the_context_of_lambda() {
    let setup = start(|_, _| {}).await;
    let answer = setup.invoke(json!({"a": [1, "ü"]})).await.unwrap();
    assert_eq!(answer["event"], json!({"a": [1, "ü"]}));
    assert_eq!(answer["arn"], "arn:aws:lambda:us-east-1:000000000000:function:Tested");
    assert_eq!(answer["request_id"].as_str().unwrap().len(), 36);
    let left_ms = answer["left_ms"].as_i64().unwrap();
    assert!((10_000..=20_000).contains(&left_ms), "{left_ms}");
}

#[tokio::test]
async fn a_process_serves_one_invocation_after_the_other() {
    let setup = start(|_, _| {}).await;
    assert_eq!(setup.pid().await, setup.pid().await);
}

#[tokio::test]
async fn invocations_at_the_same_time_have_processes_of_their_own_up_to_the_limit() {
    let setup = start(|_, limits| limits.per_function = 3).await;
    let file = setup.path("go");
    let all = join_all((0..5).map(|_| setup.invoke(json!({"do": "wait", "file": file}))));
    let release = async {
        // At most three can run. Their number must not grow in this time.
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::fs::write(&file, "").unwrap();
    };
    let (outcomes, ()) = tokio::join!(all, release);
    let pids: BTreeSet<u64> =
        outcomes.into_iter().map(|pid| pid.unwrap().as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 3);
}

#[tokio::test]
async fn asynchronous_invocations_run_in_order() {
    let setup = start(|_, limits| limits.per_function = 1).await;
    let file = setup.path("letters");
    for text in ["a", "b", "c", "d"] {
        let payload = json!({"do": "append", "file": file, "text": text}).to_string();
        setup.functions.invoke_async("Tested", payload.into()).unwrap();
    }
    // All invocations wait in one queue, so this one comes after the others.
    setup.pid().await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "abcd");
}

#[tokio::test]
async fn errors_of_the_function_reach_the_caller_and_the_process_goes_on() {
    let setup = start(|_, _| {}).await;
    let pid = setup.pid().await;
    match setup.invoke(json!({"do": "fail", "message": "no such thing"})).await {
        Err(InvokeError::Unhandled { message, payload, .. }) => {
            assert_eq!(message, "no such thing");
            assert_eq!(
                serde_json::from_slice::<Value>(&payload).unwrap()["errorMessage"],
                "no such thing"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(setup.pid().await, pid);
}

#[tokio::test]
async fn a_crash_is_told_with_its_status_and_the_next_invocation_has_a_new_process() {
    let setup = start(|_, _| {}).await;
    let pid = setup.pid().await;
    match setup.invoke(json!({"do": "crash"})).await {
        Err(InvokeError::Crashed { status, .. }) => assert_eq!(status, "exit status: 7"),
        other => panic!("{other:?}"),
    }
    assert_ne!(setup.pid().await, pid);
    assert!(setup.log().contains("exit status: 7"), "{}", setup.log());
}

/// Other systems do not bound the memory.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_function_that_needs_more_memory_than_it_has_ends() {
    let setup = start(|function, _| function.memory_mb = 256).await;
    let allocate = |megabytes: u64| setup.invoke(json!({"do": "allocate", "megabytes": megabytes}));
    assert_eq!(allocate(200).await.unwrap(), 200 * 1024 * 1024);
    let pid = setup.pid().await;
    match allocate(300).await {
        Err(InvokeError::Crashed { status, .. }) => assert!(status.contains("SIGABRT"), "{status}"),
        other => panic!("{other:?}"),
    }
    let log = setup.log();
    assert!(log.contains("memory allocation of 314572800 bytes failed"), "{log}");
    assert_ne!(setup.pid().await, pid);
    assert_eq!(allocate(200).await.unwrap(), 200 * 1024 * 1024);
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_killed_with_what_it_has_started() {
    let setup = start(|function, _| function.timeout = Duration::from_millis(500)).await;
    let file = setup.path("pids");
    match setup.invoke(json!({"do": "hang", "file": file})).await {
        Err(InvokeError::TimedOut(after)) => assert_eq!(after, Duration::from_millis(500)),
        other => panic!("{other:?}"),
    }
    for pid in appears(Path::new(&file)).await.split(' ') {
        gone(pid.parse().unwrap()).await;
    }
    setup.pid().await;
}

#[tokio::test]
async fn a_function_that_cannot_start_fails_each_invocation_once() {
    for (on_start, expected) in
        [("exit", "exit status: 3"), ("hang", "asked for no invocation within 500ms")]
    {
        let setup = start(|function, limits| {
            function.environment.insert("ON_START".to_owned(), on_start.to_owned());
            limits.start = Duration::from_millis(500);
        })
        .await;
        let (one, other) = tokio::join!(setup.invoke(json!({})), setup.invoke(json!({})));
        for outcome in [one, other] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let setup = start(|function, _| function.binary = "nowhere".to_owned()).await;
    let error = setup.invoke(json!({})).await.unwrap_err().to_string();
    assert!(error.contains("examples/nowhere: No such file"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused() {
    let setup = start(|_, _| {}).await;
    assert!(matches!(
        setup.functions.invoke("Other", Bytes::new()).await,
        Err(InvokeError::Unknown(name)) if name == "Other"
    ));
    assert!(matches!(
        setup.functions.invoke_async("Other", Bytes::new()),
        Err(InvokeError::Unknown(_))
    ));
    let large = Bytes::from(vec![b' '; 6 * 1024 * 1024 + 1]);
    assert!(matches!(setup.functions.invoke("Tested", large).await, Err(InvokeError::TooLarge)));
    match setup.invoke(json!({"do": "large"})).await {
        Err(InvokeError::Unhandled { error_type, .. }) => {
            assert_eq!(error_type, "Function.ResponseSizeTooLarge");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_idle_process_is_ended_after_its_time() {
    let setup = start(|_, limits| limits.idle = Duration::from_millis(100)).await;
    let pid = setup.pid().await;
    gone(pid).await;
    assert_ne!(setup.pid().await, pid);
}

#[tokio::test]
async fn a_process_sees_its_own_variables_and_those_of_lambda_but_not_the_stacks() {
    let setup = start(|function, _| {
        function.environment.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), "reserved".to_owned());
    })
    .await;
    let variables = setup.invoke(json!({"do": "environment"})).await.unwrap();
    for (name, expected) in [
        ("OWN", "1"),
        ("EXTRA", "2"),
        ("AWS_LAMBDA_FUNCTION_NAME", "Tested"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_REGION", "us-east-1"),
    ] {
        assert_eq!(variables[name], expected, "{name}");
    }
    for name in ["CARGO_MANIFEST_DIR", "HOME", "USER"] {
        assert!(variables.get(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn what_a_function_writes_is_in_its_log() {
    let setup = start(|_, _| {}).await;
    setup.invoke(json!({"do": "print", "text": "to stdout"})).await.unwrap();
    // At shutdown, the output of an ended process is read to its end.
    setup.functions.shutdown().await;
    let log = setup.log();
    assert!(
        log.contains("to stdout\n") && log.contains("to stderr, \u{fffd} not UTF-8\n"),
        "{log}"
    );
}

#[tokio::test]
async fn shutdown_ends_processes_and_refuses_what_waits_and_what_comes() {
    let setup = start(|_, limits| limits.per_function = 1).await;
    let file = setup.path("pids");
    let hanging = setup.invoke(json!({"do": "hang", "file": file}));
    let waiting = setup.invoke(json!({"do": "pid"}));
    let shutdown = async {
        let pids = appears(Path::new(&file)).await;
        setup.functions.shutdown().await;
        pids
    };
    let (hanging, waiting, pids) = tokio::join!(hanging, waiting, shutdown);
    for outcome in [hanging, waiting, setup.invoke(json!({})).await] {
        assert!(matches!(outcome, Err(InvokeError::ShuttingDown)), "{outcome:?}");
    }
    for pid in pids.split(' ') {
        gone(pid.parse().unwrap()).await;
    }
}
