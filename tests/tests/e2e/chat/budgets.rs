//! Budgets: the hold before a reply is asked for, the settlement when it ends, and who may change
//! the amounts.

use assistant::domain::Cost;
use futures_util::future::join_all;
use http::Method;
use platform::context::Context;
use platform::gate::{Committer, RequestInfo};
use platform::identity::Identity;
use platform::input::Fields;
use platform::plan::Reply;
use platform::{Platform, Problem};
use serde_json::{Value, json};
use tally_chat::store::{Budgets, Drafts, Hold, Origin, Spending, Subject};
use tally_chat::{ChatRequest, Replies};
use tally_local::aws::Failure;
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Caller, TestStack};

use super::claude::stack;
use super::sweep::sweep;
use super::{ask_async, own_events, path_of, poll, text};
use crate::users::user_id;

fn cost(value: &Value) -> Cost {
    text(value).parse().unwrap()
}

fn sum<'a>(costs: impl IntoIterator<Item = &'a Value>) -> Cost {
    costs.into_iter().fold(Cost::ZERO, |mut sum, each| {
        sum += cost(each);
        sum
    })
}

async fn budget(stack: &TestStack, caller: &Caller) -> Value {
    stack.get("/users/me/budget", Some(caller)).await.expect(200)
}

async fn set_budget(stack: &TestStack, admin: &Caller, id: &str, monthly_usd: &Value) -> Value {
    stack
        .call(
            Method::PUT,
            &format!("/users/{id}/budget"),
            admin,
            &json!({"monthly_usd": monthly_usd}),
        )
        .await
        .expect(200)
}

/// The most that a new conversation can cost that begins with this message.
async fn worst(stack: &TestStack, message: &str) -> Cost {
    let other = stack.someone().await;
    ask_async(stack, &other, &json!({"message": message})).await.expect(202);
    cost(&own_events(stack, &other, "chat.requested").await[0]["detail"]["hold_usd"])
}

#[tokio::test]
async fn a_reply_is_held_before_it_is_asked_for_and_settled_when_it_ends() {
    let answers = vec![
        Answer::stream(reply(&["Some"])),
        Answer::stream(reply(&["Some"]).into_iter().take(4)).then_silence(),
    ];
    let api = MessagesApi::with(answers).await;
    let stack =
        stack(&api, &[("AiIdleMilliseconds", "600000"), ("UserMonthlyBudgetUsd", "0.5")]).await;
    let caller = stack.someone().await;
    let before = budget(&stack, &caller).await;
    let month = &rfc3339_now()[..7];
    assert_eq!(
        before,
        json!({"user_id": before["user_id"], "month": month, "monthly_usd": "0.50", "is_default": true, "spent_usd": "0.00",
               "held_usd": "0.00"})
    );

    // 25 tokens read, 7 from the cache, 5 into it, and two written, at 5, 0.50, 6.25 and 25 dollars
    // for a million.
    let answer = stack.post("/chat", Some(&caller), &json!({"message": "First"})).await.expect(200);
    assert_eq!(text(&answer["cost_usd"]), "0.00020975");
    let after = budget(&stack, &caller).await;
    assert_eq!((text(&after["spent_usd"]), text(&after["held_usd"])), ("0.00020975", "0.00"));

    // The hold covers the whole conversation and the longest possible reply, at the price of the
    // dearer of the two models.
    let second = json!({"message": "Second", "conversation_id": answer["conversation_id"]});
    ask_async(&stack, &caller, &second).await.expect(202);
    let holds = own_events(&stack, &caller, "chat.requested").await;
    let [first, second] =
        [cost(&holds[0]["detail"]["hold_usd"]), cost(&holds[1]["detail"]["hold_usd"])];
    // The second hold covers ten bytes more, "Some" and "Second", and two messages.
    assert_eq!(second.nanos() - first.nanos(), (10 + 2 * 16) * 6_250);
    assert!(
        first.nanos() > 4_096 * 25_000 && first.nanos() < 4_096 * 25_000 + 20_000_000,
        "{first}"
    );
    let during = budget(&stack, &caller).await;
    assert_eq!(
        (cost(&during["spent_usd"]), cost(&during["held_usd"])),
        (cost(&answer["cost_usd"]), second)
    );
}

fn rfc3339_now() -> String {
    platform::clock::rfc3339(platform::clock::Clock::System.now())
}

