//! Queues through the real SDK, and the records that asynchronous invocations leave in them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod support;

use std::path::Path;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use serde_json::{Value, json};
use support::{appears, binaries, gone};
use tally_local::aws::{Service, State};
use tally_local::{Stack, StackOptions};
use tempfile::TempDir;

const TEMPLATE: &str = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  Failures: {Type: AWS::SQS::Queue, Properties: {QueueName: failures, SqsManagedSseEnabled: true}}
  Successes: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      Timeout: 20
      Environment: {Variables: {QUEUE_URL: !Ref Failures}}
      EventInvokeConfig:
        MaximumRetryAttempts: 2
        DestinationConfig:
          OnSuccess: {Type: SQS, Destination: !GetAtt Successes.Arn}
          OnFailure: {Type: SQS, Destination: !GetAtt Failures.Arn}
  Hasty:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      Timeout: 1
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Failures.Arn}}
  Chained:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: {OnFailure: {Type: Lambda, Destination: !GetAtt Worker.Arn}}
  Prepare:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      MemorySize: 128
      Timeout: 20
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig:
          OnSuccess: {Type: Lambda, Destination: !GetAtt Worker.Arn}
          OnFailure: {Type: Lambda, Destination: !GetAtt Worker.Arn}
  Late:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      Timeout: 1
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: {OnFailure: {Type: Lambda, Destination: !GetAtt Worker.Arn}}
";

/// A stack, with a client of its queues and a directory for files.
struct Setup {
    stack: Stack,
    client: Client,
    directory: TempDir,
}

async fn start() -> Setup {
    start_with(|_| {}).await
}

/// Starts a stack in which attempts follow one another at once, unless the test changes that.
async fn start_with(change: impl FnOnce(&mut StackOptions)) -> Setup {
    let directory = TempDir::new().unwrap();
    let template = directory.path().join("template.yaml");
    std::fs::write(&template, TEMPLATE).unwrap();
    let mut options = StackOptions { samconfig: None, ..StackOptions::new(template, binaries()) };
    options.processes.retry_delays = [Duration::ZERO; 2];
    change(&mut options);
    let stack = Stack::start(options).await.unwrap();
    let client = client(&stack);
    Setup { stack, client, directory }
}

/// A client that is built from the environment of a function.
fn client(stack: &Stack) -> Client {
    let variables = stack.environment(&stack.deployment().functions[0]);
    let id = &variables["AWS_ACCESS_KEY_ID"];
    let secret = &variables["AWS_SECRET_ACCESS_KEY"];
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variables["AWS_DEFAULT_REGION"].clone()))
        .endpoint_url(&variables["AWS_ENDPOINT_URL_SQS"])
        .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

impl Setup {
    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_string_lossy().into_owned()
    }

    fn invoke_async(&self, function: &str, task: &Value) {
        self.stack.functions().invoke_async(function, task.to_string().into()).unwrap();
    }

    async fn url(&self, name: &str) -> String {
        let answer = self.client.get_queue_url().queue_name(name).send().await.unwrap();
        answer.queue_url().unwrap().to_owned()
    }

    async fn send(&self, url: &str, body: &str) {
        self.client.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }

    /// Waits for a message and returns its body and how often it was received.
    async fn receive(&self, url: &str, visibility_timeout: i32) -> (String, String) {
        loop {
            let answer = self
                .client
                .receive_message()
                .queue_url(url)
                .visibility_timeout(visibility_timeout)
                .wait_time_seconds(20)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .unwrap();
            let Some(message) = answer.messages().first() else { continue };
            let attributes = message.attributes().unwrap();
            let receives = attributes[&MessageSystemAttributeName::ApproximateReceiveCount].clone();
            return (message.body().unwrap().to_owned(), receives);
        }
    }

    /// Waits for a record.
    async fn record(&self, queue: &str) -> Value {
        let (body, _) = self.receive(&self.url(queue).await, 43_200).await;
        serde_json::from_str(&body).unwrap()
    }

    /// Number of messages that can be received.
    async fn number(&self, queue: &str) -> String {
        let number = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.client.get_queue_attributes().queue_url(self.url(queue).await);
        let answer = request.attribute_names(number.clone()).send().await.unwrap();
        answer.attributes().unwrap()[&number].clone()
    }
}

