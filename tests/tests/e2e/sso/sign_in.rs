//! Sign-ins: the account that the first one makes, and the session that each begins.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::fake_tenant::{CLIENT, FakeTenant, Person, TENANT};
use tally_tests::{Answer, TestStack, id};

use super::browser::code_of;
use super::{by_token, caller_of, has_token, me, refresh, sign_ins, stored};

/// Another tenant of Entra.
const OTHER_TENANT: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test]
async fn a_person_gets_an_account_and_signs_in_and_out() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("Registration", "closed")]).await;
    let person = Person::new("Anna Berg");
    let caller = stack.sso(&tenant, &person).await;
    let user = me(&stack, &caller).await;
    let expected = json!({
        "id": user["id"], "created_at": user["created_at"], "username": "anna_berg",
        "email": "anna.berg@contoso.example", "full_name": "Anna Berg", "is_active": true,
        "roles": ["user"], "sign_in": "sso",
    });
    assert_eq!(user, expected);

    let pair = refresh(&stack, &caller).await.expect(200);
    let caller = caller_of(&pair);
    assert_eq!(me(&stack, &caller).await, user);
    stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
    refresh(&stack, &caller).await.problem(401, "invalid_refresh_token");

    // A person whose names have changed gets the same account.
    let renamed = Person {
        name: "Anna Adler".to_owned(),
        upn: "anna.adler@contoso.example".to_owned(),
        email: None,
        ..person.clone()
    };
    let again = me(&stack, &stack.sso(&tenant, &renamed).await).await;
    let mut expected = expected;
    expected["full_name"] = "Anna Adler".into();
    expected["email"] = Value::Null;
    assert_eq!(again, expected);
    // It has no password, and so no way in by one.
    for password in ["", "Correct-Horse-9"] {
        let credentials = json!({"username": "anna_berg", "password": password});
        stack.post("/auth/login", None, &credentials).await.problem(401, "invalid_credentials");
    }

    let events = sign_ins(&stack).await;
    let [first, second] = &events[..] else { panic!("{events:?}") };
    for (event, provisioned) in [(first, true), (second, false)] {
        let detail = &event["detail"];
        assert_eq!(event["outcome"], "success");
        assert_eq!(event["actor"]["user_id"], user["id"]);
        assert!(event["resource"].as_str().unwrap().starts_with("session:"), "{event}");
        assert_eq!(detail["provisioned"], provisioned);
        assert_eq!(
            (&detail["tenant"], &detail["azp"], &detail["roles"]),
            (&json!(TENANT), &json!(CLIENT), &json!(["user"]))
        );
        assert!(detail["uti"].is_string() && !has_token(event), "{event}");
    }
    assert_eq!(first["detail"]["roles_before"], Value::Null);
    assert_eq!(second["detail"]["roles_before"], json!(["user"]));
    assert!(stack.events(&stack.admin().await, "user.updated").await.is_empty());
}

#[tokio::test]
async fn a_client_learns_how_to_sign_in_without_a_call_to_the_provider() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let answer = stack.get("/auth/sso", None).await;
    let authority = format!("https://login.microsoftonline.com/{TENANT}");
    let expected = json!({
        "enabled": true, "kind": "entra", "authority": authority, "client_id": CLIENT,
        "scope": format!("api://{CLIENT}/access_as_user"),
        "authorize_url": format!("{}/auth/sso/authorize", stack.local.url()),
        "end_session_url": format!("{authority}/oauth2/v2.0/logout"),
    });
    assert_eq!(answer.expect(200), expected);
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("vary"), "Origin");
    stack.get("/auth/sso?x=1", None).await.invalid(&["x"]);
    assert_eq!((tenant.metadata_fetched(), tenant.keys_fetched()), (0, 0));

    let without_pages = TestStack::with_sso(&tenant, &[("SsoReturnUrls", "")]).await;
    let answer = without_pages.get("/auth/sso", None).await.expect(200);
    assert_eq!(answer["authorize_url"], Value::Null);
}

#[tokio::test]
async fn without_a_provider_there_is_no_single_sign_on() {
    let stack = TestStack::start().await;
    let expected = json!({
        "enabled": false, "kind": null, "authority": null, "client_id": null, "scope": null,
        "authorize_url": null, "end_session_url": null,
    });
    assert_eq!(stack.get("/auth/sso", None).await.expect(200), expected);
    by_token(&stack, "t").await.problem(404, "not_found");
    let link = json!({"token": "t", "current_password": "SecureDemo123!"});
    let demo = stack.demo().await;
    stack.post("/auth/sso/link", Some(&demo), &link).await.problem(404, "not_found");
    stack.post("/auth/sso/link", None, &link).await.problem(404, "not_found");
}

