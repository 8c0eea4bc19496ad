//! Streams of tables, delivered to real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lambda_events::dynamodb::Event;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde_json::{Value, json};
use support::binaries;
use tally_local::aws::State;
use tally_local::{Stack, StackOptions, StreamFailure, StreamFault};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const TABLE: &str = "tally-local-Events";

const TEMPLATE: &str = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  Events:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  GivenUp: {Type: AWS::SQS::Queue}
";

/// A function with the name `function`, whose event has these properties beside the stream. It
/// writes its batches into a file of its name in `directory`.
fn function(function: &str, properties: &str, directory: &Path) -> String {
    let batches = directory.join(function);
    let batches = batches.display();
    format!(
        "
  {function}:
    Type: AWS::Serverless::Function
    Metadata: {{BuildProperties: {{Binary: bootstrap}}}}
    Properties:
      Timeout: 20
      Environment: {{Variables: {{BATCHES: '{batches}'}}}}
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Events.StreamArn
            FunctionResponseTypes: [ReportBatchItemFailures]
            {properties}
"
    )
}

const FROM_START: &str = "StartingPosition: TRIM_HORIZON";

struct Setup {
    stack: Stack,
    client: Client,
    directory: PathBuf,
    // The last field, because the others use its files.
    _temporary: Option<TempDir>,
}

impl Setup {
    /// A stack with the function `Seal`, whose event has these properties. Its state is in memory.
    async fn new(properties: &str) -> Self {
        let temporary = TempDir::new().unwrap();
        let directory = temporary.path().to_owned();
        let properties = format!("{FROM_START}\n            {properties}");
        let seal = function("Seal", &properties, &directory);
        Self::start(directory, &seal, State::Memory, Some(temporary)).await
    }

    /// A stack with these functions and its state in `directory`.
    async fn kept(directory: &Path, functions: &str) -> Self {
        let state = State::Directory(directory.join("state"));
        Self::start(directory.to_owned(), functions, state, None).await
    }

    async fn start(
        directory: PathBuf,
        functions: &str,
        state: State,
        temporary: Option<TempDir>,
    ) -> Self {
        let template = directory.join("template.yaml");
        std::fs::write(&template, TEMPLATE.to_owned() + functions).unwrap();
        let options =
            StackOptions { samconfig: None, state, ..StackOptions::new(template, binaries()) };
        let stack = Stack::start(options).await.unwrap();
        let variables = stack.environment(&stack.deployment().functions[0]);
        let (id, secret) = (&variables["AWS_ACCESS_KEY_ID"], &variables["AWS_SECRET_ACCESS_KEY"]);
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(variables["AWS_REGION"].clone()))
            .endpoint_url(&variables["AWS_ENDPOINT_URL"])
            .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { stack, client: Client::from_conf(config), directory, _temporary: temporary }
    }

    /// Writes an item. The function does what the attribute `do` says.
    async fn put(&self, id: &str, what: &str) {
        let put = self.client.put_item().table_name(TABLE);
        put.set_item(Some(item(id, what))).send().await.unwrap();
    }

    /// Writes items in one transaction, so that they are in one batch.
    async fn put_together(&self, items: &[(&str, &str)]) {
        let put = |(id, what): &(&str, &str)| {
            let put = Put::builder().table_name(TABLE).set_item(Some(item(id, what)));
            TransactWriteItem::builder().put(put.build().unwrap()).build()
        };
        let items = items.iter().map(put).collect();
        self.client.transact_write_items().set_transact_items(Some(items)).send().await.unwrap();
    }

    /// The events that a function has got, oldest first.
    fn events(&self, function: &str) -> Vec<Value> {
        let lines = std::fs::read_to_string(self.directory.join(function)).unwrap_or_default();
        // The function may be writing the last line.
        let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The ids of the items in each batch that a function has got.
    fn batches(&self, function: &str) -> Vec<String> {
        let ids = |event: &Value| {
            let records = event["Records"].as_array().unwrap().iter();
            let id =
                |record: &Value| record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap().to_owned();
            records.map(id).collect::<Vec<_>>().join(" ")
        };
        self.events(function).iter().map(ids).collect()
    }

    /// Waits until a function has got this batch.
    async fn until(&self, function: &str, batch: &str) {
        let there = async {
            while !self.batches(function).iter().any(|got| got == batch) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_mins(1), there)
            .await
            .unwrap_or_else(|_| panic!("{function} has got {:?}", self.batches(function)));
    }

    /// Lets a function take the items that say `wait`.
    fn go(&self, function: &str) {
        std::fs::write(self.directory.join(format!("{function}.go")), "").unwrap();
    }

    /// The report in the queue of batches that were given up.
    async fn report(&self) -> Value {
        let variables = self.stack.environment(&self.stack.deployment().functions[0]);
        let (id, secret) = (&variables["AWS_ACCESS_KEY_ID"], &variables["AWS_SECRET_ACCESS_KEY"]);
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new(variables["AWS_REGION"].clone()))
            .endpoint_url(&variables["AWS_ENDPOINT_URL_SQS"])
            .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = aws_sdk_sqs::Client::from_conf(config);
        let url = client.get_queue_url().queue_name("tally-local-GivenUp").send().await.unwrap();
        let receive = client.receive_message().set_queue_url(url.queue_url).wait_time_seconds(20);
        let answer = receive.send().await.unwrap();
        serde_json::from_str(answer.messages()[0].body().unwrap()).unwrap()
    }

    fn disturb(&self, failure: StreamFailure) {
        self.stack.fail_stream(StreamFault { function: "Seal".to_owned(), failure, times: 1 });
    }
}

