//! Accounts, as administrators see and change them. There is always at least one administrator.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use http::Method;
use platform::clock::Clock;
use platform::domain::Role;
use platform::gate::{Committer, RequestInfo};
use platform::identity::Identity;
use platform::input::Fields;
use platform::request::HttpCall;
use platform::store::{AccountFilter, User, Users};
use platform::{Endpoint as _, Request, ids, routes};
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::fake_tenant::{FakeTenant, TENANT};
use tally_tests::{Answer, Caller, TestStack, id};
use users::UpdateUser;

use crate::api_keys::new_key;

const PASSWORD: &str = "Correct-Horse-9";

/// Id of the account with this name.
pub async fn user_id(stack: &TestStack, username: &str) -> String {
    let admin = stack.admin().await;
    let page =
        stack.get(&format!("/users?query={username}&limit=1"), Some(&admin)).await.expect(200);
    assert_eq!(page["items"][0]["username"], username);
    id(&page["items"][0])
}

/// Changes an account on behalf of a caller.
pub async fn patch(stack: &TestStack, caller: &Caller, user_id: &str, change: &Value) -> Answer {
    stack
        .send(
            stack
                .request(Method::PATCH, &format!("/users/{user_id}"))
                .bearer_auth(&caller.access)
                .json(change),
        )
        .await
}

async fn register(stack: &TestStack, username: &str, email: &str) -> String {
    let body = json!({"username": username, "email": email, "password": PASSWORD});
    id(&stack.post("/auth/register", None, &body).await.expect(201)["user"])
}

/// Usernames of a list, page after page.
pub async fn walk(stack: &TestStack, caller: &Caller, filters: &str, limit: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            stack.get(&format!("/users?{filters}&limit={limit}{cursor}"), Some(caller)).await;
        let body = page.expect(200);
        let items = body["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        names.extend(items.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        assert_eq!(page.header("link").is_empty(), body["next_cursor"].is_null());
        let Some(next) = body["next_cursor"].as_str() else { return names };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn accounts_are_found_by_what_their_name_or_email_begins_with() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    for (username, email) in [
        ("Anna", "anna@example.com"),
        ("annabel", "bel@example.com"),
        ("berta", "ANNAS.sister@example.com"),
        ("an_other", "x@example.com"),
    ] {
        register(&stack, username, email).await;
    }
    for (filters, expected) in [
        ("query=ann", &["Anna", "annabel", "berta"][..]),
        ("query=ANNA", &["Anna", "annabel", "berta"]),
        ("query=annab", &["annabel"]),
        ("query=annas", &["berta"]),
        ("query=anna%40", &["Anna"]),
        ("query=bel%40example.com", &["annabel"]),
        ("query=an_", &["an_other"]),
        ("query=nna", &[]),
        ("query=ann%25", &[]),
        ("query=user%23", &[]),
        ("query=a&role=admin", &["admin"]),
        ("role=auditor&is_active=true", &["admin"]),
        ("is_active=false", &[]),
        ("", &["admin", "an_other", "Anna", "annabel", "berta", "demo"]),
    ] {
        for limit in [1, 2, 20] {
            assert_eq!(
                walk(&stack, &admin, filters, limit).await,
                expected,
                "{filters} by {limit}"
            );
        }
    }
    let page = stack.get("/users?query=anna", Some(&admin)).await;
    let me = stack.login("anna", PASSWORD).await;
    assert_eq!(page.json()["items"][0], stack.get("/auth/me", Some(&me)).await.expect(200)["user"]);
    assert!(!page.text.contains("password_hash") && !page.text.contains("argon2"), "{page:?}");
    let event = stack.events(&admin, "users.read").await.pop().unwrap();
    assert_eq!(event["detail"], json!({"query": "anna", "limit": 20, "rows": 3}));
}

#[tokio::test]
async fn the_last_of_many_accounts_is_found() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let platform = stack.platform("UsersFunction");
    let database = platform.database().unwrap();
    let users = Users::new(&platform).unwrap();
    let account = |number: usize| {
        let username = format!("row_{number:04}");
        let email = format!("many{number:04}@example.com");
        let user = User {
            id: platform::ids::new_id(platform.clock.now()),
            unverified_email: None,
            full_name: None,
            created_at: 0,
            is_active: number != 1_299,
            roles: vec![Role::User],
            password_hash: None,
            sso: None,
            version: 1,
            sessions: BTreeMap::new(),
            api_keys: BTreeMap::new(),
            username: username.clone(),
            email: Some(email.clone()),
        };
        users.create(&user, &username.parse().unwrap(), &email.parse().unwrap()).unwrap()
    };
    // A transaction takes at most a hundred items.
    for first in (0..1_300).step_by(25) {
        database.commit((first..first + 25).flat_map(account).collect()).await.unwrap();
    }
    assert_eq!(walk(&stack, &admin, "query=row_1299", 20).await, ["row_1299"]);
    assert_eq!(walk(&stack, &admin, "query=many1299", 20).await, ["row_1299"]);
    let all: Vec<_> = (0..1_300).map(|number| format!("row_{number:04}")).collect();
    assert_eq!(walk(&stack, &admin, "query=row_", 100).await, all);
    assert_eq!(walk(&stack, &admin, "query=many", 100).await, all);
    // A page looks at a thousand, finds none, and has a cursor for the rest.
    let filter = AccountFilter { is_active: Some(false), ..AccountFilter::default() };
    let (found, rest) = users.list(&filter, None, 20).await.unwrap();
    assert!(found.is_empty() && rest.is_some());
    assert_eq!(walk(&stack, &admin, "is_active=false", 20).await, ["row_1299"]);
}

