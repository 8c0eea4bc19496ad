//! Denials in the audit log: one event for the first denial of a subject in a window, and a count
//! of the rest.

use futures_util::future::join_all;
use platform::Problem;
use platform::audit::{AuditDetails, Event, Outcome};
use platform::clock::{Clock, Timestamp};
use platform::context::Context;
use platform::database::Database;
use platform::gate::{RateLimiter, RequestInfo};
use platform::limits::{Policy, Quota};
use platform::store::{Denial, LimitCounters, Untold};
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::TestStack;

/// The counters, as a function of the stack uses them.
struct Counters {
    counters: LimitCounters,
    database: Database,
}

impl Counters {
    fn of(stack: &TestStack) -> Self {
        let platform = stack.platform("TellDenialsFunction");
        Self {
            counters: LimitCounters::new(&platform).unwrap(),
            database: platform.database().unwrap(),
        }
    }

    /// Counts a denial, or marks its window. Gives the denials that its event would tell then.
    async fn deny(&self, denial: Denial<'_>, now: Timestamp) -> Option<Untold> {
        let untold = self.counters.count_denial(denial, now).await.unwrap()?;
        let mark = self.counters.first_in_window(denial, &untold, &event(now), now);
        self.database.commit(vec![mark]).await.unwrap();
        Some(untold)
    }
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
    let counters = Counters::of(&stack);
    let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
    let deny = async |seconds, route| counters.deny(Denial { route, ..PROBE }, at(seconds)).await;
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
async fn the_sweep_reports_once_the_denials_that_no_later_one_reports() {
    let stack = TestStack::start().await;
    let counters = Counters::of(&stack);
    let tell = || stack.local.invoke("TellDenialsFunction", "{}");
    let now = Clock::System.now();
    let before = Timestamp::from_second(now.as_second() - 600).unwrap();
    for _ in 0..4 {
        counters.deny(PROBE, before).await;
    }
    // Add one denial without a second one, and one whose window has not ended.
    counters.deny(Denial { subject: "once", ..PROBE }, before).await;
    for _ in 0..2 {
        let denial = Denial { subject: "now", window_seconds: 86_400 * 365, ..PROBE };
        counters.deny(denial, now).await;
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
async fn a_denial_whose_event_cannot_be_recorded_is_in_the_next_one() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let deny = async || stack.get("/audit", Some(&demo)).await.problem(403, "forbidden");
    stack.fail("AuditTable", Some("TransactWriteItems"), Failure::Internal, usize::MAX);
    for _ in 0..2 {
        deny().await;
    }
    stack.local.aws().recover();
    deny().await;
    let expected =
        json!({"route": "GET /audit", "code": "forbidden", "count": 3, "routes": ["GET /audit"]});
    assert_eq!(denied(&stack).await, [expected]);
}

#[tokio::test]
async fn a_denial_whose_event_cannot_be_recorded_is_reported_by_the_sweep_at_the_latest() {
    let stack = TestStack::start().await;
    let platform = stack.platform("TellDenialsFunction");
    let limiter = RateLimiter::new(&platform, "GET /audit".into()).unwrap();
    let before = Timestamp::from_second(Clock::System.now().as_second() - 600).unwrap();
    let context = Context { address: "203.0.113.7".into(), ..Context::default() };
    let info = RequestInfo::new(&context, before, None);
    stack.fail("AuditTable", Some("TransactWriteItems"), Failure::Internal, usize::MAX);
    limiter.deny(Problem::invalid_token(), None, &info).await;
    stack.local.aws().recover();
    for _ in 0..2 {
        stack.local.invoke("TellDenialsFunction", "{}").await.unwrap();
    }
    let expected = json!({
        "route": "GET /audit", "code": "invalid_token", "count": 1, "routes": ["GET /audit"],
    });
    assert_eq!(denied(&stack).await, [expected]);
}

#[tokio::test]
async fn of_first_denials_at_once_one_leaves_the_event_and_the_others_are_counted() {
    let stack = TestStack::start().await;
    let platform = stack.platform("TellDenialsFunction");
    let limiter = RateLimiter::new(&platform, "GET /audit".into()).unwrap();
    let context = Context { address: "203.0.113.7".into(), ..Context::default() };
    let info = |seconds: i64| {
        let now = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        RequestInfo::new(&context, now, None)
    };
    let (first, later) = (info(0), info(300));
    join_all((0..8).map(|_| limiter.deny(Problem::invalid_token(), None, &first))).await;
    limiter.deny(Problem::invalid_token(), None, &later).await;
    let counts: Vec<_> =
        denied(&stack).await.iter().map(|detail| detail["count"].clone()).collect();
    assert_eq!(counts, [json!(1), json!(8)]);
}

#[tokio::test]
async fn an_address_that_mail_is_asked_for_is_counted_and_recorded_by_its_fingerprint() {
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
    let counted = Counters::of(&stack)
        .counters
        .count(&Policy::MAIL, quota, "stranger@example.com", Clock::System.now())
        .await
        .unwrap();
    assert_eq!(counted.values().sum::<u64>(), 1);
}
