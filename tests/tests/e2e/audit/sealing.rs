//! The sealer under crashes, races and disturbed streams.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use archive::Sealer;
use futures_util::future::join_all;
use http::Method;
use platform::audit::Event;
use platform::clock::Clock;
use platform::store::Retention;
use serde_json::{Value, json};
use tally_local::aws::{Failure, Fault, Service};
use tally_local::{StreamFailure, StreamFault};
use tally_tests::{Caller, TestStack, id};
use tokio::time::sleep;
use transparency::{Hash, TlogProof};

use super::sealed_log::{ORIGIN, SealedLog};
use super::{SEALER, new_events, write};

/// The item of an event in the table of the sequence.
async fn placed(stack: &TestStack, id: &str) -> Option<Value> {
    stack.items("AuditSequenceTable").await.into_iter().find(|item| item["id"]["S"] == id)
}

async fn proof(stack: &TestStack, caller: &Caller, id: &str, accept: &str) -> tally_tests::Answer {
    let request = stack.request(Method::GET, &format!("/audit/{id}/proof"));
    stack.send(request.bearer_auth(&caller.access).header("accept", accept)).await
}

#[tokio::test]
async fn an_event_comes_into_the_log_by_the_stream_and_proves_itself() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    let demo = stack.demo().await;
    stack.local.drained(SEALER).await.unwrap();
    let own = crate::chat::own_events(&stack, &demo, "auth.login").await;
    let login = id(&own[0]);
    let item = placed(&stack, &login).await.expect("the stream has brought it");
    assert_eq!(item.get("late"), None);
    let index: u64 = item["index"]["N"].as_str().unwrap().parse().unwrap();

    let read = stack.get(&format!("/audit/{login}"), Some(&demo)).await.expect(200);
    assert_eq!(read["index"], index);
    let json = proof(&stack, &demo, &login, "application/json").await.expect(200);
    assert_eq!((&json["event"], &json["index"]), (&own[0], &index.into()));
    let answer = proof(&stack, &demo, &login, "text/plain").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let text = TlogProof::parse(answer.text.as_bytes()).unwrap();
    let sealed: Event = serde_json::from_value(json["event"].clone()).unwrap();
    assert_eq!(text.extra.as_deref(), Some(sealed.canonical().as_bytes()));
    let leaf = Hash::leaf(sealed.canonical().as_bytes());
    let keys = [log.key().clone()];
    text.verify(leaf, ORIGIN, &keys).unwrap();
    assert!(text.verify(Hash::leaf(b"another"), ORIGIN, &keys).is_err());
    let hashes: Vec<_> = text.hashes.iter().map(|hash| json!(hash.to_string())).collect();
    assert_eq!(json["inclusion_proof"], Value::from(hashes));

    // Another user has no proof of it, and an auditor has.
    let someone = stack.someone().await;
    proof(&stack, &someone, &login, "application/json").await.problem(404, "not_found");
    let auditor = stack.admin().await;
    proof(&stack, &auditor, &login, "application/json").await.expect(200);
    proof(&stack, &auditor, &login, "text/csv").await.problem(406, "not_acceptable");
    let keys = stack.get("/audit/keys", Some(&auditor)).await.expect(200);
    assert_eq!(keys["items"][0]["vkey"], log.key().to_string());
    assert_eq!(keys["items"][0]["time_vkey"], log.key().cosigner().to_string());
    log.check(&stack).await;
}

#[tokio::test]
async fn a_checkpoint_is_public_where_the_deployment_says_so() {
    for (setting, status) in [("off", 401), ("on", 200)] {
        let stack = TestStack::with(&[("AuditPublicCheckpoint", setting)]).await;
        stack.seal().await;
        let answer = stack.get("/audit/checkpoint", None).await;
        assert_eq!(answer.status, status, "{setting}");
        if status == 200 {
            assert!(answer.text.starts_with(&format!("{ORIGIN}\n")), "{}", answer.text);
        }
        let demo = stack.demo().await;
        assert_eq!(stack.get("/audit/checkpoint", Some(&demo)).await.status, 200);
    }
}

