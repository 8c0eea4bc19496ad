//! Kills a function just before a write and right after it. Nothing is half-written, and a client
//! without an answer gets its result by a retry. `docs/crashes.md` lists the state after each kill.

mod access;
mod administration;
mod counts;
mod erasure;
mod files;
mod jobs;
mod messages;
mod prompts;
mod ranges;
mod sso;
mod tasks;

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack};

use crate::api_keys::new_key;
use crate::chat::FAST;

/// The moments at which a function is killed.
const MOMENTS: [Failure; 2] = [Failure::HeldBefore, Failure::HeldAfter];

const TRANSACT: &str = "TransactWriteItems";

/// Sends a request and kills its function at the next call of `operation` on `table`. API Gateway
/// then answers in its place.
async fn cut(
    stack: &TestStack,
    moment: Failure,
    (function, operation, table): (&str, &str, &str),
    request: reqwest::RequestBuilder,
) {
    stack.fail(table, Some(operation), moment, 1);
    let kill = async {
        stack.local.aws().held().await;
        stack.local.functions().kill(function).unwrap();
    };
    let (answer, ()) = futures_util::join!(stack.send(request), kill);
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (500, r#"{"message":"Internal Server Error"}"#),
        "{function}"
    );
}

fn post(
    stack: &TestStack,
    path: &str,
    caller: Option<&Caller>,
    body: &Value,
) -> reqwest::RequestBuilder {
    let request = stack.request(Method::POST, path).json(body).header("idempotency-key", "k");
    caller.into_iter().fold(request, |request, caller| request.bearer_auth(&caller.access))
}

/// Number of events of an action with this outcome.
async fn events(stack: &TestStack, action: &str, outcome: &str) -> usize {
    let auditor = stack.admin().await;
    stack.events(&auditor, action).await.iter().filter(|event| event["outcome"] == outcome).count()
}

/// Number of a caller's sessions.
async fn sessions(stack: &TestStack, caller: &Caller) -> usize {
    stack.get("/auth/sessions", Some(caller)).await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_account_is_there_with_its_event_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let body =
            json!({"username": "cut", "email": "cut@example.com", "password": "Correct-Horse-9"});
        let before = events(&stack, "auth.register", "success").await;
        cut(
            &stack,
            moment,
            ("RegisterFunction", TRANSACT, "UsersTable"),
            post(&stack, "/auth/register", None, &body),
        )
        .await;
        let committed = usize::from(moment == Failure::HeldAfter);
        assert_eq!(
            events(&stack, "auth.register", "success").await,
            before + committed,
            "{moment:?}"
        );
        // The client retries with its key. In either case it has one account.
        let user = stack.send(post(&stack, "/auth/register", None, &body)).await.expect(201);
        let caller = stack.login("cut", "Correct-Horse-9").await;
        assert_eq!(stack.get("/auth/me", Some(&caller)).await.expect(200)["user"], user["user"]);
    }
}

#[tokio::test]
async fn a_login_that_is_cut_leaves_a_whole_session_or_none_and_never_a_fourth() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let credentials = json!({"username": caller.username, "password": "Correct-Horse-9"});
        for cuts in 1..=3 {
            let login = post(&stack, "/auth/login", None, &credentials);
            cut(&stack, moment, ("LoginFunction", TRANSACT, "SessionsTable"), login).await;
            if moment == Failure::HeldBefore {
                assert_eq!(sessions(&stack, &caller).await, 1);
            } else if cuts < 3 {
                assert_eq!(sessions(&stack, &caller).await, 1 + cuts);
            }
        }
        let again = stack.login(&caller.username, "Correct-Horse-9").await;
        assert_eq!(
            sessions(&stack, &again).await,
            if moment == Failure::HeldBefore { 2 } else { 3 }
        );
    }
}

