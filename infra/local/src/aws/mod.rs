//! The AWS endpoints that the functions call: DynamoDB, Secrets Manager, KMS, SQS, Lambda's Invoke
//! API, SES, API Gateway's `@connections` and S3. S3 has a loopback listener of its own, and the
//! others share one. A call needs their random credentials.

mod answer;
mod calls;
mod connections_api;
mod directory;
mod dynamodb;
mod endpoints;
mod error;
mod faults;
mod guard;
mod image;
mod invoke_api;
mod json_file;
mod kms;
mod mail;
mod members;
mod queues;
mod s3;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};

use crate::lambda::{Functions, Invoke};
use crate::server::Server;
use crate::template::REGION;
use crate::template::model::Resources;
use crate::websocket_api::Connections;

use self::connections_api::ConnectionsApi;
use self::directory::StateDirectory;
use self::dynamodb::DynamoDb;
use self::endpoints::Endpoints;
use self::faults::Faults;
use self::guard::Guard;
use self::invoke_api::InvokeApi;
use self::kms::Kms;
use self::s3::Buckets;
use self::secrets::Secrets;

pub(crate) use self::directory::log_directory;
pub(crate) use self::dynamodb::ChangeLog;
pub(crate) use self::queues::Queues;

pub use self::calls::{Call, CallLog, Service};
pub use self::error::AwsError;
pub use self::faults::{Failure, Fault};
pub use self::guard::Credentials;
pub use self::image::Image;
pub use self::mail::{Mail, Outbox};

/// The running endpoints. Dropping them ends them at once. [`Aws::shutdown`] ends them in good
/// order.
pub struct Aws {
    calls: CallLog,
    dynamodb: Arc<DynamoDb>,
    faults: Arc<Faults>,
    outbox: Outbox,
    queues: Queues,
    server: Server,
    s3: Option<Server>,
    sweeper: JoinSet<()>,
    // The last field: the next stack may have the directory only after the database has been
    // closed.
    _directory: Option<StateDirectory>,
}

/// Where the state of the services is kept: tables, secrets, keys, objects, messages and mail.
#[derive(Debug, Clone)]
pub enum State {
    /// In this directory, which is created if missing and belongs to one stack at a time.
    Directory(PathBuf),
    /// In memory, with mail and objects in temporary directories. Tables are in one too, if one has
    /// a stream. All of it is gone when the stack ends.
    Memory,
    /// The same, but the tables begin as they are in this image. It must be of the same tables.
    Image(Image),
}

/// Settings of the endpoints.
pub struct AwsSettings<F = Functions> {
    /// Where their state is kept.
    pub state: State,
    /// The resources of the template that keep state.
    pub resources: Resources,
    /// The listener of S3, if it is served. It must be bound to a loopback address.
    pub s3: Option<TcpListener>,
    /// Runs the functions, for Lambda's Invoke API and for the rotation of secrets.
    pub functions: F,
    /// The connections that `@connections` reaches, if there is a WebSocket API.
    pub connections: Option<Connections>,
}

impl Aws {
    /// Ensures that the tables, secrets, keys, queues and buckets exist, then serves on `listener`,
    /// which must be bound to a loopback address.
    pub async fn start<F: Invoke>(
        listener: TcpListener,
        credentials: Credentials,
        settings: AwsSettings<F>,
    ) -> Result<Self, AwsError> {
        let AwsSettings { state, resources, s3, functions, connections } = settings;
        let guard = Guard::new(&listener, credentials.clone())?;
        let s3 = match s3 {
            Some(listener) => Some((Guard::new(&listener, credentials)?, listener)),
            None => None,
        };
        let functions: Arc<dyn Invoke> = Arc::new(functions);
        let rotating = Arc::clone(&functions);
        let faults = Arc::new(Faults::default());
        let striking = Arc::clone(&faults);
        let opened = spawn_blocking(move || open(state, resources, rotating, striking)).await;
        let Opened { directory, dynamodb, secrets, kms, queues, buckets, outbox } =
            opened.unwrap_or_else(|panic| Err(AwsError::Database(panic.to_string())))?;

        let calls = CallLog::default();
        let dynamodb = Arc::new(dynamodb);
        let endpoints = Arc::new(Endpoints {
            guard,
            calls: calls.clone(),
            dynamodb: dynamodb.clone(),
            secrets,
            kms,
            queues: queues.clone(),
            outbox: outbox.clone(),
            invoke: InvokeApi::new(functions),
            connections: ConnectionsApi::new(connections),
        });
        let server = Server::start(listener, move |request, _peer| {
            let endpoints = Arc::clone(&endpoints);
            async move { endpoints.answer(request).await }
        });
        let mut sweeper = JoinSet::new();
        sweeper.spawn(dynamodb.clone().sweep());
        sweeper.spawn(buckets.sweep());
        let s3 = s3.map(|(guard, listener)| {
            s3::serve(listener, guard, buckets, calls.clone(), Arc::clone(&faults))
        });
        Ok(Self {
            calls,
            dynamodb,
            faults,
            outbox,
            queues,
            server,
            s3,
            sweeper,
            _directory: directory,
        })
    }

