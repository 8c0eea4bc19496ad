//! A job from its request to its end: its calls, results, events and usage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::TestStack;
use tally_tests::messages_api::{Answer, MessagesApi, reply, reply_of};
use tokio::sync::Barrier;

use super::worker::{sweep, work, workers_ended};
use super::{
    PRICE, check, codes, estimate, events, hang, number, piece, shown, stack, start, well,
};
use crate::audit::texts_of;
use crate::chat::{FAST, text};
use crate::job_api::{budget, ended, nanos, read};

/// Calls at once, and pieces: a multiple of it.
const AT_ONCE: usize = 3;
const PIECES: usize = 18;

#[tokio::test]
async fn each_call_is_made_once_and_everything_adds_up() {
    // Each answer waits for as many others as run at once.
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let api = MessagesApi::start(move |asked| match piece(asked) {
        Some(_) => well(asked).held_at(0, &barrier),
        None => well(asked),
    });
    let api = api.await;
    let stack = stack(&api, &[("JobParallel", "3")]).await;
    let caller = stack.someone().await;
    let worst = estimate(&stack, &caller, PIECES).await;
    let job = start(&stack, &caller, PIECES).await;
    assert_eq!((text(&job["status"]), nanos(&job["held_usd"])), ("queued", worst), "{job}");
    // One worker has the job. The others find that.
    join_all((0..3).map(|_| work(&stack, &caller, &job))).await;
    sweep(&stack).await;
    let job = ended(&stack, &caller, &job).await;
    // The one that the request has started, three more, and the schedule's.
    workers_ended(&stack, 5).await;
    work(&stack, &caller, &job).await;
    assert_eq!(read(&stack, &caller, &job).await, job);

    let once = (0..PIECES).map(Some).chain([None]).map(|piece| (piece, 1));
    assert_eq!(shown(&api), once.collect::<BTreeMap<_, _>>());
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["analysis"]["summary"], "Fine.", "{job}");
    let count = i64::try_from(PIECES + 1).unwrap();
    assert_eq!(nanos(&job["cost_usd"]), count * PRICE);
    assert_eq!(budget(&stack, &caller).await, (count * PRICE, 0));
    let items = check(&stack, &caller, &job).await;
    for (item, index) in items.iter().zip(0..) {
        let found = (&item["index"], text(&item["status"]), &item["attempts"]);
        assert_eq!(found, (&json!(index), "succeeded", &json!(1)), "{item}");
        let key = if index == PIECES { "summary" } else { "text" };
        assert_eq!(item["result"], json!({key: "Fine."}));
        assert_eq!((nanos(&item["cost_usd"]), item.get("estimated")), (PRICE, None));
    }

    let requested = events(&stack, &caller, "job.requested", &job).await;
    let detail = &requested[0]["detail"];
    assert_eq!((requested.len(), nanos(&detail["held_usd"])), (1, worst));
    assert_eq!((text(&detail["prompt"]), &detail["prompt_version"]), ("probe", &json!(1)));
    let made = events(&stack, &caller, "job.item", &job).await;
    let mut indices: Vec<_> = made.iter().map(|event| number(&event["detail"]["index"])).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..=PIECES as u64).collect::<Vec<_>>());
    for event in &made {
        let detail = &event["detail"];
        assert_eq!((text(&detail["model"]), nanos(&detail["cost_usd"])), ("first", PRICE));
        assert_eq!(detail["status"], "succeeded", "{event}");
    }
    // What was asked is told without the data, and what was answered as it is.
    let first = made.iter().find(|event| event["detail"]["index"] == 0).unwrap();
    let texts = texts_of(&stack, &caller, first).await;
    assert_eq!(texts["reply"], "Fine.");
    let asked: Value = serde_json::from_str(text(&texts["prompt"])).unwrap();
    assert_eq!((text(&asked["prompt"]["name"]), &asked["prompt"]["version"]), ("probe", &json!(1)));
    assert!(!text(&texts["prompt"]).contains("This is"), "{texts}");
    let told = events(&stack, &caller, "job.ended", &job).await;
    let [told] = told.as_slice() else { panic!("{told:?}") };
    let detail = &told["detail"];
    assert_eq!((text(&told["outcome"]), text(&detail["status"])), ("success", "succeeded"));
    assert_eq!((&detail["succeeded"], &detail["cost_usd"]), (&json!(count), &job["cost_usd"]));

    // Each prompt has its own usage.
    let usage = stack.get("/usage?group_by=prompt", Some(&caller)).await.expect(200);
    let groups = usage["items"].as_array().unwrap().iter();
    let found: BTreeMap<_, _> = groups
        .map(|group| {
            (text(&group["prompt"]), (number(&group["requests"]), nanos(&group["cost_usd"])))
        })
        .collect();
    let pieces = (PIECES as u64, (count - 1) * PRICE);
    assert_eq!(found, BTreeMap::from([("analysis.summary", (1, PRICE)), ("probe", pieces)]));
    let usage = stack.get("/usage?group_by=model", Some(&caller)).await.expect(200);
    assert_eq!(number(&usage["items"][0]["requests"]), PIECES as u64 + 1, "{usage}");
    assert_eq!(api.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_costs_nothing_runs_to_its_end() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let input =
        |number| json!({"name": format!("{number}.rs"), "text": format!("let x = {number};")});
    let inputs: Vec<_> = (0..3).map(input).collect();
    let body = json!({"type": "code", "inputs": inputs, "title": "Three lines"});
    let job = stack.post("/analyses", Some(&caller), &body).await.expect(202);
    assert_eq!((text(&job["title"]), text(&job["held_usd"])), ("Three lines", "0.00"));
    let job = ended(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), text(&job["cost_usd"])), ("succeeded", "0.00"), "{job}");
    let items = check(&stack, &caller, &job).await;
    assert_eq!(items.len(), 4);
    for item in &items {
        assert!(number(&item["usage"]["output_tokens"]) > 0, "{item}");
    }
    for item in &items[..3] {
        assert_eq!(item["result"]["findings"].as_array().map(Vec::len), Some(1), "{item}");
    }
    assert!(job["analysis"]["summary"].is_string(), "{job}");
}

