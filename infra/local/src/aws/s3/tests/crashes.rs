//! Faults, restarts, and callers that die in the middle.

use super::*;
use crate::aws::{Failure, Fault};

fn fault(operation: &str, start: &str, failure: Failure) -> Fault {
    Fault {
        service: Service::S3,
        operation: Some(operation.to_owned()),
        target: Some(format!("{VERSIONED}/{start}")),
        failure,
        times: 1,
    }
}

#[tokio::test]
async fn a_fault_strikes_the_operation_and_the_keys_that_it_names() {
    let served = Served::start().await;
    for (failure, expected, has_effect) in [
        (Failure::Internal, "InternalError", false),
        (Failure::Throttled, "SlowDown", false),
        (Failure::TransactionConflict, "ConditionalRequestConflict", false),
        (Failure::AnswerLost, "InternalError", true),
    ] {
        served.aws.fail(fault("PutObject", "tile/", failure));
        served.put(VERSIONED, "checkpoint", "other key").await;
        served.put(PLAIN, "tile/0/000", "other bucket").await;
        assert_eq!(served.get(VERSIONED, "tile/none").await, Err("NoSuchKey".to_owned()));
        let key = format!("tile/{failure:?}");
        let put = || served.client.put_object().bucket(VERSIONED).key(&key).body(body("x"));
        assert_eq!(refusal(put().send().await), expected);
        assert_eq!(served.get(VERSIONED, &key).await.is_ok(), has_effect, "{failure:?}");
        put().send().await.unwrap();
    }
    served.aws.fail(Fault { operation: None, ..fault("", "", Failure::Internal) });
    served.aws.recover();
    served.put(VERSIONED, "key", "works again").await;
}

#[tokio::test]
async fn a_caller_can_be_killed_just_before_and_right_after_its_write() {
    let served = Served::start().await;
    for (failure, has_effect) in [(Failure::HeldBefore, false), (Failure::HeldAfter, true)] {
        let key = format!("{failure:?}");
        served.aws.fail(fault("PutObject", "", failure));
        let put = served.client.put_object().bucket(VERSIONED).key(&key).body(body("x"));
        let caller = tokio::spawn(put.send());
        served.aws.held().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(served.get(VERSIONED, &key).await.is_ok(), has_effect, "{failure:?}");
        let deleted = served.client.delete_object().bucket(VERSIONED).key(&key).send().await;
        deleted.unwrap();
    }
}

#[tokio::test]
async fn objects_outlive_the_stack_in_its_directory() {
    let parent = tempfile::tempdir().unwrap();
    let state = State::Directory(parent.path().join("state"));
    let served = Served::start_in(state.clone()).await;
    served.put(PLAIN, "key", "old").await;
    served.put(PLAIN, "key", "new").await;
    for content in ["one", "two", "three"] {
        let put = served.client.put_object().bucket(VERSIONED).key("key").body(body(content));
        put.metadata("content", content).send().await.unwrap();
    }
    served.client.delete_object().bucket(VERSIONED).key("key").send().await.unwrap();
    let before = served.client.list_object_versions().bucket(VERSIONED).send().await.unwrap();
    served.aws.shutdown().await;

    let served = Served::start_in(state).await;
    assert_eq!(served.get(PLAIN, "key").await.unwrap(), "new");
    assert_eq!(served.get(VERSIONED, "key").await, Err("NoSuchKey".to_owned()));
    let after = served.client.list_object_versions().bucket(VERSIONED).send().await.unwrap();
    assert_eq!(
        (after.versions(), after.delete_markers()),
        (before.versions(), before.delete_markers())
    );
    let marker = after.delete_markers()[0].version_id().unwrap();
    let delete = served.client.delete_object().bucket(VERSIONED).key("key").version_id(marker);
    delete.send().await.unwrap();
    let get = served.client.get_object().bucket(VERSIONED).key("key").send().await.unwrap();
    assert_eq!(get.metadata().unwrap()["content"], "three");
    assert_eq!(text(get.body).await, "three");
    served.put(VERSIONED, "key", "four").await.unwrap();
    assert_eq!(served.get(VERSIONED, "key").await.unwrap(), "four");
}

#[tokio::test]
async fn an_object_that_a_crash_left_beside_its_successor_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let state = State::Directory(parent.path().join("state"));
    let directory = parent.path().join("state/s3").join(PLAIN);
    let served = Served::start_in(state.clone()).await;
    served.put(PLAIN, "key", "old").await;
    let old = std::fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    let content = std::fs::read(&old).unwrap();
    served.put(PLAIN, "key", "new").await;
    assert!(!old.exists());
    served.aws.shutdown().await;
    std::fs::write(&old, content).unwrap();

    let served = Served::start_in(state).await;
    assert_eq!(served.get(PLAIN, "key").await.unwrap(), "new");
    assert!(!old.exists());
    served.put(PLAIN, "key", "newest").await;
    assert_eq!(served.get(PLAIN, "key").await.unwrap(), "newest");
}
