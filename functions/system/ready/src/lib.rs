//! `GET /ready`: whether the services that the API depends on answer.

use std::time::{Duration, Instant};

use assistant::store::{Outage, Outages};
use http::StatusCode;
use platform::clock::{Clock, millis_since};
use platform::config::Config;
use platform::http::{Plain, PlainEndpoint};
use platform::limits::Limits;
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::secrets::Secrets;
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = Plain<(ReadReadiness,)>;

/// How long a part may take to answer. A client that asks for readiness does not wait for long
/// either.
const PATIENCE: Duration = Duration::from_secs(2);

/// The endpoint.
pub struct ReadReadiness {
    outages: Outages,
    secrets: Secrets,
    secret_arn: String,
    settings: Status,
    clock: Clock,
}

/// The answer: 200 if every part answers, or every part except the assistant. Otherwise 503.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `failing` if `settings`, `dynamodb` or `secrets` is `failing`. `degraded` if only the
    /// assistant is not `ok`: accounts and data still answer. The status code stays 200 then,
    /// because a load balancer that goes by it would cut them off too.
    pub status: Status,
    /// Each part.
    pub checks: Checks,
}

/// Each part by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    /// Whether every function can start with its settings.
    pub settings: Settings,
    /// Reading an item from DynamoDB.
    pub dynamodb: Check,
    /// Reading a secret. The check does not read a secret again within five minutes.
    pub secrets: Check,
    /// The models that write replies. Left out if DynamoDB does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub assistant: Option<Assistant>,
}

/// The settings of the deployment: its rate limits and its provider of replies.
#[derive(Debug, Serialize, ToSchema)]
pub struct Settings {
    /// `failing` if a function cannot start because of a setting. The log names the setting.
    pub status: Status,
}

/// State of one part of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// Whether it answers.
    pub status: Status,
    /// Duration of the check, in milliseconds.
    #[schema(example = 4)]
    pub latency_ms: u64,
}

/// State of the models that write replies, by the outcome of the last replies. This check asks no
/// model.
#[derive(Debug, Serialize, ToSchema)]
pub struct Assistant {
    /// `failing` while the server asks no model because of repeated failures, if the provider has
    /// refused the key, or if there is no key. `degraded` while another model answers in place of
    /// one that the server does not ask.
    pub status: Status,
}

/// State of a part of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It answers.
    Ok,
    /// It answers in part, or another part answers in its place.
    Degraded,
    /// It does not answer, or not within two seconds. The log has the reason.
    Failing,
}

impl PlainEndpoint for ReadReadiness {
    const ROUTE: Route = routes::READY;
    const STATUSES: &'static [u16] = &[503];
    type Output = Readiness;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            outages: Outages::new(platform)?,
            secrets: platform.secrets()?,
            secret_arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned(),
            settings: settings(&platform.config),
            clock: platform.clock.clone(),
        })
    }

    async fn handle(&self, _: &HttpCall) -> Result<Reply<Readiness>, Problem> {
        // One item says whether the table answers, and what it knows of the assistant.
        let outage = self.outages.current(self.clock.now());
        let secret = self.secrets.get(&self.secret_arn);
        let ((dynamodb, outage), (secrets, _)) = tokio::join!(check(outage), check(secret));
        let assistant = outage.map(Assistant::from);
        let all_else = [self.settings, secrets.status].iter().all(|status| *status == Status::Ok);
        let (status, code) = match &assistant {
            Some(assistant) if all_else && assistant.status == Status::Ok => {
                (Status::Ok, StatusCode::OK)
            }
            Some(_) if all_else => (Status::Degraded, StatusCode::OK),
            _ => (Status::Failing, StatusCode::SERVICE_UNAVAILABLE),
        };
        let checks =
            Checks { settings: Settings { status: self.settings }, dynamodb, secrets, assistant };
        Ok(Reply::new(Readiness { status, checks }).status(code))
    }
}

impl From<Option<Outage>> for Assistant {
    fn from(outage: Option<Outage>) -> Self {
        let status = outage.map_or(Status::Ok, |outage| {
            if outage.is_total { Status::Failing } else { Status::Degraded }
        });
        Self { status }
    }
}

/// Whether other functions can start with the deployment's settings, according to their own
/// parsers. This function starts all the same, because it has to report it.
fn settings(config: &Config) -> Status {
    let parsed = [Limits::from_config(config).map(drop), assistant::check(config)];
    let refused = parsed
        .into_iter()
        .filter_map(Result::err)
        .inspect(|error| tracing::error!(%error, "a setting keeps a function from starting"));
    if refused.count() == 0 { Status::Ok } else { Status::Failing }
}

/// The state of a part, and its answer.
async fn check<T, E: std::fmt::Display>(
    part: impl Future<Output = Result<T, E>>,
) -> (Check, Option<T>) {
    let since = Instant::now();
    let answer = match timeout(PATIENCE, part).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(late) => Err(late.to_string()),
    };
    let answer = answer
        .inspect_err(|error| tracing::error!(error, "failed to check a part of the service"))
        .ok();
    let latency_ms = millis_since(since);
    (
        Check { status: if answer.is_some() { Status::Ok } else { Status::Failing }, latency_ms },
        answer,
    )
}
