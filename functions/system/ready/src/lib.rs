//! `GET /ready`: whether the services that the API depends on answer.

use std::time::{Duration, Instant};

use assistant::store::{Outage, Outages};
use http::StatusCode;
use platform::clock::{Clock, Timestamp, millis_since};
use platform::config::Config;
use platform::database::StoreError;
use platform::http::{Plain, PlainEndpoint};
use platform::limits::Limits;
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::secrets::Secrets;
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use tally_sso::flow::ReturnUrls;
use tally_sso::{RoleMap, store as sso};
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
    /// `None` where single sign-on is off, or its settings are wrong.
    sso_outages: Option<sso::Outages>,
    secrets: Secrets,
    secret_arn: String,
    settings: Status,
    clock: Clock,
}

/// The answer: 200 if every part answers, or every part except the assistant and single sign-on.
/// Otherwise 503.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `failing` if `settings`, `dynamodb` or `secrets` is `failing`. `degraded` if only the
    /// assistant or single sign-on is not `ok`: accounts and data still answer. The status code
    /// stays 200 then, because a load balancer that goes by it would cut them off too.
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
    /// The identity provider. Left out where single sign-on is off, or if DynamoDB does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sso: Option<SingleSignOn>,
}

/// The settings of the deployment: its rate limits, its provider of replies and its identity
/// provider.
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

/// State of single sign-on, by the outcome of the last sign-ins. This check does not ask the
/// identity provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct SingleSignOn {
    /// `degraded` if the identity provider has sent no keys of its tokens, or has refused the
    /// credential of this deployment, within the last five minutes. Sessions go on meanwhile.
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
        let has_sso = has_sso(&platform.config).unwrap_or_default();
        Ok(Self {
            outages: Outages::new(platform)?,
            sso_outages: has_sso.then(|| sso::Outages::new(platform)).transpose()?,
            secrets: platform.secrets()?,
            secret_arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned(),
            settings: settings(&platform.config),
            clock: platform.clock.clone(),
        })
    }

    async fn handle(&self, _: &HttpCall) -> Result<Reply<Readiness>, Problem> {
        // The reads say whether the table answers, and the items which other parts do not.
        let now = self.clock.now();
        let stored = async { tokio::try_join!(self.outages.current(now), self.sso(now)) };
        let secret = self.secrets.get(&self.secret_arn);
        let ((dynamodb, stored), (secrets, _)) = tokio::join!(check(stored), check(secret));
        let (assistant, sso) =
            stored.map_or((None, None), |(outage, sso)| (Some(Assistant::from(outage)), sso));
        let needed = [self.settings, dynamodb.status, secrets.status];
        let others = [
            assistant.as_ref().map(|assistant| assistant.status),
            sso.as_ref().map(|sso| sso.status),
        ];
        let (status, code) = if needed.iter().any(|status| *status != Status::Ok) {
            (Status::Failing, StatusCode::SERVICE_UNAVAILABLE)
        } else if others.iter().flatten().any(|status| *status != Status::Ok) {
            (Status::Degraded, StatusCode::OK)
        } else {
            (Status::Ok, StatusCode::OK)
        };
        let settings = Settings { status: self.settings };
        let checks = Checks { settings, dynamodb, secrets, assistant, sso };
        Ok(Reply::new(Readiness { status, checks }).status(code))
    }
}

impl ReadReadiness {
    /// The state of single sign-on; `None` where it is off.
    async fn sso(&self, now: Timestamp) -> Result<Option<SingleSignOn>, StoreError> {
        let Some(outages) = &self.sso_outages else { return Ok(None) };
        let outage = outages.current(now).await?;
        let status = if outage.is_some() { Status::Degraded } else { Status::Ok };
        Ok(Some(SingleSignOn { status }))
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
    let parsed = [
        Limits::from_config(config).map(drop),
        assistant::check(config),
        has_sso(config).map(drop),
    ];
    let refused = parsed
        .into_iter()
        .filter_map(Result::err)
        .inspect(|error| tracing::error!(%error, "a setting keeps a function from starting"));
    if refused.count() == 0 { Status::Ok } else { Status::Failing }
}

/// Whether single sign-on is on. An error if its functions cannot start with its settings.
fn has_sso(config: &Config) -> Result<bool, ConfigError> {
    let is_on = tally_sso::Settings::from_config(config)?.is_some();
    if is_on {
        RoleMap::from_config(config)?;
        ReturnUrls::from_config(config)?;
    }
    Ok(is_on)
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