#[tokio::test]
async fn what_a_budget_does_not_cover_is_not_asked_for() {
    let api =
        MessagesApi::with(vec![Answer::stream(reply(&["Some"])).up_to(4).then_silence()]).await;
    let stack =
        stack(&api, &[("AiIdleMilliseconds", "600000"), ("DeploymentMonthlyBudgetUsd", "1")]).await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let id = user_id(&stack, &caller.username).await;
    let hold = worst(&stack, "Hi").await;
    let one = Cost::from_nanos(hold.nanos());
    set_budget(&stack, &admin, &id, &json!(one.to_string())).await;
    api.was_asked(1).await;

    ask_async(&stack, &caller, &json!({"message": "Hi"})).await.expect(202);
    let refused = stack
        .post("/chat", Some(&caller), &json!({"message": "Hi"}))
        .await
        .problem(402, "budget_exceeded");
    assert!(text(&refused["detail"]).starts_with("Your budget for this month"), "{refused}");
    let mut socket = stack.connect(&caller).await;
    let error =
        socket.ask(&json!({"action": "chat.send", "id": "1", "message": "Hi"}), "error").await;
    assert_eq!((text(&error["code"]), text(&error["id"])), ("budget_exceeded", "1"));
    // One of these two requests is the one above that another user made.
    api.was_asked(2).await;
    // A refused request leaves no conversation, only a failed event.
    let conversations = stack.get("/conversations", Some(&caller)).await.expect(200);
    assert_eq!(conversations["items"].as_array().unwrap().len(), 1);
    let events = own_events(&stack, &caller, "chat.requested").await;
    let outcomes: Vec<_> = events.iter().map(|event| text(&event["outcome"])).collect();
    assert_eq!(outcomes, ["success", "failure", "failure"]);
    // A conversation of another user is not found, at any cost.
    let theirs = ask_async(&stack, &other, &json!({"message": "Mine"})).await.expect(202);
    let body = json!({"message": "Hi", "conversation_id": theirs["conversation_id"]});
    stack.post("/chat", Some(&caller), &body).await.problem(404, "not_found");

    // The three holds so far also count against the deployment's dollar. It does not have room for
    // nine more.
    let hi = json!({"message": "Hi"});
    let more: Vec<_> = join_all((0..9).map(|_| ask_async(&stack, &other, &hi))).await;
    let refused: Vec<_> = more.iter().filter(|answer| answer.status == 402).collect();
    let room = (1_000_000_000 - 3 * hold.nanos()) / hold.nanos();
    assert_eq!(i64::try_from(9 - refused.len()).unwrap(), room);
    assert!(text(&refused[0].json()["detail"]).starts_with("The budget of this deployment"));

    // A raised budget covers more at once. A budget of nothing covers nothing.
    let deployment = stack.get("/budget", Some(&admin)).await.expect(200);
    assert_eq!(
        (
            text(&deployment["monthly_usd"]),
            &deployment["is_default"],
            text(&deployment["spent_usd"])
        ),
        ("1.00", &json!(true), "0.00")
    );
    assert!(
        cost(&deployment["held_usd"]).nanos() > 1_000_000_000 - 2 * hold.nanos(),
        "{deployment}"
    );
    let raised = stack
        .call(Method::PUT, "/budget", &admin, &json!({"monthly_usd": "100"}))
        .await
        .expect(200);
    assert_eq!(
        (text(&raised["monthly_usd"]), &raised["held_usd"]),
        ("100.00", &deployment["held_usd"])
    );
    ask_async(&stack, &other, &hi).await.expect(202);
    set_budget(&stack, &admin, &id, &json!(0)).await;
    stack.post("/chat", Some(&caller), &hi).await.problem(402, "budget_exceeded");
    let events = stack.events(&admin, "budget.set").await;
    let resources: Vec<_> = events.iter().map(|event| text(&event["resource"])).collect();
    assert_eq!(
        resources,
        [format!("user:{id}").as_str(), "budget:deployment", &format!("user:{id}")]
    );
    // Exactly the accepted requests reached the provider.
    let through = 3 + usize::try_from(room).unwrap() + 1;
    api.was_asked(through).await;
    assert_eq!(api.asked().len(), through);
}

