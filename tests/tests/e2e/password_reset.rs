//! Password reset: a user asks for it by mail and sets a new password.

use std::fs;

use futures_util::future::join_all;
use platform::clock::{Clock, Timestamp};
use platform::context::Context;
use platform::ids;
use serde_json::{Value, json};
use tally_accounts::domain::{EmailKind, Notice, Purpose};
use tally_accounts::store::{MailTokens, OutboxEmail, OutboxEmails};
use tally_tests::{Answer, Caller, TestStack, id};

const OLD: &str = "Correct-Horse-9";
const NEW: &str = "Another-Horse-9";
const FORGOT: &str = "/auth/password/forgot";

async fn reset(stack: &TestStack, token: &str, new_password: &str) -> Answer {
    stack
        .post("/auth/password/reset", None, &json!({"token": token, "new_password": new_password}))
        .await
}

async fn login(stack: &TestStack, username: &str, password: &str) -> Answer {
    stack.post("/auth/login", None, &json!({"username": username, "password": password})).await
}

/// The address that a caller registered with.
fn email(caller: &Caller) -> String {
    format!("{}@example.com", caller.username)
}

/// Number of successes of an action about this user.
async fn successes(stack: &TestStack, action: &str, user_id: &str) -> usize {
    let events = stack.events(&stack.admin().await, action).await;
    events
        .iter()
        .filter(|event| {
            event["outcome"] == "success" && event["resource"] == format!("user:{user_id}")
        })
        .count()
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_every_session_ends() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let user_id = id(&stack.get("/auth/me", Some(&caller)).await.expect(200)["user"]);
    let mut socket = stack.connect(&caller).await;
    let token = stack.mailed_token(FORGOT, &email(&caller)).await;

    reset(&stack, &token, "weak").await.invalid(&["/new_password"]);
    reset(&stack, &token, &format!("{}-A9", caller.username)).await.invalid(&["/new_password"]);
    // A refused reset has not used the token up.
    reset(&stack, &token, NEW).await.expect(204);
    reset(&stack, &token, NEW).await.problem(401, "invalid_token");

    login(&stack, &caller.username, OLD).await.problem(401, "invalid_credentials");
    login(&stack, &caller.username, NEW).await.expect(200);
    stack
        .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
        .await
        .problem(401, "invalid_refresh_token");
    stack.post("/auth/ws-ticket", Some(&caller), &json!({})).await.problem(401, "invalid_token");
    assert_eq!(socket.next().await, None);
    assert_eq!(successes(&stack, "auth.token_mailed", &user_id).await, 1);
    assert_eq!(successes(&stack, "auth.password_reset", &user_id).await, 1);
    // The owner gets a notice.
    let notice = stack.local.outbox().mail(1).await;
    assert_eq!(
        (notice.to, notice.subject.as_str()),
        (vec![email(&caller)], "Your Tally password was changed")
    );
}

#[tokio::test]
async fn whether_an_address_belongs_to_someone_does_not_show() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let ask = async |email: &str| stack.post(FORGOT, None, &json!({"email": email})).await;
    let nobody = ask("nobody@example.com").await;
    let somebody = ask(&email(&caller).to_uppercase()).await;
    let content =
        |answer: &Answer| (answer.expect(202), answer.headers.keys().cloned().collect::<Vec<_>>());
    assert_eq!(content(&nobody), content(&somebody));
    // The only mail goes to the address as it was registered.
    assert_eq!(stack.local.outbox().mail(0).await.to, [email(&caller)]);
    let events = stack.events(&stack.admin().await, "auth.password_forgot").await;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event["actor"].clone(), event["resource"].clone(), event["outcome"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (Value::Null, Value::Null, json!("success")),
            (Value::Null, Value::Null, json!("success"))
        ]
    );
    assert_ne!(events[0]["detail"]["identifier_hmac"], events[1]["detail"]["identifier_hmac"]);
    assert!(!events.iter().any(|event| event.to_string().contains("example.com")), "{events:?}");
}