#[tokio::test]
async fn another_provider_takes_codes_alone() {
    let tenant = FakeTenant::oidc();
    let stack = TestStack::with_sso(&tenant, &[("SsoRoles", "*=user")]).await;
    let settings = stack.get("/auth/sso", None).await.expect(200);
    assert_eq!(
        (&settings["kind"], &settings["authority"], &settings["scope"]),
        (&json!("oidc"), &json!(tenant.issuer()), &json!("openid profile email"))
    );
    assert_eq!(settings["end_session_url"], Value::Null);
    by_token(&stack, &tenant.token(&Person::new("Anna"))).await.invalid(&["/token"]);
    let link = json!({"token": "t", "current_password": "SecureDemo123!"});
    let demo = stack.demo().await;
    stack.post("/auth/sso/link", Some(&demo), &link).await.invalid(&["/token"]);
    assert_eq!(tenant.keys_fetched(), 0);
    assert!(sign_ins(&stack).await.is_empty());
}

#[tokio::test]
async fn a_body_has_one_proof() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let verifier = "v".repeat(43);
    for (body, at) in [
        (json!({}), &["/token"][..]),
        (json!({"token": "t", "code": "c", "code_verifier": verifier}), &["/token"]),
        (json!({"code": "c"}), &["/code_verifier"]),
        (json!({"code_verifier": verifier}), &["/code"]),
        (json!({"code": "c", "code_verifier": "short"}), &["/code_verifier"]),
        (json!({"token": "t".repeat(16_385)}), &["/token"]),
        (
            json!({"token": 1, "new_account": "yes", "more": 1}),
            &["/token", "/new_account", "/more"],
        ),
    ] {
        stack.post("/auth/sso", None, &body).await.invalid(at);
    }
    assert!(sign_ins(&stack).await.is_empty());
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_page_alone() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let sent = async |body: &Value| stack.post("/auth/sso", None, body).await;

    let code = code_of(&stack, &tenant, &person).await;
    let mut stolen = code.clone();
    stolen["code_verifier"] = "s".repeat(43).into();
    sent(&stolen).await.problem(401, "invalid_sso_code");
    let first = caller_of(&sent(&code).await.expect(200));
    sent(&code).await.problem(401, "invalid_sso_code");
    let user = me(&stack, &first).await;
    // A token of the same person leads to the same account.
    assert_eq!(me(&stack, &stack.sso(&tenant, &person).await).await["id"], user["id"]);

    let code = code_of(&stack, &tenant, &person).await;
    let answers = join_all((0..8).map(|_| sent(&code))).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(401, "invalid_sso_code");
    }
    let events = sign_ins(&stack).await;
    let refused: Vec<_> =
        events.iter().filter(|event| event["detail"]["reason"] == "invalid_sso_code").collect();
    assert_eq!(refused.len(), 2 + 7);
    for event in refused {
        assert_eq!((&event["outcome"], &event["resource"]), (&json!("failure"), &Value::Null));
        assert!(!event.to_string().contains(code["code"].as_str().unwrap()), "{event}");
    }
}

#[tokio::test]
async fn a_refused_sign_in_leaves_its_code() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let caller = stack.someone().await;
    let email = format!("{}@example.com", caller.username);
    let person = Person::new("Anna").with_email(Some(&email));
    let mut code = code_of(&stack, &tenant, &person).await;
    stack.post("/auth/sso", None, &code).await.problem(409, "link_required");
    code["new_account"] = true.into();
    stack.post("/auth/sso", None, &code).await.expect(200);
}

#[tokio::test]
async fn twenty_first_sign_ins_make_one_account() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let token = tenant.token(&Person::new("Racer"));
    let answers = join_all((0..20).map(|_| by_token(&stack, &token))).await;
    let mut ids = BTreeSet::new();
    for answer in &answers {
        // Many change one account at once, so one may be told to come again.
        if answer.status == 503 {
            answer.problem(503, "unavailable");
            continue;
        }
        ids.insert(me(&stack, &caller_of(&answer.expect(200))).await["id"].to_string());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    let made = |event: &&Value| event["detail"]["provisioned"] == true;
    assert_eq!(sign_ins(&stack).await.iter().filter(made).count(), 1);
    let admin = stack.admin().await;
    let found = stack.get("/users?query=racer", Some(&admin)).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
}

