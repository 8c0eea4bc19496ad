//! What a user may have in files, and how long.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::{Answer, TestStack, id};

use super::{announce, complete, edit, listed, path, text, uploaded};
use crate::access::{copy, ids_like};

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn a_user_has_200_files_at_most_also_if_they_are_announced_at_once() {
    let stack = TestStack::start().await;
    let (caller, other, admin) =
        (stack.someone().await, stack.someone().await, stack.admin().await);
    let first = announce(&stack, &caller, &text("First")).await["file"].clone();
    copy(&stack, "FilesTable", &id(&first), &ids_like(&id(&first), 194)).await;
    let body = text("One of twenty").announcement();
    let announce_it = || stack.post("/files", Some(&caller), &body);
    let answers = join_all((0..20).map(|_| announce_it())).await;
    assert_eq!(statuses(&answers), [vec![201; 5], vec![409; 15]].concat());
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        answer.problem(409, "quota_exceeded");
    }
    assert_eq!(listed(&stack, &caller, "", 100).await.len(), 200);
    let events = stack.events(&admin, "file.created").await;
    let failed = events.iter().filter(|event| event["outcome"] == "failure").count();
    assert_eq!((failed, events.len()), (15, 21));

    // A deleted file makes room, and so does an expired one. Others have quotas of their own.
    announce(&stack, &other, &text("Elsewhere")).await;
    stack.delete(&path(&first), Some(&caller)).await.expect(204);
    let last = announce_it().await.expect(201)["file"].clone();
    announce_it().await.problem(409, "quota_exceeded");
    edit(&stack, &last, |item| item["expires_at"]["N"] = "1".into()).await;
    announce_it().await.expect(201);
    announce_it().await.problem(409, "quota_exceeded");
}

#[tokio::test]
async fn announcements_at_once_all_have_their_place() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let samples: Vec<_> = (0..20).map(|number| text(&format!("Of twenty {number}"))).collect();
    join_all(samples.iter().map(|sample| announce(&stack, &caller, sample))).await;
    assert_eq!(listed(&stack, &caller, "", 20).await.len(), 20);
}

#[tokio::test]
async fn the_files_of_a_user_take_a_gibibyte_at_most() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let large = announce(&stack, &caller, &text("Large")).await["file"].clone();
    let size = (1_u64 << 30) - 100;
    edit(&stack, &large, |item| item["size"]["N"] = size.to_string().into()).await;
    let mut body = text("Next").announcement();
    let mut announce_of = async |size: u64| {
        body["size"] = json!(size);
        stack.post("/files", Some(&caller), &body).await
    };
    announce_of(101).await.problem(409, "quota_exceeded");
    announce_of(60).await.expect(201);
    announce_of(41).await.problem(409, "quota_exceeded");
    announce_of(40).await.expect(201);
    announce_of(1).await.problem(409, "quota_exceeded");
}

#[tokio::test]
async fn an_expired_file_is_gone_for_its_user() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let file = uploaded(&stack, &caller, &text("Old")).await;
    edit(&stack, &file, |item| item["expires_at"]["N"] = "1".into()).await;
    for path in [path(&file), format!("{}/content", path(&file))] {
        stack.get(&path, Some(&caller)).await.problem(404, "not_found");
    }
    complete(&stack, &caller, &file).await.problem(404, "not_found");
    stack.delete(&path(&file), Some(&caller)).await.problem(404, "not_found");
    assert_eq!(listed(&stack, &caller, "", 20).await, Vec::<Value>::new());
}
