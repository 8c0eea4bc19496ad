//! Files: their life, their lists, and who reaches them.

mod endings;
pub mod hostile;
mod purge;
mod quota;
mod uploads;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::Method;
use platform::aws::{Service, sdk_config};
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::access::{NOTHING, me};
use crate::api_keys::new_key;
use crate::chat::text as string;

/// A file of a client.
pub struct Sample {
    pub name: String,
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

impl Sample {
    /// The body of its announcement.
    pub fn announcement(&self) -> Value {
        let hash = digest(&SHA256, &self.bytes);
        let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
        json!({
            "name": self.name, "size": self.bytes.len(),
            "sha256": hash.as_ref().iter().fold(String::new(), hex),
            "media_type": self.media_type,
        })
    }
}

/// A text of some lines.
pub fn text(title: &str) -> Sample {
    let bytes = format!("{title}\nRevenue rose.\nCosts fell.\n").into_bytes();
    Sample { name: format!("{title}.txt"), media_type: "text/plain", bytes }
}

/// Announces a file. Returns it with its upload.
pub async fn announce(stack: &TestStack, caller: &Caller, sample: &Sample) -> Value {
    stack.post("/files", Some(caller), &sample.announcement()).await.expect(201)
}

/// Sends bytes to the URL of an upload, with its headers. Returns the answer of S3.
async fn put(stack: &TestStack, upload: &Value, bytes: &[u8]) -> Answer {
    put_with(stack, upload, bytes, |_| ()).await
}

/// The same with other headers.
async fn put_with(
    stack: &TestStack,
    upload: &Value,
    bytes: &[u8],
    change: impl FnOnce(&mut Vec<(String, String)>),
) -> Answer {
    let headers = upload["headers"].as_object().unwrap().iter();
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.clone(), string(value).to_owned())).collect();
    change(&mut headers);
    let request = stack.request_to(Method::PUT, string(&upload["url"])).body(bytes.to_vec());
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    Answer::read("/", request.send().await.unwrap()).await
}

