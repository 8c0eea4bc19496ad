//! Addresses that must be verified by mail before they count, if the setting asks for that.

use futures_util::future::join_all;
use http::Method;
use platform::domain::Email;
use platform::ids;
use platform::store::{User, Users};
use serde_json::{Value, json};
use tally_accounts::domain::Purpose;
use tally_accounts::store::{MailToken, MailTokens};
use tally_tests::{Answer, Caller, TestStack, id};

const PASSWORD: &str = "Correct-Horse-9";
const NEW: &str = "Another-Horse-9";
const RESEND: &str = "/auth/email/resend";

async fn asking() -> TestStack {
    TestStack::with(&[("EmailVerification", "on"), ("RateLimits", "*=100000/1m")]).await
}

async fn register(stack: &TestStack, username: &str) -> Value {
    let body = json!({
        "username": username, "email": format!("{username}@example.com"), "password": PASSWORD,
    });
    stack.post("/auth/register", None, &body).await.expect(201)["user"].clone()
}

async fn verify(stack: &TestStack, token: &str) -> Answer {
    stack.post("/auth/email/verify", None, &json!({"token": token})).await
}

async fn login(stack: &TestStack, identifier: &str, password: &str) -> Answer {
    stack.post("/auth/login", None, &json!({"username": identifier, "password": password})).await
}

async fn relocate(stack: &TestStack, caller: &Caller, email: &str) -> Answer {
    stack
        .call(
            Method::PATCH,
            "/auth/me",
            caller,
            &json!({"email": email, "current_password": PASSWORD}),
        )
        .await
}

/// The token in the mail with this number, which must go to this address.
async fn mailed(stack: &TestStack, number: usize, email: &str) -> String {
    stack.token_from(number, email).await
}

/// A signed-in account with a verified address, and the number of mails so far.
async fn resident(stack: &TestStack, username: &str) -> (Caller, usize) {
    let number = stack.local.outbox().mails().len();
    register(stack, username).await;
    let token = mailed(stack, number, &format!("{username}@example.com")).await;
    verify(stack, &token).await.expect(200);
    (stack.login(username, PASSWORD).await, number + 1)
}

/// The caller's account.
async fn me(stack: &TestStack, caller: &Caller) -> Value {
    stack.get("/auth/me", Some(caller)).await.expect(200)["user"].clone()
}

/// A token for the address of an account that looks as if it began while the setting was on.
pub async fn token_of_an_account(stack: &TestStack) -> String {
    let caller = stack.someone().await;
    let platform = stack.platform("AccountFunction");
    let database = platform.database().unwrap();
    let users = Users::new(&platform).unwrap();
    let tokens = MailTokens::new(&platform).unwrap();
    let user: User = users.get(&id(&me(stack, &caller).await)).await.unwrap().unwrap();
    let email: Email = user.email.as_ref().unwrap().parse().unwrap();
    let token = format!("{}.{}", user.id, ids::new_secret::<32>());
    let expires_at = platform.clock.now().as_second() + 60;
    let kept = MailToken {
        user_id: user.id.clone(),
        email: email.to_string(),
        token_hash: ids::sha256(&token),
        expires_at,
    };
    let issue = tokens.issue(Purpose::EmailVerification, kept).unwrap();
    database.commit(vec![users.await_email(&user, &email), issue]).await.unwrap();
    token
}

#[tokio::test]
async fn a_new_account_signs_in_once_its_address_is_verified() {
    let stack = asking().await;
    let user = register(&stack, "anna").await;
    assert_eq!(
        (&user["email"], &user["unverified_email"]),
        (&json!("anna@example.com"), &json!("anna@example.com"))
    );
    let token = mailed(&stack, 0, "anna@example.com").await;
    let mail = stack.local.outbox().mail(0).await;
    assert_eq!(mail.subject, "Verify your Tally address");
    assert!(mail.text.contains("http://localhost:3000/verify-email#token="), "{mail:?}");

    // A caller without the password learns nothing.
    login(&stack, "anna", "Wrong-Horse-9").await.problem(401, "invalid_credentials");
    login(&stack, "anna", PASSWORD).await.problem(403, "email_unverified");
    let form = [("grant_type", "password"), ("username", "anna"), ("password", PASSWORD)];
    let refused = stack.send(stack.request(Method::POST, "/auth/login").form(&form)).await;
    assert_eq!(refused.problem(400, "invalid_grant")["error"], "invalid_grant");

    let verified = verify(&stack, &token).await.expect(200);
    let caller = stack.login("anna", PASSWORD).await;
    assert_eq!(me(&stack, &caller).await, verified["user"]);
    assert_eq!(verified["user"].get("unverified_email"), None);
    verify(&stack, &token).await.problem(401, "invalid_token");
    let events = stack.events(&stack.admin().await, "auth.email_verified").await;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event["outcome"].clone(), event["actor"]["username"].clone()))
        .collect();
    assert_eq!(told, [(json!("success"), json!("anna")), (json!("failure"), json!(null))]);
    // The owner gets no notice of the verification.
    assert_eq!(stack.local.outbox().mails().len(), 1);
}

