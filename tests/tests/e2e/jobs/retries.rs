//! Further rounds of a job, for the items without a result.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use platform::clock::Clock;
use serde_json::json;
use tally_jobs::store::{Jobs, Saved};
use tally_tests::messages_api::{Answer, MessagesApi, reply_of};

use super::worker::{WORKER, head};
use super::{PRICE, check, codes, events, hang, piece, shown, stack, start, well, worst};
use crate::chat::text;
use crate::job_api::{budget, cancel, dollars, ended, nanos, path, read, retry, set_budget};

/// What the model does: it refuses odd pieces, or all, or it hangs, or it answers.
const ODD: usize = 0;
const ALL: usize = 1;
const HANGS: usize = 2;
const ANSWERS: usize = 3;

async fn model(mode: &Arc<AtomicUsize>) -> MessagesApi {
    let mode = Arc::clone(mode);
    let api = MessagesApi::start(move |asked| {
        let refuses = Answer::stream(reply_of(&["No."], "refusal"));
        match (mode.load(Ordering::Relaxed), piece(asked)) {
            (ODD, Some(piece)) if piece % 2 == 1 => refuses,
            (ALL, Some(_)) => refuses,
            (HANGS, Some(_)) => hang(),
            _ => well(asked),
        }
    });
    api.await
}

