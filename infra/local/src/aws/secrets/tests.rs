//! Tests of the operations, as a rotation function and its callers use them.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http_body_util::BodyExt;

use super::*;
use crate::lambda::InvokeError;

/// A rotation function that records its calls. It fails at `finishSecret` while the test wants it
/// to.
#[derive(Default)]
struct Rotator {
    events: Mutex<Vec<Value>>,
    fails: AtomicBool,
}

impl Invoke for Rotator {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
        assert_eq!(function, "Rotator");
        let event: Value = serde_json::from_slice(&payload).unwrap();
        let fails = event["Step"] == "finishSecret" && self.fails.load(Ordering::Relaxed);
        self.events.lock().unwrap().push(event);
        let result = if fails {
            Err(InvokeError::TimedOut(std::time::Duration::from_secs(1)))
        } else {
            Ok(Bytes::new())
        };
        std::future::ready(result).boxed()
    }

    fn invoke_async(&self, function: &str, _: Bytes) -> Result<(), InvokeError> {
        Err(InvokeError::Unknown(function.into()))
    }
}

fn secret(name: &str) -> Secret {
    Secret {
        id: "AccessRing".into(),
        name: name.into(),
        arn: format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}"),
        template: [("purpose".to_owned(), json!("tests"))].into_iter().collect(),
        key: "current".into(),
        length: 64,
        rotated_by: Some("arn:aws:lambda:us-east-1:000000000000:function:Rotator".into()),
    }
}

fn open(file: Option<&Path>, names: &[&str]) -> Result<Secrets, AwsError> {
    Secrets::open(
        file,
        names.iter().map(|name| secret(name)).collect(),
        Arc::new(Rotator::default()),
    )
}

/// Makes a call. Returns the answer, or the kind of the error.
async fn ask(secrets: &Secrets, operation: &str, request: Value) -> Result<Value, String> {
    let answer = secrets.answer(operation, &request, &CallLog::default()).await;
    let (parts, body) = answer.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    if parts.status == StatusCode::OK {
        Ok(body)
    } else {
        Err(body["__type"].as_str().unwrap().to_owned())
    }
}

