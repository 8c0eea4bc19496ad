//! A worker that is killed at a call of DynamoDB, in a reply with three calls that write. Each of
//! the three is made once or not at all, with its event, and the conversation goes on. `.ci/long`
//! kills a worker at every such call.

use std::collections::BTreeSet;
use std::pin::pin;

use serde_json::{Value, json};
use tally_chat::store::Message;
use tally_local::aws::{Call, Failure, Fault, Service};
use tally_tests::{Caller, TestStack};

use super::dying::principal;
use super::{agent, decide, ended, titles};
use crate::access::me;
use crate::chat::confirm::{self, NOWHERE};
use crate::chat::sweep::{drafts, grow_old, make_sweep_due, sweep};
use crate::chat::worker::{pending_of, platform_of, start_of_reply};
use crate::chat::{FAST, own_events, path_of, text};

const WORKER: &str = "ChatStreamFunction";

/// The tasks that the model adds, by calls of one message.
const TITLES: [&str; 3] = ["First", "Second", "Third"];

/// The functions of the stack. There is no sealer, which would make calls of its own beside a worker.
const FUNCTIONS: [&str; 13] = [
    "agents",
    "audit",
    "budgets",
    "chat",
    "chat-stream",
    "conversations",
    "expire-replies",
    "login",
    "me",
    "register",
    "seed",
    "sessions",
    "tasks",
];

/// The worker that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// The model asks for calls that wait for nobody, and the worker makes them.
    MakesAll,
    /// The model asks for calls that have to be confirmed, and the worker leaves the reply.
    Waits,
    /// The calls have been confirmed, and the worker makes them.
    GoesOn,
}

/// The moment of its death.
#[derive(Debug, Clone, Copy)]
struct Moment {
    worker: Worker,
    /// Number of calls that it makes before.
    after: usize,
    /// Whether the next call is carried out.
    failure: Failure,
}

#[tokio::test]
async fn a_worker_that_is_killed_has_made_each_call_once_or_not_at_all() {
    kill_at_every(20).await;
}

#[tokio::test]
#[ignore = "it takes minutes; .ci/long runs it"]
async fn a_worker_that_is_killed_at_any_call_has_made_each_call_once_or_not_at_all() {
    let made = kill_at_every(1).await;
    assert!(made.len() >= 50, "{}", made.len());
    let numbers: BTreeSet<_> = made.into_iter().collect();
    assert_eq!(numbers, BTreeSet::from([0, 1, 2, 3]));
}

/// Kills workers, each at another moment: at every `step`-th of all. Gives for each worker that
/// was killed how many tasks its reply has added.
async fn kill_at_every(step: usize) -> Vec<usize> {
    let stack = TestStack::of(|options| {
        options.sets = FAST.map(|(name, value)| (name.into(), value.into())).into();
        options.only = Some(FUNCTIONS.map(str::to_owned).into());
    })
    .await;
    agent(&stack, "bold", &json!({"confirm": "destructive"})).await;
    let mut moments = Vec::new();
    for worker in [Worker::MakesAll, Worker::Waits, Worker::GoesOn] {
        let (_, reply) = before(&stack, worker).await;
        stack.local.calls().clear();
        run(&stack, &reply).await;
        moments.extend(moments_of(worker, stack.local.calls().take()));
    }
    let mut made = Vec::new();
    for moment in moments.into_iter().step_by(step) {
        let (caller, reply) = before(&stack, moment.worker).await;
        let is_killed = run_until(&stack, &reply, moment).await;
        let number = expect_whole(&stack, &caller, &reply, moment).await;
        made.extend(is_killed.then_some(number));
    }
    made
}

/// Before each of these calls, and after each that writes.
fn moments_of(worker: Worker, calls: Vec<Call>) -> impl Iterator<Item = Moment> {
    let calls = calls.into_iter().filter(|call| call.service == Service::DynamoDb);
    calls.enumerate().flat_map(move |(after, call)| {
        let is_read = ["GetItem", "BatchGetItem", "Query"].contains(&call.operation.as_str());
        let moment = move |failure| Moment { worker, after, failure };
        let right_after = (!is_read).then(|| moment(Failure::HeldAfter));
        [moment(Failure::HeldBefore)].into_iter().chain(right_after)
    })
}

/// A reply of a new user that this worker has to write next.
async fn before(stack: &TestStack, worker: Worker) -> (Caller, Message) {
    let caller = stack.someone().await;
    let lines = TITLES.map(|title| format!("/tool add_task {}", json!({"title": title})));
    let agent = if worker == Worker::MakesAll { "bold" } else { "tasks" };
    let body = json!({"message": lines.join("\n"), "agent": agent});
    let principal = principal(stack, &caller).await;
    let reply = pending_of(&platform_of(stack, &[]), principal, &body).await;
    if worker == Worker::GoesOn {
        run(stack, &reply).await;
        // No worker is started by this: its start is lost.
        let platform = platform_of(stack, &[("CHAT_STREAM_ARN", NOWHERE)]);
        let started = started(&reply);
        let waiting = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
        for call in waiting["tool_calls"].as_array().unwrap() {
            let (place, now) = ((&started, &call["call_id"]), platform.clock.now());
            let decided = confirm::decide(stack, &caller, &platform, place, now).await;
            assert_eq!(decided, Ok(()));
        }
    }
    (caller, reply)
}