#[tokio::test]
async fn a_retry_is_for_what_has_no_result() {
    let mode = Arc::new(AtomicUsize::new(ODD));
    let api = model(&mode).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let job = start(&stack, &caller, 4).await;
    let first = ended(&stack, &caller, &job).await;
    assert_eq!((text(&first["status"]), &first["counts"]["failed"]), ("succeeded", &json!(2)));
    check(&stack, &caller, &first).await;

    mode.store(ANSWERS, Ordering::Relaxed);
    let again = retry(&stack, &caller, &job, &json!({})).await.expect(202);
    assert_eq!((text(&again["status"]), again.get("ended_at")), ("queued", None), "{again}");
    assert!(
        nanos(&again["held_usd"]) > 0 && again["revision"].as_u64() > first["revision"].as_u64()
    );
    let second = ended(&stack, &caller, &job).await;
    assert_eq!((text(&second["status"]), &second["counts"]["succeeded"]), ("succeeded", &json!(5)));
    let items = check(&stack, &caller, &second).await;
    assert_eq!(codes(&items), [""; 5]);
    for (piece, times) in shown(&api) {
        match piece {
            Some(piece) => assert_eq!(times, 1 + piece % 2, "{piece}"),
            // The summary may be made anew.
            None => assert!((1..=2).contains(&times), "{times}"),
        }
    }
    // Each answer costs the same, refused or not.
    let asked = i64::try_from(api.asked().len()).unwrap();
    assert_eq!(nanos(&second["cost_usd"]), asked * PRICE);
    assert_eq!(budget(&stack, &caller).await, (asked * PRICE, 0));
    retry(&stack, &caller, &job, &json!({})).await.problem(409, "conflict");
    assert_eq!(read(&stack, &caller, &job).await, second);
    let told = events(&stack, &caller, "job.retried", &job).await;
    assert_eq!(told.iter().filter(|event| event["outcome"] == "success").count(), 1);
    let told = events(&stack, &caller, "job.ended", &job).await;
    let rounds: Vec<_> = told.iter().map(|event| &event["detail"]["round"]).collect();
    assert_eq!(rounds, [1, 2]);

    // An open job is neither retried nor deleted. One that was stopped goes on where it was.
    mode.store(HANGS, Ordering::Relaxed);
    let before = api.asked().len();
    let job = start(&stack, &caller, 6).await;
    api.was_asked(before + 1).await;
    retry(&stack, &caller, &job, &json!({})).await.problem(409, "job_open");
    stack.delete(&path(&job), Some(&caller)).await.problem(409, "job_open");
    cancel(&stack, &caller, &job).await.expect(200);
    let stopped = ended(&stack, &caller, &job).await;
    assert_eq!(
        (text(&stopped["status"]), &stopped["counts"]["cancelled"]),
        ("cancelled", &json!(7))
    );
    mode.store(ANSWERS, Ordering::Relaxed);
    retry(&stack, &caller, &job, &json!({})).await.expect(202);
    let whole = ended(&stack, &caller, &job).await;
    assert_eq!((text(&whole["status"]), &whole["counts"]["succeeded"]), ("succeeded", &json!(7)));
    let cost = nanos(&stopped["cost_usd"]) + 7 * PRICE;
    assert_eq!(nanos(&whole["cost_usd"]), cost, "{whole}");
    check(&stack, &caller, &whole).await;

    stack.delete(&path(&job), Some(&caller)).await.expect(204);
    stack.get(&path(&job), Some(&caller)).await.problem(404, "not_found");
    retry(&stack, &caller, &job, &json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn each_round_has_its_own_hold() {
    let mode = Arc::new(AtomicUsize::new(ALL));
    let api = model(&mode).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let worst = worst(&stack, &caller).await;
    let job = start(&stack, &caller, 4).await;
    let failed = ended(&stack, &caller, &job).await;
    assert_eq!((text(&failed["status"]), nanos(&failed["cost_usd"])), ("failed", 4 * PRICE));

    // The budget does not leave a nano-dollar.
    set_budget(&stack, &caller, 4 * PRICE).await;
    retry(&stack, &caller, &job, &json!({})).await.problem(402, "budget_exceeded");
    assert_eq!(read(&stack, &caller, &job).await, failed);
    check(&stack, &caller, &failed).await;
    set_budget(&stack, &caller, 1_000_000_000_000).await;

    // The hold of a round pays for its calls alone.
    mode.store(ANSWERS, Ordering::Relaxed);
    let most = json!({"max_cost_usd": dollars(worst)});
    let again = retry(&stack, &caller, &job, &most).await.expect(202);
    assert_eq!(nanos(&again["held_usd"]), worst);
    let short = ended(&stack, &caller, &job).await;
    let found = (text(&short["status"]), text(&short["error"]["code"]));
    assert_eq!(found, ("succeeded", "budget_exceeded"), "{short}");
    assert_eq!(nanos(&short["cost_usd"]), 5 * PRICE, "{short}");
    let items = check(&stack, &caller, &short).await;
    assert_eq!(codes(&items).iter().filter(|code| code.is_empty()).count(), 1);

    retry(&stack, &caller, &job, &json!({})).await.expect(202);
    let whole = ended(&stack, &caller, &job).await;
    let found = (text(&whole["status"]), whole.get("error"), nanos(&whole["cost_usd"]));
    assert_eq!(found, ("succeeded", None, 9 * PRICE), "{whole}");
    check(&stack, &caller, &whole).await;
    // Each round has the same day and prompt, so there is one row for each prompt.
    let usage = stack.get("/usage?group_by=model", Some(&caller)).await.expect(200);
    assert_eq!(nanos(&usage["items"][0]["cost_usd"]), 9 * PRICE, "{usage}");
}

#[tokio::test]
async fn a_retry_leaves_the_expiry_of_a_job_and_ends_a_day_before_it() {
    const DAY: i64 = 86_400;
    let mode = Arc::new(AtomicUsize::new(ALL));
    let api = model(&mode).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let job = start(&stack, &caller, 1).await;
    let failed = ended(&stack, &caller, &job).await;
    assert_eq!(text(&failed["status"]), "failed", "{failed}");
    let store = Jobs::new(&stack.platform(WORKER)).unwrap();
    let expires_in = async |seconds: i64| {
        let (before, now) = (head(&stack, &caller, &job).await, Clock::System.now());
        let after = before.changed(|after| after.expires_at = now.as_second() + seconds);
        assert_eq!(store.save(before.revision, &after, now).await.unwrap(), Saved::Stored);
        after.expires_at
    };
    expires_in(DAY + 3_000).await;
    retry(&stack, &caller, &job, &json!({})).await.problem(409, "conflict");
    assert_eq!(head(&stack, &caller, &job).await.round, 1);

    mode.store(ANSWERS, Ordering::Relaxed);
    let expires_at = expires_in(DAY + 7_200).await;
    retry(&stack, &caller, &job, &json!({})).await.expect(202);
    let whole = ended(&stack, &caller, &job).await;
    assert_eq!(text(&whole["status"]), "succeeded", "{whole}");
    check(&stack, &caller, &whole).await;
    let after = head(&stack, &caller, &job).await;
    assert_eq!((after.expires_at, after.round), (expires_at, 2));
    assert_eq!(after.ends_at(), (expires_at - DAY) * 1_000);
}