async fn value(secrets: &Secrets, stage: &str) -> Result<String, String> {
    let found =
        ask(secrets, "GetSecretValue", json!({"SecretId": "ring", "VersionStage": stage})).await?;
    Ok(found["SecretString"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_secret_is_found_by_name_and_by_arn_id_and_label() {
    let secrets = open(None, &["ring"]).unwrap();
    let arn = secret("ring").arn;
    let found = ask(&secrets, "GetSecretValue", json!({ "SecretId": "ring" })).await.unwrap();
    let content: Value = serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap();
    let generated = content["current"].as_str().unwrap();
    assert_eq!(content["purpose"], "tests");
    assert!(
        generated.len() == 64 && generated.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{generated}"
    );

    let not_found = Err("ResourceNotFoundException");
    let parameter = Err("InvalidParameterException");
    for (request, expected) in [
        (json!({ "SecretId": arn }), Ok(())),
        (json!({ "SecretId": arn, "VersionStage": "AWSCURRENT" }), Ok(())),
        (json!({ "SecretId": arn, "VersionId": found["VersionId"] }), Ok(())),
        (
            json!({
                "SecretId": arn, "VersionId": found["VersionId"], "VersionStage": "AWSPENDING",
            }),
            not_found,
        ),
        (json!({ "SecretId": arn, "VersionId": "another" }), not_found),
        (json!({ "SecretId": "ring", "VersionStage": "AWSPENDING" }), not_found),
        (json!({ "SecretId": "another" }), not_found),
        (json!({}), parameter),
    ] {
        let answer = ask(&secrets, "GetSecretValue", request.clone()).await;
        assert_eq!(answer.as_ref().map(|_| ()).map_err(String::as_str), expected, "{request}");
    }
}

#[tokio::test]
async fn values_are_generated_once_and_kept_in_a_file_for_the_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets.json");
    let first = open(Some(&file), &["ring"]).unwrap();
    ask(
        &first,
        "PutSecretValue",
        json!({"SecretId": "ring", "SecretString": "second", "ClientRequestToken": "2"}),
    )
    .await
    .unwrap();
    let again = open(Some(&file), &["new", "ring"]).unwrap();
    for stage in ["AWSCURRENT", "AWSPREVIOUS"] {
        assert_eq!(value(&first, stage).await, value(&again, stage).await, "{stage}");
    }
    assert_eq!(value(&again, "AWSCURRENT").await.unwrap(), "second");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_file_that_holds_no_secrets_is_left_alone_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets.json");
    fs::write(&file, "{").unwrap();
    let refusal = open(Some(&file), &["ring"]).err().unwrap().to_string();
    assert!(refusal.contains("secrets.json"), "{refusal}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{");
}

#[tokio::test]
async fn a_version_keeps_its_value_and_a_label_is_on_one_version() {
    let secrets = open(None, &["ring"]).unwrap();
    let first = value(&secrets, "AWSCURRENT").await.unwrap();
    let id =
        ask(&secrets, "GetSecretValue", json!({"SecretId": "ring"})).await.unwrap()["VersionId"]
            .clone();
    let put = |value: &str| {
        json!({
            "SecretId": "ring", "ClientRequestToken": "2", "SecretString": value,
            "VersionStages": ["AWSPENDING"],
        })
    };
    ask(&secrets, "PutSecretValue", put("second")).await.unwrap();
    ask(&secrets, "PutSecretValue", put("second")).await.unwrap();
    assert_eq!(
        ask(&secrets, "PutSecretValue", put("other")).await,
        Err("ResourceExistsException".into())
    );
    assert_eq!(value(&secrets, "AWSPENDING").await.unwrap(), "second");
    assert_eq!(value(&secrets, "AWSCURRENT").await.unwrap(), first);

    let go = |from: Value| {
        json!({
            "SecretId": "ring", "VersionStage": "AWSCURRENT", "MoveToVersionId": "2",
            "RemoveFromVersionId": from,
        })
    };
    // A caller must know where the label is, so two callers that race cannot both move it.
    assert_eq!(
        ask(&secrets, "UpdateSecretVersionStage", go(json!("elsewhere"))).await,
        Err("InvalidParameterException".into())
    );
    assert_eq!(
        ask(&secrets, "UpdateSecretVersionStage", go(Value::Null)).await,
        Err("InvalidParameterException".into())
    );
    ask(&secrets, "UpdateSecretVersionStage", go(id.clone())).await.unwrap();
    assert_eq!(value(&secrets, "AWSCURRENT").await.unwrap(), "second");
    assert_eq!(value(&secrets, "AWSPREVIOUS").await.unwrap(), first);
    let stages = ask(
        &secrets,
        "DescribeSecret",
        json!({
            "SecretId": "ring",
        }),
    )
    .await
    .unwrap()["VersionIdsToStages"]
        .clone();
    assert_eq!(
        stages,
        json!({"2": ["AWSCURRENT", "AWSPENDING"], id.as_str().unwrap(): ["AWSPREVIOUS"]})
    );
}

#[tokio::test]
async fn a_rotation_goes_through_its_four_steps_and_one_that_failed_is_taken_up_again() {
    let rotator = Arc::new(Rotator::default());
    let functions: Arc<dyn Invoke> = rotator.clone();
    let secrets = Secrets::open(
        None,
        vec![secret("ring"), Secret { rotated_by: None, ..secret("fixed") }],
        functions,
    )
    .unwrap();
    rotator.fails.store(true, Ordering::Relaxed);
    let rotate = json!({"SecretId": "ring"});
    assert_eq!(
        ask(&secrets, "RotateSecret", rotate.clone()).await,
        Err("InvalidRequestException".into())
    );
    // The rotation has begun: a version without a value waits for one.
    assert_eq!(value(&secrets, "AWSPENDING").await, Err("ResourceNotFoundException".into()));
    let describe = async || ask(&secrets, "DescribeSecret", rotate.clone()).await.unwrap();
    assert_eq!(describe().await["LastRotatedDate"], Value::Null);
    rotator.fails.store(false, Ordering::Relaxed);
    let rotated =
        ask(&secrets, "RotateSecret", json!({"SecretId": "ring", "ClientRequestToken": "another"}))
            .await
            .unwrap();
    assert!(describe().await["LastRotatedDate"].is_i64());
    let events = std::mem::take(&mut *rotator.events.lock().unwrap());
    let steps: Vec<_> = events.iter().map(|event| event["Step"].as_str().unwrap()).collect();
    assert_eq!(steps, [STEPS, STEPS].concat());
    for event in events {
        assert_eq!(
            (&event["ClientRequestToken"], &event["SecretId"]),
            (&rotated["VersionId"], &json!(secret("ring").arn))
        );
    }
    assert_eq!(
        ask(&secrets, "RotateSecret", json!({"SecretId": "fixed"})).await,
        Err("InvalidRequestException".into())
    );
}
