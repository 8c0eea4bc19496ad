//! What a job may cost: its hold, and what happens when it is used up.

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Answer, Caller, TestStack};

use super::{analysis, check, codes, dear, estimate, hang, stack, worst};
use crate::access::me;
use crate::chat::{own_events, text};
use crate::job_api::{budget, cancel, dollars, ended, jobs, nanos, set_budget};
use crate::prompts::with;

/// Tokens of each answer, and what it costs: nearly its worst case.
const TOKENS: u64 = 4_000;
const COST: i64 = 159_750 + 4_000 * 25_000;

/// Asks for an analysis that costs at most so many nano-dollars.
async fn start_for(stack: &TestStack, caller: &Caller, pieces: usize, most: i64) -> Answer {
    let body = with(analysis(pieces), &json!({"max_cost_usd": dollars(most)}));
    stack.post("/analyses", Some(caller), &body).await
}

#[tokio::test]
async fn no_call_begins_that_the_hold_does_not_pay_for() {
    let api = MessagesApi::start(|_| dear(TOKENS)).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let worst = worst(&stack, &caller).await;
    assert!(COST < worst && worst < 2 * COST, "{worst}");
    let all = estimate(&stack, &caller, 4).await;
    // What a job may cost, and how many calls begin for it.
    for (most, count) in [(2 * worst, 2), (worst, 1), (worst - 1, 0), (0, 0)] {
        let (asked, before) = (api.asked().len(), budget(&stack, &caller).await);
        let job = start_for(&stack, &caller, 4, most).await.expect(202);
        assert_eq!(nanos(&job["held_usd"]), most, "{job}");
        let job = ended(&stack, &caller, &job).await;
        let status = if count > 0 { "succeeded" } else { "failed" };
        let found = (text(&job["status"]), text(&job["error"]["code"]));
        assert_eq!(found, (status, "budget_exceeded"), "{most} {job}");
        let items = check(&stack, &caller, &job).await;
        let expected: Vec<_> =
            (0..5).map(|index| if index < count { "" } else { "budget_exceeded" }).collect();
        assert_eq!(codes(&items), expected, "{most}");
        let cost = i64::try_from(count).unwrap() * COST;
        assert_eq!(nanos(&job["cost_usd"]), cost);
        assert!(cost <= most);
        assert_eq!(api.asked().len() - asked, count, "{most}");
        assert_eq!(budget(&stack, &caller).await, (before.0 + cost, 0));
    }
    // No more is held than all calls cost at worst.
    let job = start_for(&stack, &caller, 4, 2 * all).await.expect(202);
    assert_eq!(nanos(&job["held_usd"]), all);
    ended(&stack, &caller, &job).await;
}

#[tokio::test]
async fn a_job_that_the_budgets_do_not_pay_for_leaves_nothing_behind() {
    let api = MessagesApi::start(|_| hang()).await;
    let stack = stack(&api, &[]).await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let user = me(&stack, &caller).await;
    let all = estimate(&stack, &caller, 2).await;
    let of_user = async || {
        let items = stack.items("JobsTable").await.into_iter();
        items.filter(|item| item["user_id"]["S"] == user.as_str()).collect::<Vec<Value>>()
    };
    set_budget(&stack, &caller, all - 1).await;
    let refused = stack.post("/analyses", Some(&caller), &analysis(2)).await;
    let refused = refused.problem(402, "budget_exceeded");
    assert!(text(&refused["detail"]).starts_with("Your budget"), "{refused}");
    assert_eq!((of_user().await, budget(&stack, &caller).await), (vec![], (0, 0)));
    let requested = own_events(&stack, &caller, "job.requested").await;
    let outcomes: Vec<_> = requested.iter().map(|event| text(&event["outcome"])).collect();
    assert_eq!(outcomes, ["failure"]);

    // What is left pays for less, and nothing more beside it until that has ended.
    let job = start_for(&stack, &caller, 2, all - 1).await.expect(202);
    assert_eq!(budget(&stack, &caller).await, (0, all - 1));
    start_for(&stack, &caller, 2, 1).await.problem(402, "budget_exceeded");
    assert_eq!(jobs(&stack, &caller).await.len(), 1);
    cancel(&stack, &caller, &job).await.expect(200);
    let job = ended(&stack, &caller, &job).await;
    check(&stack, &caller, &job).await;

    // The budget of all users counts too.
    set_budget(&stack, &caller, 2 * all).await;
    let limit = json!({"monthly_usd": dollars(all - 1)});
    stack.call(Method::PUT, "/budget", &admin, &limit).await.expect(200);
    let refused = stack.post("/analyses", Some(&caller), &analysis(2)).await;
    let refused = refused.problem(402, "budget_exceeded");
    assert!(text(&refused["detail"]).starts_with("The budget of this deployment"), "{refused}");
    assert_eq!(jobs(&stack, &caller).await.len(), 1);
    let all_users = stack.get("/budget", Some(&admin)).await.expect(200);
    let found = (nanos(&all_users["spent_usd"]), nanos(&all_users["held_usd"]));
    assert_eq!(found, (nanos(&job["cost_usd"]), 0), "{all_users}");
}
