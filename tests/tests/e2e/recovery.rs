//! Password reset: a user asks for it by mail and sets a new password.

use std::fs;

use futures_util::future::join_all;
use platform::clock::{Clock, Timestamp};
use platform::context::Context;
use platform::ids;
use serde_json::{Value, json};
use tally_accounts::domain::{Letter, Notice, Purpose};
use tally_accounts::store::{Errand, Errands, MailTokens};
use tally_tests::{Answer, Caller, World, id};

const OLD: &str = "Correct-Horse-9";
const NEW: &str = "Another-Horse-9";
const FORGOT: &str = "/auth/password/forgot";

async fn reset(world: &World, token: &str, new_password: &str) -> Answer {
    world.post("/auth/password/reset", None, &json!({"token": token, "new_password": new_password})).await
}

async fn login(world: &World, username: &str, password: &str) -> Answer {
    world.post("/auth/login", None, &json!({"username": username, "password": password})).await
}

/// The address that a caller registered with.
fn email(caller: &Caller) -> String {
    format!("{}@example.com", caller.username)
}

/// Number of successes of an action about this user.
async fn successes(world: &World, action: &str, user_id: &str) -> usize {
    let events = world.events(&world.admin().await, action).await;
    events.iter().filter(|event| event["outcome"] == "success" && event["resource"] == format!("user:{user_id}")).count()
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_every_session_ends() {
    let world = World::start().await;
    let caller = world.someone().await;
    let user_id = id(&world.get("/auth/me", Some(&caller)).await.expect(200)["user"]);
    let mut socket = world.connect(&caller).await;
    let token = world.mailed_token(FORGOT, &email(&caller)).await;

    reset(&world, &token, "weak").await.invalid(&["/new_password"]);
    reset(&world, &token, &format!("{}-A9", caller.username)).await.invalid(&["/new_password"]);
    // A refused reset has not used the token up.
    reset(&world, &token, NEW).await.expect(204);
    reset(&world, &token, NEW).await.problem(401, "invalid_token");

    login(&world, &caller.username, OLD).await.problem(401, "invalid_credentials");
    login(&world, &caller.username, NEW).await.expect(200);
    world.post("/auth/refresh", None, &json!({"refresh_token": caller.refresh})).await.problem(401, "invalid_refresh_token");
    world.post("/auth/ws-ticket", Some(&caller), &json!({})).await.problem(401, "invalid_token");
    assert_eq!(socket.next().await, None);
    assert_eq!(successes(&world, "auth.token_mailed", &user_id).await, 1);
    assert_eq!(successes(&world, "auth.password_reset", &user_id).await, 1);
    // The owner gets a notice.
    let notice = world.stack.outbox().mail(1).await;
    assert_eq!((notice.to, notice.subject.as_str()), (vec![email(&caller)], "Your Tally password was changed"));
}

#[tokio::test]
async fn whether_an_address_belongs_to_someone_does_not_show() {
    let world = World::start().await;
    let caller = world.someone().await;
    let ask = async |email: &str| world.post(FORGOT, None, &json!({"email": email})).await;
    let (nobody, somebody) = (ask("nobody@example.com").await, ask(&email(&caller).to_uppercase()).await);
    let content = |answer: &Answer| (answer.expect(202), answer.headers.keys().cloned().collect::<Vec<_>>());
    assert_eq!(content(&nobody), content(&somebody));
    // The only mail goes to the address as it was registered.
    assert_eq!(world.stack.outbox().mail(0).await.to, [email(&caller)]);
    let events = world.events(&world.admin().await, "auth.password_forgot").await;
    let told: Vec<_> = events.iter().map(|event| (event["actor"].clone(), event["resource"].clone(), event["outcome"].clone())).collect();
    assert_eq!(told, [(Value::Null, Value::Null, json!("success")), (Value::Null, Value::Null, json!("success"))]);
    assert_ne!(events[0]["detail"]["identifier_hmac"], events[1]["detail"]["identifier_hmac"]);
    assert!(!events.iter().any(|event| event.to_string().contains("example.com")), "{events:?}");
}

#[tokio::test]
async fn of_many_who_use_a_token_at_once_one_succeeds() {
    let world = World::start().await;
    let caller = world.someone().await;
    let token = world.mailed_token(FORGOT, &email(&caller)).await;
    let answers = join_all((0..20).map(async |number| (number, reset(&world, &token, &format!("Another-Horse-{number}")).await))).await;
    let (set, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 204);
    assert_eq!((set.len(), refused.len()), (1, 19));
    for (_, answer) in refused {
        answer.problem(401, "invalid_token");
    }
    login(&world, &caller.username, &format!("Another-Horse-{}", set[0].0)).await.expect(200);
}

#[tokio::test]
async fn a_newer_token_replaces_an_older_one() {
    let world = World::start().await;
    let caller = world.someone().await;
    let older = world.mailed_token(FORGOT, &email(&caller)).await;
    let newer = world.mailed_token(FORGOT, &email(&caller)).await;
    reset(&world, &older, NEW).await.problem(401, "invalid_token");
    reset(&world, &newer, NEW).await.expect(204);
}

#[tokio::test]
async fn a_token_is_good_for_half_an_hour() {
    let world = World::start().await;
    let caller = world.someone().await;
    let token = world.mailed_token(FORGOT, &email(&caller)).await;
    let platform = world.platform("PasswordFunction");
    let tokens = MailTokens::new(platform.database().unwrap(), &platform.config).unwrap();
    let expires_at = tokens.find(Purpose::PasswordReset, &token, Clock::System.now()).await.unwrap().unwrap().expires_at;
    assert!((1790..=1800).contains(&(expires_at - Clock::System.now().as_second())), "{expires_at}");
    for (second, good) in [(expires_at - 1, true), (expires_at, false)] {
        let then = Timestamp::from_second(second).unwrap();
        assert_eq!(tokens.find(Purpose::PasswordReset, &token, then).await.unwrap().is_some(), good, "{second}");
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused() {
    let world = World::start().await;
    let caller = world.someone().await;
    let token = world.mailed_token(FORGOT, &email(&caller)).await;
    let (user_id, secret) = token.split_once('.').unwrap();
    let other = id(&world.get("/auth/me", Some(&world.demo().await)).await.expect(200)["user"]);
    for wrong in [
        String::new(),
        ".".to_owned(),
        user_id.to_owned(),
        format!("{user_id}."),
        format!("{other}.{secret}"),
        format!("{user_id}.{secret} "),
        format!("{user_id}.{}", secret.to_lowercase()),
        format!("password_reset#{user_id}.{secret}"),
        "x".repeat(100_000),
    ] {
        reset(&world, &wrong, NEW).await.problem(401, "invalid_token");
    }
    reset(&world, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn a_token_is_in_the_mail_alone() {
    let world = World::start().await;
    let caller = world.someone().await;
    let secret = world.mailed_token(FORGOT, &email(&caller)).await.split_once('.').unwrap().1.to_owned();
    let mail = world.stack.outbox().mail(0).await;
    // The link has the token in its fragment, which goes to no server and into no `Referer`.
    assert!(mail.text.contains("http://localhost:3000/password-reset#token="), "{mail:?}");
    for log in fs::read_dir(world.stack.logs()).unwrap() {
        let path = log.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains(&secret), "{}", path.display());
    }
    let events = world.events(&world.admin().await, "auth.").await;
    assert!(!events.iter().any(|event| event.to_string().contains(&secret)));
}

#[tokio::test]
async fn mail_that_cannot_be_sent_changes_no_answer_and_can_be_asked_for_again() {
    let world = World::start().await;
    let caller = world.someone().await;
    world.mailed_token(FORGOT, &email(&caller)).await;
    let outbox = world.stack.outbox().mail(0).await.file.parent().unwrap().to_owned();
    fs::remove_dir_all(&outbox).unwrap();
    world.post(FORGOT, None, &json!({"email": email(&caller)})).await.expect(202);
    let log = world.stack.logs().join("SendMailFunction.log");
    while !fs::read_to_string(&log).unwrap().contains("failed to send a mail") {
        tokio::task::yield_now().await;
    }
    fs::create_dir(&outbox).unwrap();
    let token = world.mailed_token(FORGOT, &email(&caller)).await;
    reset(&world, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn a_mail_that_ses_refuses_fails_at_every_attempt() {
    let world = World::start().await;
    let caller = world.someone().await;
    world.mailed_token(FORGOT, &email(&caller)).await;
    let outbox = world.stack.outbox().mail(0).await.file.parent().unwrap().to_owned();
    let platform = world.platform("PasswordFunction");
    let errands = Errands::new(platform.database().unwrap(), &platform.config).unwrap();
    let asked_at = Clock::System.now().as_second();
    let letters = [
        Letter::PasswordReset { email: email(&caller) },
        Letter::Notice { of: Notice::PasswordChanged, username: "x".into(), email: email(&caller) },
    ];
    for letter in letters {
        fs::remove_dir_all(&outbox).unwrap();
        let id = ids::new_id(Clock::System.now());
        let errand = Errand { id: id.clone(), letter, context: Context::default(), asked_at, expires_at: asked_at + 60, taken: false };
        platform.database().unwrap().commit(vec![errands.leave(&errand).unwrap()]).await.unwrap();
        let task = json!({"errand_id": id}).to_string();
        let attempt = async || world.stack.invoke("SendMailFunction", task.clone()).await.map(drop);
        // Lambda makes three attempts and then puts the task into the failure queue. The mail may have gone out, so it is not sent again.
        attempt().await.unwrap_err();
        fs::create_dir(&outbox).unwrap();
        attempt().await.unwrap_err();
        attempt().await.unwrap_err();
        assert_eq!(world.stack.outbox().mails().len(), 1);
    }
}

#[tokio::test]
async fn where_no_mail_is_sent_who_asks_for_it_is_told() {
    let world = World::with(&[("MailDomain", ""), ("RateLimits", "*=100000/1m")]).await;
    let caller = world.someone().await;
    for path in [FORGOT, "/auth/email/resend"] {
        for email in [email(&caller), "nobody@example.com".to_owned()] {
            let refused = world.post(path, None, &json!({"email": email})).await;
            let problem = refused.problem(503, "unavailable");
            assert_eq!(problem["detail"], "This deployment sends no mail. Ask an administrator instead.");
            assert_eq!(refused.headers.get("retry-after"), None);
        }
    }
    // No notice is sent, but the password is changed.
    let change = json!({"current_password": OLD, "new_password": NEW});
    let (answer, calls) = world.round_trips(world.post("/auth/password", Some(&caller), &change)).await;
    answer.expect(204);
    assert!(!calls.iter().any(|call| call.contains("Errands")), "{calls:?}");
}

#[tokio::test]
async fn an_errand_is_run_once_and_in_time_and_never_after_a_newer_one() {
    let world = World::start().await;
    let caller = world.someone().await;
    let platform = world.platform("PasswordFunction");
    let database = platform.database().unwrap();
    let errands = Errands::new(database.clone(), &platform.config).unwrap();
    let now = Clock::System.now();
    // Many workers run each errand (a queued mail) at once.
    let run = async |seconds_ago: i64, good_for: i64| {
        let (errand_id, asked_at) = (ids::new_id(now), now.as_second() - seconds_ago);
        let letter = Letter::PasswordReset { email: email(&caller) };
        let expires_at = asked_at + good_for;
        let errand = Errand { id: errand_id.clone(), letter, context: Context::default(), asked_at, expires_at, taken: false };
        database.commit(vec![errands.leave(&errand).unwrap()]).await.unwrap();
        let task = json!({"errand_id": errand_id}).to_string();
        for result in join_all((0..5).map(async |_| world.stack.invoke("SendMailFunction", task.clone()).await)).await {
            result.unwrap();
        }
        world.stack.outbox().mails().len()
    };
    assert_eq!(run(60, 3600).await, 1);
    let token = world.token_from(0, &email(&caller)).await;
    assert_eq!(run(61, 3600).await, 1);
    assert_eq!(run(50, 50).await, 1);
    reset(&world, &token, NEW).await.expect(204);
}