#[tokio::test]
async fn a_refresh_that_is_cut_ends_no_session() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let spend = json!({"refresh_token": caller.refresh});
        cut(
            &stack,
            moment,
            ("RefreshFunction", TRANSACT, "SessionsTable"),
            post(&stack, "/auth/refresh", None, &spend),
        )
        .await;
        // Before: the token is valid. After: it gets the successor that was never delivered, and
        // the same one again.
        let pair = stack.post("/auth/refresh", None, &spend).await.expect(200);
        assert_eq!(stack.post("/auth/refresh", None, &spend).await.expect(200), pair, "{moment:?}");
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": pair["refresh_token"]}))
            .await
            .expect(200);
        // From here on, a use of the old token counts as a theft.
        stack.post("/auth/refresh", None, &spend).await.problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn a_reused_token_ends_its_session_however_often_the_end_is_cut() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let spent = json!({"refresh_token": caller.refresh});
        let pair = stack.post("/auth/refresh", None, &spent).await.expect(200);
        let good = stack
            .post("/auth/refresh", None, &json!({"refresh_token": pair["refresh_token"]}))
            .await
            .expect(200);
        cut(
            &stack,
            moment,
            ("RefreshFunction", TRANSACT, "SessionsTable"),
            post(&stack, "/auth/refresh", None, &spent),
        )
        .await;
        // Before: the session lives until the spent token is used again. After: it has ended, with
        // its event.
        stack.post("/auth/refresh", None, &spent).await.problem(401, "invalid_refresh_token");
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": good["refresh_token"]}))
            .await
            .problem(401, "invalid_refresh_token");
        assert_eq!(events(&stack, "auth.refresh_reuse", "failure").await, 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_logout_that_is_cut_is_done_or_can_be_done() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        cut(
            &stack,
            moment,
            ("LogoutFunction", TRANSACT, "SessionsTable"),
            post(&stack, "/auth/logout", Some(&caller), &json!({})),
        )
        .await;
        if moment == Failure::HeldBefore {
            socket.ask(&json!({"action": "ping"}), "pong").await;
            stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
        } else {
            // The killed function could not close the connection. The first message finds that the
            // session has ended.
            socket.send(&json!({"action": "ping"})).await;
            assert_eq!(socket.expect("error").await["code"], "invalid_token");
        }
        assert_eq!(socket.next().await, None, "{moment:?}");
        stack.post("/auth/logout", Some(&caller), &json!({})).await.problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_token_whose_giving_up_is_cut_is_given_up_or_can_be() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let revoke =
            || stack.request(Method::POST, "/auth/revoke").form(&[("token", &caller.refresh)]);
        cut(&stack, moment, ("RevokeFunction", TRANSACT, "SessionsTable"), revoke()).await;
        // Before: the token is valid. After: it is not, and a second revocation gets the same
        // answer.
        let committed = usize::from(moment == Failure::HeldAfter);
        assert_eq!(events(&stack, "auth.token_revoked", "success").await, committed, "{moment:?}");
        stack.send(revoke()).await.expect(200);
        let ended = stack.events(&stack.admin().await, "auth.token_revoked").await;
        assert_eq!(
            ended.iter().filter(|event| event["detail"]["ended"] == true).count(),
            1,
            "{moment:?}"
        );
        if moment == Failure::HeldAfter {
            // The killed function could not close the connection. The first message finds that the
            // session has ended.
            socket.send(&json!({"action": "ping"})).await;
            assert_eq!(socket.expect("error").await["code"], "invalid_token");
        }
        assert_eq!(socket.next().await, None, "{moment:?}");
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
            .await
            .problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn the_end_of_a_session_that_is_cut_is_done_or_can_be_done() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let lost = stack.demo().await;
        let caller = stack.demo().await;
        let listed = stack.get("/auth/sessions", Some(&caller)).await.expect(200);
        let path = format!("/auth/sessions/{}", listed["items"][1]["id"].as_str().unwrap());
        let end = || stack.request(Method::DELETE, &path).bearer_auth(&caller.access);
        cut(&stack, moment, ("SessionsFunction", TRANSACT, "SessionsTable"), end()).await;
        let committed = moment == Failure::HeldAfter;
        assert_eq!(sessions(&stack, &caller).await, if committed { 1 } else { 2 });
        assert_eq!(stack.send(end()).await.status, if committed { 404 } else { 204 });
        assert_eq!(events(&stack, "auth.session_ended", "success").await, 1, "{moment:?}");
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": lost.refresh}))
            .await
            .problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_while_it_opens_can_be_opened_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let bearer = format!("Bearer {}", caller.access);
        let credentials = [("authorization", bearer.as_str())];
        stack.fail("ConnectionsTable", Some(TRANSACT), moment, 1);
        let kill = async {
            stack.local.aws().held().await;
            stack.local.functions().kill("ConnectFunction").unwrap();
        };
        let (refused, ()) = futures_util::join!(stack.handshake("", &credentials), kill);
        assert!(refused.err().is_some_and(|refused| refused.status >= 500), "{moment:?}");
        // After: the connection keeps a place until a new one needs it. See `realtime::caps`.
        let committed = usize::from(moment == Failure::HeldAfter);
        assert_eq!(events(&stack, "ws.connect", "success").await, committed, "{moment:?}");
        let mut open = Vec::new();
        for _ in committed..5 {
            open.push(stack.connect(&caller).await);
        }
        assert_eq!(stack.handshake("", &credentials).await.err().unwrap().status, 429);
    }
}

