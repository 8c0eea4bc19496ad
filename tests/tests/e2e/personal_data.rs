//! Personal data in the tables, and the rest of it after the account's deletion.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use platform::clock::Clock;
use serde_json::{Value, json};
use tally_tests::TestStack;
use tally_tests::fake_tenant::{FakeTenant, Person};

use crate::api_keys::new_key;
use crate::files;
use crate::job_api::ended;
use crate::job_samples::analysis;
use crate::sso::browser::code_of;

const PASSWORD: &str = "Correct-Horse-9";

/// Spellings of an address and its hashes without a key. A reader of a table could recognise the
/// address by them.
fn traces(local: &str, address: &str) -> Vec<String> {
    let folded = address.to_lowercase();
    let hashed = [address, &folded].into_iter().flat_map(|address| {
        [
            address.to_owned(),
            format!("127.0.0.1 {address}"),
            format!("email#{address}"),
            format!("mail#{address}"),
        ]
        .into_iter()
        .flat_map(|text| {
            let hash = digest(&SHA256, text.as_bytes());
            let hex =
                hash.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            [hex, STANDARD.encode(hash), URL_SAFE_NO_PAD.encode(hash)]
        })
    });
    let hashed: Vec<_> = hashed.map(|hash: String| hash.to_lowercase()).collect();
    [local.to_lowercase()].into_iter().chain(hashed).collect()
}

/// Tables with an item that contains one of these texts, in upper or lower case.
pub fn holders<'a>(items: &[(&'a str, Value)], texts: &[String]) -> BTreeSet<&'a str> {
    let holds = |item: &Value| {
        let text = item.to_string().to_lowercase();
        texts.iter().any(|wanted| text.contains(wanted))
    };
    items.iter().filter(|(_, item)| holds(item)).map(|(table, _)| *table).collect()
}

async fn sign_in(stack: &TestStack, identifier: &str, password: &str) -> u16 {
    stack
        .post("/auth/login", None, &json!({"username": identifier, "password": password}))
        .await
        .status
}

#[tokio::test]
async fn an_email_address_is_stored_where_it_is_needed_and_nowhere_else() {
    // The limits are so low that each one refuses, and leaves its event.
    let limits =
        "register=3/1h,login=3/15m,login_lock=2/1m,mail=2/1h,mail_address=9/1h,*=100000/1m";
    let stack = TestStack::with(&[("RateLimits", limits), ("EmailVerification", "off")]).await;
    let stranger = "Hunted.Stranger@Mail.Example";
    let holder = "Hunted.Holder@Mail.Example";
    let invited = "Hunted.Invited@Mail.Example";
    let registration = |username: &str, email: &str| {
        json!({
            "username": username, "email": email, "password": PASSWORD,
        })
    };
    stack.post("/auth/register", None, &registration("holder", holder)).await.expect(201);
    let admin = stack.admin().await;
    stack.post("/users/invites", Some(&admin), &json!({"email": invited})).await.expect(201);
    // Three refusals: the address is taken, the invitation is not valid, and there were too many
    // requests.
    stack
        .post("/auth/register", None, &registration("other", &holder.to_lowercase()))
        .await
        .problem(409, "account_exists");
    let mut uninvited = registration("third", stranger);
    uninvited["invite"] = json!("nonsense");
    stack.post("/auth/register", None, &uninvited).await.problem(422, "validation_failed");
    stack
        .post("/auth/register", None, &registration("fourth", stranger))
        .await
        .problem(429, "rate_limited");
    for address in [stranger, holder, invited] {
        let tries = async |number: usize| {
            let form =
                [("grant_type", "password"), ("username", address), ("password", "Wrong-Horse-9")];
            let by_form =
                stack.send(stack.request(Method::POST, "/auth/token").form(&form)).await.status;
            (sign_in(&stack, address, &format!("Wrong-Horse-{number}")).await, by_form)
        };
        let mut statuses = Vec::new();
        for number in 0..4 {
            statuses.push(tries(number).await);
        }
        assert_eq!(statuses[0].0, 401, "{statuses:?}");
        assert_eq!(statuses[3].0, 429, "{statuses:?}");
        for _ in 0..2 {
            for path in ["/auth/password/forgot", "/auth/email/resend"] {
                stack.post(path, None, &json!({"email": address})).await;
            }
        }
        stack
            .post("/auth/password/forgot", None, &json!({"email": address}))
            .await
            .problem(429, "rate_limited");
    }
    // Another user changes to the address and back.
    let mover = stack.demo().await;
    for email in [stranger, "demo@example.com"] {
        let change = json!({"email": email, "current_password": "SecureDemo123!"});
        stack.call(Method::PATCH, "/auth/me", &mover, &change).await.expect(200);
    }
    while !stack.items("ErrandsTable").await.is_empty() {}

    let items = stack.all_items().await;
    let found = |local, address| holders(&items, &traces(local, address));
    assert_eq!(found("hunted.stranger", stranger), BTreeSet::new());
    // The account with its claim, the mailed token (valid for this address only), and the
    // invitation.
    assert_eq!(found("hunted.holder", holder), ["MailTokensTable", "UsersTable"].into());
    assert_eq!(found("hunted.invited", invited), ["InvitesTable"].into());
    // The audit log still identifies the person: the invitation and the login attempts have the
    // same fingerprint.
    let invitation = stack.events(&admin, "user.invited").await.remove(0);
    let attempts = stack.events(&admin, "auth.login").await;
    let fingerprint = &invitation["detail"]["identifier_hmac"];
    assert!(
        attempts.iter().any(|attempt| fingerprint.is_string()
            && attempt["detail"]["identifier_hmac"] == *fingerprint),
        "{attempts:?}"
    );
    let refused = stack.events(&admin, "rate.limited").await;
    let policies: BTreeSet<_> =
        refused.iter().map(|event| event["detail"]["policy"].as_str().unwrap()).collect();
    assert!(policies.is_superset(&["mail", "register"].into()), "{policies:?}");
    assert!(!stack.events(&admin, "auth.locked").await.is_empty());
    for entry in fs::read_dir(stack.local.logs()).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            !fs::read_to_string(&path).unwrap().to_lowercase().contains("hunted"),
            "{}",
            path.display()
        );
    }
}