#[tokio::test]
async fn a_cursor_is_for_its_list_and_caller() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    patch(&stack, &admin, &user_id(&stack, "demo").await, &json!({"roles": ["admin"]}))
        .await
        .expect(200);
    let demo = stack.demo().await;
    let page = stack.get("/users?limit=1", Some(&admin)).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    stack.get(&format!("/users?cursor={cursor}&limit=50"), Some(&admin)).await.expect(200);
    for (path, caller) in [
        (format!("/users?cursor={cursor}"), &demo),
        (format!("/users?cursor={cursor}&query=a"), &admin),
        (format!("/users?cursor={cursor}&role=user"), &admin),
        (format!("/users?cursor={}x", &cursor[..cursor.len() - 1]), &admin),
        (format!("/users/invites?cursor={cursor}"), &admin),
        (format!("/audit?cursor={cursor}"), &admin),
        ("/users?cursor=".to_owned(), &admin),
    ] {
        stack.get(&path, Some(caller)).await.invalid(&["cursor"]);
    }
}

#[tokio::test]
async fn an_account_is_read_and_changed() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let demo = stack.demo().await;
    let user = stack.get("/auth/me", Some(&demo)).await.expect(200)["user"].clone();
    let path = format!("/users/{}", id(&user));
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200), user);
    // The current roles count, not those of the token.
    stack.get("/audit", Some(&demo)).await.problem(403, "forbidden");
    let changed = patch(&stack, &admin, &id(&user), &json!({"roles": ["auditor"]})).await;
    assert_eq!(changed.expect(200)["roles"], json!(["user", "auditor"]));
    stack.get("/audit", Some(&demo)).await.expect(200);
    patch(&stack, &admin, &id(&user), &json!({"roles": []})).await.expect(200);
    stack.get("/audit", Some(&demo)).await.problem(403, "forbidden");
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200), user);

    let event = &stack.events(&admin, "user.updated").await[0];
    assert_eq!(event["resource"], format!("user:{}", id(&user)));
    assert_eq!(
        event["detail"],
        json!({"roles_before": ["user"], "roles": ["user", "auditor"], "ended_sessions": []})
    );
    assert_eq!(event["actor"]["username"], "admin");

    for (change, fields) in [
        (json!({"roles": ["user", "user"]}), &["/roles"][..]),
        (json!({"roles": ["root"]}), &["/roles"]),
        (json!({"roles": "admin", "is_active": "no"}), &["/is_active", "/roles"]),
        (json!({"password": "Correct-Horse-9"}), &["/password"]),
    ] {
        patch(&stack, &admin, &id(&user), &change).await.invalid(fields);
    }
    for nobody in ["019a0000-0000-7000-8000-000000000000", "me", "invites", "admins"] {
        patch(&stack, &admin, nobody, &json!({"is_active": false})).await.problem(404, "not_found");
        if nobody != "invites" {
            stack.get(&format!("/users/{nobody}"), Some(&admin)).await.problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn a_deactivated_account_is_out_at_once() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let user_id = user_id(&stack, &caller.username).await;
    let mut socket = stack.connect(&caller).await;
    let key = stack
        .post("/api-keys", Some(&caller), &new_key(&["profits:read"], Duration::from_hours(1)))
        .await
        .expect(201);
    let with_key = || {
        stack.send(
            stack
                .request(Method::GET, "/profits")
                .header("x-api-key", key["key"].as_str().unwrap()),
        )
    };
    with_key().await.expect(200);
    let token = stack
        .mailed_token("/auth/password/forgot", &format!("{}@example.com", caller.username))
        .await;
    assert_eq!(
        patch(
            &stack,
            &admin,
            &user_id,
            &json!({
                "is_active": false,
            })
        )
        .await
        .expect(200)["is_active"],
        false
    );
    assert_eq!(socket.next().await, None);
    stack.post("/auth/ws-ticket", Some(&caller), &json!({})).await.problem(401, "invalid_token");
    stack.get("/auth/me", Some(&caller)).await.problem(401, "invalid_token");
    stack
        .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
        .await
        .problem(401, "invalid_refresh_token");
    let credentials = json!({"username": caller.username, "password": PASSWORD});
    stack.post("/auth/login", None, &credentials).await.problem(401, "invalid_credentials");
    let event = stack.events(&admin, "user.updated").await.pop().unwrap();
    assert_eq!(
        (&event["detail"]["was_active"], &event["detail"]["is_active"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(event["detail"]["ended_sessions"].as_array().unwrap().len(), 1);
    assert_eq!(event["detail"]["ended_api_keys"], json!([key["id"]]));
    // A repeated change has no effect. Sessions, API keys and tokens that have ended stay invalid.
    patch(&stack, &admin, &user_id, &json!({"is_active": false})).await.expect(200);
    patch(&stack, &admin, &user_id, &json!({"is_active": true})).await.expect(200);
    stack.post("/auth/ws-ticket", Some(&caller), &json!({})).await.problem(401, "invalid_token");
    with_key().await.problem(401, "invalid_token");
    let reset = json!({"token": token, "new_password": "Another-Horse-9"});
    stack.post("/auth/password/reset", None, &reset).await.problem(401, "invalid_token");
    let caller = stack.login(&caller.username, PASSWORD).await;
    assert_eq!(stack.get("/api-keys", Some(&caller)).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn what_is_not_found_is_in_the_trail_by_its_id() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let nothing = ids::new_id(Clock::System.now());
    let with_ids: Vec<_> = routes::ROUTES
        .iter()
        .filter(|route| route.resource.is_some() && route.audit.is_some())
        .collect();
    assert!(with_ids.len() >= 7, "{}", with_ids.len());
    for route in with_ids {
        let path = ["{id}", "{message_id}", "{user_id}", "{sheet_id}"]
            .iter()
            .fold(route.path.to_owned(), |path, parameter| path.replace(parameter, &nothing));
        let path = match (route.path.starts_with("/ranges"), path.rsplit('/').next()) {
            (true, Some("cells")) => format!("{path}?address=A1"),
            (true, Some("access")) => format!("{path}?cell=A1"),
            _ => path,
        };
        let body = match (route.method, route.path.rsplit('/').next().unwrap()) {
            ("PATCH", _) if route.path.starts_with("/users") => json!({"is_active": false}),
            ("PUT", "budget") => json!({"monthly_usd": "5.00"}),
            ("PUT", "sso") => json!({"tenant": TENANT, "subject": nothing}),
            ("PUT", "columns") => json!({"columns": [], "if_version": 1}),
            ("PUT", "{sheet_id}") => json!({"cleared": true}),
            ("POST", "sheets") => json!({"name": "P&L"}),
            ("POST", "preview") => json!({"task": "Sum it up."}),
            _ => json!({}),
        };
        let request =
            stack.request(route.method.parse().unwrap(), &path).bearer_auth(&admin.access);
        let request = match (route.method, route.path.rsplit('/').next()) {
            // Only an export leaves an event.
            ("GET", Some("findings")) => request.header("accept", "text/csv"),
            ("GET" | "DELETE", _) => request,
            _ => request.json(&body),
        };
        stack.send(request).await.problem(404, "not_found");
        let event = stack.events(&admin, route.audit.unwrap()).await.pop().unwrap();
        let resource = format!("{}:{nothing}", route.resource.unwrap());
        assert_eq!(
            (&event["outcome"], &event["resource"]),
            (&json!("failure"), &json!(resource)),
            "{}",
            route.key()
        );
    }
}

#[tokio::test]
async fn a_deactivation_that_races_logins_leaves_no_live_session() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let user_id = user_id(&stack, &caller.username).await;
    let credentials = json!({"username": caller.username, "password": PASSWORD});
    for _ in 0..10 {
        let logins = join_all((0..3).map(|_| stack.post("/auth/login", None, &credentials)));
        let (deactivated, logins) =
            join(patch(&stack, &admin, &user_id, &json!({"is_active": false})), logins).await;
        deactivated.expect(200);
        for login in logins.iter().filter(|login| login.status == 200) {
            let pair = login.json();
            stack
                .post("/auth/refresh", None, &json!({"refresh_token": pair["refresh_token"]}))
                .await
                .problem(401, "invalid_refresh_token");
        }
        patch(&stack, &admin, &user_id, &json!({"is_active": true})).await.expect(200);
        // No ended session becomes valid again.
        for login in logins.iter().filter(|login| login.status == 200) {
            let access = login.json()["access_token"].as_str().unwrap().to_owned();
            let ended = Caller { access, ..caller.clone() };
            stack
                .post("/auth/ws-ticket", Some(&ended), &json!({}))
                .await
                .problem(401, "invalid_token");
        }
    }
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let own = user_id(&stack, "admin").await;
    let demo = user_id(&stack, "demo").await;
    let lose = [
        json!({"roles": ["user"]}),
        json!({"is_active": false}),
        json!({"roles": [], "is_active": false}),
    ];
    for change in &lose {
        patch(&stack, &admin, &own, change).await.problem(409, "last_admin");
    }
    let event = stack.events(&admin, "user.updated").await.pop().unwrap();
    assert_eq!(
        (&event["outcome"], &event["resource"]),
        (&json!("failure"), &json!(format!("user:{own}")))
    );
    // A change to another set of roles with `admin` in it is allowed.
    patch(&stack, &admin, &own, &json!({"roles": ["admin"]})).await.expect(200);
    patch(&stack, &admin, &own, &json!({"roles": ["admin", "auditor"], "is_active": true}))
        .await
        .expect(200);
    // An administrator who can't sign in does not count, in any order of the changes.
    patch(&stack, &admin, &demo, &json!({"roles": ["admin"]})).await.expect(200);
    patch(&stack, &admin, &demo, &json!({"is_active": false})).await.expect(200);
    patch(&stack, &admin, &own, &lose[0]).await.problem(409, "last_admin");
    patch(&stack, &admin, &demo, &json!({"roles": []})).await.expect(200);
    patch(&stack, &admin, &demo, &json!({"roles": ["admin"]})).await.expect(200);
    patch(&stack, &admin, &own, &lose[0]).await.problem(409, "last_admin");
    patch(&stack, &admin, &demo, &json!({"is_active": true})).await.expect(200);
    // There are two administrators now, and one may go.
    patch(&stack, &admin, &own, &lose[0]).await.expect(200);
    patch(&stack, &admin, &own, &json!({"roles": ["admin"]})).await.problem(403, "forbidden");
    let demo_caller = stack.demo().await;
    patch(&stack, &demo_caller, &demo, &lose[1]).await.problem(409, "last_admin");
}

#[tokio::test]
async fn of_two_administrators_who_demote_each_other_one_is_left() {
    let stack = TestStack::start().await;
    let mut admins = [stack.admin().await, stack.demo().await];
    let mut ids = [user_id(&stack, "admin").await, user_id(&stack, "demo").await];
    // The lookup of an account signs in and so makes a session of its own.
    admins[0] = stack.admin().await;
    patch(&stack, &admins[0], &ids[1], &json!({"roles": ["admin"]})).await.expect(200);
    for round in 0..20 {
        let change =
            if round % 2 == 0 { json!({"roles": []}) } else { json!({"roles": ["auditor"]}) };
        let (one, other) = join(
            patch(&stack, &admins[0], &ids[1], &change),
            patch(&stack, &admins[1], &ids[0], &change),
        )
        .await;
        let (winner, refused) = if one.status == 200 { (0, other) } else { (1, one) };
        match refused.status {
            // The request was refused at the start, because it came after the other was done.
            403 => refused.problem(403, "forbidden"),
            _ => refused.problem(409, "last_admin"),
        };
        patch(&stack, &admins[winner], &ids[1 - winner], &json!({"roles": ["admin"]}))
            .await
            .expect(200);
        if round % 3 == 0 {
            admins.swap(0, 1);
            ids.swap(0, 1);
        }
    }
}

#[tokio::test]
async fn what_an_administrator_asked_for_is_not_done_once_they_are_none() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let demo = user_id(&stack, "demo").await;
    patch(&stack, &admin, &demo, &json!({"roles": ["admin"]})).await.expect(200);
    let someone = stack.someone().await;
    let target = user_id(&stack, &someone.username).await;

    let platform = stack.platform("UsersFunction");
    let endpoint = UpdateUser::new(&platform).unwrap();
    let committer = Committer::for_route(&platform, &routes::USER_UPDATE).unwrap();
    let event = json!({
        "requestContext": {"http": {"method": "PATCH"}}, "headers": {},
        "pathParameters": {"id": target}, "isBase64Encoded": false,
    });
    let call = HttpCall::from(lambda_http::request::from_str(&event.to_string()).unwrap());
    let now = platform.clock.now();
    let caller =
        Identity { user_id: demo.clone(), username: "demo".into(), session_id: "s".into() };
    // Each request was admitted when its caller was an administrator. It is committed when the
    // caller is one no more.
    let mut plans = Vec::new();
    for change in
        [json!({"is_active": false}), json!({"roles": ["admin"]}), json!({"roles": ["auditor"]})]
    {
        let body = Fields::json(change.as_object().unwrap().clone()).read().unwrap();
        let caller = caller.clone();
        let context = &call.context;
        let request = Request {
            caller,
            token_exp: None,
            authority: None,
            body,
            query: (),
            is_form: false,
            context,
            now,
            call: &call,
        };
        plans.push(endpoint.handle(request).await);
    }
    patch(&stack, &admin, &demo, &json!({"roles": []})).await.expect(200);
    for plan in plans {
        let info = RequestInfo::new(&call.context, now, Some("user.updated"));
        let refused =
            committer.commit(plan, Some(&caller.clone().into()), &info).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code.as_str()), (403, "forbidden"));
    }
    let user = stack.get(&format!("/users/{target}"), Some(&admin)).await.expect(200);
    assert_eq!((&user["is_active"], &user["roles"]), (&json!(true), &json!(["user"])));
}

#[tokio::test]
async fn what_an_administrator_sets_is_not_set_once_they_are_none() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let demo = user_id(&stack, "demo").await;
    let caller = stack.demo().await;
    let invite = id(&stack.post("/users/invites", Some(&admin), &json!({})).await.expect(201));
    for (method, path, table) in [
        (Method::POST, "/users/invites".to_owned(), "InvitesTable"),
        (Method::DELETE, format!("/users/invites/{invite}"), "InvitesTable"),
        (Method::PUT, format!("/users/{demo}/budget"), "BudgetsTable"),
        (Method::PUT, "/budget".to_owned(), "BudgetsTable"),
    ] {
        patch(&stack, &admin, &demo, &json!({"roles": ["admin"]})).await.expect(200);
        // The commit is held on its way, and arrives when it is sent again.
        stack.fail(table, Some("TransactWriteItems"), Failure::HeldBefore, 2);
        let body = if method == Method::PUT { json!({"monthly_usd": "1.00"}) } else { json!({}) };
        let demote = async {
            stack.local.aws().held().await;
            patch(&stack, &admin, &demo, &json!({"roles": []})).await.expect(200);
        };
        let (answer, ()) = join(stack.call(method, &path, &caller, &body), demote).await;
        answer.problem(403, "forbidden");
        stack.local.aws().recover();
    }
    let invites = stack.get("/users/invites", Some(&admin)).await.expect(200);
    assert_eq!(invites["items"].as_array().unwrap().len(), 1);
    assert_eq!(stack.get("/budget", Some(&admin)).await.expect(200)["is_default"], json!(true));
}

