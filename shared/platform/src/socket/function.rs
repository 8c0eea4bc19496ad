//! A Lambda function that answers one or more routes of the WebSocket API.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture, ready};

use super::action::Action;
use super::call::SocketCall;
use super::dispatch::Dispatch;
use super::lifecycle::{self, Lifecycle};
use crate::config::ConfigError;
use crate::failure::{Error, failure};
use crate::platform::Platform;
use crate::runtime::{self, Invocation};

type Answer =
    Box<dyn Fn(Arc<SocketCall>, Invocation) -> BoxFuture<'static, ApiGatewayProxyResponse>>;

/// Routes and their actions, made once per process.
pub struct SocketFunction {
    platform: Platform,
    /// By route key, and whether it takes messages.
    answers: HashMap<(&'static str, bool), Answer>,
}

impl SocketFunction {
    /// A function with the process's environment and clock.
    pub fn new() -> Self {
        Self { platform: runtime::start(), answers: HashMap::new() }
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

    /// Serves invocations until Lambda ends the process.
    pub fn run(self) -> LocalBoxFuture<'static, Result<(), Error>> {
        let Self { platform, answers } = self;
        let handler = move |event: ApiGatewayWebsocketProxyRequest, invocation| {
            let call = Arc::new(SocketCall::from(event));
            if let Some(answer) = answers.get(&(call.route_key.as_str(), call.is_message)) {
                return answer(Arc::clone(&call), invocation).map(Ok).boxed();
            }
            let route = &call.route_key;
            let message = format!(
                "this function has nothing for {route:?}: compare template.yaml with the route \
                 table"
            );
            ready(Err(failure("unknown_route", message))).boxed()
        };
        runtime::serve(platform.clock.clone(), Box::new(handler))
    }
}

impl Default for SocketFunction {
    fn default() -> Self {
        Self::new()
    }
}
