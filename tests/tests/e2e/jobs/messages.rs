//! The messages about a job to the connections of its user.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Socket, id};

use super::{number, piece, stack, start, well};
use crate::chat::text;
use crate::job_api::read;

/// The messages of a connection up to the end of a job.
async fn listen(socket: &mut Socket) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let message = socket.next().await.expect("the connection stays");
        let is_end = message["type"] == "job.ended";
        heard.push(message);
        if is_end {
            return heard;
        }
    }
}

#[tokio::test]
async fn every_connection_of_the_owner_hears_how_far_a_job_is_and_its_end() {
    // A piece takes 0.7 s.
    let api = MessagesApi::start(|asked| match piece(asked) {
        Some(_) => well(asked).paced(Duration::from_millis(100)),
        None => well(asked),
    });
    let api = api.await;
    let stack = stack(&api, &[("JobParallel", "2")]).await;
    let (caller, other) = (stack.someone().await, stack.someone().await);
    let again = stack.login(&caller.username, "Correct-Horse-9").await;
    let mut sockets =
        [stack.connect(&caller).await, stack.connect(&caller).await, stack.connect(&again).await];
    let mut stranger = stack.connect(&other).await;
    let began = Instant::now();
    let job = start(&stack, &caller, 8).await;
    let [one, two, three] = &mut sockets;
    let heard = tokio::join!(listen(one), listen(two), listen(three));
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let job = read(&stack, &caller, &job).await;
    for heard in [&heard.0, &heard.1, &heard.2] {
        let (end, progress) = heard.split_last().unwrap();
        assert_eq!(end["job"], job);
        // At most one comes in a second, and the job takes more than two.
        assert!((2..=seconds + 1).contains(&progress.len()), "{seconds}: {heard:?}");
        let mut revision = 0;
        for message in progress {
            let found = (text(&message["type"]), text(&message["job_id"]));
            assert_eq!(found, ("job.progress", id(&job).as_str()));
            assert_eq!((text(&message["kind"]), text(&message["status"])), ("analysis", "running"));
            let counts = &message["counts"];
            let sum = |names: &[&str]| names.iter().map(|name| number(&counts[*name])).sum::<u64>();
            let states = ["pending", "running", "succeeded", "failed", "cancelled"];
            assert_eq!(counts["total"], sum(&states), "{message}");
            let ranges = message["ended"].as_array().unwrap().iter();
            let ended = ranges.map(|range| number(&range[1]) + 1 - number(&range[0]));
            assert_eq!(ended.sum::<u64>(), sum(&["succeeded", "failed"]), "{message}");
            assert!(number(&message["revision"]) > revision, "{heard:?}");
            revision = number(&message["revision"]);
        }
        assert!(number(&job["revision"]) > revision);
    }
    // Another user hears nothing, not even late.
    stranger.ask(&json!({"action": "ping"}), "pong").await;
}
