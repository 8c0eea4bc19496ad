//! Background work: functions that another function starts. They go on after that function has
//! answered.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::{Service, sdk_config};
use crate::config::{Config, ConfigError};
use crate::failure::{Error, failure, failure_of};
use crate::plan::AfterCommit;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::runtime::{self, Handler, Invocation};

/// A worker.
///
/// One invocation may start it twice, so it claims its item by a conditional write before any other
/// work. It commits plans through [`crate::gate::Committer::commit`] as requests do, with the
/// identity and context that its item carries.
pub trait Worker: Sized + Send + Sync + 'static {
    /// Its input: ids, never a token or text.
    type Payload: DeserializeOwned + Send;
    /// Its result, for a caller that waits for it.
    type Output: Serialize + Send;

    /// Makes the worker once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Does the work. An error counts as a failed invocation of the function.
    fn run(
        &self,
        payload: Self::Payload,
        invocation: Invocation,
    ) -> impl Future<Output = Result<Self::Output, Problem>> + Send;
}

/// Time reserved for reporting a worker's failure if the work takes too long.
const FAILURE: Duration = Duration::from_millis(250);

/// Serves invocations of a worker until Lambda ends the process.
pub async fn run<W: Worker>() -> Result<(), Error> {
    let platform = runtime::start();
    let worker = Arc::new(W::new(&platform)?);
    let handler: Handler<Value, Value> = Box::new(move |payload, invocation| {
        let worker = Arc::clone(&worker);
        async move {
            let payload = serde_json::from_value::<W::Payload>(payload)
                .map_err(|error| failure("invalid_payload", error))?;
            let request_id = invocation.request_id.clone();
            let bounds = invocation.clone();
            let result = bounds.bound(FAILURE, worker.run(payload, invocation)).await;
            tracing::info!(
                request_id,
                code = result.as_ref().err().map_or("ok", |problem| problem.code.as_str()),
                "worked"
            );
            let output = result.map_err(|problem| failure_of(&problem))?;
            serde_json::to_value(output).map_err(|error| failure("invalid_output", error))
        }
        .boxed()
    });
    runtime::serve(platform.clock.clone(), handler).await
}

/// Starts another function.
#[derive(Debug, Clone)]
pub struct Invoker {
    client: aws_sdk_lambda::Client,
    function_arn: String,
}

/// A function could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the function could not be started: {0}")]
pub struct StartError(String);

impl Invoker {
    /// Starts the function whose ARN `setting` holds.
    pub fn new(config: &Config, setting: &str) -> Result<Self, ConfigError> {
        Ok(Self::unnamed(config)?.to(config.require(setting)?))
    }

    /// Starts no function yet: see [`Invoker::to`].
    pub fn unnamed(config: &Config) -> Result<Self, ConfigError> {
        let client = aws_sdk_lambda::Client::new(&sdk_config(config, Service::Lambda)?);
        Ok(Self { client, function_arn: String::new() })
    }

    /// The same for the function with another ARN.
    #[must_use]
    pub fn to(&self, function_arn: &str) -> Self {
        Self { function_arn: function_arn.to_owned(), ..self.clone() }
    }

    /// Starts it, at least once, and does not wait for it.
    pub async fn start(&self, payload: &impl Serialize) -> Result<(), StartError> {
        let payload = serde_json::to_vec(payload).map_err(|error| StartError(error.to_string()))?;
        self.invoke(Blob::new(payload)).await
    }

    /// A step after a commit that starts it. If it cannot be started, the log says so and the
    /// answer stays the same. A purge is done by a later run then; for a mail the user asks again.
    pub fn start_after_commit<O>(&self, payload: &impl Serialize) -> AfterCommit<O> {
        let invoker = self.clone();
        let payload = serde_json::to_string(payload);
        Box::new(move || {
            async move {
                let started = match &payload {
                    Ok(payload) => invoker.invoke(Blob::new(payload.as_str())).await,
                    Err(error) => Err(StartError(error.to_string())),
                };
                if let Err(error) = started {
                    let payload = payload.unwrap_or_default();
                    tracing::error!(
                        %error,
                        function = invoker.function_arn,
                        payload,
                        "failed to start a worker after a commit"
                    );
                }
                Ok(None)
            }
            .boxed()
        })
    }

    fn invoke(&self, payload: Blob) -> BoxFuture<'_, Result<(), StartError>> {
        async move {
            let request = self
                .client
                .invoke()
                .function_name(&self.function_arn)
                .invocation_type(InvocationType::Event);
            request
                .payload(payload)
                .send()
                .await
                .map_err(|error| StartError(DisplayErrorContext(error).to_string()))?;
            Ok(())
        }
        .boxed()
    }
}
