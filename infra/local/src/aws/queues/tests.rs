//! The queues by their wire format: refusals, batches, pages, and receivers that wait.

use std::time::Duration;

use http_body_util::BodyExt as _;

use super::*;

const FAILURES: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/Failures";

fn queues() -> Queues {
    let queue = |name: &str| model::Queue {
        id: name.into(),
        name: name.into(),
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        delay: Duration::ZERO,
        maximum_bytes: 1_048_576,
        retention: Duration::from_hours(1),
        receive_wait: Duration::ZERO,
        visibility_timeout: Duration::from_secs(30),
    };
    Queues::open(None, ["Failures", "Other", "Third"].map(queue).into()).unwrap()
}

/// The answer, or the error as `status type x-amzn-query-error`.
async fn ask(queues: &Queues, operation: &str, request: Value) -> Result<Value, String> {
    let Value::Object(request) = request else { panic!("a request is an object") };
    let answer = queues.answer("127.0.0.1:1", operation, request, &CallLog::default()).await;
    let (parts, body) = answer.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    if parts.status == StatusCode::OK {
        return Ok(body);
    }
    let query_error = parts.headers["x-amzn-query-error"].to_str().unwrap();
    Err(format!("{} {} {query_error}", parts.status.as_u16(), body["__type"].as_str().unwrap()))
}

