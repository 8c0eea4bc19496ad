//! A Lambda function that answers one or more routes of the HTTP API.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture, ready};

use super::endpoint::{Endpoint, Endpoints, PlainEndpoint, Visitor};
use super::pipeline::{Pipeline, answer_plain};
use crate::config::ConfigError;
use crate::failure::{Error, failure};
use crate::identity::Caller as _;
use crate::platform::Platform;
use crate::request::HttpCall;
use crate::routes::{Access, Route, Session};
use crate::runtime::{self, Invocation};

type Answer = Box<dyn Fn(HttpCall, Invocation) -> BoxFuture<'static, ApiGatewayV2httpResponse>>;

/// Routes and their endpoints, made once per process.
pub struct HttpFunction {
    platform: Platform,
    answers: HashMap<String, Answer>,
}

impl HttpFunction {
    /// Serves the endpoints of a function until Lambda ends the process.
    pub async fn serve<E: Endpoints>() -> Result<(), Error> {
        E::visit(Self { platform: runtime::start(), answers: HashMap::new() })?.run().await
    }

    fn run(self) -> LocalBoxFuture<'static, Result<(), Error>> {
        let Self { platform, answers } = self;
        let handler = move |event: ApiGatewayV2httpRequest, invocation| {
            let call = HttpCall::from(event);
            if let Some(answer) = answers.get(&call.route_key) {
                return answer(call, invocation).map(Ok).boxed();
            }
            let route = &call.route_key;
            let message = format!("this function has no endpoint for {route:?}: compare template.yaml with the route table");
            ready(Err(failure("unknown_route", message))).boxed()
        };
        runtime::serve(platform.clock.clone(), Box::new(handler))
    }
}

impl Visitor for HttpFunction {
    type Error = ConfigError;

    /// Adds an endpoint under its route key.
    fn endpoint<E: Endpoint>(mut self) -> Result<Self, ConfigError> {
        const { assert!(E::Caller::SIGNED_IN != matches!(E::ROUTE.access, Access::Public), "Caller and the route's access do not fit") };
        const { assert!(E::Caller::BY_KEY == E::ROUTE.scope.is_some(), "a route with a scope has a Principal for a caller, and no other has") };
        const {
            assert!(!matches!(E::ROUTE.session, Session::Trusted) || !E::ROUTE.idempotent, "a call counted beside its work is not kept");
        };
        let pipeline = Arc::new(Pipeline::<E>::new(&self.platform)?);
        let answer: Answer = Box::new(move |call, invocation| {
            let pipeline = Arc::clone(&pipeline);
            Box::pin(async move { pipeline.answer(&call, &invocation).await })
        });
        self.answers.insert(E::ROUTE.key(), answer);
        Ok(self)
    }

    /// Adds a plain endpoint under its route key.
    fn plain<E: PlainEndpoint>(mut self) -> Result<Self, ConfigError> {
        const { assert!(is_plain(&E::ROUTE), "a route with a caller, a limit, an event or an `Idempotency-Key` is no plain one") };
        let endpoint = Arc::new(E::new(&self.platform)?);
        let answer: Answer = Box::new(move |call, invocation| {
            let endpoint = Arc::clone(&endpoint);
            Box::pin(async move { answer_plain(&*endpoint, &call, &invocation).await })
        });
        self.answers.insert(E::ROUTE.key(), answer);
        Ok(self)
    }
}

const fn is_plain(route: &Route) -> bool {
    matches!(route.access, Access::Public) && route.limits.is_empty() && route.audit.is_none() && !route.idempotent
}