/// Uploads the bytes of a file.
pub async fn upload(stack: &TestStack, upload: &Value, bytes: &[u8]) {
    let answer = put(stack, upload, bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Announces a file and uploads its bytes. Returns the file.
async fn uploaded(stack: &TestStack, caller: &Caller, sample: &Sample) -> Value {
    let announced = announce(stack, caller, sample).await;
    upload(stack, &announced["upload"], &sample.bytes).await;
    announced["file"].clone()
}

fn path(file: &Value) -> String {
    format!("/files/{}", id(file))
}

async fn complete(stack: &TestStack, caller: &Caller, file: &Value) -> Answer {
    let request = stack.request(Method::POST, &format!("{}/complete", path(file)));
    stack.send(request.bearer_auth(&caller.access)).await
}

/// Reads a file until its preparation has ended.
pub async fn ended(stack: &TestStack, caller: &Caller, file: &Value) -> Value {
    loop {
        let file = stack.get(&path(file), Some(caller)).await.expect(200);
        if file["status"] != "processing" {
            return file;
        }
    }
}

/// Completes the upload of a file, and waits until it is ready.
pub async fn prepared(stack: &TestStack, caller: &Caller, file: &Value) -> Value {
    complete(stack, caller, file).await.expect(202);
    let file = ended(stack, caller, file).await;
    assert_eq!(file["status"], "ready", "{file}");
    file
}

/// The files of a list, page after page.
async fn listed(stack: &TestStack, caller: &Caller, query: &str, limit: usize) -> Vec<Value> {
    let mut files = Vec::new();
    let mut path = format!("/files?limit={limit}&{query}");
    loop {
        let page = stack.get(&path, Some(caller)).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{path}");
        files.extend(items.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { return files };
        path = format!("/files?limit={limit}&{query}&cursor={cursor}");
    }
}

/// The name of the bucket of files.
fn bucket(stack: &TestStack) -> String {
    let platform = stack.platform("FilesFunction");
    platform.config.require("FILES_BUCKET").unwrap().to_owned()
}

/// S3 as an operator calls it.
fn s3(stack: &TestStack) -> aws_sdk_s3::Client {
    let platform = stack.platform("FilesFunction");
    aws_sdk_s3::Client::new(&sdk_config(&platform.config, Service::S3).unwrap())
}

/// The keys of all objects in the bucket that hold this text.
pub async fn objects(stack: &TestStack, part: &str) -> Vec<String> {
    let found = s3(stack).list_objects_v2().bucket(bucket(stack)).send().await.unwrap();
    assert_ne!(found.is_truncated(), Some(true));
    let keys = found.contents().iter().map(|object| object.key().unwrap().to_owned());
    keys.filter(|key| key.contains(part)).collect()
}

/// Stores an object under this key.
pub async fn put_object(stack: &TestStack, key: &str) {
    let put = s3(stack).put_object().bucket(bucket(stack)).key(key);
    put.body(b"{}".to_vec().into()).send().await.unwrap();
}

/// Changes the item of a file.
async fn edit(stack: &TestStack, file: &Value, change: impl Fn(&mut Value)) {
    let id = id(file);
    let items = stack.items("FilesTable").await;
    let mut item = items.into_iter().find(|item| item["id"]["S"] == id.as_str()).unwrap();
    change(&mut item);
    stack.put_item("FilesTable", &item).await;
}

#[tokio::test]
async fn a_file_is_announced_uploaded_prepared_read_and_deleted() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let sample = Sample { name: "Bericht für Mai.txt".into(), ..text("May") };
    let answer = stack.post("/files", Some(&caller), &sample.announcement()).await;
    let announced = answer.expect(201);
    let file = &announced["file"];
    assert_eq!(answer.header("location"), path(file));
    let sha256 = &sample.announcement()["sha256"];
    let expected = json!({
        "id": file["id"], "name": sample.name, "size": sample.bytes.len(), "sha256": sha256,
        "media_type": "text/plain", "status": "pending", "skipped": [],
        "created_at": file["created_at"], "expires_at": file["expires_at"],
    });
    assert_eq!(*file, expected);
    let upload_of = &announced["upload"];
    assert_eq!(upload_of["method"], "PUT");
    let headers: Vec<_> = upload_of["headers"].as_object().unwrap().keys().collect();
    assert_eq!(headers, ["content-type", "if-none-match", "x-amz-checksum-sha256"]);
    upload(&stack, upload_of, &sample.bytes).await;

    let content = format!("{}/content", path(file));
    stack.get(&content, Some(&caller)).await.problem(409, "file_not_ready");
    let processing = complete(&stack, &caller, file).await.expect(202);
    assert_eq!((&processing["id"], &processing["status"]), (&file["id"], &json!("processing")));
    assert!(processing["expires_at"].as_str() > file["expires_at"].as_str());
    let ready = ended(&stack, &caller, file).await;
    assert_eq!((&ready["status"], &ready["parts"]), (&json!("ready"), &json!(1)), "{ready}");
    assert_eq!((ready.get("reason"), ready.get("pages")), (None, None));
    let capitals = format!("/files/{}", id(file).to_uppercase());
    assert_eq!(stack.get(&capitals, Some(&caller)).await.expect(200), ready);

    let signed = stack.get(&content, Some(&caller)).await.expect(200);
    let request = stack.request_to(Method::GET, string(&signed["url"]));
    let got = Answer::read("/", request.send().await.unwrap()).await;
    assert_eq!((got.status, got.text.as_bytes()), (200, &sample.bytes[..]), "{got:?}");
    assert_eq!(got.header("content-type"), "text/plain");
    let disposition = "attachment; filename*=UTF-8''Bericht%20f%C3%BCr%20Mai.txt";
    assert_eq!(got.header("content-disposition"), disposition);

    assert!(objects(&stack, &id(file)).await.len() >= 3);
    stack.delete(&path(file), Some(&caller)).await.expect(204);
    assert_eq!(objects(&stack, &id(file)).await, Vec::<String>::new());
    stack.delete(&path(file), Some(&caller)).await.problem(404, "not_found");
    stack.get(&path(file), Some(&caller)).await.problem(404, "not_found");
    stack.get(&content, Some(&caller)).await.problem(404, "not_found");
    complete(&stack, &caller, file).await.problem(404, "not_found");

    let events = stack.events(&admin, "file.").await;
    let resource = json!(format!("file:{}", id(file)));
    assert!(events.iter().all(|event| event["resource"] == resource), "{events:?}");
    let told = events.iter().map(|event| {
        format!("{} {} {}", string(&event["action"]), string(&event["outcome"]), event["detail"])
    });
    let size = sample.bytes.len();
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            format!(r#"file.created success {{"media_type":"text/plain","size":{size}}}"#).as_str(),
            "file.read failure {}",
            "file.completed success {}",
            "file.read success {}",
            "file.deleted success {}",
            "file.deleted failure {}",
            "file.read failure {}",
            "file.completed failure {}",
        ]
    );
    // Neither the log nor an event has the name of a file, or a URL.
    let logged = json!(stack.items("AuditTable").await).to_string();
    assert!(!logged.contains("Bericht") && !logged.contains("X-Amz-Signature"));
    for entry in std::fs::read_dir(stack.local.logs()).unwrap() {
        let log = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!log.contains("Bericht") && !log.contains("X-Amz-Signature"));
    }
}