/// Receives messages and returns their bodies.
async fn receive(queues: &Queues, limit: usize, wait_seconds: u64) -> Vec<String> {
    let request = json!({
        "QueueUrl": FAILURES, "MaxNumberOfMessages": limit, "WaitTimeSeconds": wait_seconds,
    });
    let answer = ask(queues, "ReceiveMessage", request).await.unwrap();
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "it is one table of cases")]
async fn what_aws_refuses_is_refused_with_its_code() {
    let queues = queues();
    let no_queue = "400 com.amazonaws.sqs#QueueDoesNotExist \
                    AWS.SimpleQueueService.NonExistentQueue;Sender";
    let missing = "400 com.amazon.coral.service#MissingRequiredParameterException \
                   MissingParameter;Sender";
    let value = "400 com.amazon.coral.service#InvalidParameterValueException \
                 InvalidParameterValue;Sender";
    let attribute = "400 com.amazonaws.sqs#InvalidAttributeName InvalidAttributeName;Sender";
    let receipt = "404 com.amazonaws.sqs#ReceiptHandleIsInvalid ReceiptHandleIsInvalid;Sender";
    let contents = "400 com.amazonaws.sqs#InvalidMessageContents InvalidMessageContents;Sender";
    let unsupported = "400 com.amazonaws.sqs#UnsupportedOperation \
                       AWS.SimpleQueueService.UnsupportedOperation;Sender";
    let address = "404 com.amazonaws.sqs#InvalidAddress InvalidAddress;Sender";
    let empty = "400 com.amazonaws.sqs#EmptyBatchRequest \
                 AWS.SimpleQueueService.EmptyBatchRequest;Sender";
    let too_many = "400 com.amazonaws.sqs#TooManyEntriesInBatchRequest \
                    AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender";
    let repeated = "400 com.amazonaws.sqs#BatchEntryIdsNotDistinct \
                    AWS.SimpleQueueService.BatchEntryIdsNotDistinct;Sender";
    let entry_id = "400 com.amazonaws.sqs#InvalidBatchEntryId \
                    AWS.SimpleQueueService.InvalidBatchEntryId;Sender";
    let too_long = "400 com.amazonaws.sqs#BatchRequestTooLong \
                    AWS.SimpleQueueService.BatchRequestTooLong;Sender";
    let entry = |id: &str, body: &str| json!({"Id": id, "MessageBody": body});
    for (operation, members, expected) in [
        ("GetQueueUrl", json!({}), missing),
        ("GetQueueUrl", json!({"QueueName": "Nowhere"}), no_queue),
        (
            "GetQueueUrl",
            json!({"QueueName": "Failures", "QueueOwnerAWSAccountId": "123456789012"}),
            no_queue,
        ),
        ("SendMessage", json!({"MessageBody": "a"}), missing),
        ("SendMessage", json!({"QueueUrl": "Failures", "MessageBody": "a"}), address),
        (
            "SendMessage",
            json!({"QueueUrl": "http://a/000000000000/Nowhere", "MessageBody": "a"}),
            no_queue,
        ),
        ("SendMessage", json!({"QueueUrl": FAILURES}), missing),
        ("SendMessage", json!({"QueueUrl": FAILURES, "MessageBody": ""}), missing),
        ("SendMessage", json!({"QueueUrl": FAILURES, "MessageBody": "\u{0}"}), contents),
        ("SendMessage", json!({"QueueUrl": FAILURES, "MessageBody": "\u{ffff}"}), contents),
        ("SendMessage", json!({"QueueUrl": FAILURES, "MessageBody": "x".repeat(1_048_577)}), value),
        (
            "SendMessage",
            json!({"QueueUrl": FAILURES, "MessageBody": "a", "DelaySeconds": 901}),
            value,
        ),
        (
            "SendMessage",
            json!({"QueueUrl": FAILURES, "MessageBody": "a", "MessageGroupId": "g"}),
            unsupported,
        ),
        ("ReceiveMessage", json!({"QueueUrl": FAILURES, "MaxNumberOfMessages": 0}), value),
        ("ReceiveMessage", json!({"QueueUrl": FAILURES, "MaxNumberOfMessages": 11}), value),
        ("ReceiveMessage", json!({"QueueUrl": FAILURES, "WaitTimeSeconds": 21}), value),
        ("ReceiveMessage", json!({"QueueUrl": FAILURES, "VisibilityTimeout": -1}), value),
        (
            "ReceiveMessage",
            json!({"QueueUrl": FAILURES, "MessageSystemAttributeNames": ["Colour"]}),
            attribute,
        ),
        ("DeleteMessage", json!({"QueueUrl": FAILURES}), missing),
        ("DeleteMessage", json!({"QueueUrl": FAILURES, "ReceiptHandle": "nonsense"}), receipt),
        (
            "ChangeMessageVisibility",
            json!({"QueueUrl": FAILURES, "ReceiptHandle": "nonsense"}),
            missing,
        ),
        (
            "ChangeMessageVisibility",
            json!({"QueueUrl": FAILURES, "ReceiptHandle": "no", "VisibilityTimeout": 43_201}),
            value,
        ),
        (
            "GetQueueAttributes",
            json!({"QueueUrl": FAILURES, "AttributeNames": ["CreatedTimestamp"]}),
            attribute,
        ),
        ("ListQueues", json!({"MaxResults": 0}), value),
        ("SendMessageBatch", json!({"QueueUrl": FAILURES, "Entries": []}), empty),
        (
            "SendMessageBatch",
            json!({"QueueUrl": FAILURES, "Entries": vec![entry("a", "a"); 11]}),
            too_many,
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": FAILURES, "Entries": [entry("a", "a"), entry("a", "b")]}),
            repeated,
        ),
        ("SendMessageBatch", json!({"QueueUrl": FAILURES, "Entries": [entry("ä", "a")]}), entry_id),
        (
            "SendMessageBatch",
            json!({
                "QueueUrl": FAILURES,
                "Entries": [entry("a", &"x".repeat(1_000_000)), entry("b", &"x".repeat(50_000))],
            }),
            too_long,
        ),
        ("CreateQueue", json!({"QueueName": "New"}), unsupported),
    ] {
        let case = members.to_string().chars().take(200).collect::<String>();
        assert_eq!(
            ask(&queues, operation, members).await,
            Err(expected.to_owned()),
            "{operation} {case}"
        );
    }
    assert_eq!(receive(&queues, 10, 0).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_batch_may_succeed_in_part() {
    let queues = queues();
    let entries = json!([
        {"Id": "1", "MessageBody": "good"},
        {"Id": "2", "MessageBody": "bad\u{1}"},
        {"Id": "3", "MessageBody": "late", "DelaySeconds": 900},
    ]);
    let request = json!({"QueueUrl": FAILURES, "Entries": entries});
    let answer = ask(&queues, "SendMessageBatch", request).await.unwrap();
    let ids = |entries: &Value| {
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!((ids(&answer["Successful"]), ids(&answer["Failed"])), ("13".into(), "2".into()));
    // md5 of `good`.
    assert_eq!(answer["Successful"][0]["MD5OfMessageBody"], "755f85c2723bb39381c7379a604160d8");
    let failed = &answer["Failed"][0];
    assert_eq!(
        (&failed["Code"], &failed["SenderFault"]),
        (&json!("InvalidMessageContents"), &json!(true))
    );
    assert_eq!(receive(&queues, 10, 0).await, ["good"]);
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_in_pages() {
    let queues = queues();
    let list = async |request: Value| ask(&queues, "ListQueues", request).await.unwrap();
    let url = |name: &str| format!("http://127.0.0.1:1/000000000000/{name}");
    assert_eq!(
        list(json!({})).await,
        json!({"QueueUrls": [url("Failures"), url("Other"), url("Third")]})
    );
    assert_eq!(list(json!({"QueueNamePrefix": "Ot"})).await, json!({"QueueUrls": [url("Other")]}));
    let page = list(json!({"MaxResults": 2})).await;
    assert_eq!(page["QueueUrls"], json!([url("Failures"), url("Other")]));
    let rest = list(json!({"MaxResults": 2, "NextToken": page["NextToken"]})).await;
    assert_eq!(rest, json!({"QueueUrls": [url("Third")]}));
    // A URL of this host is a queue's as well as one of AWS's.
    let request = json!({"QueueUrl": url("Other"), "AttributeNames": ["QueueArn"]});
    let answer = ask(&queues, "GetQueueAttributes", request).await.unwrap();
    assert_eq!(
        answer,
        json!({"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:Other"}})
    );
}

#[tokio::test]
async fn receivers_wait_for_messages_and_each_message_reaches_one_of_them() {
    let queues = queues();
    let arn = "arn:aws:sqs:us-east-1:000000000000:Failures";
    let send = async {
        // The receivers have looked in vain before anything is sent.
        tokio::task::yield_now().await;
        queues.send(arn, "a".into()).await.unwrap();
        queues.send(arn, "b".into()).await.unwrap();
    };
    let (one, other, ()) = tokio::join!(receive(&queues, 1, 20), receive(&queues, 1, 20), send);
    let mut all = [one, other].concat();
    all.sort();
    assert_eq!(all, ["a", "b"]);
    assert_eq!(receive(&queues, 10, 0).await, Vec::<String>::new());
    let nowhere = queues.send("arn:aws:sqs:us-east-1:000000000000:Nowhere", "c".into()).await;
    assert_eq!(nowhere, Err("there is no such queue".into()));
}

#[tokio::test]
async fn a_receiver_that_waits_gets_a_message_when_it_becomes_visible() {
    let queues = queues();
    let send = json!({"QueueUrl": FAILURES, "MessageBody": "a"});
    ask(&queues, "SendMessage", send).await.unwrap();
    let take = json!({"QueueUrl": FAILURES, "VisibilityTimeout": 43_200});
    let taken = ask(&queues, "ReceiveMessage", take).await.unwrap();
    let handle = &taken["Messages"][0]["ReceiptHandle"];
    let give_up = async {
        tokio::task::yield_now().await;
        let request =
            json!({"QueueUrl": FAILURES, "ReceiptHandle": handle, "VisibilityTimeout": 0});
        ask(&queues, "ChangeMessageVisibility", request).await.unwrap();
    };
    let (received, ()) = tokio::join!(receive(&queues, 1, 20), give_up);
    assert_eq!(received, ["a"]);
    // A delay ends without a call that changes the queue.
    let send = json!({"QueueUrl": FAILURES, "MessageBody": "b", "DelaySeconds": 1});
    ask(&queues, "SendMessage", send).await.unwrap();
    assert_eq!(receive(&queues, 1, 20).await, ["b"]);
}