#[tokio::test]
async fn a_ticket_that_is_cut_can_be_asked_for_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let ask = || post(&stack, "/auth/ws-ticket", Some(&caller), &json!({}));
        cut(&stack, moment, ("WsTicketFunction", TRANSACT, "TicketsTable"), ask()).await;
        stack.send(ask()).await.expect(201);
    }
}

#[tokio::test]
async fn an_api_key_is_there_with_its_event_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let body = new_key(&["profits:read"], std::time::Duration::from_hours(1));
        let create = || post(&stack, "/api-keys", Some(&caller), &body);
        cut(&stack, moment, ("ApiKeysFunction", TRANSACT, "ApiKeysTable"), create()).await;
        let committed = usize::from(moment == Failure::HeldAfter);
        assert_eq!(events(&stack, "apikey.created", "success").await, committed, "{moment:?}");
        // The list shows a key that its owner has never seen, so that it can be deleted.
        let listed = stack.get("/api-keys", Some(&caller)).await.expect(200)["items"].clone();
        assert_eq!(listed.as_array().unwrap().len(), committed);
        let again = stack.send(create()).await;
        let id = if committed == 1 {
            again.problem(409, "secret_already_shown");
            listed[0]["id"].clone()
        } else {
            again.expect(201)["id"].clone()
        };

        let path = format!("/api-keys/{}", id.as_str().unwrap());
        let delete = || stack.request(Method::DELETE, &path).bearer_auth(&caller.access);
        cut(&stack, moment, ("ApiKeysFunction", TRANSACT, "ApiKeysTable"), delete()).await;
        assert_eq!(stack.send(delete()).await.status, if committed == 1 { 404 } else { 204 });
        assert_eq!(events(&stack, "apikey.deleted", "success").await, 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_cut_is_answered_when_it_is_asked_again() {
    for moment in MOMENTS {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let ask = || post(&stack, "/chat", Some(&caller), &json!({"message": "Hello"}));
        // The kill comes after the commit and before the start of the worker. Without a retry the
        // reply would never be written.
        cut(&stack, moment, ("ChatFunction", TRANSACT, "MessagesTable"), ask()).await;
        let reply = stack.send(ask()).await.expect(200);
        assert_eq!(stack.send(ask()).await.expect(200), reply, "{moment:?}");
        let asked = stack.events(&stack.admin().await, "chat.message").await;
        assert_eq!(asked.len(), 1, "one reply was written, {moment:?}");
    }
}

#[tokio::test]
async fn what_owners_change_is_changed_whole_or_not_at_all_and_can_be_done_again() {
    const OLD: &str = "Correct-Horse-9";
    const NEW: &str = "Another-Horse-9";
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let other = stack.someone().await;
        let caller = stack.login(&other.username, OLD).await;
        let committed = moment == Failure::HeldAfter;
        let call = |method: Method, path: &str, body: Value| {
            stack.request(method, path).bearer_auth(&caller.access).json(&body)
        };
        let account =
            async || stack.get("/auth/me", Some(&caller)).await.expect(200)["user"].clone();

        let name = || call(Method::PATCH, "/auth/me", json!({"full_name": "Anna"}));
        cut(&stack, moment, ("AccountFunction", TRANSACT, "UsersTable"), name()).await;
        assert_eq!(account().await["full_name"] == "Anna", committed, "{moment:?}");
        stack.send(name()).await.expect(200);

        let relocate = || {
            call(
                Method::PATCH,
                "/auth/me",
                json!({"email": "moved@example.com", "current_password": OLD}),
            )
        };
        cut(&stack, moment, ("AccountFunction", TRANSACT, "UsersTable"), relocate()).await;
        assert_eq!(account().await["email"] == "moved@example.com", committed, "{moment:?}");
        assert_eq!(events(&stack, "auth.email_changed", "success").await, usize::from(committed));
        stack.send(relocate()).await.expect(200);
        // In either case the old address is free and the new one is taken.
        let claim = async |username: &str, email: &str| {
            stack
                .post(
                    "/auth/register",
                    None,
                    &json!({"username": username, "email": email, "password": OLD}),
                )
                .await
        };
        claim("heir", &format!("{}@example.com", caller.username)).await.expect(201);
        claim("late", "moved@example.com").await.problem(409, "account_exists");

        let change = || {
            call(
                Method::POST,
                "/auth/password",
                json!({"current_password": OLD, "new_password": NEW}),
            )
        };
        cut(&stack, moment, ("PasswordFunction", TRANSACT, "UsersTable"), change()).await;
        // The change ends the other session.
        assert_eq!(sessions(&stack, &caller).await, if committed { 1 } else { 2 }, "{moment:?}");
        assert_eq!(stack.send(change()).await.status, if committed { 401 } else { 204 });
        assert_eq!(events(&stack, "auth.password_changed", "success").await, 1);
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": other.refresh}))
            .await
            .problem(401, "invalid_refresh_token");

        let delete = || call(Method::DELETE, "/auth/me", json!({"current_password": NEW}));
        cut(&stack, moment, ("AccountFunction", TRANSACT, "UsersTable"), delete()).await;
        assert_eq!(
            stack.send(delete()).await.status,
            if committed { 401 } else { 204 },
            "{moment:?}"
        );
        assert_eq!(events(&stack, "account.deleted", "success").await, 1);
        claim(&caller.username, "moved@example.com").await.expect(201);
    }
}

