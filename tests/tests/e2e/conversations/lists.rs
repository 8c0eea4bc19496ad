//! `GET /conversations`.

use serde_json::json;
use tally_tests::TestStack;

use super::{Shelf, rename, say, titles, walk};
use crate::chat::{FAST, text};

#[tokio::test]
async fn the_conversation_in_which_something_was_said_last_comes_first() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let mut ids = Vec::new();
    for message in ["one", "two", "three"] {
        ids.push(text(&say(&stack, &caller, message, None).await["conversation_id"]).to_owned());
    }
    // The list is current at once.
    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["three", "two", "one"]);
    let begun = &found[2];
    assert_eq!((text(&begun["id"]), &begun["updated_at"]), (ids[0].as_str(), &begun["created_at"]));
    assert_eq!((begun.as_object().unwrap().len(), text(&begun["status"])), (5, "active"));

    say(&stack, &caller, "and one more", Some(&ids[0])).await;
    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["one", "three", "two"]);
    assert!(text(&found[0]["updated_at"]) > text(&found[1]["updated_at"]));
    assert_eq!(found[0]["created_at"], begun["created_at"]);

    // A new title is no message, so it does not change the order.
    let renamed = rename(&stack, &caller, &ids[1], &json!({"title": "<b>Zwei</b> & \"2\""}))
        .await
        .expect(200);
    assert_eq!((&renamed["id"], text(&renamed["title"])), (&json!(ids[1]), "<b>Zwei</b> & \"2\""));
    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["one", "three", "<b>Zwei</b> & \"2\""]);
    assert_eq!(found[2], renamed);

    let nothing = stack.get("/conversations", Some(&other)).await.expect(200);
    assert_eq!(nothing, json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn ten_thousand_conversations_are_walked_through_without_gap_or_repetition() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let ids = Shelf::of(&stack, &caller).await.fill(10_000).await;
    let (found, pages) = walk(&stack, &caller, "/conversations?limit=100", "").await;
    assert_eq!(pages, 100);
    assert!(
        found
            .iter()
            .map(|conversation| text(&conversation["id"]))
            .eq(ids.iter().rev().map(String::as_str))
    );
    let last = stack.get(&format!("/conversations/{}", ids[0]), Some(&caller)).await.expect(200);
    assert_eq!(
        (text(&last["title"]), &last["messages"]),
        ("Number 0", &json!({"items": [], "next_cursor": null}))
    );

    // A cursor is valid only for its caller and its list.
    let page = stack.get("/conversations?limit=7", Some(&caller)).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 7);
    let cursor = text(&page["next_cursor"]);
    stack.get(&format!("/conversations?cursor={cursor}"), Some(&other)).await.invalid(&["cursor"]);
    stack
        .get(&format!("/conversations/{}?cursor={cursor}", ids[0]), Some(&caller))
        .await
        .invalid(&["cursor"]);
    stack.get("/conversations?limit=0&page=2", Some(&caller)).await.invalid(&["limit", "page"]);

    // A conversation with a new message during a walk moves to the part that is already read. None
    // of the others is missed.
    say(&stack, &caller, "again", Some(&ids[0])).await;
    let next = stack
        .get(&format!("/conversations?limit=2&cursor={cursor}"), Some(&caller))
        .await
        .expect(200);
    assert_eq!(titles(next["items"].as_array().unwrap()), ["Number 9992", "Number 9991"]);
    let first = stack.get("/conversations?limit=2", Some(&caller)).await.expect(200);
    assert_eq!(titles(first["items"].as_array().unwrap()), ["Number 0", "Number 9999"]);
}
