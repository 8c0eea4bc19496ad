//! Warm functions and rotated rings: when a function reads the secret again, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use platform::Platform;
use platform::clock::Clock;
use platform::config::Config;
use platform::tokens::{LiveRing, Ring, RingKind};
use serde_json::json;
use tally_local::aws::Service;
use tally_tests::TestStack;

use super::forger::{Forger, part};
use super::{me, with};

/// Number of reads of a secret since the last call of this function.
fn reads(stack: &TestStack) -> usize {
    let calls = stack.local.calls().snapshot();
    stack.local.calls().clear();
    calls
        .iter()
        .filter(|call| {
            call.service == Service::SecretsManager && call.operation == "GetSecretValue"
        })
        .count()
}

/// A ring of the stack in the form that functions use, and its clock in milliseconds.
fn live_ring(stack: &TestStack) -> (LiveRing, Arc<AtomicI64>) {
    let function =
        stack.local.deployment().functions.iter().find(|function| function.binary == "me").unwrap();
    let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
    let platform = Platform::new(
        Config::from_iter(stack.local.environment(function)),
        Clock::Manual(clock.clone()),
    );
    (LiveRing::new(RingKind::Access, &platform).unwrap(), clock)
}

fn knows(ring: &Ring, forger: &Forger) -> bool {
    ring.kids().any(|kid| kid == forger.kid)
}

#[tokio::test]
async fn a_warm_function_takes_the_tokens_of_a_ring_that_it_has_never_seen() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    me(&stack, &caller.access).await.expect(200);
    stack.secrets_manager("RotateSecret", "AccessRing", json!({})).await.unwrap();
    reads(&stack);
    let ring = stack.secret("AccessRing").await;
    for name in ["current", "next", "previous"] {
        let token = Forger::access(&ring[name]).token(&part(&caller.access, 1));
        me(&stack, &token).await.expect(200);
    }
    // One read is the test's own, and an unknown key caused the other.
    assert_eq!(reads(&stack), 2);
}

#[tokio::test]
async fn made_up_key_ids_do_not_make_a_function_ask_again_and_again() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let forger = Forger::access(&stack.secret("AccessRing").await["current"]);
    me(&stack, &caller.access).await.expect(200);
    reads(&stack);
    for number in 0..30 {
        let header = with(&forger.header(), json!({"kid": format!("unknown{number}")}));
        let token = forger.sign(header.to_string(), part(&caller.access, 1).to_string());
        me(&stack, &token).await.problem(401, "invalid_token");
    }
    assert_eq!(reads(&stack), 1);
    me(&stack, &caller.access).await.expect(200);
    assert_eq!(reads(&stack), 0);
}

#[tokio::test]
async fn a_ring_is_read_every_five_minutes_and_for_an_unknown_key_once_a_minute() {
    let stack = TestStack::start().await;
    let (ring, clock) = live_ring(&stack);
    reads(&stack);
    for (what, seconds, kid, expected) in [
        ("the first use", 0, None, 1),
        ("a moment later", 1, None, 0),
        ("an unknown key", 0, Some("a"), 1),
        ("another", 59, Some("b"), 0),
        ("after a minute", 1, Some("b"), 1),
        ("at once again", 0, Some("c"), 0),
        ("within five minutes of that", 299, None, 0),
        ("after five minutes", 1, None, 1),
        ("unknown, when the last doubt is older than a minute", 0, Some("a"), 1),
        ("after five minutes: read because it is old, and doubted", 300, Some("a"), 2),
    ] {
        clock.fetch_add(seconds * 1000, Ordering::Relaxed);
        match kid {
            None => ring.get().await.unwrap(),
            Some(kid) => ring.with_key(kid).await.unwrap(),
        };
        assert_eq!(reads(&stack), expected, "{what}");
    }
}

#[tokio::test]
async fn of_many_who_meet_an_unknown_key_at_once_one_asks_and_all_get_the_new_ring() {
    let stack = TestStack::start().await;
    let (ring, _) = live_ring(&stack);
    ring.get().await.unwrap();
    stack.secrets_manager("RotateSecret", "AccessRing", json!({})).await.unwrap();
    let forger = Forger::access(&stack.secret("AccessRing").await["current"]);
    reads(&stack);
    let found = join_all((0..20).map(|_| ring.with_key(&forger.kid))).await;
    assert_eq!(reads(&stack), 1);
    for found in found {
        assert!(knows(&found.unwrap(), &forger));
    }
    assert!(knows(&ring.get().await.unwrap(), &forger));
}
