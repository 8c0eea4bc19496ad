//! A Lambda function that answers one or more routes of the HTTP API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture, ready};
use http::Response;
use lambda_http::{Body, RequestExt as _, service_fn};
use lambda_runtime::Diagnostic;

use super::endpoint::{Endpoint, Endpoints, PlainEndpoint, Visitor};
use super::pipeline::{Pipeline, answer_plain, log_and_respond};
use crate::config::ConfigError;
use crate::failure::{Error, failure};
use crate::identity::Caller as _;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::HttpCall;
use crate::routes::{Access, Route, Session};
use crate::runtime::{self, Invocation};

type Answer = Box<dyn Fn(HttpCall, Invocation) -> BoxFuture<'static, Response<Body>>>;

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

    /// Serves invocations until Lambda ends the process. Boxed, so that the runtime's code is
    /// compiled here, once for all functions.
    fn run(self) -> LocalBoxFuture<'static, Result<(), Error>> {
        async move {
            let Self { platform, answers } = self;
            lambda_http::run(service_fn(move |request: lambda_http::Request| {
                let lambda = request.lambda_context();
                let invocation = Invocation::new(&lambda, platform.clock.clone());
                answer(&answers, HttpCall::from(request), invocation)
            }))
            .await?;
            Ok(())
        }
        .boxed_local()
    }
}

/// Answers a request by the endpoint of its route.
fn answer(
    answers: &HashMap<String, Answer>,
    call: HttpCall,
    invocation: Invocation,
) -> BoxFuture<'static, Result<Response<Body>, Diagnostic>> {
    // API Gateway decodes the path. `lambda_http` then reads the rest of such a path as a query or
    // a fragment.
    if call.path.contains(['?', '#']) {
        let result = Err(Problem::no_route());
        let response = log_and_respond(&call.route_key, &call, Instant::now(), result);
        return ready(Ok(response)).boxed();
    }
    if let Some(answer) = answers.get(&call.route_key) {
        return answer(call, invocation).map(Ok).boxed();
    }
    let route = &call.route_key;
    let message = format!(
        "this function has no endpoint for {route:?}: compare template.yaml with the route table"
    );
    ready(Err(failure("unknown_route", message))).boxed()
}

impl Visitor for HttpFunction {
    type Error = ConfigError;

    /// Adds an endpoint under its route key.
    fn endpoint<E: Endpoint>(mut self) -> Result<Self, ConfigError> {
        const {
            assert!(
                E::Caller::SIGNED_IN != matches!(E::ROUTE.access, Access::Public),
                "Caller and the route's access do not fit"
            );
        };
        const {
            assert!(
                E::Caller::BY_KEY == E::ROUTE.takes_keys(),
                "a route that takes API keys has a Principal for a caller, and no other has"
            );
        };
        const {
            assert!(
                !matches!(E::ROUTE.session, Session::Trusted) || !E::ROUTE.idempotent,
                "a call counted beside its work is not kept"
            );
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
        const {
            assert!(
                is_plain(&E::ROUTE),
                "a route with a caller, a limit, an event or an `Idempotency-Key` is no plain one"
            );
        };
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
    matches!(route.access, Access::Public)
        && route.limits.is_empty()
        && route.audit.is_none()
        && !route.idempotent
}