#[tokio::test]
async fn the_sdk_sends_receives_and_deletes() {
    let Setup { stack, client, .. } = &start().await;
    let url = stack.deployment().functions[0].environment["QUEUE_URL"].as_str();
    assert_eq!(url, "https://sqs.us-east-1.amazonaws.com/000000000000/failures");
    stack.calls().clear();
    let sent = client.send_message().queue_url(url).message_body("hello").send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    let calls = stack.calls().snapshot();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(
        (call.service, call.operation.as_str(), call.targets.as_slice()),
        (Service::Queues, "SendMessage", &["failures".to_owned()][..])
    );

    let received = client
        .receive_message()
        .queue_url(url)
        .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
        .send()
        .await
        .unwrap();
    let [message] = received.messages() else { panic!("{received:?}") };
    assert_eq!(
        (message.message_id(), message.body(), message.md5_of_body()),
        (sent.message_id(), Some("hello"), sent.md5_of_message_body())
    );
    let attributes = message.attributes().unwrap();
    assert_eq!(attributes.len(), 1);
    assert_eq!(attributes[&MessageSystemAttributeName::SentTimestamp].len(), 13);
    let handle = message.receipt_handle().unwrap();
    client
        .change_message_visibility()
        .queue_url(url)
        .receipt_handle(handle)
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
    let again = client.receive_message().queue_url(url).send().await.unwrap();
    assert_eq!(again.messages()[0].body(), Some("hello"));
    let handle = again.messages()[0].receipt_handle().unwrap();
    client.delete_message().queue_url(url).receipt_handle(handle).send().await.unwrap();

    let entry =
        |id: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(id).build().unwrap();
    let batch = client.send_message_batch().queue_url(url).entries(entry("a")).entries(entry("b"));
    let sent = batch.send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (2, 0));
    let received =
        client.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
    let handles = received.messages().iter().zip(["1", "2"]).map(|(message, id)| {
        let handle = message.receipt_handle().unwrap();
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    });
    let batch = client.delete_message_batch().queue_url(url).set_entries(Some(handles.collect()));
    let deleted = batch.send().await.unwrap();
    assert_eq!((deleted.successful().len(), deleted.failed().len()), (2, 0));

    client.purge_queue().queue_url(url).send().await.unwrap();
    let listed = client.list_queues().send().await.unwrap();
    assert_eq!(listed.queue_urls().len(), 2);
}

