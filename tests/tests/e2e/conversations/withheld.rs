//! Texts from cells are withheld once their reader may no longer read one of the sources.

use http::Method;
use platform::clock::Clock;
use serde_json::{Value, json};
use tally_access::sources::{Source, Sources};
use tally_chat::domain::{Frame, MessageStatus};
use tally_chat::store::{Conversation, Frames, Message, State, States};
use tally_tests::{Caller, TestStack, id};

use super::{Shelf, rename, titles, walk};
use crate::access::{add, me, rule, salaries};
use crate::chat::{FAST, ask_async, own_events, path_of, text};

/// An id of a workbook, sheet or column that is gone.
fn gone(number: usize) -> String {
    format!("019a0000-0000-7000-8000-{number:012x}")
}

/// One column as the sources of a message.
fn column(workbook: &str, sheet: &str, column: &str) -> Sources {
    let column_ids = vec![column.to_owned()];
    let (workbook_id, sheet_id) = (workbook.to_owned(), sheet.to_owned());
    Sources::of(&[Source { workbook_id, sheet_id, column_ids, results_only: false }]).unwrap()
}

impl Shelf {
    /// A conversation whose title has these sources, with messages that have others, by the user
    /// and the assistant in turn. Returns its id.
    async fn told(
        &self,
        number: i64,
        title: (&str, &Sources),
        said: &[(&str, &Sources)],
    ) -> String {
        let (name, sources) = (title.0, title.1.clone());
        let conversation = Conversation { sources, ..self.conversation(number, name) };
        self.commit(vec![self.conversations.create(&conversation).unwrap()]).await;
        // Each text is said elsewhere first: a message is stored once.
        let elsewhere = gone(900 + usize::try_from(number).unwrap());
        let ids = self.say(&elsewhere, said.iter().map(|(text, _)| (*text).to_owned())).await;
        let mut writes = Vec::new();
        for (id, (_, sources)) in ids.iter().zip(said) {
            let message = Message {
                conversation_id: conversation.id.clone(),
                sources: (*sources).clone(),
                ..self.message(&elsewhere, id).await
            };
            writes.push(self.messages.add(&message).unwrap());
        }
        self.commit(writes).await;
        conversation.id
    }
}

/// A workbook that everyone may read and give to a model, and the sources of its two columns.
async fn book(stack: &TestStack, owner: &Caller) -> (String, Sources, Sources, String) {
    let (book, sheet, month, salary) = salaries(stack, owner).await;
    let every = json!({"actions": ["read", "ai"]});
    add(stack, owner, &[rule(&book, "allow", every)]).await.expect(200);
    let of = |id: &str| column(&book, &sheet, id);
    let (month, salaries) = (of(&month), of(&salary));
    (book, month, salaries, salary)
}

/// Denies a column to a user. Returns the rule.
async fn deny(stack: &TestStack, owner: &Caller, book: &str, column: &str, user: &str) -> String {
    let more = json!({"column": {"ids": [column]}, "subject": {"type": "user", "id": user}});
    id(&add(stack, owner, &[rule(book, "deny", more)]).await.expect(200)["added"][0])
}