/// Seconds until an item expires, by the attribute with this name.
fn lasts(item: &Value, attribute: &str) -> i64 {
    let expires_at: i64 = item[attribute]["N"]
        .as_str()
        .unwrap_or_else(|| panic!("{item} does not expire"))
        .parse()
        .unwrap();
    expires_at - Clock::System.now().as_second()
}

/// The items that a deleted account leaves. Waits, because the deletion's worker, `$disconnect` and
/// the last mail come after the answer. The sequence of the sealed log has only what the audit log
/// has, as far as it is sealed, so it is left out.
async fn swept_items<'a>(
    stack: &'a TestStack,
    personal: &[String],
    named: &[String],
) -> Vec<(&'a str, Value)> {
    const SWEPT: [&str; 10] = [
        "ConversationsTable",
        "MessagesTable",
        "DraftsTable",
        "StepsTable",
        "ConnectionsTable",
        "ErrandsTable",
        "TasksTable",
        "FilesTable",
        "JobsTable",
        "JobItemsTable",
    ];
    loop {
        let mut items = stack.all_items().await;
        if holders(&items, personal)
            .union(&holders(&items, named))
            .all(|table| !SWEPT.contains(table))
        {
            items.retain(|(table, _)| *table != "AuditSequenceTable");
            return items;
        }
    }
}

