//! Jobs of accounts that are deleted while their calls run.

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;

use super::{hang, piece, stack, start, well};
use crate::access::me;
use crate::job_api::{LOOK, nanos};

#[tokio::test]
async fn the_jobs_of_a_deleted_account_stop_and_hold_nothing_of_the_deployment() {
    let api = MessagesApi::start(|asked| match piece(asked) {
        Some(0) => well(asked),
        _ => hang(),
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let (leaver, admin) = (stack.someone().await, stack.admin().await);
    let user = me(&stack, &leaver).await;
    for _ in 0..2 {
        start(&stack, &leaver, 3).await;
    }
    api.was_asked(6).await;
    let deployment = async || {
        let budget = stack.get("/budget", Some(&admin)).await.expect(200);
        (nanos(&budget["spent_usd"]), nanos(&budget["held_usd"]))
    };
    assert!(deployment().await.1 > 0);
    let confirmation = json!({"current_password": "Correct-Horse-9"});
    stack.call(Method::DELETE, "/auth/me", &leaver, &confirmation).await.expect(204);
    api.hung_up(4).await;
    let left = async |table: &str, name: &str, value: &str| {
        let items = stack.items(table).await.into_iter();
        items.filter(|item| item[name]["S"] == value).collect::<Vec<Value>>()
    };
    // A run of the purge tells the jobs to stop, and a later one deletes them.
    let start = json!({"user_id": user}).to_string();
    while !left("JobsTable", "user_id", &user).await.is_empty() {
        stack.local.invoke("PurgeConversationsFunction", start.clone()).await.unwrap();
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(stack.items("JobItemsTable").await, Vec::<Value>::new());
    let (spent, held) = deployment().await;
    assert!(spent > 0 && held == 0, "{spent} {held}");
    let ended = stack.events(&admin, "job.ended").await;
    let statuses: Vec<_> = ended.iter().map(|event| &event["detail"]["status"]).collect();
    assert_eq!(statuses, ["cancelled", "cancelled"]);
    let sum: i64 = ended.iter().map(|event| nanos(&event["detail"]["cost_usd"])).sum();
    assert_eq!(sum, spent);
}