#[tokio::test]
async fn a_withheld_message_is_in_no_view_no_search_and_no_file() {
    let stack = TestStack::with(&FAST).await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let (book, month, salary, denied) = book(&stack, &owner).await;
    let shelf = Shelf::of(&stack, &reader).await;
    let none = Sources::default();
    let said = [
        ("Who earns the qzmost?", &salary),
        ("Bob earns 730619253.", &salary),
        ("Which month is best?", &month),
        ("May is.", &month),
        ("Thanks", &none),
        ("You are welcome.", &none),
    ];
    let conversation = shelf.told(0, ("Who earns the qzmost?", &salary), &said).await;
    let path = format!("/conversations/{conversation}");
    let markdown = format!("{path}/export?format=markdown");
    let shown = async || {
        let one = stack.get(&path, Some(&reader)).await.expect(200);
        let items = one["messages"]["items"].as_array().unwrap().clone();
        let texts: Vec<_> = items.iter().rev().map(|item| text(&item["text"]).to_owned()).collect();
        (one, items, texts)
    };
    let texts: Vec<_> = said.iter().map(|(text, _)| (*text).to_owned()).collect();
    assert_eq!(shown().await.2, texts);
    let found = async |words: &str| {
        let path = format!("/conversations?query={words}");
        walk(&stack, &reader, &path, "").await.0.len()
    };
    assert_eq!((found("qzmost").await, found("thanks").await), (1, 1));

    let deny_rule = deny(&stack, &owner, &book, &denied, &user).await;
    let (one, items, texts) = shown().await;
    assert_eq!(texts, ["", "", "Which month is best?", "May is.", "Thanks", "You are welcome."]);
    assert_eq!((&one["title"], &one["withheld"]), (&json!(""), &json!(true)));
    for (item, withheld) in items.iter().rev().zip([true, true, false, false, false, false]) {
        assert_eq!(item.get("withheld"), withheld.then_some(&json!(true)), "{item}");
        assert!(!withheld || item.get("sources").is_none(), "{item}");
    }
    let list = stack.get("/conversations", Some(&reader)).await.expect(200);
    assert_eq!(
        (&list["items"][0]["title"], &list["items"][0]["withheld"]),
        (&json!(""), &json!(true))
    );
    let single = stack.get(&format!("{path}/messages/{}", id(&items[5])), Some(&reader)).await;
    assert_eq!((&single.expect(200)["text"], &items[5]["withheld"]), (&json!(""), &json!(true)));
    for words in ["qzmost", "earns", "QZM"] {
        assert_eq!(found(words).await, 0, "{words}");
    }
    assert_eq!((found("thanks").await, found("best").await), (1, 1));
    for file in [format!("{path}/export?format=json"), markdown.clone()] {
        let file = stack.get(&file, Some(&reader)).await;
        assert_eq!(file.status, 200);
        assert!(!file.text.contains("qzmost") && !file.text.contains("730619253"), "{}", file.text);
        assert!(file.text.contains("May is."));
    }
    let file = stack.get(&markdown, Some(&reader)).await.text;
    assert!(file.starts_with("# Withheld\n"), "{file}");
    assert_eq!(file.matches("Withheld: it came from cells").count(), 2);

    // The title that its owner gives has no sources.
    let renamed =
        rename(&stack, &reader, &conversation, &json!({"title": "Pay"})).await.expect(200);
    assert_eq!((&renamed["title"], renamed.get("withheld")), (&json!("Pay"), None));
    assert_eq!(shown().await.0["title"], "Pay");
    assert_eq!(found("pay").await, 1);

    // The texts come back with the right.
    stack.post("/access/changes", Some(&owner), &json!({"remove": [deny_rule]})).await.expect(200);
    assert_eq!(shown().await.2, said.map(|(text, _)| text));
    assert_eq!(found("qzmost").await, 1);
    // A column that has left the register, a sheet, a workbook.
    stack.delete(&format!("/workbooks/{book}"), Some(&owner)).await.expect(204);
    assert_eq!(shown().await.2, ["", "", "", "", "Thanks", "You are welcome."]);
}

#[tokio::test]
async fn a_page_ends_where_more_rules_would_have_to_be_read_at_once() {
    let stack = TestStack::with(&FAST).await;
    let reader = stack.demo().await;
    let shelf = Shelf::of(&stack, &reader).await;
    let of: Vec<_> = (0..60).map(|number| column(&gone(number), &gone(1), &gone(2))).collect();
    let said: Vec<_> = of.iter().map(|sources| ("qzsecret", sources)).collect();
    let conversation = shelf.told(0, ("Sixty workbooks", &Sources::default()), &said).await;
    let path = format!("/conversations/{conversation}?limit=100");
    let (items, pages) = walk(&stack, &reader, &path, "/messages").await;
    assert_eq!((items.len(), pages), (60, 2));
    assert!(items.iter().all(|item| item["withheld"] == true && item["text"] == ""));
    let file = stack.get(&format!("/conversations/{conversation}/export"), Some(&reader)).await;
    let file = file.expect(200);
    assert_eq!(
        (file["messages"].as_array().unwrap().len(), &file["next_cursor"]),
        (60, &Value::Null)
    );
    let (found, _) = walk(&stack, &reader, "/conversations?query=qzsecret", "").await;
    assert_eq!(found, [] as [Value; 0]);

    for (number, sources) in (1..).zip(&of) {
        shelf.told(number, ("qzsecret", sources), &[]).await;
    }
    let (items, pages) = walk(&stack, &reader, "/conversations?limit=100", "").await;
    assert_eq!((items.len(), pages), (61, 2));
    assert_eq!(titles(&items).into_iter().filter(|title| !title.is_empty()).count(), 1);
    let (found, _) = walk(&stack, &reader, "/conversations?query=qzsecret", "").await;
    assert_eq!(found, [] as [Value; 0]);
}