#[tokio::test]
async fn what_is_someone_elses_is_not_there() {
    let stack = TestStack::start().await;
    let (owner, other) = (stack.someone().await, stack.someone().await);
    let file = uploaded(&stack, &owner, &text("Secret")).await;
    let nothing = json!({"id": NOTHING});
    for (caller, file) in [(&other, &file), (&owner, &nothing)] {
        for path in [path(file), format!("{}/content", path(file))] {
            stack.get(&path, Some(caller)).await.problem(404, "not_found");
        }
        complete(&stack, caller, file).await.problem(404, "not_found");
        stack.delete(&path(file), Some(caller)).await.problem(404, "not_found");
    }
    assert_eq!(listed(&stack, &other, "", 20).await, Vec::<Value>::new());
    prepared(&stack, &owner, &file).await;
    let content = format!("{}/content", path(&file));
    stack.get(&content, Some(&other)).await.problem(404, "not_found");
    stack.get(&content, Some(&owner)).await.expect(200);
}

#[tokio::test]
async fn lists_have_the_newest_file_first_and_go_by_status() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut files = Vec::new();
    for number in 0..4 {
        files.push(uploaded(&stack, &caller, &text(&number.to_string())).await);
    }
    prepared(&stack, &caller, &files[1]).await;
    let user = me(&stack, &caller).await;
    for (query, expected) in [
        ("", &[3, 2, 1, 0][..]),
        ("status=pending", &[3, 2, 0]),
        ("status=ready", &[1]),
        ("status=processing", &[]),
        ("status=rejected", &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|number: &usize| id(&files[*number])).collect();
        for limit in [100, 4, 2, 1] {
            let found = listed(&stack, &caller, query, limit).await;
            let found: Vec<_> = found.iter().map(id).collect();
            assert_eq!(found, expected, "{query} by {limit}");
        }
    }
    for (query, parameter) in
        [("status=done", "status"), ("limit=101", "limit"), ("cursor=x", "cursor"), ("x=1", "x")]
    {
        stack.get(&format!("/files?{query}"), Some(&caller)).await.invalid(&[parameter]);
    }
    // An expired file is in no list, though its item is still there.
    edit(&stack, &files[3], |item| item["expires_at"]["N"] = "1".into()).await;
    assert_eq!(listed(&stack, &caller, "", 2).await.len(), 3);
    let items = stack.items("FilesTable").await;
    assert_eq!(items.iter().filter(|item| item["user_id"]["S"] == user.as_str()).count(), 5);
}

#[tokio::test]
async fn a_key_reads_or_changes_files_by_its_scope() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let key = async |scope: &str| {
        let new = new_key(&[scope], Duration::from_hours(1));
        let key = stack.post("/api-keys", Some(&caller), &new).await.expect(201);
        string(&key["key"]).to_owned()
    };
    let (reader, writer) = (key("jobs:read").await, key("jobs:write").await);
    let sample = text("By a service");
    let call = async |key: &str, method: Method, path: &str| {
        let request = stack.request(method.clone(), path).header("x-api-key", key);
        let body = (method == Method::POST && path == "/files").then(|| sample.announcement());
        stack.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await
    };
    let announced = call(&writer, Method::POST, "/files").await.expect(201);
    let file = &announced["file"];
    upload(&stack, &announced["upload"], &sample.bytes).await;
    let (one, done) = (path(file), format!("{}/complete", path(file)));
    let content = format!("{}/content", path(file));
    call(&reader, Method::POST, "/files").await.problem(403, "forbidden");
    call(&reader, Method::POST, &done).await.problem(403, "forbidden");
    call(&writer, Method::POST, &done).await.expect(202);
    ended(&stack, &caller, file).await;
    for path in ["/files", &one, &content] {
        call(&writer, Method::GET, path).await.problem(403, "forbidden");
        call(&reader, Method::GET, path).await.expect(200);
    }
    call(&reader, Method::DELETE, &one).await.problem(403, "forbidden");
    call(&writer, Method::DELETE, &one).await.expect(204);
}
