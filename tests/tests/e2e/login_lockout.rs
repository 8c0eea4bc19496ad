//! Password guessing. After too many failures an identifier must wait, for any caller and any
//! number of concurrent attempts.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use platform::clock::Timestamp;
use platform::limits::{Limits, Policy, Quota};
use platform::store::LimitCounters;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Answer, Client, TestStack};

const DEMO: &str = "SecureDemo123!";

/// The lock as the contract has it, without other limits.
const LOCKED: &str = "login_lock=5/1m,*=100000/1m";

async fn login(client: &Client, username: &str, password: &str) -> Answer {
    client.post("/auth/login", None, &json!({"username": username, "password": password})).await
}

async fn fail(client: &Client, username: &str, times: usize) {
    for _ in 0..times {
        login(client, username, "wrong").await.problem(401, "invalid_credentials");
    }
}

/// Seconds that a refused client has to wait.
fn wait(refused: &Answer) -> u64 {
    refused.problem(429, "rate_limited");
    refused.header("retry-after").parse().unwrap()
}

#[tokio::test]
async fn after_five_failures_in_a_row_even_the_right_password_waits_a_minute() {
    let stack = TestStack::with(&[("RateLimits", LOCKED)]).await;
    // An identifier without an account is treated alike.
    for username in ["demo", "nobody", "nobody@example.com"] {
        fail(&stack, username, 5).await;
        let first = login(&stack, username, DEMO).await;
        assert!((58..=60).contains(&wait(&first)), "{first:?}");
        assert!(
            first
                .header("ratelimit-policy")
                .starts_with("\"login\";q=100000;w=60, \"login_lock\";q=5;w=60, "),
            "{first:?}"
        );
        assert!(
            first
                .header("ratelimit")
                .contains(&format!("\"login_lock\";r=0;t={}", first.header("retry-after"))),
            "{first:?}"
        );
        // Another attempt does not lengthen the wait.
        assert!(wait(&login(&stack, &username.to_uppercase(), "wrong").await) <= wait(&first));
    }
    // Another identifier of the same account, another account and another address are not locked.
    login(&stack, "demo@example.com", DEMO).await.expect(200);
    let admin = stack.admin().await;
    login(&stack.from_address([127, 0, 0, 7]), "demo", DEMO).await.expect(200);

    // One event per identifier and window, with a fingerprint as for failures.
    let failures = stack.events(&admin, "auth.login").await;
    let failed: Vec<&Value> =
        failures.iter().filter(|event| event["outcome"] == "failure").collect();
    let locked = stack.events(&admin, "auth.locked").await;
    assert_eq!(locked.len(), 3, "{locked:?}");
    for (event, failed) in locked.iter().zip(failed.chunks(5)) {
        assert_eq!(
            (&event["outcome"], &event["detail"]["policy"]),
            (&json!("denied"), &json!("login_lock"))
        );
        assert_eq!(event["detail"]["identifier_hmac"], failed[0]["detail"]["identifier_hmac"]);
        assert!(
            !event.to_string().contains("demo") && !event.to_string().contains("nobody"),
            "{event}"
        );
    }
}

#[tokio::test]
async fn a_success_ends_the_row_of_failures() {
    let stack = TestStack::with(&[("RateLimits", LOCKED)]).await;
    for _ in 0..3 {
        fail(&stack, "demo", 4).await;
        let answer = login(&stack, "demo", DEMO).await;
        answer.expect(200);
        assert!(answer.header("ratelimit").contains("\"login_lock\";r=0;t=60"), "{answer:?}");
    }
}

#[tokio::test]
async fn of_twenty_guesses_at_once_five_are_looked_at() {
    let stack = TestStack::with(&[("RateLimits", LOCKED)]).await;
    for username in ["demo", "nobody"] {
        let mut statuses: Vec<_> = join_all((0..20).map(|_| login(&stack, username, "wrong")))
            .await
            .iter()
            .map(|a| a.status)
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![401; 5], vec![429; 15]].concat(), "{username}");
    }
}

