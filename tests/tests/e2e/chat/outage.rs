//! What `GET /ready` says of the provider: what the workers of replies have met.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assistant::{Event, Events, Outage, Provider, Request};
use chat_stream::ChatStream;
use futures_util::stream::{self, StreamExt as _};
use platform::chat::ReplyStart;
use platform::domain::{Cost, StopReason, Usage};
use platform::store::Outages;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::World;
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tokio::time::Instant;

use super::worker::{pending, platform_of};
use super::{FAST, claude};

async fn readiness(world: &World) -> (Value, Value) {
    // Whatever the assistant does: accounts and data answer.
    let ready = world.get("/ready", None).await.expect(200).clone();
    (ready["status"].clone(), ready["checks"]["assistant"]["status"].clone())
}

#[tokio::test]
async fn readiness_says_that_a_model_is_not_asked_and_that_none_is() {
    let second_fails = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&second_fails);
    let api = MessagesApi::start(move |asked| {
        let overloaded = asked.body["model"] == "first" || fails.load(Ordering::Relaxed);
        if overloaded { Answer::error(529, "overloaded_error").header("retry-after-ms", "1") } else { Answer::stream(reply(&["Well"])) }
    });
    let api = api.await;
    // A circuit is of one process.
    let world = claude::world_of(&api, |options| options.processes.per_function = 1).await;
    let caller = world.someone().await;
    assert_eq!(readiness(&world).await, ("ok".into(), "ok".into()));
    for (fails, status, assistant) in [(false, 200, "degraded"), (true, 503, "failing")] {
        second_fails.store(fails, Ordering::Relaxed);
        let mut asked = 0;
        while readiness(&world).await != ("degraded".into(), assistant.into()) {
            asked += 1;
            assert!(asked < 50, "{assistant}");
            world.post("/chat", Some(&caller), &json!({"message": "How are you?"})).await.expect(status);
        }
    }
}

/// Says nothing, and is as it is told to be.
#[derive(Clone, Default)]
struct Ill(Arc<Mutex<Option<Outage>>>);

impl Provider for Ill {
    fn model(&self) -> &'static str {
        "ill"
    }

    fn call(&self, _: Request) -> Events {
        stream::iter([Ok(Event::Stop(StopReason::EndTurn))]).boxed()
    }

    fn cost(&self, _: &str, _: &Usage) -> Cost {
        Cost::ZERO
    }

    fn outage(&self) -> Option<Outage> {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn an_outage_is_told_once_and_taken_back_and_ends_by_itself() {
    const HOUR: Duration = Duration::from_hours(1);
    let world = World::with(&FAST).await;
    let (platform, provider) = (platform_of(&world, &[]), Ill::default());
    let worker = ChatStream::with_provider(&platform, Box::new(provider.clone())).unwrap();
    let begun = Instant::now();
    let outage = |is_total, until| Some(Outage { is_total, until });
    for (is, fails, written, expected) in [
        (None, false, &[][..], "ok"),
        // What can't be told is told the next time, and holds up no reply.
        (outage(true, begun + HOUR), true, &["PutItem"], "ok"),
        (outage(true, begun + HOUR), false, &["PutItem"], "failing"),
        (outage(true, begun + HOUR), false, &[], "failing"),
        (outage(true, begun + 2 * HOUR), false, &["PutItem"], "failing"),
        (outage(false, begun + 2 * HOUR), false, &["PutItem"], "degraded"),
        (None, true, &["DeleteItem"], "degraded"),
        (None, false, &["DeleteItem"], "ok"),
        (None, false, &[], "ok"),
        // It may be over before anybody could be told.
        (outage(true, begun), false, &["PutItem"], "ok"),
        (outage(true, begun + HOUR), false, &["PutItem"], "failing"),
    ] {
        *provider.0.lock().unwrap() = is;
        let reply = pending(&platform, "How are you?", None).await;
        let start = ReplyStart { conversation_id: reply.conversation_id.clone(), message_id: reply.id.clone() };
        if fails {
            world.fail("OutagesTable", None, Failure::Internal, 3);
        }
        let writing = Box::pin(worker.write_reply(start, Instant::now() + Duration::from_mins(1)));
        let (ended, calls) = world.round_trips(writing).await;
        ended.unwrap();
        let calls = calls.iter().filter_map(|call| call.split_once(' ').filter(|(_, table)| table.contains("Outages")));
        let mut calls: Vec<_> = calls.map(|(operation, _)| operation).collect();
        calls.dedup();
        assert_eq!(calls, written, "{is:?}");
        let status = if expected == "ok" { "ok" } else { "degraded" };
        assert_eq!(readiness(&world).await, (status.into(), expected.into()), "{is:?}");
    }
    let outages = Outages::new(platform.database().unwrap(), &platform.config).unwrap();
    let now = platform.clock.now();
    assert!(outages.current(now).await.unwrap().is_some());
    assert_eq!(outages.current(now + HOUR).await.unwrap(), None, "whether it has been deleted or not");
}