/// The reply as `chat.started` names it.
fn started(reply: &Message) -> Value {
    json!({"conversation_id": reply.conversation_id, "message_id": reply.id})
}

/// Runs the worker of a reply to its end.
async fn run(stack: &TestStack, reply: &Message) {
    let start = serde_json::to_vec(&start_of_reply(reply)).unwrap();
    stack.local.invoke(WORKER, start).await.unwrap();
}

/// Runs the worker of a reply until it is killed at this moment. Returns false if it ended before.
async fn run_until(stack: &TestStack, reply: &Message, moment: Moment) -> bool {
    let aws = stack.local.aws();
    let service = Service::DynamoDb;
    for (failure, times) in [(Failure::Passed, moment.after), (moment.failure, 1)] {
        aws.fail(Fault { service, operation: None, target: None, failure, times });
    }
    let start = serde_json::to_vec(&start_of_reply(reply)).unwrap();
    let mut work = pin!(stack.local.invoke(WORKER, start));
    let is_held = tokio::select! {
        biased;
        () = aws.held() => true,
        ended = &mut work => {
            ended.unwrap();
            false
        }
    };
    aws.recover();
    if is_held {
        stack.local.functions().kill(WORKER).unwrap();
        work.await.ok();
    }
    is_held
}

/// Fails unless a reply has ended, with what it has done, and its conversation goes on. Returns the
/// number of tasks that it has added.
async fn expect_whole(
    stack: &TestStack,
    caller: &Caller,
    reply: &Message,
    moment: Moment,
) -> usize {
    let started = started(reply);
    let message = end_of(stack, caller, &started).await;
    let added = titles(stack, caller).await;
    let number = added.len();
    // Calls that write are made in order.
    let first: Vec<_> = TITLES.into_iter().take(number).collect();
    assert_eq!(added, first, "{moment:?}");
    if message["status"] == "completed" {
        assert_eq!(number, TITLES.len(), "{moment:?}: {message}");
    }
    assert_eq!(open_tasks(stack, &me(stack, caller).await).await, number, "{moment:?}");

    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let (completed, others): (Vec<_>, Vec<_>) =
        calls.partition(|call| call["status"] == "completed");
    // A call that waits when its worker dies is rejected.
    let is_over = |call: &&Value| call["status"] == "failed" || call["status"] == "rejected";
    assert!(others.iter().all(is_over), "{moment:?}: {message}");
    let shown: Vec<_> = completed.iter().map(|call| text(&call["arguments"]["title"])).collect();
    assert_eq!(shown, first, "{moment:?}: {message}");
    let ids: BTreeSet<_> = completed.iter().map(|call| text(&call["call_id"])).collect();
    let created = own_events(stack, caller, "task.created").await;
    let details: Vec<_> = created.iter().map(|event| &event["detail"]).collect();
    assert_eq!(created.len(), number, "{moment:?}: {created:?}");
    assert!(details.iter().all(|detail| detail["via"] == "chat"), "{moment:?}: {created:?}");
    let of_events: BTreeSet<_> = details.iter().map(|detail| text(&detail["call_id"])).collect();
    assert_eq!(of_events, ids, "{moment:?}");

    let budget = stack.get("/users/me/budget", Some(caller)).await.expect(200);
    assert_eq!(text(&budget["held_usd"]), "0.00", "{moment:?}");
    let next = json!({"message": "And?", "conversation_id": started["conversation_id"]});
    let answer = stack.post("/chat", Some(caller), &next).await.expect(200);
    assert_eq!(text(&answer["stop_reason"]), "end_turn", "{moment:?}");
    assert_eq!(titles(stack, caller).await, first, "{moment:?}");
    number
}

/// The end of a reply whose worker was killed. The sweep ends it, or starts its worker once more. If
/// it waits, its user approves the calls.
async fn end_of(stack: &TestStack, caller: &Caller, started: &Value) -> Value {
    let id = &started["message_id"];
    loop {
        let message = stack.get(&path_of(started), Some(caller)).await.expect(200);
        match text(&message["status"]) {
            "pending" | "streaming" => {}
            "awaiting_confirmation" => {
                let calls = message["tool_calls"].as_array().unwrap();
                let decisions: Vec<_> = calls.iter().map(|call| (call, "approve")).collect();
                let decided = decide(stack, caller, started, &decisions).await;
                assert!(decided.status < 300, "{decided:?}");
                return ended(stack, caller, started).await;
            }
            _ => {
                if make_sweep_due(stack, id).await {
                    sweep(stack).await;
                }
                return message;
            }
        }
        // The last words of the worker may come after this. Then it counts as alive for a while.
        grow_old(stack, id, 1).await;
        sweep(stack).await;
        let head = drafts(stack).head(text(id)).await.unwrap().unwrap();
        if head.restarted {
            return ended(stack, caller, started).await;
        }
    }
}

/// The number of open tasks of a user, as it is stored. There is none before the first task.
async fn open_tasks(stack: &TestStack, user_id: &str) -> usize {
    let items = stack.items("TasksTable").await;
    let is_it = |item: &&Value| item["user_id"]["S"] == user_id && item["id"]["S"] == "#count";
    let number = items.iter().find(is_it).map(|item| text(&item["open_tasks"]["N"]));
    number.map_or(0, |number| number.parse().unwrap())
}