#[tokio::test]
async fn the_sdk_knows_the_errors() {
    let Setup { stack, client, .. } = &start().await;
    let url = stack.deployment().functions[0].environment["QUEUE_URL"].as_str();
    let error = client.get_queue_url().queue_name("nowhere").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    let nowhere = url.replace("failures", "nowhere");
    let error = client.receive_message().queue_url(nowhere).send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    let delete = client.delete_message().queue_url(url).receipt_handle("nonsense");
    assert!(delete.send().await.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
    let send = client.send_message().queue_url(url).message_body("\u{1}");
    assert!(send.send().await.unwrap_err().into_service_error().is_invalid_message_contents());
    let error = client.create_queue().queue_name("new").send().await.unwrap_err();
    let error = error.into_service_error();
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.UnsupportedOperation"));
    assert_eq!(error.message(), Some("the local SQS does not know the operation CreateQueue"));
}

#[tokio::test]
async fn a_message_comes_again_after_its_visibility_timeout() {
    let setup = start().await;
    let url = setup.url("failures").await;
    setup.send(&url, "a").await;
    assert_eq!(setup.receive(&url, 1).await, ("a".into(), "1".into()));
    assert_eq!(setup.receive(&url, 1).await, ("a".into(), "2".into()));
}

#[tokio::test]
async fn receivers_at_the_same_time_get_different_messages() {
    let setup = start().await;
    let url = setup.url("failures").await;
    let send = async {
        for body in ["a", "b", "c"] {
            setup.send(&url, body).await;
        }
    };
    let receive = || setup.receive(&url, 43_200);
    let (one, two, three, ()) = tokio::join!(receive(), receive(), receive(), send);
    let mut bodies = [one.0, two.0, three.0];
    bodies.sort();
    assert_eq!(bodies, ["a", "b", "c"]);
    assert_eq!(setup.number("failures").await, "0");
}

#[tokio::test]
async fn messages_outlive_the_stack_in_its_directory() {
    let state = TempDir::new().unwrap();
    let run = || start_with(|options| options.state = State::Directory(state.path().join("state")));
    let first = run().await;
    let url = first.url("failures").await;
    first.send(&url, "a").await;
    first.send(&url, "b").await;
    let (taken, _) = first.receive(&url, 43_200).await;
    first.stack.shutdown().await;

    let second = run().await;
    // A message in flight stays hidden.
    assert_eq!(second.number("failures").await, "1");
    let (left, _) = second.receive(&second.url("failures").await, 43_200).await;
    let mut bodies = [taken, left];
    bodies.sort();
    assert_eq!(bodies, ["a", "b"]);
    second.stack.shutdown().await;
}

#[tokio::test]
async fn an_event_is_attempted_again_under_its_id_until_the_function_succeeds() {
    let setup = start().await;
    let file = setup.path("attempts");
    let task = json!({"do": "fail_first", "times": 2, "file": file});
    setup.invoke_async("Worker", &task);
    let record = setup.record("tally-local-Successes").await;
    let context = &record["requestContext"];
    assert_eq!(
        (&context["condition"], &context["approximateInvokeCount"]),
        (&json!("Success"), &json!(3))
    );
    assert_eq!((&record["requestPayload"], &record["responsePayload"]), (&task, &json!(3)));
    let attempts = std::fs::read_to_string(file).unwrap();
    let ids: Vec<&str> = attempts.lines().collect();
    assert_eq!(ids, [context["requestId"].as_str().unwrap(); 3]);
    assert_eq!(setup.number("failures").await, "0");
}

#[tokio::test]
async fn an_event_that_fails_for_ever_ends_in_the_queue_with_its_payload() {
    let setup = start().await;
    for (function, task, attempts, error_type, message) in [
        ("Worker", json!({"do": "fail", "message": "no such thing"}), 3, "", "no such thing"),
        ("Worker", json!({"do": "crash"}), 3, "Runtime.ExitError", "exit status: 7"),
        (
            "Hasty",
            json!({"do": "wait", "file": setup.path("never")}),
            1,
            "Sandbox.Timedout",
            "timed out after 1s",
        ),
    ] {
        setup.invoke_async(function, &task);
        let record = setup.record("failures").await;
        assert_eq!(record["version"], "1.0");
        let context = &record["requestContext"];
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}:$LATEST");
        assert_eq!(
            (&context["functionArn"], &context["condition"], &context["approximateInvokeCount"]),
            (&json!(arn), &json!("RetriesExhausted"), &json!(attempts)),
            "{record}"
        );
        assert_eq!(record["requestPayload"], task);
        assert_eq!(record["responseContext"]["functionError"], "Unhandled");
        let response = &record["responsePayload"];
        assert!(response["errorType"].as_str().unwrap().contains(error_type), "{record}");
        assert!(response["errorMessage"].as_str().unwrap().contains(message), "{record}");
    }
    assert_eq!(setup.number("tally-local-Successes").await, "0");
}

#[tokio::test]
async fn a_worker_that_is_killed_gets_its_event_again() {
    let setup = start().await;
    let (started, go) = (setup.path("started"), setup.path("go"));
    setup.invoke_async("Worker", &json!({"do": "wait", "started": started, "file": go}));
    let killed: u64 = appears(Path::new(&started)).await.parse().unwrap();
    setup.stack.functions().kill("Worker").unwrap();
    gone(killed).await;
    std::fs::write(go, "").unwrap();
    let record = setup.record("tally-local-Successes").await;
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_ne!(record["responsePayload"], json!(killed));
}