#[tokio::test]
async fn what_a_call_lacks_is_told_of_its_item_or_ends_the_job() {
    const CODES: usize = 0;
    const REFUSED: usize = 1;
    const KEY: usize = 2;
    let mode = Arc::new(AtomicUsize::new(CODES));
    let now = Arc::clone(&mode);
    // The key is refused when all other calls at once have begun.
    let barrier = Arc::new(Barrier::new(4));
    let api = MessagesApi::start(move |asked| {
        let refuses = Answer::stream(reply_of(&["No."], "refusal"));
        match (now.load(Ordering::Relaxed), piece(asked)) {
            (CODES, Some(2)) => Answer::stream(reply_of(&["Fi"], "max_tokens")),
            (CODES, Some(3)) => Answer::error(400, "invalid_request_error"),
            (CODES, Some(4)) => Answer::error(413, "request_too_large"),
            // The answer breaks off.
            (CODES, Some(5)) => Answer::stream(reply(&["Fine."])).up_to(4),
            (CODES, Some(6)) => Answer::stream(reply(&[" "])),
            (CODES, Some(1)) | (REFUSED, Some(_)) => refuses,
            (KEY, Some(3)) => Answer::error(401, "authentication_error").held_at(0, &barrier),
            (KEY, Some(_)) => hang().held_at(0, &barrier),
            _ => well(asked),
        }
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;

    let job = start(&stack, &caller, 7).await;
    let job = ended(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), job.get("error")), ("succeeded", None), "{job}");
    let items = check(&stack, &caller, &job).await;
    let expected = [
        "",
        "refused",
        "output_too_long",
        "provider_rejected",
        "too_large",
        "provider_unavailable",
        "invalid_output",
        "",
    ];
    assert_eq!(codes(&items), expected);
    let costs: Vec<_> = items.iter().map(|item| nanos(&item["cost_usd"])).collect();
    assert_eq!((costs[1], costs[2], costs[3], costs[4], costs[6]), (PRICE, PRICE, 0, 0, PRICE));
    // What breaks off is tried three times, and each time is paid.
    let broken = &items[5];
    assert_eq!((&broken["attempts"], &broken["estimated"]), (&json!(3), &json!(true)));
    assert_eq!((costs[5] % 3, costs[5] > 0), (0, true));
    assert_eq!(shown(&api)[&Some(5)], 3);

    // Where no item has a result, the job has failed.
    mode.store(REFUSED, Ordering::Relaxed);
    let job = start(&stack, &caller, 2).await;
    let job = ended(&stack, &caller, &job).await;
    assert_eq!(job["status"], "failed", "{job}");
    let items = check(&stack, &caller, &job).await;
    assert_eq!((codes(&items[..2]), text(&items[2]["status"])), (vec!["refused"; 2], "failed"));
    let told = events(&stack, &caller, "job.ended", &job).await;
    assert_eq!(told[0]["outcome"], "failure", "{told:?}");

    // Where no call can succeed, those under way are broken off.
    mode.store(KEY, Ordering::Relaxed);
    let job = start(&stack, &caller, 5).await;
    api.hung_up(3).await;
    let job = ended(&stack, &caller, &job).await;
    let found = (text(&job["status"]), text(&job["error"]["code"]));
    assert_eq!(found, ("failed", "provider_rejected"), "{job}");
    let items = check(&stack, &caller, &job).await;
    assert_eq!(codes(&items), ["provider_rejected"; 6]);
    let begun = items.iter().filter(|item| nanos(&item["cost_usd"]) > 0);
    assert_eq!(begun.count(), 3);
}