#[tokio::test]
async fn the_right_password_of_an_unverified_account_is_no_guess() {
    let stack = TestStack::with(&[
        ("EmailVerification", "on"),
        ("RateLimits", "login_lock=2/1h,*=100000/1m"),
    ])
    .await;
    register(&stack, "patient").await;
    for _ in 0..6 {
        login(&stack, "patient", PASSWORD).await.problem(403, "email_unverified");
    }
}

#[tokio::test]
async fn nothing_is_verified_where_that_is_not_asked_for() {
    let stack = TestStack::start().await;
    assert_eq!(register(&stack, "free").await.get("unverified_email"), None);
    let caller = stack.login("free", PASSWORD).await;
    let moved = relocate(&stack, &caller, "moved@example.com").await.expect(200);
    assert_eq!(
        (&moved["user"]["email"], moved["user"].get("unverified_email")),
        (&json!("moved@example.com"), None)
    );
    stack.post(RESEND, None, &json!({"email": "moved@example.com"})).await.expect(202);
    // An account that began while the setting was on is admitted as well.
    let token = token_of_an_account(&stack).await;
    let user_id = token.split_once('.').unwrap().0;
    let found =
        stack.get(&format!("/users/{user_id}"), Some(&stack.admin().await)).await.expect(200);
    assert_eq!(found["unverified_email"], found["email"]);
    login(&stack, found["username"].as_str().unwrap(), PASSWORD).await.expect(200);
    verify(&stack, &token).await.expect(200);
    // The notice of the change is the only mail.
    assert_eq!(stack.local.outbox().mail(0).await.subject, "Your Tally address was changed");
    assert_eq!(stack.local.outbox().mails().len(), 1);
}

