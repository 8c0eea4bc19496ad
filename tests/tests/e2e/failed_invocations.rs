//! Workers that fail: the attempts that Lambda makes, and the records in the queues of failures.

use std::time::Duration;

use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::TestStack;

use crate::chat::{FAST, ask_async};

/// Starts a stack in which a worker that fails is attempted again at once.
async fn start() -> TestStack {
    TestStack::of(|options| {
        options.sets = FAST.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        options.processes.retry_delays = [Duration::ZERO; 2];
    })
    .await
}

#[tokio::test]
async fn a_mail_whose_worker_died_is_sent_by_the_next_attempt_or_ends_in_the_queue() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let stack = start().await;
        let caller = stack.someone().await;
        let email = format!("{}@example.com", caller.username);
        stack.fail("MailTokensTable", Some("TransactWriteItems"), moment, 1);
        stack.post("/auth/password/forgot", None, &json!({"email": email})).await.expect(202);
        stack.local.aws().held().await;
        stack.local.functions().kill("SendMailFunction").unwrap();
        if moment == Failure::HeldBefore {
            stack.token_from(0, &email).await;
            continue;
        }
        // The worker that died had taken the mail, so the others don't know whether it went out.
        let record = stack.record("SendMailFailures").await;
        let context = &record["requestContext"];
        assert_eq!(
            (&context["condition"], &context["approximateInvokeCount"]),
            (&json!("RetriesExhausted"), &json!(3)),
            "{record}"
        );
        let members: Vec<_> = record["requestPayload"].as_object().unwrap().keys().collect();
        assert_eq!(members, ["email_id"]);
        assert_eq!(record["responsePayload"]["errorType"], "unavailable");
        assert_eq!(stack.local.outbox().mails(), []);
    }
}

#[tokio::test]
async fn a_reply_whose_worker_died_leaves_its_ids_and_no_text_in_the_queue() {
    let stack = start().await;
    let caller = stack.someone().await;
    stack.fail("MessagesTable", Some("UpdateItem"), Failure::HeldBefore, 1);
    let asked = ask_async(&stack, &caller, &json!({"message": "Anyone?"})).await.expect(202);
    stack.local.aws().held().await;
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    let record = stack.record("ChatStreamFailures").await;
    let context = &record["requestContext"];
    assert_eq!(
        (&context["condition"], &context["approximateInvokeCount"]),
        (&json!("RetriesExhausted"), &json!(1)),
        "{record}"
    );
    for id in ["conversation_id", "message_id"] {
        assert_eq!(record["requestPayload"][id], asked[id]);
    }
    assert!(!record.to_string().contains("Anyone?"), "{record}");
}