/// The answer of `bootstrap-admin`, or its error.
async fn bootstrap(stack: &TestStack, candidate: &Value) -> Result<Value, String> {
    let answer = stack
        .local
        .invoke("BootstrapAdminFunction", candidate.to_string())
        .await
        .map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

#[tokio::test]
async fn the_first_administrator_is_made_of_an_account() {
    let stack = TestStack::with(&[("SeedDemoUsers", "off"), ("RateLimits", "*=100000/1m")]).await;
    let own = register(&stack, "Founder", "founder@example.com").await;
    let caller = stack.login("founder", PASSWORD).await;
    stack.get("/users", Some(&caller)).await.problem(403, "forbidden");
    assert!(
        bootstrap(&stack, &json!({"username": "nobody"})).await.unwrap_err().contains("not_found")
    );
    assert!(bootstrap(&stack, &json!({})).await.is_err());
    assert_eq!(
        bootstrap(&stack, &json!({"username": "founder"})).await.unwrap(),
        json!({"administrator": own})
    );
    stack.get("/users", Some(&caller)).await.expect(200);
    register(&stack, "second", "second@example.com").await;
    for candidate in [
        json!({"username": "founder"}),
        json!({"username": "second"}),
        json!({"email": "third@example.com"}),
    ] {
        assert!(
            bootstrap(&stack, &candidate)
                .await
                .unwrap_err()
                .contains("An administrator exists already")
        );
    }
    patch(&stack, &caller, &own, &json!({"roles": []})).await.problem(409, "last_admin");
    let events = stack.events(&caller, "admin.bootstrapped").await;
    assert_eq!(events.iter().filter(|event| event["outcome"] == "success").count(), 1);
    assert_eq!(
        (&events[0]["resource"], &events[0]["user_agent"]),
        (&json!(format!("user:{own}")), &json!("bootstrap-admin"))
    );
}

#[tokio::test]
async fn of_two_that_are_to_be_the_first_administrator_one_is() {
    let stack = TestStack::with(&[("SeedDemoUsers", "off"), ("RateLimits", "*=100000/1m")]).await;
    for name in ["one", "two"] {
        register(&stack, name, &format!("{name}@example.com")).await;
    }
    let candidates = ["one", "two", "one", "two"].map(|name| json!({"username": name}));
    let made = join_all(candidates.iter().map(|candidate| bootstrap(&stack, candidate))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
}
