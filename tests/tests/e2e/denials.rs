//! Denials in the audit log: one event for the first denial of a subject in a window, and a count
//! of the rest.

use platform::audit::{AuditDetails, Event, Outcome};
use platform::clock::{Clock, Timestamp};
use platform::context::Context;
use platform::limits::{Policy, Quota};
use platform::store::{Denial, LimitCounters, Untold};
use serde_json::{Value, json};
use tally_tests::TestStack;

/// The counters, as a function of the stack uses them.
fn counters(stack: &TestStack) -> LimitCounters {
    let platform = stack.platform("TellDenialsFunction");
    LimitCounters::new(&platform).unwrap()
}

/// The event of a denial.
fn event(now: Timestamp) -> Event {
    let context =
        Context { address: "203.0.113.7".into(), request_id: "r-1".into(), ..Context::default() };
    let details = AuditDetails::action("access.denied")
        .detail("route", "GET /audit")
        .detail("code", "forbidden");
    details.event(None, Outcome::Denied, None, &context, now, 1).unwrap()
}

const PROBE: Denial<'_> = Denial {
    name: "denied",
    subject: "203.0.113.7 probe",
    route: "GET /audit",
    window_seconds: 300,
};

/// Details of the events of denials.
async fn denied(stack: &TestStack) -> Vec<Value> {
    let auditor = stack.admin().await;
    stack
        .events(&auditor, "access.denied")
        .await
        .into_iter()
        .map(|event| event["detail"].clone())
        .collect()
}

#[tokio::test]
async fn a_harmless_denial_hides_no_other() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for path in ["/audit", "/users", "/users?limit=1", "/budget"] {
        stack.get(path, Some(&demo)).await.problem(403, "forbidden");
    }
    stack.get("/audit", None).await.problem(401, "unauthenticated");
    let mut routes: Vec<_> = denied(&stack)
        .await
        .iter()
        .map(|detail| detail["route"].as_str().unwrap().to_owned())
        .collect();
    // A window may end meanwhile.
    routes.dedup();
    assert_eq!(routes, ["GET /audit", "GET /users", "GET /budget"]);
}

#[tokio::test]
async fn the_next_window_tells_how_many_followed_and_where() {
    let stack = TestStack::start().await;
    let counters = counters(&stack);
    let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
    let deny = async |seconds, route| {
        let now = at(seconds);
        counters.first_in_window(Denial { route, ..PROBE }, &event(now), now).await.unwrap()
    };
    assert_eq!(deny(0, "GET /audit").await, Some(Untold::default()));
    assert_eq!(deny(1, "GET /users").await, None);
    assert_eq!(deny(299, "GET /users").await, None);
    assert_eq!(
        deny(300, "GET /audit").await,
        Some(Untold { count: 2, routes: vec!["GET /users".into()] })
    );
    assert_eq!(deny(600, "GET /audit").await, Some(Untold::default()));
}

#[tokio::test]
async fn what_no_later_denial_tells_of_the_sweep_does_once() {
    let stack = TestStack::start().await;
    let counters = counters(&stack);
    let tell = || stack.local.invoke("TellDenialsFunction", "{}");
    let now = Clock::System.now();
    let before = Timestamp::from_second(now.as_second() - 600).unwrap();
    for _ in 0..4 {
        counters.first_in_window(PROBE, &event(before), before).await.unwrap();
    }
    // Add one denial without a second one, and one whose window has not ended.
    counters
        .first_in_window(Denial { subject: "once", ..PROBE }, &event(before), before)
        .await
        .unwrap();
    for _ in 0..2 {
        counters
            .first_in_window(
                Denial { subject: "now", window_seconds: 86_400 * 365, ..PROBE },
                &event(now),
                now,
            )
            .await
            .unwrap();
    }
    let (one, other) = futures_util::join!(tell(), tell());
    one.unwrap();
    other.unwrap();
    tell().await.unwrap();
    let told = denied(&stack).await;
    assert_eq!(
        told,
        [json!({"route": "GET /audit", "code": "forbidden", "count": 3, "routes": ["GET /audit"]})]
    );
    let auditor = stack.admin().await;
    let event: Event =
        serde_json::from_value(stack.events(&auditor, "access.denied").await.remove(0)).unwrap();
    assert_eq!((event.ip.as_str(), event.fingerprint()), ("203.0.113.7", event.hash.clone()));
}

#[tokio::test]
async fn an_address_that_mail_is_asked_for_is_counted_and_told_by_its_fingerprint() {
    let stack = TestStack::with(&[("RateLimits", "mail=1/1h,*=100000/1m")]).await;
    let ask = async || {
        stack.post("/auth/password/forgot", None, &json!({"email": "Stranger@Example.com"})).await
    };
    ask().await.expect(202);
    ask().await.problem(429, "rate_limited");
    let auditor = stack.admin().await;
    let asked = stack.events(&auditor, "auth.password_forgot").await;
    let refused = stack.events(&auditor, "rate.limited").await;
    assert_eq!((asked.len(), refused.len()), (1, 1), "{refused:?}");
    assert_eq!(refused[0]["detail"]["policy"], "mail");
    assert_eq!(refused[0]["detail"]["identifier_hmac"], asked[0]["detail"]["identifier_hmac"]);
    assert!(!format!("{asked:?}{refused:?}").to_lowercase().contains("stranger"), "{refused:?}");
    // No counter is stored under the address itself.
    let quota = Quota { limit: 1, window_seconds: 3600 };
    let counted = counters(&stack)
        .count(&Policy::MAIL, quota, "stranger@example.com", Clock::System.now())
        .await
        .unwrap();
    assert_eq!(counted.values().sum::<u64>(), 1);
}
