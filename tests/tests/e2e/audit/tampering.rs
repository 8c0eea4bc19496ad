//! Changes of the audit table behind the log's back.

use platform::metrics::Signal;
use serde_json::{Value, json};
use tally_local::{StreamFailure, StreamFault};
use tally_tests::{Caller, TestStack};

use super::sealed_log::SealedLog;
use super::{ANN, DAY_MS, SEALER, ago, event, new_events, write};
use crate::signals::emitted;

/// The result of a whole verification: that of its first bad part, or of its last.
pub async fn verify(stack: &TestStack, auditor: &Caller) -> Value {
    let mut path = "/audit/verify".to_owned();
    loop {
        let part = stack.get(&path, Some(auditor)).await.expect(200);
        match part["next_cursor"].as_str() {
            Some(cursor) if part["ok"] == true => path = format!("/audit/verify?cursor={cursor}"),
            _ => return part,
        }
    }
}

/// The events about changes of the table, sorted by the kind of change.
async fn told(stack: &TestStack, auditor: &Caller) -> Vec<Value> {
    stack.local.drained(SEALER).await.unwrap();
    let mut events = stack.events(auditor, "audit.tampered").await;
    events.sort_by_key(|event| event["detail"]["change"].to_string());
    events
}

/// The item of an event, in DynamoDB's JSON.
async fn item(stack: &TestStack, id: &str) -> Value {
    let items = stack.items("AuditTable").await;
    items.into_iter().find(|item| item["id"]["S"] == id).unwrap()
}

