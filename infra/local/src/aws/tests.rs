//! The endpoints as their clients see them: DynamoDB through the real SDK, the other services by
//! their wire format.

use std::collections::HashMap;
use std::sync::Mutex;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::lambda::InvokeError;
use crate::template::model::{Secret, Table};

const TABLE: &str = "tally-local-UsersTable";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:tally-local-Ring";

/// Two functions: `Echo` answers with its payload, and `Broken` fails. It records the invocations
/// that are events.
#[derive(Clone, Default)]
struct StandIn(Arc<Mutex<Vec<Bytes>>>);

impl Invoke for StandIn {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
        let result = match function {
            "Echo" => Ok(payload),
            "Broken" => Err(InvokeError::Unhandled {
                error_type: "Oops".into(),
                message: "it broke".into(),
                payload: Bytes::from_static(br#"{"errorType":"Oops","errorMessage":"it broke"}"#),
            }),
            "Slow" => Err(InvokeError::TimedOut(std::time::Duration::from_secs(1))),
            _ => Err(InvokeError::Unknown(function.into())),
        };
        std::future::ready(result).boxed()
    }

    fn invoke_async(&self, function: &str, payload: Bytes) -> Result<(), InvokeError> {
        match function {
            "Echo" => self.0.lock().unwrap().push(payload),
            _ => return Err(InvokeError::Unknown(function.into())),
        }
        Ok(())
    }
}

pub(super) struct Stack {
    pub(super) aws: Aws,
    pub(super) address: SocketAddr,
    pub(super) credentials: Credentials,
    functions: StandIn,
}

impl Stack {
    async fn start(state: State) -> Self {
        Self::start_with(state, Resources::default()).await
    }

    /// A stack with these resources, a table and a secret.
    pub(super) async fn start_with(state: State, mut resources: Resources) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let credentials = Credentials::random();
        let functions = StandIn::default();
        resources.tables.push(Table {
            id: "UsersTable".into(),
            name: TABLE.into(),
            create: json!({
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                "BillingMode": "PAY_PER_REQUEST",
            }),
            ttl_attribute: Some("expires_at".into()),
        });
        resources.secrets.push(Secret {
            id: "Ring".into(),
            name: "tally-local-Ring".into(),
            arn: SECRET.into(),
            template: serde_json::Map::new(),
            key: "current".into(),
            length: 64,
            rotated_by: None,
        });
        let settings = AwsSettings {
            state,
            resources,
            s3: None,
            functions: functions.clone(),
            connections: None,
        };
        let aws = Aws::start(listener, credentials.clone(), settings).await.unwrap();
        Self { aws, address, credentials, functions }
    }

    /// An SDK client built from the environment that a function gets.
    fn dynamodb(&self) -> Client {
        let variables = environment(self.address, None, &self.credentials);
        let id = &variables["AWS_ACCESS_KEY_ID"];
        let secret = &variables["AWS_SECRET_ACCESS_KEY"];
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(variables["AWS_REGION"].clone()))
            .endpoint_url(&variables["AWS_ENDPOINT_URL"])
            .credentials_provider(SdkCredentials::new(id, secret, None, None, "environment"))
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/lambda/aws4_request, \
             SignedHeaders=host, Signature=0",
            self.credentials.access_key_id
        );
        reqwest::Client::new()
            .request(method, format!("http://{}{path}", self.address))
            .header("authorization", authorization)
    }

    pub(super) fn calls(&self) -> Vec<(Service, String, Vec<String>)> {
        self.aws
            .calls()
            .snapshot()
            .into_iter()
            .map(|call| (call.service, call.operation, call.targets))
            .collect()
    }
}

fn user(id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), AttributeValue::S(id.to_owned()))])
}

