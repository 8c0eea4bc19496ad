//! A Lambda function that answers one or more routes of the HTTP API.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use lambda_runtime::{LambdaEvent, service_fn};

use super::answer::answer;
use super::endpoint::{Endpoint, Endpoints, Visitor};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::failure::{Error, failure};
use crate::gate::Gate;
use crate::identity::Caller as _;
use crate::logging;
use crate::platform::Platform;
use crate::request::Call;
use crate::routes::{Access, Session};
use crate::worker::Invocation;

type Answer = Box<dyn Fn(Arc<Call>, Invocation) -> BoxFuture<'static, ApiGatewayV2httpResponse> + Send + Sync>;

/// Routes and their endpoints, made once per process.
pub struct HttpFunction {
    platform: Platform,
    answers: HashMap<String, Answer>,
}

impl HttpFunction {
    /// A function with the process's environment and clock.
    fn new() -> Self {
        logging::start();
        Self { platform: Platform::new(Config::from_env(), Clock::System), answers: HashMap::new() }
    }

    /// Serves the endpoints of a function until Lambda ends the process.
    pub async fn serve<E: Endpoints>() -> Result<(), Error> {
        E::visit(Self::new())?.run().await
    }

    /// Serves invocations until Lambda ends the process. Boxed, so that the runtime's code is compiled here, once for all functions.
    fn run(self) -> LocalBoxFuture<'static, Result<(), Error>> {
        async move {
            let (answers, clock) = (&self.answers, &self.platform.clock);
            lambda_runtime::run(service_fn(async move |event: LambdaEvent<ApiGatewayV2httpRequest>| {
                let invocation = Invocation::new(&event.context, clock.clone());
                let call = Arc::new(Call::from(event.payload));
                if let Some(answer) = answers.get(&call.route_key) {
                    return Ok(answer(call, invocation).await);
                }
                let route = &call.route_key;
                let message = format!("this function has no endpoint for {route:?}: compare template.yaml with the route table");
                Err(failure("unknown_route", message))
            }))
            .await?;
            Ok(())
        }
        .boxed_local()
    }
}

impl Visitor for HttpFunction {
    type Error = ConfigError;

    /// Adds an endpoint under its route key.
    fn endpoint<E: Endpoint>(mut self) -> Result<Self, ConfigError> {
        const { assert!(E::Caller::SIGNED_IN != matches!(E::ROUTE.access, Access::Public), "Caller and the route's access do not fit") };
        const { assert!(E::Caller::BY_KEY == E::ROUTE.scope.is_some(), "a route with a scope has a Principal for a caller, and no other has") };
        const { assert!(!matches!(E::ROUTE.session, Session::Trusted) || !E::ROUTE.idempotent, "what is counted beside its work is not kept") };
        let route = E::ROUTE;
        let endpoint = Arc::new(E::new(&self.platform)?);
        let gate = Arc::new(Gate::for_route(&self.platform, &route)?);
        let clock = self.platform.clock.clone();
        let answer: Answer = Box::new(move |call, invocation| {
            let (endpoint, gate, clock) = (Arc::clone(&endpoint), Arc::clone(&gate), clock.clone());
            Box::pin(async move { answer(&*endpoint, &gate, &clock, &call, &invocation).await })
        });
        self.answers.insert(route.key(), answer);
        Ok(self)
    }
}