#[tokio::test]
async fn what_a_deleted_account_leaves_says_nothing_of_it_or_expires_in_two_days() {
    const SAID: &str = "Quarterly secret";
    const DAY: i64 = 86_400;
    let stack = TestStack::with(&[
        ("LoremWordMilliseconds", "0"),
        ("RateLimits", "audit=1/24h,*=100000/1m"),
    ])
    .await;
    let registration = json!({
        "username": "gone_soon", "email": "gone.soon@mail.example", "password": PASSWORD,
        "full_name": "Gonda Soon",
    });
    let made = stack
        .send(
            stack
                .request(Method::POST, "/auth/register")
                .header("idempotency-key", "k")
                .json(&registration),
        )
        .await;
    let user_id = made.expect(201)["user"]["id"].as_str().unwrap().to_owned();
    let caller = stack.login("gone_soon", PASSWORD).await;
    // The first of these denials and refusals has its own event. The others are counted.
    for _ in 0..3 {
        stack.get("/users", Some(&caller)).await.problem(403, "forbidden");
        stack.get("/audit?actor=me", Some(&caller)).await;
    }
    stack
        .post("/auth/password/forgot", None, &json!({"email": "gone.soon@mail.example"}))
        .await
        .expect(202);
    let ask = stack
        .request(Method::POST, "/chat")
        .header("idempotency-key", "k")
        .bearer_auth(&caller.access);
    stack.send(ask.json(&json!({"message": SAID}))).await.expect(200);
    let task = json!({"title": SAID, "description": SAID, "due_date": "2027-01-31"});
    stack.post("/tasks", Some(&caller), &task).await.expect(201);
    let file = files::text(SAID);
    let announced = stack.post("/files", Some(&caller), &file.announcement()).await.expect(201);
    files::upload(&stack, &announced["upload"], &file.bytes).await;
    files::prepared(&stack, &caller, &announced["file"]).await;
    let job = analysis(&stack, &caller, SAID).await.expect(202);
    ended(&stack, &caller, &job).await;
    let mut socket = stack.connect(&caller).await;
    socket.send(&json!({"action": "chat.send", "message": SAID, "idempotency_key": "k"})).await;
    while socket.next().await.unwrap()["type"] != "chat.completed" {}
    stack
        .post("/api-keys", Some(&caller), &new_key(&["chat:write"], Duration::from_hours(24)))
        .await
        .expect(201);

    let password = json!({"current_password": PASSWORD});
    stack.call(Method::DELETE, "/auth/me", &caller, &password).await.expect(204);
    let personal: Vec<_> =
        ["gone_soon", "gone.soon", "gonda soon", SAID].map(str::to_lowercase).into();
    let named = [user_id];
    let items = swept_items(&stack, &personal, &named).await;
    // The audit log keeps users' actions for 400 days. A denial's event stays beside its count
    // until both have been reported.
    assert_eq!(holders(&items, &personal), ["AuditTable", "LimitsTable"].into());
    let of = |table: &'static str| {
        items.iter().filter(move |(found, _)| *found == table).map(|(_, item)| item)
    };
    let told: Vec<_> = of("LimitsTable")
        .filter(|item| !holders(&[("", (*item).clone())], &personal).is_empty())
        .collect();
    assert!(
        told.len() >= 2
            && told.iter().all(|item| item["subject"]["S"].as_str().unwrap().starts_with("told#")),
        "{told:?}"
    );
    assert!(told.iter().all(|item| lasts(item, "expires_at") <= 2 * DAY), "{told:?}");
    // The records of requests contain only ids and HMACs.
    let remembered: Vec<_> = of("IdempotencyTable").collect();
    assert_eq!(remembered.len(), 3);
    for record in remembered {
        let members: BTreeSet<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["claim", "body", "status", "resource", "expires_at"].into());
        assert!(lasts(record, "expires_at") <= DAY, "{record}");
    }
    // The id alone remains in the use of budgets, the API key, the wrapped key of the texts of
    // events, and the account's end, which is swept later.
    let by_id = holders(&items, &named);
    assert!(
        by_id.is_subset(
            &[
                "ApiKeysTable",
                "AuditTable",
                "BudgetsTable",
                "DataKeysTable",
                "IdempotencyTable",
                "LimitsTable",
                "SweepsTable",
                "UsageTable"
            ]
            .into()
        ),
        "{by_id:?}"
    );
}

#[tokio::test]
async fn a_person_of_the_provider_is_stored_for_a_minute_and_then_in_their_account() {
    const ADDRESS: &str = "Hunted.Person@Mail.Example";
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Hunted Person").with_email(Some(ADDRESS));
    let body = code_of(&stack, &tenant, &person).await;
    let traces = traces("hunted.person", ADDRESS);
    let items = stack.all_items().await;
    assert_eq!(holders(&items, &traces), ["SsoHandoffsTable"].into());
    let mut handoffs = items.iter().filter(|(table, _)| *table == "SsoHandoffsTable");
    assert!(handoffs.all(|(_, item)| lasts(item, "expires_at") <= 60), "{items:?}");

    stack.post("/auth/sso", None, &body).await.expect(200);
    assert_eq!(holders(&stack.all_items().await, &traces), ["UsersTable"].into());
    // Codes and tokens stand nowhere, and the person is in no log.
    let code = [body["code"].as_str().unwrap().to_lowercase()];
    assert_eq!(holders(&stack.all_items().await, &code), BTreeSet::new());
    for entry in fs::read_dir(stack.local.logs()).unwrap() {
        let log = fs::read_to_string(entry.unwrap().path()).unwrap().to_lowercase();
        let held = traces.iter().chain(&code).find(|text| log.contains(*text));
        assert_eq!(held, None);
    }
}
