//! Workers of jobs: those of the stack, and one in this process.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use job_run::JobRun;
use platform::clock::Clock;
use platform::runtime::Invocation;
use platform::worker::Worker as _;
use platform::{Platform, Problem};
use serde_json::Value;
use tally_jobs::JobStart;
use tally_jobs::store::{Head, Jobs, Saved};
use tally_local::StackOptions;
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Caller, TestStack, id};

use crate::access::me;
use crate::job_api::{LOOK, LOOKS};

/// The function that makes the calls.
pub const WORKER: &str = "JobRunFunction";

/// The input of the worker for a job.
async fn start_of(stack: &TestStack, caller: &Caller, job: &Value) -> JobStart {
    JobStart { user_id: Some(me(stack, caller).await), job_id: Some(id(job)) }
}

/// Starts a worker for a job, and waits for its end.
pub async fn work(stack: &TestStack, caller: &Caller, job: &Value) {
    let start = serde_json::to_vec(&start_of(stack, caller, job).await).unwrap();
    stack.local.invoke(WORKER, start).await.unwrap();
}

/// Does what the schedule does. The workers that it starts go on after that.
pub async fn sweep(stack: &TestStack) {
    stack.local.invoke(WORKER, "{}").await.unwrap();
}

/// Kills all workers, and waits until so many connections to the provider are closed since the
/// start of the test.
pub async fn kill(stack: &TestStack, api: &MessagesApi, closed: usize) {
    stack.local.functions().kill(WORKER).unwrap();
    api.hung_up(closed).await;
}

/// Waits until so many workers have ended by themselves, the schedule's among them.
pub async fn workers_ended(stack: &TestStack, count: usize) {
    let log = stack.local.logs().join(format!("{WORKER}.log"));
    for _ in 0..LOOKS {
        let lines = fs::read_to_string(&log).unwrap_or_default();
        if lines.lines().filter(|line| line.contains("\"worked\"")).count() >= count {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("fewer than {count} workers have ended");
}

/// A job as the table has it.
pub async fn head(stack: &TestStack, caller: &Caller, job: &Value) -> Head {
    let store = Jobs::new(&stack.platform(WORKER)).unwrap();
    let user = me(stack, caller).await;
    store.get(&user, &id(job), Clock::System.now()).await.unwrap().expect("the job is there")
}

/// Ends the lease of a worker that has died, as if its time were over.
pub async fn abandon(stack: &TestStack, caller: &Caller, job: &Value) {
    let store = Jobs::new(&stack.platform(WORKER)).unwrap();
    loop {
        let before = head(stack, caller, job).await;
        if before.status.has_ended() {
            return;
        }
        let after = before.changed(|after| {
            after.lease_until = 0;
            after.due_at = Some(0);
        });
        let saved = store.save(before.revision, &after, Clock::System.now()).await.unwrap();
        if saved == Saved::Stored {
            return;
        }
    }
}

/// Waits until the worker of a job has left it to a later one. Returns the job as the table has it.
pub async fn left(stack: &TestStack, caller: &Caller, job: &Value) -> Head {
    for _ in 0..LOOKS {
        let head = head(stack, caller, job).await;
        if head.epoch > 0 && head.lease_until == 0 {
            return head;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("the worker does not leave the job");
}

/// Has requests start no worker, so that a test does.
pub fn without_workers(options: &mut StackOptions) {
    let nowhere = "arn:aws:lambda:us-east-1:000000000000:function:Nowhere";
    options.environment.insert("JOB_RUN_ARN".to_owned(), nowhere.to_owned());
}

/// A worker in this process. The test moves its clock.
pub struct Here {
    worker: JobRun,
    clock: Arc<AtomicI64>,
    /// When Lambda would end it: milliseconds since 1970.
    deadline: i64,
    start: JobStart,
}

impl Here {
    /// A worker for a job, which has a quarter of an hour.
    pub async fn new(stack: &TestStack, caller: &Caller, job: &Value) -> Self {
        let now = Clock::System.now().as_millisecond();
        let clock = Arc::new(AtomicI64::new(now));
        let functions = &stack.local.deployment().functions;
        let function = functions.iter().find(|function| function.id == WORKER).unwrap();
        let config = stack.local.environment(function).into_iter().collect();
        let platform = Platform::new(config, Clock::Manual(Arc::clone(&clock)));
        Self {
            worker: JobRun::new(&platform).unwrap(),
            clock,
            deadline: now + 900_000,
            start: start_of(stack, caller, job).await,
        }
    }

    /// Works until the job ends, or the worker has to leave it.
    pub async fn run(&self) -> Result<(), Problem> {
        let mut context = lambda_runtime::Context::default();
        context.deadline = u64::try_from(self.deadline).unwrap();
        context.invoked_function_arn =
            format!("arn:aws:lambda:us-east-1:000000000000:function:{WORKER}");
        let invocation = Invocation::new(&context, Clock::Manual(Arc::clone(&self.clock)));
        self.worker.run(self.start.clone(), invocation).await
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let milliseconds = i64::try_from(time.as_millis()).unwrap();
        self.clock.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// Lets time pass, until so much is left to the worker.
    pub fn leave(&self, rest: Duration) {
        let rest = i64::try_from(rest.as_millis()).unwrap();
        self.clock.store(self.deadline - rest, Ordering::Relaxed);
    }
}
