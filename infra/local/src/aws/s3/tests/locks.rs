//! Object Lock: what it keeps, from whom, and how it is told.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    Delete, ObjectIdentifier, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode,
    ObjectLockRetention, ObjectLockRetentionMode,
};

use super::hostile::presigned;
use super::*;

#[expect(clippy::disallowed_methods, reason = "this is a test")]
fn in_hours(hours: i64) -> DateTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    DateTime::from_secs(i64::try_from(now).unwrap() + hours * 3600)
}

impl Served {
    async fn delete_version(&self, key: &str, version: &str, bypass: bool) -> Result<(), String> {
        let delete = self.client.delete_object().bucket(LOCKABLE).key(key).version_id(version);
        let deleted = delete.bypass_governance_retention(bypass).send().await;
        deleted.map(|_| ()).map_err(|error| code(&error))
    }

    async fn put_locked(&self, key: &str, mode: ObjectLockMode) -> String {
        let put = self.client.put_object().bucket(LOCKABLE).key(key).body(body(key));
        let put = put.object_lock_mode(mode).object_lock_retain_until_date(in_hours(1));
        put.send().await.unwrap().version_id.unwrap()
    }
}

#[tokio::test]
async fn a_locked_version_stays_and_only_governance_can_be_bypassed() {
    let served = Served::start().await;
    let denied = Err("AccessDenied".to_owned());
    for (mode, bypassed) in
        [(ObjectLockMode::Governance, Ok(())), (ObjectLockMode::Compliance, denied.clone())]
    {
        let key = mode.as_str().to_owned();
        let version = served.put_locked(&key, mode.clone()).await;
        let head = served.client.head_object().bucket(LOCKABLE).key(&key).send().await.unwrap();
        assert_eq!(head.object_lock_mode(), Some(&mode));
        let until = head.object_lock_retain_until_date().unwrap();
        assert!(*until > in_hours(0) && *until <= in_hours(1), "{until:?}");
        let get = served.client.get_object_retention().bucket(LOCKABLE).key(&key);
        let retention = get.send().await.unwrap().retention.unwrap();
        assert_eq!(retention.retain_until_date(), Some(until));
        assert_eq!(retention.mode().unwrap().as_str(), mode.as_str());

        // An overwrite makes a version, and a deletion a marker. The locked version stays.
        served.put(LOCKABLE, &key, "other").await;
        let delete = served.client.delete_object().bucket(LOCKABLE).key(&key).send().await.unwrap();
        assert_eq!(delete.delete_marker(), Some(true));
        let old = served.client.get_object().bucket(LOCKABLE).key(&key).version_id(&version);
        assert_eq!(text(old.send().await.unwrap().body).await, key);

        assert_eq!(served.delete_version(&key, &version, false).await, denied);
        assert_eq!(served.delete_version(&key, &version, true).await, bypassed, "{key}");
        served.delete_version(&key, delete.version_id().unwrap(), false).await.unwrap();
        assert_eq!(served.get(LOCKABLE, &key).await.unwrap(), "other");
    }
}

#[tokio::test]
async fn a_legal_hold_holds_until_it_is_lifted() {
    let served = Served::start().await;
    let version = served.put(LOCKABLE, "key", "hello").await.unwrap();
    let get = || served.client.get_object_legal_hold().bucket(LOCKABLE).key("key");
    assert_eq!(refusal(get().send().await), "NoSuchObjectLockConfiguration");
    for status in [ObjectLockLegalHoldStatus::On, ObjectLockLegalHoldStatus::Off] {
        let hold = ObjectLockLegalHold::builder().status(status.clone()).build();
        let put = served.client.put_object_legal_hold().bucket(LOCKABLE).key("key");
        put.legal_hold(hold).send().await.unwrap();
        assert_eq!(get().send().await.unwrap().legal_hold.unwrap().status(), Some(&status));
        let head = served.client.head_object().bucket(LOCKABLE).key("key").send().await.unwrap();
        assert_eq!(head.object_lock_legal_hold_status(), Some(&status));
        assert_eq!(served.get(LOCKABLE, "key").await.unwrap(), "hello");
        let deleted = served.delete_version("key", &version, true).await;
        assert_eq!(deleted.is_ok(), status == ObjectLockLegalHoldStatus::Off);
    }
}

