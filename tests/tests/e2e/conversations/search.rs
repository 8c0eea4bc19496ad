//! `GET /conversations?query=`.

use http::Method;
use serde_json::json;
use tally_tests::{Caller, TestStack};

use super::{Shelf, rename, say, titles, walk};
use crate::chat::{FAST, text};

/// Titles of the conversations that a search finds, and how many pages it takes.
async fn search(
    stack: &TestStack,
    caller: &Caller,
    query: &str,
    limit: usize,
) -> (Vec<String>, usize) {
    // reqwest encodes what a URL can't hold.
    let request =
        stack.request(Method::GET, "/conversations").query(&[("query", query)]).build().unwrap();
    let path = format!("/conversations?{}&limit={limit}", request.url().query().unwrap());
    let (found, pages) = walk(stack, caller, &path, "").await;
    (titles(&found).into_iter().map(str::to_owned).collect(), pages)
}

#[tokio::test]
async fn a_search_finds_what_the_user_said_and_nothing_else() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let first = say(&stack, &caller, "How did Alpha do?", None).await;
    say(&stack, &caller, "100% of <b>Größe</b> a_b", None).await;
    let third = say(&stack, &caller, "Nothing of note", None).await;
    say(&stack, &caller, "And BETA?", Some(text(&third["conversation_id"]))).await;
    say(&stack, &other, "Alpha is mine", None).await;
    rename(&stack, &caller, text(&first["conversation_id"]), &json!({"title": "Quarterly"}))
        .await
        .expect(200);

    let one = "Quarterly";
    let two = "100% of <b>Größe</b> a_b";
    let three = "Nothing of note";
    for (query, expected) in [
        // Matches in a title, in a message, in any case, anywhere in a word.
        ("quarter", &[one][..]),
        ("alpha", &[one]),
        ("LPHA D", &[one]),
        ("beta", &[three]),
        ("GRÖ", &[two]),
        // Texts that look the same: the other normal form, the other case of a sharp s, another
        // width.
        ("gro\u{308}ße", &[two]),
        ("GRÖSSE", &[two]),
        ("１００%", &[two]),
        ("<B>", &[two]),
        // No character has a special meaning.
        ("100%", &[two]),
        ("a_b", &[two]),
        ("a%b", &[]),
        ("*", &[]),
        ("o", &[three, two, one]),
        // The assistant says this word all the time, yet the search does not find it.
        ("ipsum", &[]),
        ("is mine", &[]),
    ] {
        assert_eq!(search(&stack, &caller, query, 20).await.0, expected, "{query}");
    }
    assert_eq!(
        search(&stack, &caller, "o", 1).await,
        ([three, two, one].map(str::to_owned).to_vec(), 3)
    );
    for (query, fault) in [
        ("query=", "query"),
        ("query=+", "query"),
        (&*format!("query={}", "x".repeat(101)), "query"),
        ("q=x", "q"),
    ] {
        stack.get(&format!("/conversations?{query}"), Some(&caller)).await.invalid(&[fault]);
    }
    let cursor =
        stack.get("/conversations?query=o&limit=1", Some(&caller)).await.expect(200)["next_cursor"]
            .clone();
    stack
        .get(&format!("/conversations?query=a&cursor={}", text(&cursor)), Some(&caller))
        .await
        .invalid(&["cursor"]);
}

#[tokio::test]
async fn a_search_goes_all_the_way_back_and_never_ends_before_the_end() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let ids = shelf.fill(1_000).await;
    shelf.say(&ids[0], ["a needle in the oldest of all".to_owned()]).await;
    // A page reads 200 conversations. The first four pages find none, and their cursors show that
    // this is not the end.
    let page = stack.get("/conversations?query=needle", Some(&caller)).await.expect(200);
    assert!(
        page["items"].as_array().unwrap().is_empty() && page["next_cursor"].is_string(),
        "{page}"
    );
    let (found, pages) = search(&stack, &caller, "Needle", 20).await;
    assert_eq!((found, pages), (vec!["Number 0".to_owned()], 5));
    assert_eq!(search(&stack, &caller, "haystack", 20).await, (vec![], 5));
}

#[tokio::test]
async fn a_search_goes_on_within_a_conversation_that_is_longer_than_a_page_reads() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let ids = shelf.fill(2).await;
    // Some 9 MB, of which a page reads about 4.
    let long = || {
        (0..300)
            .map(|number| if number == 0 { "the needle".to_owned() } else { "€".repeat(10_000) })
    };
    shelf.say(&ids[1], long()).await;
    shelf.say(&ids[0], ["another needle".to_owned()]).await;
    let (found, pages) = search(&stack, &caller, "needle", 20).await;
    assert_eq!(found, ["Number 1", "Number 0"]);
    assert!((2..=6).contains(&pages), "{pages} pages");
}
