//! The loop of a Lambda function, and its invocations.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::Config;
use crate::failure::Error;
use crate::logging;
use crate::platform::Platform;
use crate::problem::Problem;

/// Handles the events of a function.
pub(crate) type Handler<E, A> =
    Box<dyn Fn(E, Invocation) -> BoxFuture<'static, Result<A, Diagnostic>>>;

/// A platform with the process's environment and clock. The process logs from here on.
pub(crate) fn start() -> Platform {
    logging::start();
    Platform::new(Config::from_env(), Clock::System)
}

/// Serves invocations until Lambda ends the process. Boxed, so that the runtime's code is compiled
/// here, once for all functions.
pub(crate) fn serve<E, A>(
    clock: Clock,
    handler: Handler<E, A>,
) -> LocalBoxFuture<'static, Result<(), Error>>
where
    E: DeserializeOwned + 'static,
    A: Serialize + 'static,
{
    async move {
        let clock = &clock;
        let handler = &handler;
        lambda_runtime::run(service_fn(async move |event: LambdaEvent<E>| {
            handler(event.payload, Invocation::new(&event.context, clock.clone())).await
        }))
        .await?;
        Ok(())
    }
    .boxed_local()
}

/// One invocation of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's request id.
    pub request_id: String,
    /// ARN of the function, by which it can start itself.
    pub function_arn: String,
    /// When Lambda ends it.
    pub deadline: Timestamp,
    clock: Clock,
}

impl Invocation {
    /// The invocation of this Lambda context.
    pub fn new(context: &lambda_runtime::Context, clock: Clock) -> Self {
        let deadline = i64::try_from(context.deadline)
            .ok()
            .and_then(|deadline| Timestamp::from_millisecond(deadline).ok());
        Self {
            request_id: context.request_id.clone(),
            function_arn: context.invoked_function_arn.clone(),
            deadline: deadline.unwrap_or(Timestamp::UNIX_EPOCH),
            clock,
        }
    }

    /// Does the work of the invocation, and ends it with a problem if it panics, or if only `kept`
    /// is left until the deadline.
    ///
    /// The caller then gets our 503 instead of Lambda's error for a function that it had to end. A
    /// timeout of each single call would not do: none fits every function, and several calls may
    /// hang one after the other.
    pub(crate) async fn bound<T, E: From<Problem>>(
        &self,
        kept: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match timeout(self.remaining().saturating_sub(kept), AssertUnwindSafe(work).catch_unwind())
            .await
        {
            Ok(Ok(result)) => result,
            // The panic hook has logged where.
            Ok(Err(_)) => Err(Problem::internal().into()),
            Err(_) => {
                tracing::error!(
                    request_id = self.request_id,
                    "failed to finish before the deadline of the invocation"
                );
                Err(Problem::unavailable().into())
            }
        }
    }

    /// Time left until the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(self.clock.now()).try_into().unwrap_or_default()
    }
}
