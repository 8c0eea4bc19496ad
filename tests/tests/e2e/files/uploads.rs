//! Uploads: what S3 takes under a signed URL, and how an upload is completed.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use super::{
    Sample, announce, complete, ended, objects, path, prepared, put, put_with, text, upload,
    uploaded,
};

/// Announces a file under an `Idempotency-Key`.
async fn announce_under(stack: &TestStack, caller: &Caller, key: &str, body: &Value) -> Answer {
    let request = stack.request(Method::POST, "/files").bearer_auth(&caller.access);
    stack.send(request.header("idempotency-key", key).json(body)).await
}

/// Replaces the value of a header.
fn replace(headers: &mut [(String, String)], name: &str, value: &str) {
    let header = headers.iter_mut().find(|(found, _)| found == name).unwrap();
    value.clone_into(&mut header.1);
}

#[tokio::test]
async fn s3_takes_the_announced_bytes_once_and_nothing_else() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let sample = text("Exactly this");
    let announced = announce(&stack, &caller, &sample).await;
    let (file, signed) = (&announced["file"], &announced["upload"]);
    let mut other = sample.bytes.clone();
    other[0] ^= 1;
    let longer = [&sample.bytes[..], b"x"].concat();

    // Bytes of the right length with another hash do not stay.
    let wrong = put(&stack, signed, &other).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    for bytes in [&longer[..], &sample.bytes[1..], b""] {
        let wrong = put(&stack, signed, bytes).await;
        assert_eq!(wrong.status, 403, "{wrong:?}");
    }
    for (name, value) in [
        ("content-type", "text/html"),
        ("if-none-match", "\"x\""),
        ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ] {
        let change = |headers: &mut Vec<(String, String)>| replace(headers, name, value);
        let wrong = put_with(&stack, signed, &sample.bytes, change).await;
        assert_eq!(wrong.status, 403, "{name}: {wrong:?}");
        let drop_it =
            |headers: &mut Vec<(String, String)>| headers.retain(|(found, _)| found != name);
        let wrong = put_with(&stack, signed, &sample.bytes, drop_it).await;
        assert_eq!(wrong.status, 403, "without {name}: {wrong:?}");
    }
    // The URL is for one key, one method and one moment.
    let url = signed["url"].as_str().unwrap();
    for (method, url) in [
        (Method::PUT, url.replace(&id(file), "019a0000-0000-7000-8000-000000000000")),
        (Method::PUT, url.replace("incoming/", "files/")),
        (Method::PUT, url.replace("X-Amz-Expires=900", "X-Amz-Expires=901")),
        (Method::GET, url.to_owned()),
        (Method::DELETE, url.to_owned()),
    ] {
        let request = stack.request_to(method.clone(), &url).body(sample.bytes.clone());
        let answer = Answer::read("/", request.send().await.unwrap()).await;
        assert_eq!(answer.status, 403, "{method}: {answer:?}");
    }
    assert_eq!(objects(&stack, &id(file)).await, Vec::<String>::new());
    complete(&stack, &caller, file).await.problem(409, "upload_missing");

    upload(&stack, signed, &sample.bytes).await;
    for _ in 0..2 {
        let second = put(&stack, signed, &sample.bytes).await;
        assert_eq!(second.status, 412, "{second:?}");
    }
    let ready = prepared(&stack, &caller, file).await;
    assert_eq!(ready["sha256"], sample.announcement()["sha256"]);
}

