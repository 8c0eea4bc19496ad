//! A DynamoDB that never answers, with functions that no client waits for. Each one fails by
//! itself, before Lambda ends it. So does the one that knows S3 alone.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_chat::ReplyStart;
use tally_data::domain::ChartType;
use tally_data::store::StreamStart;
use tally_files::domain::Prepare;
use tally_local::aws::{Failure, Fault, Service};
use tally_local::lambda::InvokeError;
use tally_tests::TestStack;

use crate::chat::sweep::drafts;
use crate::chat::worker::{pending, platform_of, start_of_reply};

const SILENT: Fault = Fault {
    service: Service::DynamoDb,
    operation: None,
    target: None,
    failure: Failure::HeldBefore,
    times: usize::MAX,
};

const SILENT_S3: Fault = Fault {
    service: Service::S3,
    operation: None,
    target: None,
    failure: Failure::HeldBefore,
    times: usize::MAX,
};

const ID: &str = "019a0000-0000-7000-8000-000000000000";

/// The input of each worker.
fn payloads() -> BTreeMap<&'static str, Value> {
    let reply =
        ReplyStart { conversation_id: ID.into(), message_id: ID.into(), user_id: ID.into() };
    let stream = StreamStart {
        connection_id: "c-1=".into(),
        connected_at: 0,
        chart_type: ChartType::Line,
        subscription_id: ID.into(),
        generation: 1,
        announce: false,
    };
    let prepare = Prepare {
        user_id: ID.into(),
        file_id: ID.into(),
        size: 1,
        sha256: "0".repeat(64),
        media_type: "text/plain".into(),
    };
    let end = json!({
        "requestContext": {"condition": "Success"}, "requestPayload": prepare,
        "responsePayload": {"status": "ready", "parts": 1},
    });
    BTreeMap::from([
        ("AuditSealFunction", json!({})),
        ("BootstrapAdminFunction", json!({"username": "demo"})),
        ("ChartStreamFunction", serde_json::to_value(stream).unwrap()),
        ("ChatStreamFunction", serde_json::to_value(reply).unwrap()),
        ("EraseFunction", json!({"user_id": ID})),
        ("ExpireRepliesFunction", json!({})),
        ("FileEndFunction", end),
        ("FilePrepareFunction", serde_json::to_value(prepare).unwrap()),
        ("JobRunFunction", json!({"user_id": ID, "job_id": ID})),
        ("RotateRingFunction", json!({"emergency": true, "ring": "refresh"})),
        ("SeedFunction", json!({})),
        ("SendMailFunction", json!({"errand_id": ID})),
        ("PurgeConversationsFunction", json!({"conversation_id": ID})),
        ("TellDenialsFunction", json!({})),
    ])
}

/// The type of the error that the function itself returns. Panics if Lambda ended the function.
async fn error_type(stack: &TestStack, function: &str, payload: &Value) -> String {
    match stack.local.invoke(function, payload.to_string()).await {
        Err(InvokeError::Unhandled { error_type, .. }) => error_type,
        other => panic!("{function}: {other:?}"),
    }
}

#[tokio::test]
async fn every_worker_fails_by_itself_where_the_database_is_silent() {
    // The times are the shortest that the template allows.
    let stack = TestStack::with(&[("ChatReplySeconds", "16"), ("ChartStreamSeconds", "10")]).await;
    let deployment = stack.local.deployment();
    let http = deployment.http_api.as_ref().unwrap();
    let socket = deployment.websocket_api.as_ref().unwrap();
    let answering: BTreeSet<_> =
        http.routes.iter().map(|route| &route.function).chain(socket.routes.values()).collect();
    let workers = deployment
        .functions
        .iter()
        .map(|function| &function.id)
        .filter(|id| !answering.contains(id));
    let payloads = payloads();
    let known = payloads.keys().copied().collect::<BTreeSet<_>>();
    assert_eq!(
        workers.map(String::as_str).collect::<BTreeSet<_>>(),
        known,
        "what is a new worker invoked with?"
    );

    stack.local.aws().fail(SILENT);
    stack.local.aws().fail(SILENT_S3);
    let errors =
        join_all(payloads.iter().map(async |(function, payload)| {
            (*function, error_type(&stack, function, payload).await)
        }));
    for (function, error) in errors.await {
        assert_eq!(error, "unavailable", "{function}");
    }
}

#[tokio::test]
async fn a_worker_fails_by_itself_where_the_database_falls_silent_under_it() {
    // The worker would try to store the end of a reply for longer than the rest of the 17 s.
    let stack =
        TestStack::with(&[("LoremWordMilliseconds", "200"), ("ChatReplySeconds", "17")]).await;
    let platform = platform_of(&stack, &[]);
    let reply = pending(&platform, "At length", None).await;
    let silence = async {
        while drafts(&stack).text(&reply.id).await.unwrap().0.is_empty() {}
        stack.local.aws().fail(SILENT);
    };
    let payload = serde_json::to_value(start_of_reply(&reply)).unwrap();
    let (error, ()) = tokio::join!(error_type(&stack, "ChatStreamFunction", &payload), silence);
    assert_eq!(error, "unavailable");
}
