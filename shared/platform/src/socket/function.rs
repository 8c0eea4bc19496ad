//! A Lambda function that answers one or more routes of the WebSocket API.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use lambda_runtime::{LambdaEvent, service_fn};

use super::action::Action;
use super::call::Call;
use super::dispatch::Dispatch;
use super::lifecycle::{self, Lifecycle};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::failure::{Error, failure};
use crate::logging;
use crate::platform::Platform;
use crate::worker::Invocation;

type Answer = Box<dyn Fn(Arc<Call>, Invocation) -> BoxFuture<'static, ApiGatewayProxyResponse> + Send + Sync>;

/// Routes and their actions, made once per process.
pub struct SocketFunction {
    platform: Platform,
    /// By route key, and whether it takes messages.
    answers: HashMap<(&'static str, bool), Answer>,
}

impl SocketFunction {
    /// A function with the process's environment and clock.
    pub fn new() -> Self {
        logging::start();
        Self { platform: Platform::new(Config::from_env(), Clock::System), answers: HashMap::new() }
    }

    /// Adds an action under its route key.
    pub fn action<A: Action>(mut self) -> Result<Self, ConfigError> {
        let parts = Arc::new((Dispatch::new(&self.platform, &A::ROUTE)?, A::new(&self.platform)?));
        let answer: Answer = Box::new(move |call, invocation| {
            let parts = Arc::clone(&parts);
            Box::pin(async move {
                let (dispatch, action) = &*parts;
                dispatch.dispatch(action, &call, &invocation).await;
                lifecycle::dispatched()
            })
        });
        self.answers.insert((A::ROUTE.action, true), answer);
        Ok(self)
    }

    /// Adds `$connect` or `$disconnect`.
    pub fn lifecycle<L: Lifecycle>(mut self) -> Result<Self, ConfigError> {
        let lifecycle = Arc::new(L::new(&self.platform)?);
        let answer: Answer = Box::new(move |call, invocation| {
            let lifecycle = Arc::clone(&lifecycle);
            Box::pin(async move { lifecycle::answer(&*lifecycle, &call, &invocation).await })
        });
        self.answers.insert((L::ROUTE.action, false), answer);
        Ok(self)
    }

    /// Serves invocations until Lambda ends the process. Boxed, so that the runtime's code is compiled here, once for all functions.
    pub fn run(self) -> LocalBoxFuture<'static, Result<(), Error>> {
        async move {
            let (answers, clock) = (&self.answers, &self.platform.clock);
            lambda_runtime::run(service_fn(async move |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
                let invocation = Invocation::new(&event.context, clock.clone());
                let call = Arc::new(Call::from(event.payload));
                if let Some(answer) = answers.get(&(call.route_key.as_str(), call.is_message)) {
                    return Ok(answer(Arc::clone(&call), invocation).await);
                }
                let route = &call.route_key;
                let message = format!("this function has nothing for {route:?}: compare template.yaml with the route table");
                Err(failure("unknown_route", message))
            }))
            .await?;
            Ok(())
        }
        .boxed_local()
    }
}

impl Default for SocketFunction {
    fn default() -> Self {
        Self::new()
    }
}