#[tokio::test]
async fn of_many_who_use_a_token_at_once_one_succeeds() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let token = stack.mailed_token(FORGOT, &email(&caller)).await;
    let answers = join_all((0..20).map(async |number| {
        (number, reset(&stack, &token, &format!("Another-Horse-{number}")).await)
    }))
    .await;
    let (set, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, answer)| answer.status == 204);
    assert_eq!((set.len(), refused.len()), (1, 19));
    for (_, answer) in refused {
        answer.problem(401, "invalid_token");
    }
    login(&stack, &caller.username, &format!("Another-Horse-{}", set[0].0)).await.expect(200);
}

#[tokio::test]
async fn a_newer_token_replaces_an_older_one() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let older = stack.mailed_token(FORGOT, &email(&caller)).await;
    let newer = stack.mailed_token(FORGOT, &email(&caller)).await;
    reset(&stack, &older, NEW).await.problem(401, "invalid_token");
    reset(&stack, &newer, NEW).await.expect(204);
}

#[tokio::test]
async fn a_token_is_good_for_half_an_hour() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let token = stack.mailed_token(FORGOT, &email(&caller)).await;
    let platform = stack.platform("PasswordFunction");
    let tokens = MailTokens::new(&platform).unwrap();
    let expires_at = tokens
        .find(Purpose::PasswordReset, &token, Clock::System.now())
        .await
        .unwrap()
        .unwrap()
        .expires_at;
    assert!(
        (1790..=1800).contains(&(expires_at - Clock::System.now().as_second())),
        "{expires_at}"
    );
    for (second, good) in [(expires_at - 1, true), (expires_at, false)] {
        let then = Timestamp::from_second(second).unwrap();
        assert_eq!(
            tokens.find(Purpose::PasswordReset, &token, then).await.unwrap().is_some(),
            good,
            "{second}"
        );
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let token = stack.mailed_token(FORGOT, &email(&caller)).await;
    let (user_id, secret) = token.split_once('.').unwrap();
    let other = id(&stack.get("/auth/me", Some(&stack.demo().await)).await.expect(200)["user"]);
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
        reset(&stack, &wrong, NEW).await.problem(401, "invalid_token");
    }
    reset(&stack, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn a_token_is_in_the_mail_alone() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let secret =
        stack.mailed_token(FORGOT, &email(&caller)).await.split_once('.').unwrap().1.to_owned();
    let mail = stack.local.outbox().mail(0).await;
    // The link has the token in its fragment, which goes to no server and into no `Referer`.
    assert!(mail.text.contains("http://localhost:3000/password-reset#token="), "{mail:?}");
    for log in fs::read_dir(stack.local.logs()).unwrap() {
        let path = log.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains(&secret), "{}", path.display());
    }
    let events = stack.events(&stack.admin().await, "auth.").await;
    assert!(!events.iter().any(|event| event.to_string().contains(&secret)));
}