#[tokio::test]
async fn a_forgotten_password_that_is_cut_can_be_asked_for_and_set_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let email = format!("{}@example.com", caller.username);
        let forgot = post(&stack, "/auth/password/forgot", None, &json!({"email": email}));
        // After: the queued mail is stored, but no worker has been started for it.
        cut(&stack, moment, ("AskMailFunction", TRANSACT, "ErrandsTable"), forgot).await;
        assert_eq!(stack.local.outbox().mails().len(), 0);
        let token = stack.mailed_token("/auth/password/forgot", &email).await;

        let reset = || {
            post(
                &stack,
                "/auth/password/reset",
                None,
                &json!({"token": token, "new_password": "Another-Horse-9"}),
            )
        };
        cut(&stack, moment, ("PasswordFunction", TRANSACT, "UsersTable"), reset()).await;
        // Before: the token is still valid. After: it has been used.
        assert_eq!(
            stack.send(reset()).await.status,
            if moment == Failure::HeldBefore { 204 } else { 401 },
            "{moment:?}"
        );
        assert_eq!(events(&stack, "auth.password_reset", "success").await, 1);
        stack.login(&caller.username, "Another-Horse-9").await;
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
            .await
            .problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn a_mail_whose_worker_is_cut_goes_out_once_or_is_asked_for_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let email = format!("{}@example.com", caller.username);
        stack.fail("MailTokensTable", Some(TRANSACT), moment, 1);
        stack.post("/auth/password/forgot", None, &json!({"email": email})).await.expect(202);
        stack.local.aws().held().await;
        stack.local.functions().kill("SendMailFunction").unwrap();
        // The next token replaces the one that was made but not sent.
        let token = stack.mailed_token("/auth/password/forgot", &email).await;
        let reset = json!({"token": token, "new_password": "Another-Horse-9"});
        stack.post("/auth/password/reset", None, &reset).await.expect(204);
        assert_eq!(
            events(&stack, "auth.token_mailed", "success").await,
            if moment == Failure::HeldBefore { 1 } else { 2 },
            "{moment:?}"
        );
    }
}