#[tokio::test]
async fn a_retention_grows_but_shrinks_only_with_the_permission() {
    let served = Served::start().await;
    served.put_locked("key", ObjectLockMode::Governance).await;
    let retain = |hours: i64, bypass: bool| {
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .retain_until_date(in_hours(hours))
            .build();
        let put = served.client.put_object_retention().bucket(LOCKABLE).key("key");
        put.retention(retention).bypass_governance_retention(bypass).send()
    };
    retain(5, false).await.unwrap();
    assert_eq!(refusal(retain(3, false).await), "AccessDenied");
    retain(3, true).await.unwrap();
    assert_eq!(refusal(retain(-1, true).await), "InvalidArgument");
}

#[tokio::test]
async fn the_default_of_the_bucket_locks_what_is_put_without_a_lock() {
    let parent = tempfile::tempdir().unwrap();
    let state = State::Directory(parent.path().join("state"));
    let served = Served::start_in(state.clone()).await;
    let version = served.put(LOCKED, "checkpoint", "one").await.unwrap();
    served.put(LOCKED, "checkpoint", "two").await;
    let delete = |client: &Client| {
        client.delete_object().bucket(LOCKED).key("checkpoint").version_id(&version).send()
    };
    assert_eq!(refusal(delete(&served.client).await), "AccessDenied");
    let keys = [("checkpoint", Some(version.clone())), ("none", None)];
    let objects = keys.map(|(key, version)| {
        ObjectIdentifier::builder().key(key).set_version_id(version).build().unwrap()
    });
    let several = Delete::builder().set_objects(Some(objects.into())).build().unwrap();
    let several = served.client.delete_objects().bucket(LOCKED).delete(several).send().await;
    let several = several.unwrap();
    assert_eq!(several.errors().len(), 1);
    assert_eq!(several.errors()[0].code(), Some("AccessDenied"));
    assert_eq!(several.deleted()[0].key(), Some("none"));
    served.aws.shutdown().await;

    let served = Served::start_in(state).await;
    assert_eq!(refusal(delete(&served.client).await), "AccessDenied");
    assert_eq!(served.get(LOCKED, "checkpoint").await.unwrap(), "two");
    let head = served.client.head_object().bucket(LOCKED).key("checkpoint").version_id(&version);
    let head = head.send().await.unwrap();
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Governance));
    let until = head.object_lock_retain_until_date().unwrap();
    assert!(*until > in_hours(23) && *until <= in_hours(24), "{until:?}");
    let configuration = served.client.get_object_lock_configuration().bucket(LOCKED);
    let configuration = configuration.send().await.unwrap().object_lock_configuration.unwrap();
    let default = configuration.rule().unwrap().default_retention().unwrap();
    assert_eq!(default.days(), Some(1));
}

#[tokio::test]
async fn a_bucket_without_object_lock_refuses_locks_and_a_locked_put_needs_a_checksum() {
    let served = Served::start().await;
    let put = |bucket: &str| served.client.put_object().bucket(bucket).key("key").body(body("x"));
    let locked = put(VERSIONED).object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On);
    assert_eq!(refusal(locked.send().await), "InvalidRequest");
    let retention = served.client.get_object_retention().bucket(VERSIONED).key("key");
    assert_eq!(refusal(retention.send().await), "InvalidRequest");
    let configuration = served.client.get_object_lock_configuration().bucket(PLAIN).send().await;
    assert_eq!(refusal(configuration), "ObjectLockConfigurationNotFoundError");
    let past = put(LOCKABLE)
        .object_lock_mode(ObjectLockMode::Compliance)
        .object_lock_retain_until_date(in_hours(-1));
    assert_eq!(refusal(past.send().await), "InvalidArgument");
    assert_eq!(served.keys(LOCKABLE).await, [""; 0]);

    let url = presigned(&served.client, LOCKED, "key").await;
    let unguarded = reqwest::Client::new().put(&url).body("hello").send().await.unwrap();
    assert_eq!(unguarded.status(), 400);
    let text = unguarded.text().await.unwrap();
    assert!(text.contains("Content-MD5"), "{text}");
}
