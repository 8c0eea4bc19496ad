//! The routes of jobs, as tests call them.

use std::time::Duration;

use assistant::domain::Cost;
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::access::me;
use crate::chat::text;

/// The setting of a stack that waits for a provider that is silent.
pub const PATIENT: (&str, &str) = ("AiIdleMilliseconds", "600000");

/// Time between two looks at a job, and how often a test looks.
pub const LOOK: Duration = Duration::from_millis(50);
pub const LOOKS: usize = 1_200;

/// Sends a request under an `Idempotency-Key`.
pub async fn under_key(
    stack: &TestStack,
    caller: &Caller,
    path: &str,
    key: &str,
    body: &Value,
) -> Answer {
    let request = stack.request(Method::POST, path).bearer_auth(&caller.access);
    stack.send(request.header("idempotency-key", key).json(body)).await
}

/// The path of a job.
pub fn path(job: &Value) -> String {
    format!("/jobs/{}", id(job))
}

/// A job as it is now.
pub async fn read(stack: &TestStack, caller: &Caller, job: &Value) -> Value {
    stack.get(&path(job), Some(caller)).await.expect(200)
}

/// The caller's jobs.
pub async fn jobs(stack: &TestStack, caller: &Caller) -> Vec<Value> {
    stack.pages("/jobs", caller, 100).await
}

/// The items of a job.
pub async fn items(stack: &TestStack, caller: &Caller, job: &Value) -> Vec<Value> {
    stack.pages(&format!("{}/items", path(job)), caller, 100).await
}

/// Whether a job has ended.
pub fn has_ended(job: &Value) -> bool {
    !["queued", "running"].contains(&text(&job["status"]))
}

/// Reads a job until this is so.
pub async fn until(
    stack: &TestStack,
    caller: &Caller,
    job: &Value,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    for _ in 0..LOOKS {
        last = read(stack, caller, job).await;
        if is_so(&last) {
            return last;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("the job does not come as far: {last}");
}

/// Reads a job until it has ended.
pub async fn ended(stack: &TestStack, caller: &Caller, job: &Value) -> Value {
    until(stack, caller, job, has_ended).await
}

/// Asks a job to stop.
pub async fn cancel(stack: &TestStack, caller: &Caller, job: &Value) -> Answer {
    let request = stack.request(Method::POST, &format!("{}/cancel", path(job)));
    stack.send(request.bearer_auth(&caller.access)).await
}

/// Asks for another round of a job.
pub async fn retry(stack: &TestStack, caller: &Caller, job: &Value, body: &Value) -> Answer {
    stack.post(&format!("{}/retry", path(job)), Some(caller), body).await
}

/// An amount in nano-dollars.
pub fn nanos(amount: &Value) -> i64 {
    text(amount).parse::<Cost>().unwrap().nanos()
}

/// An amount of nano-dollars as text.
pub fn dollars(nanos: i64) -> String {
    Cost::from_nanos(nanos).to_string()
}

/// The amounts that the caller's budget has spent and holds.
pub async fn budget(stack: &TestStack, caller: &Caller) -> (i64, i64) {
    let budget = stack.get("/users/me/budget", Some(caller)).await.expect(200);
    (nanos(&budget["spent_usd"]), nanos(&budget["held_usd"]))
}

/// Sets the budget of a caller.
pub async fn set_budget(stack: &TestStack, caller: &Caller, nanos: i64) {
    let (admin, user) = (stack.admin().await, me(stack, caller).await);
    let body = json!({"monthly_usd": dollars(nanos)});
    let path = format!("/users/{user}/budget");
    stack.call(Method::PUT, &path, &admin, &body).await.expect(200);
}