#[tokio::test]
async fn an_address_whose_proof_is_cut_is_verified_or_can_be() {
    for moment in MOMENTS {
        let stack =
            TestStack::with(&[("EmailVerification", "on"), ("RateLimits", "*=100000/1m")]).await;
        let body =
            json!({"username": "cut", "email": "cut@example.com", "password": "Correct-Horse-9"});
        cut(
            &stack,
            moment,
            ("RegisterFunction", TRANSACT, "UsersTable"),
            post(&stack, "/auth/register", None, &body),
        )
        .await;
        stack.send(post(&stack, "/auth/register", None, &body)).await.expect(201);
        // If the registration was cut after its commit, the client has to ask for the mail.
        let token = if moment == Failure::HeldAfter {
            stack.mailed_token("/auth/email/resend", "cut@example.com").await
        } else {
            stack.token_from(0, "cut@example.com").await
        };
        let verify = || post(&stack, "/auth/email/verify", None, &json!({"token": token}));
        cut(&stack, moment, ("AccountFunction", TRANSACT, "UsersTable"), verify()).await;
        assert_eq!(
            stack.send(verify()).await.status,
            if moment == Failure::HeldBefore { 200 } else { 401 },
            "{moment:?}"
        );
        assert_eq!(events(&stack, "auth.email_verified", "success").await, 1);
        let caller = stack.login("cut", "Correct-Horse-9").await;

        let relocate = || {
            let body = json!({"email": "moved@example.com", "current_password": "Correct-Horse-9"});
            stack.request(Method::PATCH, "/auth/me").bearer_auth(&caller.access).json(&body)
        };
        cut(&stack, moment, ("AccountFunction", TRANSACT, "UsersTable"), relocate()).await;
        let waits = stack.get("/auth/me", Some(&caller)).await.expect(200)["user"]
            .get("unverified_email")
            .is_some();
        assert_eq!(waits, moment == Failure::HeldAfter);
        stack.send(relocate()).await.expect(202);
        let token = stack.token_from(1, "moved@example.com").await;
        stack.post("/auth/email/verify", None, &json!({"token": token})).await.expect(200);
    }
}

#[tokio::test]
async fn a_conversation_whose_deletion_is_cut_is_there_or_gone_for_good() {
    for moment in MOMENTS {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let reply =
            stack.post("/chat", Some(&caller), &json!({"message": "Hello"})).await.expect(200);
        let path = format!("/conversations/{}", reply["conversation_id"].as_str().unwrap());
        let delete = || stack.request(Method::DELETE, &path).bearer_auth(&caller.access);
        cut(&stack, moment, ("ConversationsFunction", TRANSACT, "ConversationsTable"), delete())
            .await;
        // After: no worker was started, yet the messages can't be reached. See
        // `conversations::deletes`.
        let committed = moment == Failure::HeldAfter;
        assert_eq!(
            stack.get(&crate::chat::path_of(&reply), Some(&caller)).await.status,
            if committed { 404 } else { 200 }
        );
        assert_eq!(stack.send(delete()).await.status, if committed { 404 } else { 204 });
        assert_eq!(events(&stack, "conversation.deleted", "success").await, 1, "{moment:?}");
    }
}
