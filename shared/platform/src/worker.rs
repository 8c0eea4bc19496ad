//! Background work: functions that another function starts. They go on after that function has answered.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::aws::{Service, sdk_config};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::failure::{Error, failure, failure_of};
use crate::logging;
use crate::platform::Platform;
use crate::problem::Problem;

/// A worker.
///
/// One invocation may start it twice, so it claims its item by a conditional write before any other work. It commits plans
/// through [`crate::gate::Gate::commit`] as requests do, with the identity and context that its item carries.
pub trait Worker: Sized + Send + Sync + 'static {
    /// Its input: ids, never a token or text.
    type Payload: DeserializeOwned + Send;
    /// Its result, for a caller that waits for it.
    type Output: Serialize + Send;

    /// Makes the worker once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Does the work. An error counts as a failed invocation of the function.
    fn run(&self, payload: Self::Payload, invocation: Invocation) -> impl Future<Output = Result<Self::Output, Problem>> + Send;
}

/// One invocation of a worker.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's request id.
    pub request_id: String,
    /// When Lambda ends it.
    pub deadline: Timestamp,
    clock: Clock,
}

impl Invocation {
    /// The invocation of this Lambda context.
    pub fn new(context: &lambda_runtime::Context, clock: Clock) -> Self {
        let deadline = i64::try_from(context.deadline).ok().and_then(|deadline| Timestamp::from_millisecond(deadline).ok());
        Self { request_id: context.request_id.clone(), deadline: deadline.unwrap_or(Timestamp::UNIX_EPOCH), clock }
    }

    /// Gives up unfinished work when only `kept` is left until the deadline.
    ///
    /// The caller then gets our 503 instead of Lambda's error for a function that it had to end. A timeout of each single call
    /// would not do: none fits every function, and several calls may hang one after the other.
    pub(crate) async fn in_time<T, E: From<Problem>>(&self, kept: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        timeout(self.remaining().saturating_sub(kept), work).await.unwrap_or_else(|_| {
            tracing::error!(request_id = self.request_id, "not done in time");
            Err(Problem::unavailable().into())
        })
    }

    /// Time left until the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(self.clock.now()).try_into().unwrap_or_default()
    }
}

/// Time reserved for reporting a worker's failure if the work takes too long.
const FAILURE: Duration = Duration::from_millis(250);

/// The work of a worker with a payload.
type Job = Box<dyn Fn(Value, Invocation) -> BoxFuture<'static, Result<Value, Diagnostic>> + Send + Sync>;

/// Serves invocations of a worker until Lambda ends the process.
pub async fn run<W: Worker>() -> Result<(), Error> {
    logging::start();
    let platform = Platform::new(Config::from_env(), Clock::System);
    let worker = Arc::new(W::new(&platform)?);
    let job: Job = Box::new(move |payload, invocation| {
        let worker = Arc::clone(&worker);
        async move {
            let payload = serde_json::from_value::<W::Payload>(payload).map_err(|error| failure("invalid_payload", error))?;
            let (request_id, bound) = (invocation.request_id.clone(), invocation.clone());
            let run = AssertUnwindSafe(bound.in_time(FAILURE, worker.run(payload, invocation)));
            // The panic hook has logged where.
            let result = run.catch_unwind().await.unwrap_or_else(|_| Err(Problem::internal()));
            tracing::info!(request_id, code = result.as_ref().err().map_or("ok", |problem| problem.code.as_str()), "worked");
            let output = result.map_err(|problem| failure_of(&problem))?;
            serde_json::to_value(output).map_err(|error| failure("invalid_output", error))
        }
        .boxed()
    });
    serve(job, platform.clock.clone()).await
}

/// Boxed, so that the runtime's code is compiled here, once for all workers.
fn serve(job: Job, clock: Clock) -> LocalBoxFuture<'static, Result<(), Error>> {
    async move {
        let (job, clock) = (&job, &clock);
        lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
            job(event.payload, Invocation::new(&event.context, clock.clone())).await
        }))
        .await?;
        Ok(())
    }
    .boxed_local()
}

/// Starts another function.
#[derive(Debug, Clone)]
pub struct Invoker {
    client: aws_sdk_lambda::Client,
    function_arn: String,
}

/// A function could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the function was not started: {0}")]
pub struct StartError(String);

impl Invoker {
    /// Starts the function whose ARN `setting` holds.
    pub fn new(config: &Config, setting: &str) -> Result<Self, ConfigError> {
        let client = aws_sdk_lambda::Client::new(&sdk_config(config, Service::Lambda)?);
        Ok(Self { client, function_arn: config.require(setting)?.to_owned() })
    }

    /// Starts it, at least once, and does not wait for it.
    pub async fn start(&self, payload: &impl Serialize) -> Result<(), StartError> {
        let payload = serde_json::to_vec(payload).map_err(|error| StartError(error.to_string()))?;
        self.invoke(Blob::new(payload)).await
    }

    fn invoke(&self, payload: Blob) -> BoxFuture<'_, Result<(), StartError>> {
        async move {
            let request = self.client.invoke().function_name(&self.function_arn).invocation_type(InvocationType::Event);
            request.payload(payload).send().await.map_err(|error| StartError(DisplayErrorContext(error).to_string()))?;
            Ok(())
        }
        .boxed()
    }
}