#[tokio::test]
async fn a_sealer_killed_at_any_write_leaves_one_log() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    log.check(&stack).await;
    let path = |path: &str| format!("{}/{path}", log.bucket());
    let tables = &stack.local.deployment().resources.tables;
    let sequence = tables.iter().find(|table| table.id == "AuditSequenceTable").unwrap();
    let sequence = sequence.name.clone();
    let writes = [
        (Service::DynamoDb, "TransactWriteItems", sequence.clone(), 0),
        (Service::S3, "PutObject", path("tile/entries/"), 0),
        (Service::S3, "PutObject", path("tile/0/"), 0),
        (Service::DynamoDb, "UpdateItem", sequence, 0),
        (Service::S3, "PutObject", path("checkpoints/"), 0),
        // The kept checkpoint is the first of two writes whose paths begin so.
        (Service::S3, "PutObject", path("checkpoint"), 1),
    ];
    for (service, operation, target, passed) in writes {
        for failure in [Failure::HeldBefore, Failure::HeldAfter] {
            let fault = |failure, times| Fault {
                service,
                operation: Some(operation.to_owned()),
                target: Some(target.clone()),
                failure,
                times,
            };
            stack.local.aws().fail(fault(Failure::Passed, passed));
            stack.local.aws().fail(fault(failure, 1));
            // The stream may bring the events before this invocation finds them. Then its sealer is
            // the one that is killed.
            write(&stack, &new_events(3)).await;
            let payload = json!({"reconcile": true}).to_string();
            let kill = async {
                stack.local.aws().held().await;
                stack.local.functions().kill(SEALER).unwrap();
            };
            let (answer, ()) = tokio::join!(stack.local.invoke(SEALER, payload), kill);
            drop(answer);
            stack.local.aws().recover();
            log.check(&stack).await;
        }
    }
}

#[tokio::test]
async fn a_disturbed_stream_leaves_one_log() {
    for failure in [StreamFailure::Twice, StreamFailure::TwiceAtOnce, StreamFailure::Late] {
        let stack = TestStack::sealing().await;
        let log = SealedLog::of(&stack).await;
        // The events of the start come first.
        stack.local.drained(SEALER).await.unwrap();
        stack.local.fail_stream(StreamFault { function: SEALER.to_owned(), failure, times: 1 });
        let events = new_events(120);
        write(&stack, &events).await;
        loop {
            tokio::select! {
                drained = stack.local.drained(SEALER) => break drained.unwrap(),
                // A late batch waits for another one.
                () = sleep(Duration::from_secs(1)) => write(&stack, &new_events(1)).await,
            }
        }
        for event in [&events[0], &events[119]] {
            let item = placed(&stack, &event.id).await;
            assert!(item.is_some_and(|item| item.get("late").is_none()), "{failure:?}");
        }
        log.check(&stack).await;
    }
}

#[tokio::test]
async fn an_event_that_the_stream_has_lost_is_sealed_late() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    stack.local.drained(SEALER).await.unwrap();
    let lost = StreamFailure::Lost;
    stack.local.fail_stream(StreamFault { function: SEALER.into(), failure: lost, times: 1 });
    let events = new_events(2);
    write(&stack, &events).await;
    stack.local.drained(SEALER).await.unwrap();
    let lost = &events[1].id;
    assert_eq!(placed(&stack, lost).await, None);
    let auditor = stack.admin().await;
    proof(&stack, &auditor, lost, "application/json").await.problem(409, "not_sealed");
    log.check(&stack).await;
    let item = placed(&stack, lost).await.unwrap();
    assert_eq!(item["late"]["BOOL"], true);
    proof(&stack, &auditor, lost, "application/json").await.expect(200);
}

#[tokio::test]
async fn reconciliation_finds_lost_events_in_all_shards_and_pieces() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    stack.local.drained(SEALER).await.unwrap();
    let failure = StreamFailure::Lost;
    stack.local.fail_stream(StreamFault { function: SEALER.into(), failure, times: 1_000 });
    let events = new_events(1_300);
    write(&stack, &events).await;
    stack.local.drained(SEALER).await.unwrap();
    assert_eq!(placed(&stack, &events[0].id).await, None);
    let read = log.check(&stack).await;
    assert!(read.entries.len() >= events.len());
    let item = placed(&stack, &events[1_299].id).await.unwrap();
    assert_eq!(item["late"]["BOOL"], true);
}

#[tokio::test]
async fn sealers_at_once_leave_one_log() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    for _ in 0..3 {
        write(&stack, &new_events(300)).await;
        join_all((0..4).map(|_| stack.seal())).await;
    }
    let read = log.check(&stack).await;
    assert!(read.entries.len() >= 900);
    assert!(read.sizes.len() >= 3, "{:?}", read.sizes);
}

#[tokio::test]
async fn the_last_bundle_is_renewed_before_its_retention_is_over() {
    let stack = TestStack::start().await;
    let log = SealedLog::of(&stack).await;
    write(&stack, &new_events(3)).await;
    stack.seal().await;
    let mut platform = stack.platform("AuditFunction");
    let retention = Retention::new(&platform.config).unwrap();
    for (days, versions) in [(199, 1), (201, 2)] {
        let time = Clock::System.now().as_millisecond() + days * 86_400_000;
        platform.clock = Clock::Manual(Arc::new(AtomicI64::new(time)));
        Sealer::new(&platform).unwrap().renew_last_bundle(retention).await.unwrap();
        assert_eq!(log.bundle_versions().await, versions, "{days}");
    }
    log.check(&stack).await;
}