#[tokio::test]
async fn many_addresses_are_slowed_together_but_for_a_network_that_is_known() {
    // One free failure per address makes ten for all addresses together.
    let stack = TestStack::with(&[("RateLimits", "login_lock=1/1m,*=100000/1m")]).await;
    let address = |last| stack.from_address([127, 0, 1, last]);
    login(&address(1), "demo", DEMO).await.expect(200);
    for last in 2..=10 {
        fail(&address(last), "demo", 1).await;
    }
    let slowed = login(&address(11), "demo", DEMO).await;
    assert!((58..=60).contains(&wait(&slowed)), "{slowed:?}");
    assert!(slowed.header("ratelimit").contains("\"login_lock\";r=0;t="), "{slowed:?}");
    // The refused attempt was not counted for its address either.
    assert!(wait(&login(&address(11), "demo", DEMO).await) <= 60);
    login(&address(1), "demo", DEMO).await.expect(200);
    // An identifier without an account is slowed after as many failures.
    for last in 1..=10 {
        fail(&address(last), "nobody", 1).await;
    }
    wait(&login(&address(11), "nobody", DEMO).await);
    let locked = stack.events(&stack.admin().await, "auth.locked").await;
    assert_eq!(locked.len(), 2, "{locked:?}");
}

/// The counters of the table, with the time chosen by the test.
struct Clocked {
    counters: LimitCounters,
    login: Quota,
    lock: Quota,
}

impl Clocked {
    fn of(stack: &TestStack) -> Self {
        let platform = stack.platform("LoginFunction");
        let limits = Limits::default();
        Self {
            counters: LimitCounters::new(&platform).unwrap(),
            login: limits.quota(&Policy::LOGIN),
            lock: limits.quota(&Policy::LOGIN_LOCK),
        }
    }

    /// Whether an attempt this many seconds after the first is admitted.
    async fn guess(&self, seconds: i64) -> bool {
        self.counters.count_attempt(self.login, self.lock, "somebody", at(seconds)).await.unwrap().0
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

#[tokio::test]
async fn waits_double_to_an_hour_and_early_attempts_change_nothing() {
    let stack = TestStack::start().await;
    let clocked = Clocked::of(&stack);
    for second in 0..5 {
        assert!(clocked.guess(second).await);
    }
    let mut last = 4;
    for wait in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        for early in [0, wait / 2, wait - 1] {
            assert!(!clocked.guess(last + early).await, "{early} s of {wait}");
        }
        last += wait;
        assert!(clocked.guess(last).await, "after {wait} s");
    }
    let forgiven = clocked.counters.forgive("somebody", at(last));
    stack.platform("LoginFunction").database().unwrap().commit(vec![forgiven]).await.unwrap();
    for second in 1..=5 {
        assert!(clocked.guess(last + second).await);
    }
    assert!(!clocked.guess(last + 6).await);
}

#[tokio::test]
async fn an_attempt_that_is_refused_for_another_reason_is_as_if_it_had_not_been() {
    let stack = TestStack::start().await;
    let Clocked { counters, login, lock } = Clocked::of(&stack);
    let guess =
        async |seconds| counters.count_attempt(login, lock, "somebody", at(seconds)).await.unwrap();
    for second in 0..5 {
        guess(second).await;
    }
    let (counted, before) = guess(64).await;
    assert!(counted);
    counters.revert_attempt(login, "somebody", &before, at(64)).await.unwrap();
    let (counted, again) = guess(65).await;
    let windows = |windows: &BTreeMap<i64, u64>| windows.values().sum::<u64>();
    assert!(counted);
    assert_eq!(
        (again.failures, again.last_at, windows(&again.windows)),
        (5, before.last_at, windows(&before.windows))
    );
    // A success in between has left no count to revert.
    let forgiven = counters.forgive("somebody", at(66));
    stack.platform("LoginFunction").database().unwrap().commit(vec![forgiven]).await.unwrap();
    counters.revert_attempt(login, "somebody", &again, at(65)).await.unwrap();
    let (_, after) = guess(67).await;
    assert_eq!((after.failures, after.last_at), (0, at(65).as_second()));
}

#[tokio::test]
async fn an_attempt_that_collides_with_a_login_is_counted_all_the_same() {
    let stack = TestStack::start().await;
    let clocked = Clocked::of(&stack);
    stack.fail("LimitsTable", Some("UpdateItem"), Failure::TransactionConflict, 2);
    let mut counted = Vec::new();
    for second in 0..6 {
        counted.push(clocked.guess(second).await);
    }
    assert_eq!(counted, [true, true, true, true, true, false]);
}

#[tokio::test]
async fn a_network_is_known_for_thirty_days() {
    let stack = TestStack::start().await;
    let Clocked { counters, login, lock } = Clocked::of(&stack);
    let known = async |seconds| {
        counters
            .count_attempt(login, lock, "somebody", at(seconds))
            .await
            .unwrap()
            .1
            .known(at(seconds))
    };
    assert!(!known(0).await);
    let forgiven = counters.forgive("somebody", at(0));
    stack.platform("LoginFunction").database().unwrap().commit(vec![forgiven]).await.unwrap();
    assert!(known(30 * 86_400 - 1).await);
    assert!(!known(30 * 86_400).await);
}