#[tokio::test]
async fn an_upload_is_completed_once_however_often_it_is_asked_for() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let missing = announce(&stack, &caller, &text("Missing")).await;
    complete(&stack, &caller, &missing["file"]).await.problem(409, "upload_missing");
    let still = stack.get(&path(&missing["file"]), Some(&caller)).await.expect(200);
    assert_eq!(still["status"], "pending");

    for number in 0..3 {
        let file = uploaded(&stack, &caller, &text(&format!("At once {number}"))).await;
        let answers = join_all((0..5).map(|_| complete(&stack, &caller, &file))).await;
        for answer in &answers {
            let status = answer.expect(202)["status"].as_str().unwrap().to_owned();
            assert!(["processing", "ready"].contains(&status.as_str()), "{answer:?}");
        }
        let ready = ended(&stack, &caller, &file).await;
        assert_eq!(ready["status"], "ready", "{ready}");
        for _ in 0..2 {
            assert_eq!(complete(&stack, &caller, &file).await.expect(202), ready);
        }
    }
    let events = stack.events(&admin, "file.completed").await;
    let of = |outcome: &str| events.iter().filter(|event| event["outcome"] == outcome).count();
    assert_eq!((of("success"), of("failure")), (3 * 7, 1));
    let is_first =
        |event: &&Value| event["outcome"] == "success" && event["detail"]["repeated"].is_null();
    assert_eq!(events.iter().filter(is_first).count(), 3);
    assert_eq!(stack.events(&admin, "file.rejected").await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_announcement_that_is_sent_again_has_another_url_while_the_file_is_pending() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let sample = text("Once");
    let body = sample.announcement();
    let first = announce_under(&stack, &caller, "k", &body).await.expect(201);
    let file = &first["file"];
    let again = announce_under(&stack, &caller, "k", &body).await;
    let second = again.expect(201);
    assert_eq!((&second["file"], again.header("location")), (file, path(file).as_str()));
    // Both URLs lead to the same key.
    upload(&stack, &second["upload"], &sample.bytes).await;
    assert_eq!(put(&stack, &first["upload"], &sample.bytes).await.status, 412);
    let other = text("Another").announcement();
    announce_under(&stack, &caller, "k", &other).await.problem(422, "idempotency_key_reused");

    let ready = prepared(&stack, &caller, file).await;
    let third = announce_under(&stack, &caller, "k", &body).await.expect(201);
    assert_eq!((&third["file"], third.get("upload")), (&ready, None));
    stack.delete(&path(file), Some(&caller)).await.expect(204);
    announce_under(&stack, &caller, "k", &body).await.problem(404, "not_found");
}

#[tokio::test]
async fn announcements_are_checked() {
    let stack = TestStack::with(&[("MaxFileMb", "1"), ("RateLimits", "*=100000/1m")]).await;
    let caller = stack.someone().await;
    let right = text("Right").announcement();
    for (name, wrong) in [
        ("name", json!("../secret")),
        ("name", json!("a\u{7}b")),
        ("name", json!("x".repeat(256))),
        ("size", json!(0)),
        ("size", json!(1_048_577)),
        ("sha256", json!("0".repeat(63))),
        ("sha256", json!("A".repeat(64))),
        ("media_type", json!("application/vnd.ms-excel")),
        ("media_type", json!("text/plain; charset=utf-8")),
        ("id", json!("x")),
    ] {
        let mut body = right.clone();
        body[name] = wrong;
        let pointer = format!("/{name}");
        stack.post("/files", Some(&caller), &body).await.invalid(&[&pointer]);
    }
    let missing = ["/name", "/size", "/sha256", "/media_type"];
    stack.post("/files", Some(&caller), &json!({})).await.invalid(&missing);
    assert_eq!(stack.items("FilesTable").await, Vec::<Value>::new());
    let mut largest = right;
    largest["size"] = json!(1_048_576);
    largest["name"] = json!("€".repeat(255));
    stack.post("/files", Some(&caller), &largest).await.expect(201);
}

#[tokio::test]
async fn a_file_of_the_greatest_size_is_uploaded_and_prepared() {
    let stack = TestStack::with(&[("MaxFileMb", "2"), ("RateLimits", "*=100000/1m")]).await;
    let caller = stack.someone().await;
    let line = "Revenue rose, and costs fell.\n";
    let mut bytes = line.repeat(2 * 1_048_576 / line.len()).into_bytes();
    bytes.resize(2 * 1_048_576, b'x');
    let sample = Sample { bytes, ..text("Long") };
    let file = uploaded(&stack, &caller, &sample).await;
    let ready = prepared(&stack, &caller, &file).await;
    assert!(ready["parts"].as_u64().unwrap() > 1, "{ready}");
}
