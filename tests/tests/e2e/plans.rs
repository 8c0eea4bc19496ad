//! Plans of which a write is replaced, because another request was faster, and the writes that
//! every attempt at a plan has.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use platform::context::Context;
use platform::database::{Expression, Item, Write, s};
use platform::gate::{Always, Committer, RequestInfo};
use platform::plan::{AfterCommit, Otherwise, Reply, Retry, Rewrite};
use platform::problem::Code;
use platform::{Plan, Problem};
use tally_tests::TestStack;

/// The steps that have run.
type Ran = Arc<Mutex<Vec<String>>>;

/// A step that notes that it has run.
fn step(name: &str, ran: &Ran) -> AfterCommit<()> {
    let (name, ran) = (name.to_owned(), Arc::clone(ran));
    Box::new(move || {
        async move {
            ran.lock().unwrap().push(name);
            Ok(None)
        }
        .boxed()
    })
}

fn item(subject: &str) -> Item {
    [("subject".to_owned(), s(subject))].into()
}

/// A write of an item that exists. Only the condition of the third attempt holds.
fn write(attempt: u32, table: String, ran: Ran) -> (Write, Otherwise<()>) {
    let condition =
        if attempt < 3 { "attribute_not_exists(subject)" } else { "attribute_exists(subject)" };
    let put = Write::put(&table, item("plan"), condition, &Expression::default());
    let step = step(&format!("write {attempt}"), &ran);
    let rewrite: Rewrite<()> = Box::new(move |_| Ok(write(attempt + 1, table, ran)));
    (put, Otherwise::Rewrite(rewrite, step))
}

#[tokio::test]
async fn of_a_write_that_was_replaced_twice_the_last_step_alone_runs() {
    let stack = TestStack::start().await;
    let platform = stack.platform("LoginFunction");
    let table = platform.config.require("LIMITS_TABLE").unwrap().to_owned();
    platform.database().unwrap().put(&table, item("plan")).await.unwrap();
    let ran = Ran::default();
    let (write, otherwise) = write(1, table, Arc::clone(&ran));
    let plan = Plan::reply(()).write_otherwise(write, otherwise).after_commit(step("plan", &ran));
    let context = Context::default();
    let info = RequestInfo::new(&context, platform.clock.now(), None);
    let committer = Committer::new(&platform).unwrap();
    committer.commit(Ok(plan), None, &info).await.unwrap();
    assert_eq!(*ran.lock().unwrap(), ["write 3", "plan"]);
}

#[tokio::test]
async fn a_plan_of_which_a_write_is_replaced_keeps_the_writes_of_every_attempt() {
    let stack = TestStack::start().await;
    let platform = stack.platform("LoginFunction");
    let table = platform.config.require("LIMITS_TABLE").unwrap().to_owned();
    platform.database().unwrap().put(&table, item("plan")).await.unwrap();
    let committer = Committer::new(&platform).unwrap();
    let context = Context::default();
    // The second plan is refused before any of its own writes, because the first one has made the
    // item.
    for (expected, steps) in [(Ok(()), vec!["write 3"]), (Err(Code::Conflict), vec![])] {
        let new = "attribute_not_exists(subject)";
        let always = Write::put(&table, item("always"), new, &Expression::default());
        let always = Always { writes: vec![(always, Problem::conflict())], details: Vec::new() };
        let info = RequestInfo { always, ..RequestInfo::new(&context, platform.clock.now(), None) };
        let ran = Ran::default();
        let (write, otherwise) = write(1, table.clone(), Arc::clone(&ran));
        let plan = Plan::reply(()).write_otherwise(write, otherwise);
        let found = committer.commit(Ok(plan), None, &info).await;
        assert_eq!(found.map(Reply::into_output).map_err(|problem| problem.code), expected);
        assert_eq!(*ran.lock().unwrap(), steps);
    }
}

/// A plan with a write whose condition holds at the third attempt.
fn third_time_lucky(attempt: u32, table: String) -> Plan<()> {
    let condition =
        if attempt < 3 { "attribute_not_exists(subject)" } else { "attribute_exists(subject)" };
    let put = Write::put(&table, item("plan"), condition, &Expression::default());
    let again: Retry<()> =
        Box::new(move |_| async move { Ok(third_time_lucky(attempt + 1, table)) }.boxed());
    Plan::reply(()).write_or_retry(put, again)
}

#[tokio::test]
async fn a_plan_says_how_often_it_is_made_anew() {
    let stack = TestStack::start().await;
    let platform = stack.platform("LoginFunction");
    let table = platform.config.require("LIMITS_TABLE").unwrap().to_owned();
    platform.database().unwrap().put(&table, item("plan")).await.unwrap();
    let committer = Committer::new(&platform).unwrap();
    let context = Context::default();
    let info = RequestInfo::new(&context, platform.clock.now(), None);
    for (retries, expected) in [(1, Err(Code::Unavailable)), (2, Ok(()))] {
        let plan = third_time_lucky(1, table.clone()).retries(retries);
        let found = committer.commit(Ok(plan), None, &info).await;
        let found = found.map(Reply::into_output).map_err(|problem| problem.code);
        assert_eq!(found, expected, "{retries}");
    }
}