#[tokio::test]
async fn an_edited_and_a_deleted_event_are_told_of_and_found() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    let auditor = stack.admin().await;
    let events = new_events(300);
    write(&stack, &events).await;
    log.check(&stack).await;
    let verified = verify(&stack, &auditor).await;
    assert_eq!((&verified["ok"], &verified["first_bad"]), (&json!(true), &Value::Null));
    assert!(verified["sealed_through"].is_string());

    let original = item(&stack, &events[7].id).await;
    let mut edited = original.clone();
    edited["ip"]["S"] = "192.0.2.1".into();
    stack.put_item("AuditTable", &edited).await;
    let found = verify(&stack, &auditor).await;
    assert_eq!(found["ok"], false);
    assert_eq!(
        (&found["first_bad"]["what"], &found["first_bad"]["id"]),
        (&json!("edited"), &json!(events[7].id))
    );
    stack.put_item("AuditTable", &original).await;
    let key = json!({"shard": original["shard"], "id": original["id"]});
    stack.delete_item("AuditTable", &key).await;
    let found = verify(&stack, &auditor).await;
    assert_eq!(
        (&found["first_bad"]["what"], &found["first_bad"]["id"]),
        (&json!("deleted"), &json!(events[7].id))
    );

    let told = told(&stack, &auditor).await;
    let changes: Vec<_> = told.iter().map(|event| event["detail"]["change"].clone()).collect();
    assert_eq!(changes, ["deleted", "edited", "edited"]);
    for event in &told {
        assert_eq!(event["resource"], format!("event:{}", events[7].id));
        assert_eq!(event["outcome"], "failure");
    }
    let signal = Signal::Tampering.name();
    // A line can come after the answer.
    while emitted(&stack, SEALER, 3).await.iter().filter(|(name, _)| name == signal).count() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told[0]["detail"]["hash_before"], original["hash"]["S"]);
    assert_eq!(told[1]["detail"]["attributes"], json!(["ip"]));
    // What was told is sealed itself. The log still has the event that was deleted.
    stack.local.drained(SEALER).await.unwrap();
    let read = log.read().await;
    let has =
        |id: &str| read.entries.iter().any(|entry| entry.contains(&format!("\"id\":\"{id}\"")));
    assert!(has(&events[7].id));
    assert!(has(told[0]["id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_forged_or_missing_bundle_is_found_at_its_first_bad_entry() {
    let stack = TestStack::sealing().await;
    let log = SealedLog::of(&stack).await;
    let auditor = stack.admin().await;
    let events = new_events(300);
    write(&stack, &events).await;
    let sealed = log.check(&stack).await.entries[..256].to_vec();
    let forged = |change: &dyn Fn(&mut Vec<String>)| {
        let mut entries = sealed.clone();
        change(&mut entries);
        entries
    };
    for (index, entries) in [
        (200, forged(&|entries| entries[200].push(' '))),
        (100, forged(&|entries| drop(entries.remove(100)))),
        (50, forged(&|entries| entries.insert(50, sealed[49].clone()))),
        (10, forged(&|entries| entries.swap(10, 20))),
        (0, forged(&|entries| entries.clear())),
    ] {
        log.forge(&entries).await;
        let found = verify(&stack, &auditor).await;
        assert_eq!(found["first_bad"], json!({"index": index, "what": "damaged"}));
    }
    log.delete("tile/entries/000").await;
    let found = verify(&stack, &auditor).await;
    assert_eq!(found["first_bad"], json!({"index": 0, "what": "truncated"}));
    log.forge(&sealed).await;
    assert_eq!(verify(&stack, &auditor).await["ok"], true);
}

#[tokio::test]
async fn items_that_are_no_events_are_told_of_and_stop_nothing() {
    let stack = TestStack::sealing().await;
    let auditor = stack.admin().await;
    let own = event(ANN, "test.read", ago(0), 0);
    write(&stack, std::slice::from_ref(&own)).await;
    stack.local.drained(SEALER).await.unwrap();
    // A copy of an event in another shard, and an item without the attributes of an event.
    let mut copy = item(&stack, &own.id).await;
    let shard: u8 = copy["shard"]["N"].as_str().unwrap().parse().unwrap();
    copy["shard"]["N"] = ((shard + 1) % 8).to_string().into();
    stack.put_item("AuditTable", &copy).await;
    let other = json!({"shard": {"N": "0"}, "id": {"S": format!("{}-", own.id)}});
    stack.put_item("AuditTable", &other).await;
    let told = told(&stack, &auditor).await;
    let changes: Vec<_> = told.iter().map(|event| event["detail"]["change"].clone()).collect();
    assert_eq!(changes, ["inserted", "inserted"]);
    let found = verify(&stack, &auditor).await;
    assert_eq!((&found["ok"], &found["first_bad"]["what"]), (&json!(false), &json!("inserted")));

    // Reconciliation still finds an event that the stream has lost.
    let failure = StreamFailure::Lost;
    stack.local.fail_stream(StreamFault { function: SEALER.to_owned(), failure, times: 1 });
    let lost = event(ANN, "test.read", ago(0), 1);
    write(&stack, std::slice::from_ref(&lost)).await;
    stack.local.drained(SEALER).await.unwrap();
    stack.seal().await;
    let places = stack.items("AuditSequenceTable").await;
    assert!(places.iter().any(|place| place["id"]["S"] == lost.id.as_str()));
}

/// Reconciliation has passed the time of the event already, so only a verification finds it.
#[tokio::test]
async fn an_event_that_is_put_into_the_past_is_found() {
    let stack = TestStack::sealing().await;
    let auditor = stack.admin().await;
    stack.local.drained(SEALER).await.unwrap();
    stack.seal().await;
    let failure = StreamFailure::Lost;
    stack.local.fail_stream(StreamFault { function: SEALER.to_owned(), failure, times: 1 });
    let inserted = event(ANN, "test.read", ago(20 * 60_000), 0);
    write(&stack, std::slice::from_ref(&inserted)).await;
    stack.local.drained(SEALER).await.unwrap();
    let found = verify(&stack, &auditor).await;
    assert_eq!(found["ok"], false);
    assert_eq!(found["first_bad"], json!({"id": inserted.id, "what": "inserted"}));
}

#[tokio::test]
async fn an_item_past_its_retention_is_deleted_without_an_event() {
    let stack = TestStack::sealing().await;
    let auditor = stack.admin().await;
    let old = event(ANN, "test.read", ago(401 * DAY_MS), 0);
    write(&stack, std::slice::from_ref(&old)).await;
    stack.local.aws().expire().await;
    assert_eq!(told(&stack, &auditor).await, Vec::<Value>::new());
    let items = stack.items("AuditTable").await;
    assert!(items.iter().all(|item| item["id"]["S"] != old.id));
    // The sequence keeps the entry for a week, but the endpoint does not prove it any more.
    let path = format!("/audit/{}/proof", old.id);
    stack.get(&path, Some(&auditor)).await.problem(404, "not_found");
}
