//! `GET /ready`: whether what the API stands on answers.

use std::time::{Duration, Instant};

use http::StatusCode;
use platform::config::ConfigError;
use platform::http::{Endpoint, Request};
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use platform::secrets::Secrets;
use platform::store::Remembered;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long a part may take to answer: whoever asks whether we are ready does not wait for long either.
const PATIENCE: Duration = Duration::from_secs(2);

/// The endpoint.
pub struct Ready {
    remembered: Remembered,
    secrets: Secrets,
    secret_arn: String,
}

/// The answer: 200 if everything answers, else 503.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `failing` if one of the checks is.
    pub status: Status,
    /// Each part.
    pub checks: Checks,
}

/// Each part by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    /// Reading an item from DynamoDB.
    pub dynamodb: Check,
    /// Reading a secret; a secret that was read within five minutes is not asked for again.
    pub secrets: Check,
}

/// One part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// Whether it answers.
    pub status: Status,
    /// How long it took, in milliseconds.
    #[schema(example = 4)]
    pub latency_ms: u64,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It answers.
    Ok,
    /// It does not, or not within two seconds; the log has why.
    Failing,
}

impl Endpoint for Ready {
    const ROUTE: Route = routes::READY;
    type Caller = ();
    type Body = ();
    type Query = ();
    type Output = Readiness;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            remembered: Remembered::new(platform.database()?, &platform.config)?,
            secrets: platform.secrets()?,
            secret_arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned(),
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Readiness>, Problem> {
        // A claim that no request has: that the table answers is enough.
        let (table, secret) = (self.remembered.get("nobody", request.now), self.secrets.get(&self.secret_arn));
        let (dynamodb, secrets) = tokio::join!(check(table), check(secret));
        let all_ok = dynamodb.status == Status::Ok && secrets.status == Status::Ok;
        let (status, code) = if all_ok { (Status::Ok, StatusCode::OK) } else { (Status::Failing, StatusCode::SERVICE_UNAVAILABLE) };
        Ok(Plan::reply(Reply::new(Readiness { status, checks: Checks { dynamodb, secrets } }).status(code)))
    }
}

async fn check<T, E: std::fmt::Display>(part: impl Future<Output = Result<T, E>>) -> Check {
    let since = Instant::now();
    let failure = match timeout(PATIENCE, part).await {
        Ok(result) => result.err().map(|error| error.to_string()),
        Err(late) => Some(late.to_string()),
    };
    if let Some(error) = &failure {
        tracing::error!(error, "not ready");
    }
    let latency_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    Check { status: if failure.is_none() { Status::Ok } else { Status::Failing }, latency_ms }
}