#[tokio::test]
async fn what_is_stopped_before_the_provider_has_counted_is_paid_as_reckoned() {
    let api = MessagesApi::with(vec![Answer::silence()]).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = socket
        .ask(&json!({"action": "chat.send", "message": "€".repeat(10_000)}), "chat.started")
        .await;
    api.was_asked(1).await;
    socket.send(&json!({"action": "chat.cancel", "message_id": started["message_id"]})).await;
    let end = socket.expect("chat.completed").await;
    api.hung_up(1).await;
    // Two tokens for each of these characters, which have three bytes, and a few for the prompt.
    let tokens = end["usage"]["input_tokens"].as_u64().unwrap();
    assert!((20_001..22_000).contains(&tokens), "{end}");
    assert_eq!(
        (cost(&end["cost_usd"]).nanos(), &end["usage"]["output_tokens"]),
        (i64::try_from(tokens).unwrap() * 5_000, &json!(0))
    );
    let budget = budget(&stack, &caller).await;
    assert_eq!((&budget["spent_usd"], text(&budget["held_usd"])), (&end["cost_usd"], "0.00"));
}

#[tokio::test]
async fn administrators_say_what_users_may_spend() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let id = user_id(&stack, &caller.username).await;
    let path = format!("/users/{id}/budget");
    let set = set_budget(&stack, &admin, &id, &json!("50")).await;
    assert_eq!(
        (text(&set["monthly_usd"]), &set["is_default"], text(&set["user_id"])),
        ("50.00", &json!(false), id.as_str())
    );
    for own in [path.as_str(), "/users/me/budget"] {
        assert_eq!(stack.get(own, Some(&caller)).await.expect(200), set);
    }
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200), set);
    let reset = set_budget(&stack, &admin, &id, &Value::Null).await;
    assert_eq!((text(&reset["monthly_usd"]), &reset["is_default"]), ("20.00", &json!(true)));

    // Users can't set their own budget, or read that of another.
    let change = json!({"monthly_usd": "1000"});
    for path in [path.as_str(), "/users/me/budget"] {
        stack.call(Method::PUT, path, &caller, &change).await.problem(403, "forbidden");
    }
    let other = user_id(&stack, "demo").await;
    stack.get(&format!("/users/{other}/budget"), Some(&caller)).await.problem(403, "forbidden");
    for nobody in ["019a0000-0000-7000-8000-000000000000", "nobody"] {
        let path = format!("/users/{nobody}/budget");
        stack.get(&path, Some(&admin)).await.problem(404, "not_found");
        stack.call(Method::PUT, &path, &admin, &change).await.problem(404, "not_found");
    }
    for wrong in [
        json!({}),
        json!({"monthly_usd": "-1"}),
        json!({"monthly_usd": "much"}),
        json!({"monthly_usd": 1_000_001}),
    ] {
        stack.call(Method::PUT, &path, &admin, &wrong).await.invalid(&["/monthly_usd"]);
    }

    let of = |action: &'static str| {
        let stack = &stack;
        let admin = &admin;
        async move {
            stack
                .events(admin, action)
                .await
                .into_iter()
                .filter(|event| event["outcome"] == "success")
                .collect::<Vec<_>>()
        }
    };
    let sets: Vec<_> =
        of("budget.set").await.iter().map(|event| event["detail"]["monthly_usd"].clone()).collect();
    assert_eq!(sets, ["50.00", "default"]);
    // Users' reads of their own data leave no event.
    let reads = of("usage.read").await;
    assert_eq!(
        reads.iter().map(|event| text(&event["resource"])).collect::<Vec<_>>(),
        [format!("user:{id}")]
    );
}