#[tokio::test]
async fn an_event_that_waits_for_too_long_is_not_given_to_the_function() {
    let setup = start_with(|options| {
        options.processes.per_function = 1;
        options.processes.event_age = Duration::from_millis(500);
    })
    .await;
    let (started, go) = (setup.path("started"), setup.path("go"));
    let busy = json!({"do": "wait", "started": started, "file": go});
    let invoke = setup.stack.invoke("Worker", busy.to_string());
    let expire = async {
        appears(Path::new(&started)).await;
        let file = setup.path("letters");
        let late = json!({"do": "append", "file": file, "text": "late"});
        setup.invoke_async("Worker", &late);
        let record = setup.record("failures").await;
        let context = &record["requestContext"];
        assert_eq!(
            (&context["condition"], &context["approximateInvokeCount"]),
            (&json!("EventAgeExceeded"), &json!(0))
        );
        assert_eq!((&record["requestPayload"], record.get("responsePayload")), (&late, None));
        std::fs::write(&go, "").unwrap();
        file
    };
    let (answer, file) = tokio::join!(invoke, expire);
    answer.unwrap();
    assert!(!Path::new(&file).exists());
}

#[tokio::test]
async fn a_function_can_be_a_destination() {
    let setup = start().await;
    let task = json!({"do": "fail", "message": "hand it on"});
    setup.invoke_async("Chained", &task);
    // The worker echoes its event, which is the record.
    let record = setup.record("tally-local-Successes").await;
    let first = &record["responsePayload"]["event"];
    assert_eq!(first, &record["requestPayload"]);
    assert_eq!(first["requestPayload"], task);
    assert_eq!(first["responsePayload"]["errorMessage"], "hand it on");
}

#[tokio::test]
async fn one_function_can_take_the_successes_and_the_failures_of_another() {
    let setup = start().await;
    let failed = "RetriesExhausted";
    let never = setup.path("never");
    let mut cases = vec![
        ("Prepare", json!({"do": "answer", "answer": {"status": "ready"}}), "Success", ""),
        ("Prepare", json!({"do": "fail", "message": "no"}), failed, ""),
        ("Prepare", json!({"do": "crash"}), failed, "Runtime.ExitError"),
        ("Late", json!({"do": "wait", "file": never}), failed, "Sandbox.Timedout"),
    ];
    // Other systems do not bound the memory.
    if cfg!(target_os = "linux") {
        let task = json!({"do": "allocate", "megabytes": 200});
        cases.push(("Prepare", task, failed, "Runtime.ExitError"));
    }
    for (function, task, condition, error_type) in cases {
        setup.invoke_async(function, &task);
        // The worker echoes its event, which is the record.
        let record = setup.record("tally-local-Successes").await;
        let record = &record["responsePayload"]["event"];
        let context = &record["requestContext"];
        assert_eq!(
            (&context["condition"], &context["approximateInvokeCount"]),
            (&json!(condition), &json!(1)),
            "{record}"
        );
        assert_eq!(record["requestPayload"], task);
        let response = &record["responsePayload"];
        if condition == failed {
            let found = response["errorType"].as_str().unwrap();
            assert!(found.contains(error_type), "{record}");
        } else {
            assert_eq!(response, &task["answer"]);
        }
    }
    assert_eq!(setup.number("failures").await, "0");
}

#[tokio::test]
async fn the_end_of_the_stack_is_no_failure() {
    let state = TempDir::new().unwrap();
    let run = || {
        start_with(|options| {
            options.state = State::Directory(state.path().join("state"));
            options.processes.retry_delays = [Duration::from_hours(1); 2];
        })
    };
    let setup = run().await;
    let started = setup.path("started");
    let never = setup.path("never");
    // One event is running, and one waits for its second attempt.
    setup.invoke_async("Worker", &json!({"do": "wait", "started": started, "file": never}));
    appears(Path::new(&started)).await;
    let attempts = setup.path("attempts");
    setup.invoke_async("Worker", &json!({"do": "fail_first", "times": 9, "file": attempts}));
    appears(Path::new(&attempts)).await;
    setup.stack.shutdown().await;
    let ids = std::fs::read_to_string(&attempts).unwrap();
    assert_eq!(ids.lines().count(), 1);

    let again = run().await;
    assert_eq!(again.number("failures").await, "0");
    again.stack.shutdown().await;
}
