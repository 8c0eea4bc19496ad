//! A client hears exactly the stored text, in frames that are small enough. This holds for any text
//! and any place where it is cut off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Caller, Socket, TestStack};

use super::{claude, path_of, poll, text};

/// Largest frame that API Gateway accepts.
const FRAME_BYTES: usize = 32 * 1024;

/// Minimum size of a reply in bytes. Any such text makes at least a dozen frames.
const REPLY_BYTES: usize = 64 * 1024;

/// Texts to cut. Each has its smallest parts, which repeat, and the size of the pieces in which it
/// is sent.
const TEXTS: [(&str, &[&str], usize); 6] = [
    ("one long word", &["x"], REPLY_BYTES),
    ("one long word, letter by letter almost", &["y"], 100),
    ("three bytes a character", &["€", "漢"], 1_700),
    ("many characters a sign", &["👩‍👩‍👧", "🇫🇷", "é", "e\u{301}"], 1_300),
    ("six bytes of JSON for one", &["\u{1}", "\u{7}", "\u{1f}"], 5_000),
    (
        "what JSON escapes",
        &["\"", "\\", "\n", "\r\n", "</script>", "\u{2028}", "\u{7f}", "a b "],
        900,
    ),
];

/// The text with this name, in the provider's pieces. Their sizes and order are random but the same
/// on every run.
fn pieces(name: &str) -> Vec<String> {
    let (_, parts, size) = TEXTS.into_iter().find(|(candidate, ..)| *candidate == name).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut pieces = Vec::new();
    let mut bytes = 0;
    while bytes < REPLY_BYTES {
        let mut piece = String::new();
        let end = if size == REPLY_BYTES { size } else { 1 + draw(2 * size) };
        while piece.len() < end {
            piece.push_str(parts[draw(parts.len())]);
        }
        bytes += piece.len();
        pieces.push(piece);
    }
    pieces
}

/// Opens a connection as soon as there is room for one.
async fn connect(stack: &TestStack, caller: &Caller) -> Socket {
    loop {
        match stack.handshake("", &[("authorization", &format!("Bearer {}", caller.access))]).await
        {
            Ok(socket) => return socket,
            // The end of an earlier connection may not have been noticed yet.
            Err(refused) => assert_eq!(refused.status, 429, "{refused:?}"),
        }
    }
}

async fn next(socket: &mut Socket) -> Value {
    let frame = socket
        .next_frame(Duration::from_mins(2))
        .await
        .expect("a frame")
        .expect("the connection stays");
    assert!(frame.len() < FRAME_BYTES, "{} bytes: {frame:.200}", frame.len());
    serde_json::from_str(&frame).unwrap()
}

#[tokio::test]
async fn a_client_that_is_cut_off_after_any_frame_of_any_text_has_it_byte_for_byte() {
    let texts: BTreeMap<_, _> = TEXTS.iter().map(|(name, ..)| (*name, pieces(name))).collect();
    let texts = Arc::new(texts);
    let said = Arc::clone(&texts);
    let api = MessagesApi::start(move |asked| {
        let pieces: Vec<_> = said[asked.message()].iter().map(String::as_str).collect();
        // The reply takes about three seconds.
        let pace = Duration::from_secs(3) / u32::try_from(pieces.len()).unwrap();
        Answer::stream(reply(&pieces)).paced(pace)
    });
    let api = api.await;
    let stack = &claude::stack(&api, &[("AiIdleMilliseconds", "60000")]).await;
    // One client resumes after each frame, another after every few. The latter's next frame begins
    // in the middle of one stored item.
    let clients = texts
        .iter()
        .flat_map(|(name, pieces)| [1, 3].map(|frames| (name, pieces.concat(), frames)));
    join_all(clients.map(|(name, expected, frames)| async move {
        let caller = &stack.someone().await;
        let mut socket = connect(stack, caller).await;
        let started = socket
            .ask(
                &json!({
                    "action": "chat.send", "message": name,
                }),
                "chat.started",
            )
            .await;
        let mut heard = String::new();
        let mut last = 0;
        let end = loop {
            let message = next(&mut socket).await;
            if message["type"] != "chat.delta" {
                break message;
            }
            last += 1;
            assert_eq!(message["sequence"], last, "{name}");
            heard.push_str(text(&message["text"]));
            if last % frames == 0 {
                socket.close().await;
                socket = connect(stack, caller).await;
                let resume = json!({
                    "action": "chat.resume", "message_id": started["message_id"],
                    "after_sequence": last,
                });
                socket.send(&resume).await;
            }
        };
        assert_eq!(text(&end["type"]), "chat.completed", "{name}");
        assert!(last >= 12, "{name} came in {last} frames");
        assert!(heard == expected, "{name}: other text was heard than was said");
        let stored = poll(stack, caller, &path_of(&started)).await.pop().unwrap();
        assert!(text(&stored["text"]) == heard, "{name}: other text is stored than was heard");
    }))
    .await;
}