#[tokio::test]
async fn people_with_one_name_get_usernames_of_their_own() {
    let tenant = FakeTenant::start();
    let parameters = tenant.parameters_of_organizations(&[TENANT, OTHER_TENANT]);
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let stack = TestStack::with_sso(&tenant, &parameters).await;
    let person = Person::new("Anna");
    let of = |tenant_id: &str, person: &Person| {
        let mut claims = tenant.claims(person);
        claims["tid"] = tenant_id.into();
        claims["iss"] = format!("https://login.microsoftonline.com/{tenant_id}/v2.0").into();
        tenant.sign(&claims)
    };
    let user = async |token: String| {
        me(&stack, &caller_of(&by_token(&stack, &token).await.expect(200))).await
    };
    // The same object id in another tenant is another person.
    let first = user(of(TENANT, &person)).await;
    let second = user(of(OTHER_TENANT, &person)).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&first["username"], &second["username"]), (&json!("anna"), &json!("anna_2")));
    // Nothing verifies an address, so two accounts may show one.
    assert_eq!(first["email"], second["email"]);
    // At once, and after the numbers have been used up.
    let more: Vec<_> = (0..4).map(|_| Person::new("Anna").with_email(None)).collect();
    let made = join_all(more.iter().map(|person| user(of(TENANT, person)))).await;
    let names: BTreeSet<_> =
        made.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let suffixed =
        names.iter().filter(|name| name.strip_prefix("anna_").is_some_and(|rest| rest.len() == 8));
    assert_eq!(suffixed.count(), 2, "{names:?}");
    assert_eq!(user(of(OTHER_TENANT, &person)).await["username"], "anna_2");
}

#[tokio::test]
async fn an_account_is_found_by_the_address_that_the_provider_says() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna").with_email(Some("Findable@contoso.example"));
    let caller = stack.sso(&tenant, &person).await;
    let admin = stack.admin().await;
    let found = async || {
        let path = "/users?query=findable";
        let page = stack.get(path, Some(&admin)).await.expect(200);
        page["items"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(found().await, [id(&me(&stack, &caller).await)]);
    for (email, shown) in [
        (Some("not an address"), Value::Null),
        (None, Value::Null),
        (Some("Other@contoso.example"), json!("Other@contoso.example")),
    ] {
        let caller = stack.sso(&tenant, &person.clone().with_email(email)).await;
        assert_eq!(me(&stack, &caller).await["email"], shown);
        assert!(found().await.is_empty(), "{email:?}");
    }
    // It is no login, and no mail goes there.
    let mails = stack.local.outbox().mails().len();
    let forgot = json!({"email": "Other@contoso.example"});
    stack.post("/auth/password/forgot", None, &forgot).await.expect(202);
    stack.mailed_token("/auth/password/forgot", "demo@example.com").await;
    assert_eq!(stack.local.outbox().mails().len(), mails + 1);
    let credentials = json!({"username": "Other@contoso.example", "password": "x"});
    stack.post("/auth/login", None, &credentials).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_fourth_session_ends_the_oldest() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(stack.sso(&tenant, &person).await);
    }
    refresh(&stack, &callers[0]).await.problem(401, "invalid_refresh_token");
    assert_eq!(stored(&stack, &callers[3]).await.sessions.len(), 3);
    for caller in &callers[1..] {
        refresh(&stack, caller).await.expect(200);
    }
}

#[tokio::test]
async fn a_page_that_may_not_have_the_cookie_gets_none() {
    let tenant = FakeTenant::start();
    let origin = "https://app.example.com";
    let extra = [("CorsOrigins", origin), ("CookieOrigins", origin)];
    let stack = TestStack::with_sso(&tenant, &extra).await;
    let token = tenant.token(&Person::new("Anna"));
    let ask = async |origin: &str| -> Answer {
        let body = json!({"token": token, "refresh_in": "cookie"});
        let request = stack.request(Method::POST, "/auth/sso").header("origin", origin);
        stack.send(request.json(&body)).await
    };
    ask("https://evil.example").await.problem(403, "origin_refused");
    let given = ask(origin).await;
    assert_eq!(given.expect(200).get("refresh_token"), None);
    assert!(given.header("set-cookie").starts_with("__Host-tally_refresh=eyJ"), "{given:?}");
}