fn item(id: &str, what: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), text(id)), ("do".to_owned(), text(what))])
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn the_changes_of_a_table_arrive_in_order_as_lambda_gives_them() {
    let setup = Setup::new("").await;
    setup.put_together(&[("a", "1"), ("b", "1"), ("c", "1")]).await;
    setup.put("b", "2").await;
    // It changes nothing, so there is no record of it.
    setup.put("b", "2").await;
    setup.client.delete_item().table_name(TABLE).key("id", text("a")).send().await.unwrap();
    setup.stack.drained("Seal").await.unwrap();
    let records: Vec<Value> = setup
        .events("Seal")
        .into_iter()
        .flat_map(|event| event["Records"].as_array().unwrap().clone())
        .collect();
    let of = |record: &Value| {
        let id = record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap();
        format!("{} {id}", record["eventName"].as_str().unwrap())
    };
    let names: Vec<_> = records.iter().map(of).collect();
    assert_eq!(names, ["INSERT a", "INSERT b", "INSERT c", "MODIFY b", "REMOVE a"]);

    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tally-local-Events/stream/local";
    let mut modified = records[3].clone();
    let change = &modified["dynamodb"];
    assert!(change["ApproximateCreationDateTime"].as_f64().unwrap() > 1_700_000_000.0);
    assert!(change["SizeBytes"].as_u64().unwrap() > 0);
    assert_eq!(change["SequenceNumber"].as_str().unwrap().len(), 21);
    for name in ["ApproximateCreationDateTime", "SequenceNumber", "SizeBytes"] {
        modified["dynamodb"].as_object_mut().unwrap().remove(name);
    }
    assert_eq!(modified["eventID"].take().as_str().unwrap().len(), 32);
    assert_eq!(
        modified,
        json!({
            "eventID": null,
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": {"id": {"S": "b"}},
                "NewImage": {"id": {"S": "b"}, "do": {"S": "2"}},
                "OldImage": {"id": {"S": "b"}, "do": {"S": "1"}},
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": arn,
        })
    );

    let event: Event = serde_json::from_value(json!({"Records": records})).unwrap();
    assert_eq!(event.records.len(), 5);
    assert_eq!(event.records[4].event_source_arn.as_deref(), Some(arn));
    assert!(event.records.is_sorted_by_key(|record| record.change.sequence_number.clone()));
    let table = setup.client.describe_table().table_name(TABLE).send().await.unwrap();
    assert_eq!(table.table.unwrap().latest_stream_arn.as_deref(), Some(arn));
}

#[tokio::test]
async fn an_item_that_expires_is_removed_by_the_service() {
    let setup = Setup::new("").await;
    setup.put_together(&[("expires", "-"), ("stays", "-")]).await;
    let put = setup.client.put_item().table_name(TABLE).item("id", text("expires"));
    put.item("expires_at", AttributeValue::N("1".to_owned())).send().await.unwrap();
    setup.stack.aws().expire().await;
    setup.client.delete_item().table_name(TABLE).key("id", text("stays")).send().await.unwrap();
    setup.stack.drained("Seal").await.unwrap();
    let events = setup.events("Seal");
    let mut removals = Vec::new();
    for event in &events {
        let parsed: Event = serde_json::from_value(event.clone()).unwrap();
        for (record, parsed) in event["Records"].as_array().unwrap().iter().zip(parsed.records) {
            if record["eventName"] == "REMOVE" {
                removals.push((record["userIdentity"].clone(), parsed.user_identity));
            }
        }
    }
    let [(expired, parsed), (deleted, none)] = removals.as_slice() else { panic!("{events:?}") };
    assert_eq!(*expired, json!({"principalId": "dynamodb.amazonaws.com", "type": "Service"}));
    let parsed = parsed.as_ref().unwrap();
    assert_eq!(parsed.principal_id, "dynamodb.amazonaws.com");
    assert_eq!(parsed.type_, "Service");
    assert!(deleted.is_null() && none.is_none());
}