    /// Every AWS call since the start.
    pub fn calls(&self) -> CallLog {
        self.calls.clone()
    }

    /// Every mail since the start.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The queues.
    pub(crate) fn queues(&self) -> Queues {
        self.queues.clone()
    }

    /// Makes the next matching calls fail.
    pub fn fail(&self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Waits until a fault holds a call.
    pub async fn held(&self) {
        self.faults.held().await;
    }

    /// Removes the faults that have not struck yet.
    pub fn recover(&self) {
        self.faults.clear();
    }

    /// Deletes expired items now. The stack also does so every minute.
    pub async fn expire(&self) {
        self.dynamodb.expire().await;
    }

    /// Makes an image of the tables as they are now.
    pub(crate) async fn image(&self) -> Result<Image, AwsError> {
        let dynamodb = Arc::clone(&self.dynamodb);
        let made = spawn_blocking(move || dynamodb.image()).await;
        made.unwrap_or_else(|panic| Err(AwsError::Database(panic.to_string())))
    }

    /// The streams of the tables, if one has a stream or the state is in a directory.
    pub(crate) fn changes(&self) -> Option<ChangeLog> {
        self.dynamodb.changes()
    }

    /// Gives the calls under way a moment to end, then releases the state directory.
    pub async fn shutdown(mut self) {
        self.sweeper.shutdown().await;
        self.server.shutdown().await;
        if let Some(s3) = self.s3 {
            s3.shutdown().await;
        }
    }
}

/// The services with their state.
struct Opened {
    directory: Option<StateDirectory>,
    dynamodb: DynamoDb,
    secrets: Secrets,
    kms: Kms,
    queues: Queues,
    buckets: Buckets,
    outbox: Outbox,
}

fn open(
    state: State,
    resources: Resources,
    functions: Arc<dyn Invoke>,
    faults: Arc<Faults>,
) -> Result<Opened, AwsError> {
    let (directory, image) = match state {
        State::Directory(path) => (Some(StateDirectory::open(path)?), None),
        State::Memory => (None, None),
        State::Image(image) => (None, Some(image)),
    };
    let kept = directory.as_ref();
    let Resources { tables, secrets, keys, queues, buckets } = resources;
    let database = kept.map(StateDirectory::database).transpose()?;
    let dynamodb = match image {
        Some(image) => DynamoDb::copy(&image, faults)?,
        None => DynamoDb::open(database.as_deref(), &tables, faults)?,
    };
    Ok(Opened {
        dynamodb,
        secrets: Secrets::open(kept.map(StateDirectory::secrets).as_deref(), secrets, functions)?,
        kms: Kms::open(kept.map(StateDirectory::keys).as_deref(), keys)?,
        queues: Queues::open(kept.map(StateDirectory::queues).as_deref(), queues)?,
        buckets: Buckets::open(kept.map(StateDirectory::buckets).as_deref(), buckets)?,
        outbox: Outbox::open(kept.map(StateDirectory::outbox).as_deref())?,
        directory,
    })
}

/// The variables with which an SDK in a function reaches the endpoints at `address`, and S3 at its
/// own. `AWS_ENDPOINT_URL` also keeps an SDK from calling the real AWS for a service that is not
/// served here.
pub fn environment(
    address: SocketAddr,
    s3: Option<SocketAddr>,
    credentials: &Credentials,
) -> BTreeMap<String, String> {
    let endpoints = [
        "",
        "_DYNAMODB",
        "_SECRETS_MANAGER",
        "_KMS",
        "_SQS",
        "_LAMBDA",
        "_APIGATEWAYMANAGEMENTAPI",
        "_SESV2",
    ];
    let endpoints = endpoints.map(|service| (service, address));
    let others = [
        ("AWS_REGION", REGION),
        // boto3 knows the region by this name alone.
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
    ];
    endpoints
        .into_iter()
        .chain(s3.map(|address| ("_S3", address)))
        .map(|(service, address)| {
            (format!("AWS_ENDPOINT_URL{service}"), format!("http://{address}"))
        })
        .chain(others.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect()
}
