//! Files of deleted accounts.

use http::Method;
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::{TestStack, id};

use super::{announce, listed, objects, prepared, text, uploaded};
use crate::access::{copy, ids_like, me};

#[tokio::test]
async fn a_deleted_account_leaves_no_file_and_no_object_even_if_the_purge_is_cut() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let stack = TestStack::start().await;
        let (leaver, other) = (stack.someone().await, stack.someone().await);
        let user = me(&stack, &leaver).await;
        let stays = uploaded(&stack, &other, &text("Stays")).await;
        prepared(&stack, &other, &stays).await;
        let of_stays = objects(&stack, &id(&stays)).await;
        let ready = uploaded(&stack, &leaver, &text("Ready")).await;
        prepared(&stack, &leaver, &ready).await;
        let pending = uploaded(&stack, &leaver, &text("Pending")).await;
        let announced = announce(&stack, &leaver, &text("Announced")).await["file"].clone();
        copy(&stack, "FilesTable", &id(&announced), &ids_like(&id(&announced), 22)).await;
        let left = async || {
            let items = stack.items("FilesTable").await;
            items.iter().filter(|item| item["user_id"]["S"] == user.as_str()).count()
        };
        // The files and their revision.
        assert_eq!(left().await, 26);
        stack.fail("FilesTable", Some("BatchWriteItem"), moment, 1);
        let confirmation = json!({"current_password": "Correct-Horse-9"});
        stack.call(Method::DELETE, "/auth/me", &leaver, &confirmation).await.expect(204);
        stack.local.aws().held().await;
        stack.local.functions().kill("PurgeConversationsFunction").unwrap();
        assert_eq!(left().await, if moment == Failure::HeldBefore { 26 } else { 16 });
        let start = json!({"user_id": user}).to_string();
        stack.local.invoke("PurgeConversationsFunction", start).await.unwrap();
        assert_eq!(left().await, 0, "{moment:?}");
        for file in [&ready, &pending] {
            assert_eq!(objects(&stack, &id(file)).await, Vec::<String>::new(), "{moment:?}");
        }
        assert_eq!(objects(&stack, &id(&stays)).await, of_stays);
        assert_eq!(listed(&stack, &other, "", 20).await.len(), 1);
    }
}
