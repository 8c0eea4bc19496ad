//! `GET /conversations/{id}/export`.

use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use super::{Shelf, rename, say, walk};
use crate::chat::{FAST, own_events, text};

/// Every part of an export, by following its links.
async fn parts(stack: &TestStack, caller: &Caller, path: &str) -> Vec<Answer> {
    let mut parts = Vec::new();
    let mut path = path.to_owned();
    loop {
        let answer = stack.get(&path, Some(caller)).await;
        assert_eq!(answer.status, 200, "{}", answer.path);
        let next = answer
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(str::to_owned);
        parts.push(answer);
        let Some(next) = next else { return parts };
        path = next;
    }
}

#[tokio::test]
async fn a_conversation_is_exported_as_it_was_said() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let hostile =
        "```\n# Not a heading\n</details>\n[x]: javascript:y\n\n---\n    & <b>\"quoted\"</b> 👩‍👩‍👧";
    let reply = say(&stack, &caller, hostile, None).await;
    let id = text(&reply["conversation_id"]);
    say(&stack, &caller, "And then?", Some(id)).await;
    rename(&stack, &caller, id, &json!({"title": "../../etc/\"passwd\" # <x>"})).await.expect(200);
    let path = format!("/conversations/{id}/export");

    let json = stack.get(&path, Some(&caller)).await;
    let export = json.expect(200);
    assert_eq!(
        json.header("content-disposition"),
        format!("attachment; filename=\"conversation-{id}.json\"")
    );
    let (mut messages, _) =
        walk(&stack, &caller, &format!("/conversations/{id}"), "/messages").await;
    messages.reverse();
    assert_eq!(export["messages"], Value::Array(messages));
    assert_eq!(text(&export["messages"][0]["text"]), hostile);
    assert_eq!(
        (&export["part"], &export["next_cursor"], json.header("link")),
        (&json!(1), &Value::Null, "")
    );
    assert_eq!((text(&export["id"]), text(&export["title"])), (id, "../../etc/\"passwd\" # <x>"));

    let markdown = stack.get(&format!("{path}?format=markdown"), Some(&caller)).await;
    assert_eq!(
        (markdown.status, markdown.header("content-type")),
        (200, "text/markdown; charset=utf-8")
    );
    assert_eq!(
        markdown.header("content-disposition"),
        format!("attachment; filename=\"conversation-{id}.md\"")
    );
    let lines: Vec<_> = markdown.text.lines().collect();
    assert_eq!(lines[0], "# ../../etc/\"passwd\" \\# \\<x\\>");
    // Lines without a quotation mark belong to the document itself.
    let own: Vec<_> =
        lines.iter().filter(|line| !line.starts_with('>') && !line.is_empty()).skip(2).collect();
    assert_eq!(own.len(), 4, "{own:?}");
    assert!(
        own[0].starts_with("## You, ")
            && own[1].starts_with("## Assistant, ")
            && own[2].starts_with("## You, "),
        "{own:?}"
    );
    let quoted: Vec<_> = lines
        .iter()
        .skip_while(|line| !line.starts_with('>'))
        .take_while(|line| line.starts_with('>'))
        .collect();
    let disarmed = hostile.replace('<', "\\<");
    assert!(
        disarmed.lines().eq(quoted.iter().map(|line| line.strip_prefix("> ").unwrap_or(""))),
        "{quoted:?}"
    );

    stack
        .get(&format!("{path}?format=pdf&limit=5"), Some(&caller))
        .await
        .invalid(&["format", "limit"]);
    stack.get(&path, Some(&other)).await.problem(404, "not_found");
    let events = own_events(&stack, &caller, "conversation.exported").await;
    let details: Vec<_> =
        events.iter().map(|event| (text(&event["outcome"]), &event["detail"])).collect();
    let detail = |format: &str| json!({"format": format, "part": 1, "messages": 4});
    assert_eq!(details, [("success", &detail("json")), ("success", &detail("markdown"))]);
    assert!(events.iter().all(|event| text(&event["resource"]) == format!("conversation:{id}")));
}

#[tokio::test]
async fn a_conversation_too_long_for_one_answer_comes_whole_in_parts() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.fill(1).await.remove(0);
    // The most expensive texts: each of their characters becomes four in an answer of Lambda.
    let said = shelf.say(&id, (0..200).map(|_| "\"\\".repeat(5_000))).await;
    for (format, extension) in [("json", "json"), ("markdown", "md")] {
        let parts =
            parts(&stack, &caller, &format!("/conversations/{id}/export?format={format}")).await;
        assert!(parts.len() >= 2, "{} parts", parts.len());
        let mut found = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            // Lambda counts the size as a JSON string.
            assert!(json!(part.text).to_string().len() < 6_000_000, "{} bytes", part.text.len());
            let name =
                format!("attachment; filename=\"conversation-{id}-part-{number}.{extension}\"");
            assert_eq!(part.header("content-disposition"), name);
            if format == "json" {
                let export = part.json();
                assert_eq!(
                    (&export["part"], export["next_cursor"].is_null()),
                    (&json!(number), number == parts.len())
                );
                found.extend(
                    export["messages"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|message| text(&message["id"]).to_owned()),
                );
            } else {
                found.extend(
                    part.text.lines().filter(|line| line.starts_with("> ")).map(str::to_owned),
                );
            }
        }
        assert_eq!(found.len(), said.len());
        assert!(format == "markdown" || found == said);
    }
}