#[tokio::test]
async fn an_answer_that_is_repeated_is_withheld_too() {
    let stack = TestStack::with(&FAST).await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let (book, _, salary, denied) = book(&stack, &owner).await;
    let send = async || {
        let request = stack.request(Method::POST, "/chat").bearer_auth(&reader.access);
        let body = json!({"message": "Who earns most?"});
        stack.send(request.header("idempotency-key", "k").json(&body)).await.expect(200)
    };
    let answer = send().await;
    let shelf = Shelf::of(&stack, &reader).await;
    let (place, reply) = (text(&answer["conversation_id"]), text(&answer["message_id"]));
    let message = Message { sources: salary.clone(), ..shelf.message(place, reply).await };
    shelf.commit(vec![shelf.messages.end(&message, message.status).unwrap()]).await;
    assert_eq!(send().await, answer);
    deny(&stack, &owner, &book, &denied, &user).await;
    let again = send().await;
    assert_eq!((&again["reply"], &again["withheld"]), (&json!(""), &json!(true)));
    assert_eq!(again["message_id"], answer["message_id"]);

    // A connection that resumes it hears the end alone.
    let mut socket = stack.connect(&reader).await;
    let resume = json!({"action": "chat.resume", "message_id": reply, "after_sequence": 0});
    let end = socket.ask(&resume, "chat.completed").await;
    assert_eq!(end["withheld"], true);
    // The next question goes to the model without it.
    let next = json!({"message": "Go on", "conversation_id": place});
    let next = ask_async(&stack, &reader, &next).await.expect(202);
    crate::chat::poll(&stack, &reader, &path_of(&next)).await;
    let event = own_events(&stack, &reader, "chat.message").await.pop().unwrap();
    let texts = stack.get(&format!("/audit/{}?texts=true", id(&event)), Some(&reader)).await;
    let texts = texts.expect(200)["texts"].clone();
    let prompt: Value = serde_json::from_str(text(&texts[0]["text"])).unwrap();
    assert_eq!(prompt["shown"].as_array().unwrap().len(), 1);
    assert!(!prompt["shown"].to_string().contains(reply), "{prompt}");

    // A message may be read before its sources are known. The text so far brings them.
    let writing = Message {
        status: MessageStatus::Streaming,
        text: String::new(),
        sources: Sources::default(),
        ..shelf.message(place, reply).await
    };
    shelf.commit(vec![shelf.messages.end(&writing, MessageStatus::Completed).unwrap()]).await;
    let frames = Frames {
        message_id: reply.to_owned(),
        sequence: 1,
        frames: vec![Frame::Text("Bob does.".to_owned())],
        sources: salary,
    };
    shelf.drafts.save(&frames, Clock::System.now()).await.unwrap();
    let so_far = stack.get(&path_of(&answer), Some(&reader)).await.expect(200);
    assert_eq!((&so_far["text"], &so_far["withheld"]), (&json!(""), &json!(true)));
}

#[tokio::test]
async fn a_state_is_withheld_and_what_is_sent_back_of_it_too() {
    let stack = TestStack::with(&FAST).await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let (book, _, salary, denied) = book(&stack, &owner).await;
    let shelf = Shelf::of(&stack, &reader).await;
    let states = States::new(&stack.platform("ConversationsFunction")).unwrap();
    let begin =
        async || id(&stack.post("/conversations", Some(&reader), &json!({})).await.expect(201));
    let path = |place: &str| format!("/conversations/{place}/state");
    let kept = json!({"top": "Bob earns 730619253."});
    let mut places = Vec::new();
    // The client keeps the value, changes it beside another, or replaces it.
    for (values, is_withheld) in [
        (json!({"top": "Bob earns 730619253.", "own": "x"}), true),
        (json!({"other": "Bob earns 730619253."}), true),
        (json!({"own": "x"}), false),
    ] {
        let place = begin().await;
        let conversation =
            shelf.history.conversation(&shelf.user_id, &place).await.unwrap().unwrap();
        let state = State {
            values: serde_json::from_value(kept.clone()).unwrap(),
            version: 1,
            set_at: Clock::System.now().as_millisecond(),
            sources: salary.clone(),
        };
        shelf.commit(vec![states.put(&conversation, &state, 0).unwrap()]).await;
        let read = stack.get(&path(&place), Some(&reader)).await.expect(200);
        assert_eq!(read, json!({"values": kept, "version": 1}));
        let body = json!({"values": values, "version": 1});
        stack.call(Method::PUT, &path(&place), &reader, &body).await.expect(200);
        places.push((place, values, is_withheld));
    }
    let rule = deny(&stack, &owner, &book, &denied, &user).await;
    for (place, values, is_withheld) in &places {
        let read = stack.get(&path(place), Some(&reader)).await.expect(200);
        let expected = if *is_withheld {
            json!({"values": {}, "withheld": true, "version": 2})
        } else {
            json!({"values": values, "version": 2})
        };
        assert_eq!(read, expected, "{values}");
    }
    stack.post("/access/changes", Some(&owner), &json!({"remove": [rule]})).await.expect(200);
    for (place, values, _) in &places {
        let read = stack.get(&path(place), Some(&reader)).await.expect(200);
        assert_eq!(read, json!({"values": values, "version": 2}));
    }
}