#[tokio::test]
async fn only_records_that_a_filter_lets_through_are_delivered() {
    let pattern = r#"{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"do": {"S": ["x"]}}}}"#;
    let other = r#"{"dynamodb": {"Keys": {"id": {"S": ["b"]}}}}"#;
    let setup = Setup::new(&format!(
        "FilterCriteria: {{Filters: [{{Pattern: '{pattern}'}}, {{Pattern: '{other}'}}]}}"
    ))
    .await;
    setup.put_together(&[("a", "x"), ("b", "y"), ("c", "y"), ("d", "x")]).await;
    setup.stack.drained("Seal").await.unwrap();
    setup.put("a", "z").await;
    setup.put("c", "x").await;
    setup.stack.drained("Seal").await.unwrap();
    setup.put("b", "z").await;
    setup.stack.drained("Seal").await.unwrap();
    assert_eq!(setup.batches("Seal"), ["a b d", "b"]);
}

#[tokio::test]
async fn a_batch_is_tried_again_from_the_first_record_that_is_reported() {
    let setup = Setup::new("MaximumRetryAttempts: 2").await;
    setup.put_together(&[("a", "-"), ("b", "report"), ("c", "report"), ("d", "-")]).await;
    setup.stack.drained("Seal").await.unwrap();
    setup.put("e", "-").await;
    setup.stack.drained("Seal").await.unwrap();
    assert_eq!(setup.batches("Seal"), ["a b c d", "b c d", "b c d", "e"]);
}

#[tokio::test]
async fn a_batch_that_fails_is_tried_again_and_then_given_up() {
    for what in ["fail", "crash", "report", "report another"] {
        let setup = Setup::new("MaximumRetryAttempts: 1").await;
        setup.put_together(&[("a", what), ("b", "-")]).await;
        setup.stack.drained("Seal").await.unwrap();
        setup.put("c", "-").await;
        setup.stack.drained("Seal").await.unwrap();
        assert_eq!(setup.batches("Seal"), ["a b", "a b", "c"], "{what}");
    }
}