fn put(id: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(TABLE)
        .set_item(Some(user(id)))
        .condition_expression("attribute_not_exists(id)");
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

/// The code of each cancellation reason.
fn reasons(error: &TransactWriteItemsError) -> Vec<&str> {
    let TransactWriteItemsError::TransactionCanceledException(exception) = error else {
        panic!("{error:?}")
    };
    exception.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect()
}

#[tokio::test]
async fn the_sdk_writes_reads_and_sees_a_condition_that_failed() {
    let stack = Stack::start(State::Memory).await;
    let client = stack.dynamodb();
    client.put_item().table_name(TABLE).set_item(Some(user("1"))).send().await.unwrap();
    let got = client.get_item().table_name(TABLE).set_key(Some(user("1"))).send().await.unwrap();
    assert_eq!(got.item, Some(user("1")));
    let refused = client
        .put_item()
        .table_name(TABLE)
        .set_item(Some(user("1")))
        .condition_expression("attribute_not_exists(id)")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(refused.is_conditional_check_failed_exception(), "{refused:?}");
    let missing =
        client.describe_table().table_name("tally-local-missing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn a_stack_begins_with_an_image_and_leaves_it_as_it_is() {
    let first = Stack::start(State::Memory).await;
    let put = async |stack: &Stack, id| {
        let item = stack.dynamodb().put_item().table_name(TABLE).set_item(Some(user(id)));
        item.send().await.unwrap();
    };
    let count =
        async |stack: &Stack| stack.dynamodb().scan().table_name(TABLE).send().await.unwrap().count;
    put(&first, "1").await;
    let image = first.aws.image().await.unwrap();
    put(&first, "2").await;
    put(&first, "3").await;
    for _ in 0..2 {
        let copy = Stack::start(State::Image(image.clone())).await;
        assert_eq!(count(&copy).await, 1);
        put(&copy, "4").await;
        assert_eq!((count(&copy).await, count(&first).await), (2, 3));
    }
}

#[tokio::test]
async fn a_cancelled_transaction_names_the_reason_of_each_item_and_counts_as_one_call() {
    let stack = Stack::start(State::Memory).await;
    let client = stack.dynamodb();
    client.put_item().table_name(TABLE).set_item(Some(user("2"))).send().await.unwrap();
    stack.aws.calls().clear();
    let cancelled = client
        .transact_write_items()
        .transact_items(put("1"))
        .transact_items(put("2"))
        .send()
        .await;
    let cancelled = cancelled.unwrap_err().into_service_error();
    assert_eq!(reasons(&cancelled), ["None", "ConditionalCheckFailed"]);
    assert_eq!(
        stack.calls(),
        [(Service::DynamoDb, "TransactWriteItems".to_owned(), vec![TABLE.to_owned()])]
    );
}

#[tokio::test]
async fn an_injected_fault_strikes_the_calls_it_names_as_often_as_it_says() {
    let stack = Stack::start(State::Memory).await;
    let client = stack.dynamodb();
    let fault = |operation: &str, failure, times| Fault {
        service: Service::DynamoDb,
        operation: Some(operation.to_owned()),
        target: Some(TABLE.to_owned()),
        failure,
        times,
    };
    stack.aws.fail(fault("TransactWriteItems", Failure::TransactionConflict, 1));
    let transact =
        || client.transact_write_items().transact_items(put("1")).transact_items(put("2")).send();
    let conflict = transact().await.unwrap_err().into_service_error();
    assert_eq!(reasons(&conflict), ["TransactionConflict", "TransactionConflict"]);
    transact().await.unwrap();

    for (failure, code) in [
        (Failure::Internal, "InternalServerError"),
        (Failure::Throttled, "ProvisionedThroughputExceededException"),
        (Failure::TransactionConflict, "TransactionConflictException"),
    ] {
        stack.aws.fail(fault("GetItem", failure, 1));
        let error =
            client.get_item().table_name(TABLE).set_key(Some(user("1"))).send().await.unwrap_err();
        assert_eq!(error.into_service_error().code(), Some(code));
    }
    let other = Fault {
        service: Service::DynamoDb,
        operation: None,
        target: Some("tally-local-other".into()),
        failure: Failure::Internal,
        times: 9,
    };
    stack.aws.fail(other);
    client.get_item().table_name(TABLE).set_key(Some(user("1"))).send().await.unwrap();

    stack.aws.fail(fault("GetItem", Failure::Passed, 2));
    stack.aws.fail(fault("GetItem", Failure::Internal, 1));
    let mut answers = Vec::new();
    for _ in 0..4 {
        let got = client.get_item().table_name(TABLE).set_key(Some(user("1"))).send().await;
        answers.push(got.is_ok());
    }
    assert_eq!(answers, [true, true, false, true]);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_has_its_effect_and_the_others_have_none() {
    let stack = Stack::start(State::Memory).await;
    let client = stack.dynamodb();
    for (failure, effect) in
        [(Failure::Internal, false), (Failure::Throttled, false), (Failure::AnswerLost, true)]
    {
        stack.aws.fail(Fault {
            service: Service::DynamoDb,
            operation: None,
            target: None,
            failure,
            times: usize::MAX,
        });
        let id = format!("{failure:?}");
        client.put_item().table_name(TABLE).set_item(Some(user(&id))).send().await.unwrap_err();
        client.get_item().table_name(TABLE).set_key(Some(user(&id))).send().await.unwrap_err();
        stack.aws.recover();
        let found =
            client.get_item().table_name(TABLE).set_key(Some(user(&id))).send().await.unwrap();
        assert_eq!(found.item.is_some(), effect, "{failure:?}");
    }
}

#[tokio::test]
async fn tables_and_secrets_outlive_the_stack_in_its_directory_which_is_free_after_shutdown() {
    let parent = tempfile::tempdir().unwrap();
    let state = State::Directory(parent.path().join("state"));
    let mut secrets = Vec::new();
    for start in 0..3 {
        let stack = Stack::start(state.clone()).await;
        let client = stack.dynamodb();
        let got =
            client.get_item().table_name(TABLE).set_key(Some(user("1"))).send().await.unwrap();
        assert_eq!(got.item.is_some(), start > 0);
        client.put_item().table_name(TABLE).set_item(Some(user("1"))).send().await.unwrap();
        let secret = stack
            .request(Method::POST, "/")
            .header("x-amz-target", "secretsmanager.GetSecretValue");
        let secret: Value =
            secret.json(&json!({ "SecretId": SECRET })).send().await.unwrap().json().await.unwrap();
        secrets.push(secret["SecretString"].clone());
        #[cfg(unix)]
        for file in std::fs::read_dir(parent.path().join("state")).unwrap().map(Result::unwrap) {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o077,
                0,
                "others may look into {file:?}"
            );
        }
        stack.aws.shutdown().await;
    }
    assert!(secrets[0].is_string() && secrets.iter().all(|secret| *secret == secrets[0]));
}

#[tokio::test]
async fn a_stranger_is_refused_before_its_call_is_looked_at() {
    let stack = Stack::start(State::Memory).await;
    let url = format!("http://{}/", stack.address);
    let call = |request: RequestBuilder| {
        request.header("x-amz-target", "DynamoDB_20120810.ListTables").body("{}").send()
    };
    assert_eq!(
        call(reqwest::Client::new().post(&url)).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    let page = stack.request(Method::POST, "/").header("origin", "http://evil.example");
    assert_eq!(call(page).await.unwrap().status(), StatusCode::FORBIDDEN);
    let rebound = stack.request(Method::POST, "/").header("host", "evil.example");
    assert_eq!(call(rebound).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(stack.calls(), []);
    assert_eq!(call(stack.request(Method::POST, "/")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_by_each_service() {
    let stack = Stack::start(State::Memory).await;
    for target in ["secretsmanager.GetSecretValue", "TrentService.Decrypt", "AmazonSQS.ListQueues"]
    {
        for body in ["", "{", "[]", "null"] {
            let call = stack.request(Method::POST, "/").header("x-amz-target", target).body(body);
            let answer = call.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{target} {body}");
            let kind = answer.headers()["x-amzn-errortype"].to_str().unwrap();
            assert_eq!(kind, "SerializationException", "{target} {body}");
        }
    }
}

#[tokio::test]
async fn what_is_not_served_here_says_what_is() {
    let stack = Stack::start(State::Memory).await;
    let profile = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A000000000000%3Ainference-profile%2Feu.m\
                   /invoke-with-response-stream";
    for (path, expected) in [
        ("/", "the local stack serves DynamoDB, "),
        ("/model/anthropic.claude/invoke-with-response-stream", "set the parameter BedrockUrl"),
        (profile, "set the parameter BedrockUrl"),
    ] {
        let answer = stack.request(Method::POST, path).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.headers()["x-amzn-errortype"], "UnknownOperationException", "{path}");
        let said: Value = answer.json().await.unwrap();
        let said = said["message"].as_str().unwrap();
        assert!(said.contains(expected), "{path}: {said}");
    }
}

#[tokio::test]
async fn functions_are_invoked_by_name_or_arn_and_their_errors_are_marked() {
    let stack = Stack::start(State::Memory).await;
    let invoke = |function: &str, body: &'static str| {
        stack
            .request(Method::POST, &format!("/2015-03-31/functions/{function}/invocations"))
            .body(body)
            .send()
    };
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3AEcho";
    for (function, body, status, error, answer) in [
        ("Echo", r#"{"a":1}"#, 200, None, json!({ "a": 1 })),
        (arn, r#"{"a":1}"#, 200, None, json!({ "a": 1 })),
        ("Echo", "", 200, None, json!({})),
        ("Echo", "not json", 400, None, Value::Null),
        (
            "Broken",
            "{}",
            200,
            Some("Unhandled"),
            json!({ "errorType": "Oops", "errorMessage": "it broke" }),
        ),
        ("Slow", "{}", 200, Some("Unhandled"), Value::Null),
        ("Missing", "{}", 404, None, Value::Null),
    ] {
        let response = invoke(function, body).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{function}");
        let marked = response
            .headers()
            .get("x-amz-function-error")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(marked.as_deref(), error, "{function}");
        let payload: Value = response.json().await.unwrap();
        assert!(answer.is_null() || payload == answer, "{function}: {payload}");
    }
    assert_eq!(stack.calls()[1], (Service::Lambda, "Invoke".to_owned(), vec!["Echo".to_owned()]));
}

#[tokio::test]
async fn an_event_is_accepted_at_once_unless_its_function_is_unknown_or_it_is_too_large() {
    let stack = Stack::start(State::Memory).await;
    for (function, size, status) in [
        ("Echo", 10, StatusCode::ACCEPTED),
        ("Missing", 10, StatusCode::NOT_FOUND),
        ("Echo", 1024 * 1024, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let response = stack
            .request(Method::POST, &format!("/2015-03-31/functions/{function}/invocations"))
            .header("x-amz-invocation-type", "Event")
            .json(&"x".repeat(size))
            .send();
        assert_eq!(response.await.unwrap().status(), status);
    }
    assert_eq!(*stack.functions.0.lock().unwrap(), [Bytes::from_static(b"\"xxxxxxxxxx\"")]);
}
