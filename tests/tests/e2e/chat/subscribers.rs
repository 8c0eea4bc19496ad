//! Subscribers of the same reply do not wait for one another.

use std::sync::Arc;

use assistant::domain::{Cost, Usage};
use assistant::{Event, Events, Provider, Request};
use chat_stream::ChatStream;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use tally_chat::store::{Joined, Messages};
use tally_tests::TestStack;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};

use super::FAST;
use super::sweep::drafts;
use super::worker::{pending, platform_of, start_of_reply};

/// The requests to `@connections`, in order.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// A message to a connection that accepts it, and when.
    Heard(Value, Instant),
    /// A message to the connection that stalls.
    Stalls,
    /// The worker has stopped waiting for the stalled connection.
    GivenUp,
}

type Log = Arc<watch::Sender<Vec<Seen>>>;

/// A server for `@connections`. It never answers posts to the first connection, and answers all
/// others at once.
async fn connections() -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, log) = (format!("http://{}/live", listener.local_addr().unwrap()), Log::default());
    let seen = Arc::clone(&log);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, Arc::clone(&seen)));
        }
    });
    (url, log)
}

async fn serve(stream: TcpStream, log: Log) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    let mut line = String::new();
    let mut length = 0;
    stream.read_line(&mut request).await.unwrap();
    while stream.read_line(&mut line).await.unwrap() > 2 {
        if let Some(("content-length", value)) = line.to_lowercase().trim().split_once(": ") {
            length = value.parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    if request.contains("c-1") {
        log.send_modify(|seen| seen.push(Seen::Stalls));
        while stream.read(&mut body).await.is_ok_and(|bytes| bytes > 0) {}
        log.send_modify(|seen| seen.push(Seen::GivenUp));
        return;
    }
    log.send_modify(|seen| {
        seen.push(Seen::Heard(serde_json::from_slice(&body).unwrap(), Instant::now()));
    });
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
}

/// A provider that writes a word every few milliseconds while its call runs, and reports the time
/// of the call's end.
struct Endless(Arc<watch::Sender<Option<Instant>>>);

/// A running call. It reports the time when it is dropped.
struct Running(Arc<watch::Sender<Option<Instant>>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_replace(Some(Instant::now()));
    }
}

impl Provider for Endless {
    fn model(&self) -> &'static str {
        "endless"
    }

    fn call(&self, _: Request) -> Events {
        let words =
            stream::unfold((0_u64, Running(Arc::clone(&self.0))), async |(number, running)| {
                sleep(Duration::from_millis(10)).await;
                Some((Ok(Event::Text(format!("{number} "))), (number + 1, running)))
            });
        words.boxed()
    }

    fn cost(&self, _: &str, _: &Usage) -> Cost {
        Cost::ZERO
    }
}

#[tokio::test]
async fn a_connection_that_stalls_holds_up_no_other_and_no_cancel() {
    let stack = TestStack::with(&FAST).await;
    let (url, log) = connections().await;
    let platform = platform_of(&stack, &[("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", &url)]);
    let drafts = drafts(&stack);
    let reply = pending(&platform, "At length", None).await;
    // The connection that asked stalls. Another one subscribes too.
    let stored = drafts.head(&reply.id).await.unwrap().unwrap();
    assert_eq!(drafts.join(stored, "c-2=", 0).await.unwrap(), Joined::Live);
    let stopped = Arc::new(watch::Sender::default());
    let worker =
        ChatStream::with_provider(&platform, Box::new(Endless(Arc::clone(&stopped)))).unwrap();
    let start = start_of_reply(&reply);
    let writing = Box::pin(worker.write_reply(start, Instant::now() + Duration::from_mins(5)));
    let cancelling = async {
        let mut seen = log.subscribe();
        let heard =
            |seen: &Vec<Seen>| seen.iter().filter(|seen| matches!(seen, Seen::Heard(..))).count();
        seen.wait_for(|seen| seen.contains(&Seen::Stalls) && heard(seen) >= 4).await.unwrap();
        let cancel = drafts.cancel(&reply.id, "u-1", platform.clock.now());
        platform.database().unwrap().commit(vec![cancel]).await.unwrap();
        Instant::now()
    };
    let (written, cancelled_at) = tokio::join!(writing, cancelling);
    written.unwrap();
    let stopped_at = (*stopped.borrow()).unwrap();

    let seen = log.borrow().clone();
    let given_up = seen.iter().position(|seen| *seen == Seen::GivenUp).unwrap_or(seen.len());
    let messages = |seen: &[Seen]| {
        seen.iter()
            .filter_map(|seen| {
                if let Seen::Heard(message, _) = seen { Some(message.clone()) } else { None }
            })
            .collect::<Vec<_>>()
    };
    let heard = messages(&seen[..given_up]);
    assert!(heard.len() >= 4, "the other one is sent frames while the first one stalls: {seen:?}");
    let times: Vec<_> = seen[..given_up]
        .iter()
        .filter_map(|seen| if let Seen::Heard(_, at) = seen { Some(*at) } else { None })
        .collect();
    let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    // The figures depend on this machine and its load. `--nocapture` shows them.
    println!(
        "the longest gap was {gap:?}; the call ended {:?} after the cancel",
        stopped_at.saturating_duration_since(cancelled_at)
    );
    // The other connection receives all of it in order, and its end. The stalled one is stored as
    // having missed a part.
    let to_both = messages(&seen);
    let text = Messages::new(&platform).unwrap();
    let text = text.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap().text;
    let (end, deltas) = to_both.split_last().unwrap();
    let said: String = deltas.iter().map(|delta| delta["text"].as_str().unwrap()).collect();
    assert_eq!((said.as_str(), &end["stop_reason"]), (text.as_str(), &"cancelled".into()));
    assert!(
        (1_u64..).zip(deltas).all(|(sequence, delta)| delta["sequence"] == sequence),
        "{deltas:?}"
    );
    let left = drafts.head(&reply.id).await.unwrap().unwrap();
    assert_eq!(left.missed.into_iter().collect::<Vec<_>>(), ["c-1="]);
}