#[tokio::test]
async fn mail_that_cannot_be_sent_changes_no_answer_and_can_be_asked_for_again() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    stack.mailed_token(FORGOT, &email(&caller)).await;
    let outbox = stack.local.outbox().mail(0).await.file.parent().unwrap().to_owned();
    fs::remove_dir_all(&outbox).unwrap();
    stack.post(FORGOT, None, &json!({"email": email(&caller)})).await.expect(202);
    let log = stack.local.logs().join("SendMailFunction.log");
    while !fs::read_to_string(&log).unwrap().contains("failed to send a mail") {
        tokio::task::yield_now().await;
    }
    fs::create_dir(&outbox).unwrap();
    let token = stack.mailed_token(FORGOT, &email(&caller)).await;
    reset(&stack, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn a_mail_that_ses_refuses_fails_at_every_attempt() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    stack.mailed_token(FORGOT, &email(&caller)).await;
    let outbox = stack.local.outbox().mail(0).await.file.parent().unwrap().to_owned();
    let platform = stack.platform("PasswordFunction");
    let emails = OutboxEmails::new(&platform).unwrap();
    let asked_at = Clock::System.now().as_second();
    let texts = [
        EmailKind::PasswordReset { email: email(&caller) },
        EmailKind::Notice {
            of: Notice::PasswordChanged,
            username: "x".into(),
            email: email(&caller),
        },
    ];
    for kind in texts {
        fs::remove_dir_all(&outbox).unwrap();
        let id = ids::new_id(Clock::System.now());
        let queued = OutboxEmail {
            id: id.clone(),
            kind,
            context: Context::default(),
            asked_at,
            expires_at: asked_at + 60,
            taken: false,
        };
        platform.database().unwrap().commit(vec![emails.leave(&queued).unwrap()]).await.unwrap();
        let task = json!({"email_id": id}).to_string();
        let attempt = async || stack.local.invoke("SendMailFunction", task.clone()).await.map(drop);
        // Lambda makes three attempts and then puts the task into the failure queue. The mail may
        // have gone out, so it is not sent again.
        let fails = async || {
            let failure = attempt().await.unwrap_err().to_string();
            assert!(failure.contains("unavailable"), "{failure}");
        };
        fails().await;
        fs::create_dir(&outbox).unwrap();
        fails().await;
        fails().await;
        assert_eq!(stack.local.outbox().mails().len(), 1);
    }
}

#[tokio::test]
async fn a_deployment_that_sends_no_mail_says_so() {
    let stack = TestStack::with(&[("MailDomain", ""), ("RateLimits", "*=100000/1m")]).await;
    let caller = stack.someone().await;
    for path in [FORGOT, "/auth/email/resend"] {
        for email in [email(&caller), "nobody@example.com".to_owned()] {
            let refused = stack.post(path, None, &json!({"email": email})).await;
            let problem = refused.problem(503, "unavailable");
            assert_eq!(
                problem["detail"],
                "This deployment sends no mail. Ask an administrator instead."
            );
            assert_eq!(refused.headers.get("retry-after"), None);
        }
    }
    // No notice is sent, but the password is changed.
    let change = json!({"current_password": OLD, "new_password": NEW});
    let (answer, calls) =
        stack.round_trips(stack.post("/auth/password", Some(&caller), &change)).await;
    answer.expect(204);
    assert!(!calls.iter().any(|call| call.contains("Errands")), "{calls:?}");
}

#[tokio::test]
async fn a_queued_mail_is_sent_once_and_in_time_and_never_after_a_newer_one() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let platform = stack.platform("PasswordFunction");
    let database = platform.database().unwrap();
    let emails = OutboxEmails::new(&platform).unwrap();
    let now = Clock::System.now();
    // Many workers run each queued mail at once.
    let run = async |seconds_ago: i64, good_for: i64| {
        let email_id = ids::new_id(now);
        let asked_at = now.as_second() - seconds_ago;
        let kind = EmailKind::PasswordReset { email: email(&caller) };
        let expires_at = asked_at + good_for;
        let queued = OutboxEmail {
            id: email_id.clone(),
            kind,
            context: Context::default(),
            asked_at,
            expires_at,
            taken: false,
        };
        database.commit(vec![emails.leave(&queued).unwrap()]).await.unwrap();
        let task = json!({"email_id": email_id}).to_string();
        let runs = (0..5).map(async |_| stack.local.invoke("SendMailFunction", task.clone()).await);
        let results = join_all(runs).await;
        assert!(results.iter().any(Result::is_ok), "{results:?}");
        // A worker that starts while another one hands the mail to SES fails.
        for failed in results.into_iter().filter_map(Result::err) {
            assert!(failed.to_string().contains("unavailable"), "{failed}");
        }
        stack.local.outbox().mails().len()
    };
    assert_eq!(run(60, 3600).await, 1);
    let token = stack.token_from(0, &email(&caller)).await;
    assert_eq!(run(61, 3600).await, 1);
    assert_eq!(run(50, 50).await, 1);
    reset(&stack, &token, NEW).await.expect(204);
}