#[tokio::test]
async fn usage_is_added_up_by_day_and_by_model() {
    let fails = Answer::error(404, "not_found_error");
    let api = MessagesApi::start(move |asked| {
        match (&asked.body["model"], &asked.body["messages"][0]["content"][0]["text"]) {
            (model, said) if model == "first" && said == "Fall back" => fails.clone(),
            _ => Answer::stream(reply(&["Some", " words"])),
        }
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let mut costs = Vec::new();
    for message in ["Once", "Twice", "Fall back"] {
        costs.push(
            stack
                .post(
                    "/chat",
                    Some(&caller),
                    &json!({
                        "message": message,
                    }),
                )
                .await
                .expect(200)["cost_usd"]
                .clone(),
        );
    }
    let usage = async |query: &str, caller: &Caller| {
        stack.get(&format!("/usage{query}"), Some(caller)).await
    };
    let tokens = |requests: u64| {
        json!({"requests": requests, "input_tokens": 25 * requests, "output_tokens": 3 * requests, "cache_read_tokens": 7 * requests,
               "cache_write_tokens": 5 * requests})
    };
    let with = |mut item: Value, more: Value| {
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let today = &rfc3339_now()[..10];
    let by_day = usage("", &caller).await.expect(200);
    let expected = with(tokens(3), json!({"day": today, "cost_usd": sum(&costs).to_string()}));
    assert_eq!(
        (&by_day["items"], text(&by_day["from"]), text(&by_day["to"])),
        (&json!([expected]), format!("{}-01", &today[..7]).as_str(), today)
    );
    let by_model = usage("?group_by=model&user_id=me", &caller).await.expect(200);
    let expected = [
        with(tokens(2), json!({"model": "first", "cost_usd": sum(&costs[..2]).to_string()})),
        with(tokens(1), json!({"model": "second", "cost_usd": text(&costs[2])})),
    ];
    assert_eq!(by_model["items"], json!(expected));
    assert_eq!(
        usage("?from=2026-01-01&to=2026-01-31", &caller).await.expect(200)["items"],
        json!([])
    );

    // Administrators can read any user's, and an event records it.
    let id = user_id(&stack, &caller.username).await;
    assert_eq!(usage(&format!("?user_id={id}"), &admin).await.expect(200), by_day);
    let events = stack.events(&admin, "usage.read").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (text(&event["resource"]), text(&event["detail"]["to"])),
        (format!("user:{id}").as_str(), today)
    );
    usage(&format!("?user_id={}", user_id(&stack, "demo").await), &caller)
        .await
        .problem(403, "forbidden");
    usage("?group_by=week&from=2026-1-1&to=tomorrow", &caller)
        .await
        .invalid(&["from", "to", "group_by"]);
    usage("?from=2024-01-01&to=2026-01-01", &caller).await.invalid(&["from"]);
    usage("?from=2026-01-02&to=2026-01-01", &caller).await.invalid(&["from"]);
}

/// Makes a draft overdue, as `expire-replies` finds the draft of a dead worker.
async fn grow_old(stack: &TestStack, message_id: &str) {
    let platform = stack.platform("ExpireRepliesFunction");
    let drafts = Drafts::new(&platform).unwrap();
    let spent =
        drafts.head(message_id).await.unwrap().unwrap().spent.expect("its worker has begun");
    drafts
        .checkpoint(message_id, &spent, platform.clock.now().as_second() - 1, &[])
        .await
        .unwrap()
        .expect("it has not ended");
}

#[tokio::test]
async fn of_200_sends_at_once_as_many_go_through_as_the_budget_covers_and_each_is_billed_once() {
    let api =
        MessagesApi::with(vec![Answer::stream(reply(&["Some", " words"])).up_to(5).then_silence()])
            .await;
    let stack = stack(&api, &[("AiIdleMilliseconds", "600000")]).await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let hold = worst(&stack, "At once").await;
    api.was_asked(1).await;
    let id = user_id(&stack, &caller.username).await;
    // The budget covers ten holds, and not quite eleven.
    set_budget(&stack, &admin, &id, &json!(Cost::from_nanos(11 * hold.nanos() - 1).to_string()))
        .await;

    let message = json!({"message": "At once"});
    let answers = join_all((0..200).map(|_| ask_async(&stack, &caller, &message))).await;
    let (asked, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 202);
    assert_eq!((asked.len(), refused.len()), (10, 190));
    for answer in refused {
        answer.problem(402, "budget_exceeded");
    }
    // Exactly these requests reach the provider.
    api.was_asked(11).await;
    let during = budget(&stack, &caller).await;
    assert_eq!(
        (cost(&during["held_usd"]).nanos(), text(&during["spent_usd"])),
        (10 * hold.nanos(), "0.00")
    );

    // Half of them are stopped, and the workers of the others are killed.
    let asked: Vec<_> = asked.iter().map(|answer| answer.json()).collect();
    for started in &asked {
        while stack.get(&path_of(started), Some(&caller)).await.expect(200)["text"] == "" {}
    }
    let mut socket = stack.connect(&caller).await;
    for started in &asked[..5] {
        socket.send(&json!({"action": "chat.cancel", "message_id": started["message_id"]})).await;
    }
    let mut ended = Vec::new();
    for started in &asked[..5] {
        ended.push(poll(&stack, &caller, &path_of(started)).await.pop().unwrap());
    }
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    for started in &asked[5..] {
        grow_old(&stack, text(&started["message_id"])).await;
    }
    futures_util::join!(sweep(&stack), sweep(&stack));
    sweep(&stack).await;
    for started in &asked[5..] {
        ended.push(stack.get(&path_of(started), Some(&caller)).await.expect(200));
    }
    let statuses: Vec<_> = ended.iter().map(|message| text(&message["status"])).collect();
    assert_eq!(statuses, [["cancelled"; 5], ["failed"; 5]].concat());

    // No hold remains. The account equals the replies' sum to the last nano-dollar.
    let billed = sum(ended.iter().map(|message| &message["cost_usd"]));
    assert!(ended.iter().all(|message| cost(&message["cost_usd"]) > Cost::ZERO), "{ended:?}");
    let settled = budget(&stack, &caller).await;
    assert_eq!((cost(&settled["spent_usd"]), text(&settled["held_usd"])), (billed, "0.00"));
    let usage = stack.get("/usage", Some(&caller)).await.expect(200);
    let day = &usage["items"].as_array().unwrap()[..];
    assert_eq!(
        (sum(day.iter().map(|day| &day["cost_usd"])), &day[0]["requests"]),
        (billed, &json!(10))
    );
    let events = own_events(&stack, &caller, "chat.message").await;
    assert_eq!(
        (events.len(), sum(events.iter().map(|event| &event["detail"]["cost_usd"]))),
        (10, billed)
    );
    // The released amount can be spent again.
    ask_async(&stack, &caller, &message).await.expect(202);
    api.was_asked(12).await;
    assert_eq!(api.asked().len(), 12);
}

/// Asks for a reply on behalf of the user with this number.
async fn ask(
    replies: &Replies,
    committer: &Committer,
    platform: &Platform,
    number: usize,
) -> Result<(), Problem> {
    let identity = Identity {
        user_id: format!("u-{number}"),
        username: "someone".into(),
        session_id: "s-1".into(),
    };
    let origin = Origin { caller: identity.into(), context: Context::default() };
    let request: ChatRequest =
        Fields::json(json!({"message": "Hi"}).as_object().unwrap().clone()).read()?;
    let now = platform.clock.now();
    let (_, plan) = replies.ask(request, origin, None, now, |_| Reply::new(())).await?;
    let context = Context::default();
    let info = RequestInfo::new(&context, now, None);
    committer.commit(Ok(plan), None, &info).await.map(|_| ())
}

#[tokio::test]
async fn two_hundred_users_at_once_share_the_budget_of_the_deployment() {
    let api = MessagesApi::with(vec![Answer::silence()]).await;
    let stack = stack(&api, &[("DeploymentMonthlyBudgetUsd", "5")]).await;
    let platform = stack.platform("ChatFunction");
    let replies = Replies::new(&platform).unwrap();
    let committer = Committer::new(&platform).unwrap();
    // Simulate DynamoDB's answer to very many transactions on one item.
    stack.fail("BudgetsTable", Some("TransactWriteItems"), Failure::TransactionConflict, 800);
    let asked = join_all((0..200).map(|number| ask(&replies, &committer, &platform, number))).await;
    let refused = asked.iter().filter_map(|asked| asked.as_ref().err());
    assert!(
        refused.clone().all(|problem| problem.code.as_str() == "budget_exceeded"),
        "{:?}",
        refused.map(|problem| problem.code).collect::<Vec<_>>()
    );
    let budgets = Budgets::new(&platform).unwrap();
    let month = Hold::month(platform.clock.now());
    let Spending { spent, held } = budgets.spending(Subject::Deployment, &month).await.unwrap();
    let one = budgets.spending(Subject::User("u-0"), &month).await.unwrap().held.nanos();
    let through = i64::try_from(asked.iter().filter(|asked| asked.is_ok()).count()).unwrap();
    let hold = held.nanos() / through;
    assert_eq!((spent, held.nanos()), (Cost::ZERO, through * hold));
    assert!(one == 0 || one == hold, "{one}");
    // The budget lets exactly this many through.
    assert_eq!(through, 5_000_000_000 / hold);
}