#[tokio::test]
async fn an_account_keeps_its_address_until_the_other_one_is_verified() {
    let stack = asking().await;
    let (caller, number) = resident(&stack, "bert").await;
    // Only the owner of the mailbox learns whether another account has the address.
    let answer = relocate(&stack, &caller, "Admin@example.com").await.expect(202);
    assert_eq!(answer["user"]["unverified_email"], "Admin@example.com");
    let token = mailed(&stack, number, "Admin@example.com").await;
    verify(&stack, &token).await.problem(409, "account_exists");
    let number = number + 1;
    let answer = relocate(&stack, &caller, "Bert@new.example.com").await.expect(202);
    assert_eq!(
        (&answer["user"]["email"], &answer["user"]["unverified_email"]),
        (&json!("bert@example.com"), &json!("Bert@new.example.com"))
    );
    assert_eq!(me(&stack, &caller).await, answer["user"]);
    let token = mailed(&stack, number, "Bert@new.example.com").await;
    login(&stack, "bert@new.example.com", PASSWORD).await.problem(401, "invalid_credentials");
    login(&stack, "bert@example.com", PASSWORD).await.expect(200);

    let moved = verify(&stack, &token).await.expect(200);
    assert_eq!(
        (&moved["user"]["email"], moved["user"].get("unverified_email")),
        (&json!("Bert@new.example.com"), None)
    );
    assert_eq!(me(&stack, &caller).await, moved["user"]);
    login(&stack, "bert@new.example.com", PASSWORD).await.expect(200);
    login(&stack, "bert@example.com", PASSWORD).await.problem(401, "invalid_credentials");
    let notice = stack.local.outbox().mail(number + 1).await;
    assert_eq!(
        (notice.to, notice.subject.as_str()),
        (vec!["bert@example.com".to_owned()], "Your Tally address was changed")
    );
    let auditor = stack.admin().await;
    let changed = stack.events(&auditor, "auth.email_changed").await;
    let told: Vec<_> = changed
        .iter()
        .map(|event| {
            (event["outcome"].as_str().unwrap(), event["actor"]["username"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [("failure", "bert"), ("success", "bert")]);
    // The old address is free.
    let heir = json!({"username": "heir", "email": "bert@example.com", "password": PASSWORD});
    stack.post("/auth/register", None, &heir).await.expect(201);
}

#[tokio::test]
async fn a_move_that_is_overtaken_or_given_up_is_not_made() {
    let stack = asking().await;
    let (caller, number) = resident(&stack, "carl").await;
    relocate(&stack, &caller, "first@example.com").await.expect(202);
    let first = mailed(&stack, number, "first@example.com").await;
    relocate(&stack, &caller, "second@example.com").await.expect(202);
    let second = mailed(&stack, number + 1, "second@example.com").await;
    verify(&stack, &first).await.problem(401, "invalid_token");
    // A resend works only by the new address. So a stranger who knows the old one can't have mail
    // sent to the new one.
    stack.post(RESEND, None, &json!({"email": "carl@example.com"})).await.expect(202);
    while !stack.items("ErrandsTable").await.is_empty() {}
    assert_eq!(stack.local.outbox().mails().len(), number + 2);
    relocate(&stack, &caller, "second@example.com").await.expect(202);
    let third = mailed(&stack, number + 2, "second@example.com").await;
    verify(&stack, &second).await.problem(401, "invalid_token");
    // A user may change the password because an attacker asked for the change of address. So the
    // change of address is dropped.
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    stack.post("/auth/password", Some(&caller), &change).await.expect(204);
    verify(&stack, &third).await.problem(401, "invalid_token");
    assert_eq!(
        (&me(&stack, &caller).await["email"], me(&stack, &caller).await.get("unverified_email")),
        (&json!("carl@example.com"), None)
    );
}

#[tokio::test]
async fn a_mailbox_gets_no_more_mail_however_it_is_asked_for_and_spelled() {
    let stack =
        TestStack::with(&[("EmailVerification", "on"), ("RateLimits", "mail=3/1h,*=100000/1m")])
            .await;
    let (one, _) = resident(&stack, "uma").await;
    let (other, _) = resident(&stack, "vera").await;
    let number = stack.local.outbox().mails().len();
    relocate(&stack, &one, "Target@bücher.example").await.expect(202);
    relocate(&stack, &other, "target@BÜCHER.example").await.expect(202);
    stack
        .post("/auth/password/forgot", None, &json!({"email": "TARGET@xn--bcher-kva.example"}))
        .await
        .expect(202);
    for spelled in ["target@bücher.example", "tArget@XN--BCHER-KVA.example"] {
        for path in ["/auth/password/forgot", RESEND] {
            let refused = stack.post(path, None, &json!({"email": spelled})).await;
            refused.problem(429, "rate_limited");
            assert!(refused.header("ratelimit").contains("\"mail\";r=0"), "{refused:?}");
        }
        relocate(&stack, &one, spelled).await.problem(429, "rate_limited");
    }
    // Both accounts ask for mail to their own addresses.
    for name in ["uma", "vera"] {
        stack
            .post(RESEND, None, &json!({"email": format!("{name}@example.com")}))
            .await
            .expect(202);
    }
    while !stack.items("ErrandsTable").await.is_empty() {}
    let mails = stack.local.outbox().mails();
    assert_eq!(mails.len(), number + 2, "{mails:?}");
    assert!(
        mails[number..]
            .iter()
            .all(|mail| mail.to[0].to_lowercase() == "target@xn--bcher-kva.example"),
        "{mails:?}"
    );
    // The audit log records it, without the address.
    let refused = stack.events(&stack.admin().await, "rate.limited").await;
    assert!(
        !refused.is_empty() && refused.iter().all(|event| event["detail"]["policy"] == "mail"),
        "{refused:?}"
    );
    assert!(!format!("{refused:?}").to_lowercase().contains("target@"), "{refused:?}");
}

#[tokio::test]
async fn the_address_that_an_account_has_changes_nothing_and_gives_up_another() {
    let stack = asking().await;
    let (caller, number) = resident(&stack, "fred").await;
    let before = me(&stack, &caller).await;
    let same = relocate(&stack, &caller, "fred@example.com").await.expect(200);
    assert_eq!((&same["user"], me(&stack, &caller).await), (&before, before.clone()));
    login(&stack, "fred", PASSWORD).await.expect(200);

    relocate(&stack, &caller, "other@example.com").await.expect(202);
    let token = mailed(&stack, number, "other@example.com").await;
    assert_eq!(relocate(&stack, &caller, "fred@example.com").await.expect(200)["user"], before);
    verify(&stack, &token).await.problem(401, "invalid_token");
    login(&stack, "fred", PASSWORD).await.expect(200);
    // The only mail is the one for the change of address.
    assert_eq!(stack.local.outbox().mails().len(), number + 1);
    let changed: Vec<_> = stack
        .events(&stack.admin().await, "account.updated")
        .await
        .iter()
        .map(|event| event["detail"]["changed"].clone())
        .collect();
    assert_eq!(changed, [json!([]), json!(["unverified_email"]), json!(["unverified_email"])]);
}

#[tokio::test]
async fn an_account_that_was_never_verified_does_not_become_so_by_its_own_address() {
    let stack = TestStack::start().await;
    let token = token_of_an_account(&stack).await;
    let user_id = token.split_once('.').unwrap().0;
    let admin = stack.admin().await;
    let user = stack.get(&format!("/users/{user_id}"), Some(&admin)).await.expect(200);
    let caller = stack.login(user["username"].as_str().unwrap(), PASSWORD).await;
    let body = json!({"email": user["email"], "current_password": PASSWORD});
    let kept = stack.call(Method::PATCH, "/auth/me", &caller, &body).await.expect(200);
    assert_eq!(kept["user"]["unverified_email"], user["email"]);
}

#[tokio::test]
async fn of_many_who_verify_one_address_one_gets_it() {
    let stack = asking().await;
    let mut tokens = Vec::new();
    for name in ["one_1", "two_2", "three_3", "four_4"] {
        let (caller, number) = resident(&stack, name).await;
        relocate(&stack, &caller, "wanted@example.com").await.expect(202);
        tokens.push(mailed(&stack, number, "wanted@example.com").await);
    }
    let answers = join_all(tokens.iter().map(|token| verify(&stack, token))).await;
    let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((statuses(200), statuses(409)), (1, 3), "{answers:?}");
}

#[tokio::test]
async fn of_many_who_use_a_token_at_once_one_succeeds() {
    let stack = asking().await;
    register(&stack, "racer").await;
    let token = mailed(&stack, 0, "racer@example.com").await;
    let answers = join_all((0..20).map(|_| verify(&stack, &token))).await;
    let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((statuses(200), statuses(401)), (1, 19), "{answers:?}");
}

#[tokio::test]
async fn the_owner_of_a_mailbox_gets_the_account_that_a_stranger_made_with_it() {
    let stack = asking().await;
    register(&stack, "squatter").await;
    mailed(&stack, 0, "squatter@example.com").await;
    let token = stack.mailed_token("/auth/password/forgot", "squatter@example.com").await;
    let reset = json!({"token": token, "new_password": NEW});
    stack.post("/auth/password/reset", None, &reset).await.expect(204);
    // The mailed token has proved who owns the address.
    login(&stack, "squatter", NEW).await.expect(200);
    login(&stack, "squatter", PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_token_is_good_for_its_purpose_alone() {
    let stack = asking().await;
    register(&stack, "dora").await;
    let verification = mailed(&stack, 0, "dora@example.com").await;
    let reset = stack.mailed_token("/auth/password/forgot", "dora@example.com").await;
    verify(&stack, &reset).await.problem(401, "invalid_token");
    let crossed = json!({"token": verification, "new_password": NEW});
    stack.post("/auth/password/reset", None, &crossed).await.problem(401, "invalid_token");
    let (user_id, secret) = verification.split_once('.').unwrap();
    for wrong in [
        String::new(),
        ".".to_owned(),
        format!("{user_id}."),
        format!("x#{user_id}.{secret}"),
        "x".repeat(100_000),
    ] {
        verify(&stack, &wrong).await.problem(401, "invalid_token");
    }
    stack
        .post("/auth/email/verify", None, &json!({"token": 1, "email": "x"}))
        .await
        .invalid(&["/token", "/email"]);
    verify(&stack, &verification).await.expect(200);
}

#[tokio::test]
async fn whether_an_account_waits_for_mail_does_not_show() {
    let stack = asking().await;
    register(&stack, "erna").await;
    mailed(&stack, 0, "erna@example.com").await;
    let mut answers = Vec::new();
    for email in ["nobody@example.com", "demo@example.com", "ERNA@example.com"] {
        let answer = stack.post(RESEND, None, &json!({"email": email})).await;
        answers.push((answer.expect(202), answer.headers.keys().cloned().collect::<Vec<_>>()));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    // The only mail goes to the address as it was registered, and its token is the valid one.
    let token = mailed(&stack, 1, "erna@example.com").await;
    verify(&stack, &token).await.expect(200);
    assert_eq!(stack.local.outbox().mails().len(), 2);
}