#[tokio::test]
async fn a_batch_that_fails_is_split_where_that_is_asked_for() {
    let setup = Setup::new(
        "MaximumRetryAttempts: 0\n            BisectBatchOnFunctionError: true\n            \
         DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt GivenUp.Arn}}",
    )
    .await;
    setup.put_together(&[("a", "-"), ("b", "-"), ("c", "fail"), ("d", "-")]).await;
    setup.stack.drained("Seal").await.unwrap();
    assert_eq!(setup.batches("Seal"), ["a b c d", "a b", "c d", "c", "d"]);
    let report = setup.report().await;
    assert_eq!(report["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(report["DDBStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test]
async fn a_full_batch_does_not_wait_for_the_end_of_the_window() {
    let setup = Setup::new("BatchSize: 2\n            MaximumBatchingWindowInSeconds: 300").await;
    for id in ["a", "b", "c", "d"] {
        setup.put(id, "-").await;
    }
    setup.stack.drained("Seal").await.unwrap();
    assert_eq!(setup.batches("Seal"), ["a b", "c d"]);
}

#[tokio::test]
async fn parallel_lanes_keep_the_order_of_each_key() {
    let setup = Setup::new("BatchSize: 2\n            ParallelizationFactor: 4").await;
    for round in ["1", "2", "3"] {
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
        setup.put_together(&ids.map(|id| (id, round))).await;
    }
    setup.stack.drained("Seal").await.unwrap();
    // Lanes write their batches at the same time. Those of one key are one after the other.
    let mut rounds = BTreeMap::<String, String>::new();
    for event in setup.events("Seal") {
        for record in event["Records"].as_array().unwrap() {
            let image = &record["dynamodb"]["NewImage"];
            let rounds = rounds.entry(image["id"]["S"].as_str().unwrap().to_owned()).or_default();
            rounds.push_str(image["do"]["S"].as_str().unwrap());
        }
    }
    assert_eq!(rounds.len(), 8);
    assert!(rounds.values().all(|order| order == "123"), "{rounds:?}");
}

#[tokio::test]
async fn a_stack_goes_on_where_the_last_one_was() {
    let directory = TempDir::new().unwrap();
    let functions = function("Seal", FROM_START, directory.path());
    let setup = Setup::kept(directory.path(), &functions).await;
    setup.put("a", "-").await;
    setup.stack.drained("Seal").await.unwrap();
    setup.put_together(&[("b", "-"), ("c", "wait"), ("d", "-")]).await;
    // It is delivered from the reported record on, so `b` is settled.
    setup.until("Seal", "c d").await;
    setup.stack.shutdown().await;

    let so_far = read(directory.path(), "Seal");
    std::fs::write(directory.path().join("Seal.go"), "").unwrap();
    let setup = Setup::kept(directory.path(), &functions).await;
    setup.stack.drained("Seal").await.unwrap();
    setup.put("e", "-").await;
    setup.stack.drained("Seal").await.unwrap();
    assert_eq!(setup.batches("Seal")[so_far..], ["c d", "e"]);
    setup.stack.shutdown().await;
}

/// The number of batches that a function has got.
fn read(directory: &Path, function: &str) -> usize {
    std::fs::read_to_string(directory.join(function)).unwrap().lines().count()
}

#[tokio::test]
async fn two_functions_read_one_stream_and_neither_waits_for_the_other() {
    let directory = TempDir::new().unwrap();
    let filter = r#"FilterCriteria: {Filters: [{Pattern: '{"eventName": ["INSERT"]}'}]}"#;
    let inserts = format!("{FROM_START}\n            {filter}");
    let functions = function("Seal", FROM_START, directory.path())
        + &function("Count", &inserts, directory.path());
    let setup = Setup::kept(directory.path(), &functions).await;
    setup.go("Seal");
    setup.put("a", "wait").await;
    setup.until("Count", "a").await;
    for (id, what) in [("b", "1"), ("b", "2"), ("c", "1")] {
        setup.put(id, what).await;
    }
    setup.stack.drained("Seal").await.unwrap();
    // The records are kept for the one that is behind.
    setup.go("Count");
    setup.stack.drained("Count").await.unwrap();
    let delivered = |function| setup.batches(function).join(" ");
    assert_eq!(delivered("Seal"), "a b b c");
    let counted = delivered("Count");
    assert!(counted.ends_with("a b c") && !counted.contains("b b"), "{counted}");
    assert!(setup.stack.drained("Other").await.is_err());
    setup.stack.shutdown().await;
}

#[tokio::test]
async fn a_new_mapping_begins_at_its_starting_position_and_only_once() {
    let directory = TempDir::new().unwrap();
    let latest = "StartingPosition: LATEST";
    let disabled = format!("{FROM_START}\n            Enabled: false");
    let setup = Setup::kept(directory.path(), &function("Seal", &disabled, directory.path())).await;
    // The newest record always stays. The other one must stay for the function that begins with it.
    setup.put_together(&[("a", "-"), ("z", "-")]).await;
    assert!(setup.stack.drained("Seal").await.is_err());
    setup.stack.shutdown().await;

    let functions = function("Seal", latest, directory.path())
        + &function("Count", FROM_START, directory.path());
    let setup = Setup::kept(directory.path(), &functions).await;
    setup.stack.drained("Count").await.unwrap();
    setup.put("b", "wait").await;
    setup.until("Seal", "b").await;
    setup.stack.shutdown().await;
    for function in ["Seal", "Count"] {
        std::fs::write(directory.path().join(format!("{function}.go")), "").unwrap();
    }

    let setup = Setup::kept(directory.path(), &functions).await;
    for function in ["Seal", "Count"] {
        setup.stack.drained(function).await.unwrap();
    }
    assert!(setup.batches("Seal").iter().all(|batch| batch == "b"));
    assert_eq!(setup.batches("Count")[0], "a z");
    setup.stack.shutdown().await;
}

#[tokio::test]
async fn batches_are_lost_late_or_doubled_on_demand() {
    for (failure, expected) in [
        (StreamFailure::Lost, "b c"),
        (StreamFailure::Late, "b a c"),
        (StreamFailure::Twice, "a a b c"),
        (StreamFailure::TwiceAtOnce, "a a b c"),
    ] {
        let setup = Setup::new("BatchSize: 1").await;
        setup.disturb(failure);
        setup.put_together(&[("a", "-"), ("b", "-"), ("c", "-")]).await;
        setup.stack.drained("Seal").await.unwrap();
        assert_eq!(setup.batches("Seal").join(" "), expected, "{failure:?}");
    }
}

#[tokio::test]
async fn a_stack_ends_while_a_batch_is_being_tried() {
    let setup = Setup::new("").await;
    setup.put("a", "wait").await;
    setup.until("Seal", "a").await;
    setup.stack.shutdown().await;
}
