//! A running stack: all parts of a template, started together and ended together.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::aws::{self, Aws, AwsSettings, CallLog, Credentials, Outbox, State};
use crate::destinations::Destinations;
use crate::error::StackError;
use crate::front::{self, Front};
use crate::http_api::HttpApiServer;
use crate::lambda::{Functions, FunctionsSettings, InvokeError};
use crate::options::StackOptions;
use crate::schedule::Schedules;
use crate::server::Server;
use crate::start::{self, Start};
use crate::streams::{StreamFault, Streams};
use crate::template;
use crate::template::model::{Deployment, Function};
use crate::trial;
use crate::websocket_api::WebSocketServer;

/// A running stack. End it with [`Stack::shutdown`]. Dropping it ends it too, but does not wait for
/// the end.
pub struct Stack {
    deployment: Deployment,
    url: String,
    functions: Functions,
    function_environment: BTreeMap<String, String>,
    /// `None` until the start functions have run.
    front: Option<Server>,
    websocket: Option<WebSocketServer>,
    schedules: Schedules,
    streams: Streams,
    aws: Aws,
    logs: PathBuf,
    // The last field: its files are in use until every other part is gone.
    _temporary: Option<TempDir>,
}

impl Stack {
    /// Starts all parts. The port is taken at once. Requests wait there until the start functions
    /// have run, and from then on they are answered.
    pub async fn start(options: StackOptions) -> Result<Stack, StackError> {
        let (listener, address) = listen(options.port).await?;
        let url = format!("http://{address}");
        let deployment = options.deployment(&url)?;
        check_binaries(&deployment, &options.binaries)?;
        let hosts = front::hosts(address.port(), &options.hosts);
        let (logs, temporary) = log_directory(&options.state)?;
        let start = Start::of(&options, &deployment).await;

        let (aws_listener, aws_address) = listen(None).await?;
        let (s3_listener, s3_address) = listen(None).await?;
        let credentials = Credentials::random();
        let mut function_environment = options.environment;
        function_environment.extend(aws::environment(aws_address, Some(s3_address), &credentials));
        if let Some(api) = &deployment.websocket_api {
            // The address of a WebSocket API includes its stage, here as on AWS.
            let endpoint = format!("http://{aws_address}/{}", api.stage);
            function_environment
                .insert("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI".to_owned(), endpoint);
        }

        let functions = Functions::start(FunctionsSettings {
            functions: deployment.functions.clone(),
            binaries: options.binaries,
            environment: function_environment.clone(),
            logs: logs.clone(),
            limits: options.processes,
        })
        .await
        .map_err(machine("the functions can't be run"))?;

        let websocket = deployment
            .websocket_api
            .clone()
            .map(|api| WebSocketServer::new(api, functions.clone(), options.websocket));
        let settings = AwsSettings {
            state: start.state(options.state),
            resources: deployment.resources.clone(),
            s3: Some(s3_listener),
            functions: functions.clone(),
            connections: websocket.as_ref().map(WebSocketServer::connections),
        };
        let aws = Aws::start(aws_listener, credentials, settings).await?;
        let has_items = start.make(&deployment, &functions, &aws).await?;
        let destinations = Destinations::new(aws.queues(), &functions);
        functions.send_records_to(Arc::new(destinations.clone()));
        let front = Front {
            hosts,
            // Without an HTTP API there are no routes, so every path answers that it is not found.
            http: HttpApiServer::new(
                deployment.http_api.clone().unwrap_or_default(),
                functions.clone(),
            ),
            websocket: deployment
                .websocket_api
                .as_ref()
                .map(|api| api.stage.clone())
                .zip(websocket.clone()),
        };
        let schedules = Schedules::start(&deployment.functions, &functions);
        let invoked = Arc::new(functions.clone());
        let streams = Streams::start(&deployment, invoked, aws.changes(), destinations).await?;
        let mut stack = Stack {
            deployment,
            url,
            functions,
            function_environment,
            front: None,
            websocket,
            schedules,
            streams,
            aws,
            logs,
            _temporary: temporary,
        };
        let tried = if options.tries_functions {
            trial::try_functions(&stack.deployment, &stack.functions).await
        } else {
            Ok(())
        };
        let ready = match tried {
            Ok(()) if has_items => Ok(()),
            Ok(()) => start::invoke_all(&stack.deployment, &stack.functions).await,
            Err(error) => Err(error),
        };
        match ready {
            Ok(()) => {
                stack.front = Some(Server::start(listener, move |request, peer| {
                    let front = front.clone();
                    async move { front.serve(request, peer).await }
                }));
                Ok(stack)
            }
            Err(error) => {
                stack.shutdown().await;
                Err(error)
            }
        }
    }

    /// URL of the HTTP API, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// URL of the WebSocket API with its stage, if there is one.
    pub fn websocket_url(&self) -> Option<String> {
        let api = self.deployment.websocket_api.as_ref()?;
        Some(format!("{}/{}", template::websocket_url(&self.url), api.stage))
    }

    /// The resolved template.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The functions.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Invokes a function by its logical id.
    pub async fn invoke(
        &self,
        function: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Bytes, InvokeError> {
        self.functions.invoke(function, payload.into()).await
    }

    /// The AWS endpoints.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The calls that functions have made to AWS.
    pub fn calls(&self) -> CallLog {
        self.aws.calls()
    }

    /// The mail that functions have sent.
    pub fn outbox(&self) -> &Outbox {
        self.aws.outbox()
    }

    /// Waits until all records that the tables have left so far in the streams of a function are
    /// delivered to it or given up.
    pub async fn drained(&self, function: &str) -> Result<(), StackError> {
        self.streams.drained(function).await
    }

    /// Disturbs the next deliveries of streams to a function.
    pub fn fail_stream(&self, fault: StreamFault) {
        self.streams.fail(fault);
    }

    /// The directory of the functions' logs, one file per function.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The variables with which a function runs against this stack from outside, for example under
    /// `cargo lambda watch`.
    pub fn environment(&self, function: &Function) -> BTreeMap<String, String> {
        let mut variables = function.environment.clone();
        variables.extend(self.function_environment.clone());
        variables
    }

    /// Ends the stack: gives requests in progress a moment, kills the functions, closes the tables.
    pub async fn shutdown(self) {
        if let Some(front) = self.front {
            front.shutdown().await;
        }
        drop(self.schedules);
        self.streams.shutdown().await;
        if let Some(websocket) = self.websocket {
            websocket.shutdown().await;
        }
        self.functions.shutdown().await;
        self.aws.shutdown().await;
    }
}

fn check_binaries(deployment: &Deployment, binaries: &Path) -> Result<(), StackError> {
    for function in &deployment.functions {
        let path = binaries.join(&function.binary);
        if !path.is_file() {
            return Err(StackError::MissingBinary {
                function: function.id.clone(),
                path,
                binary: function.binary.clone(),
            });
        }
    }
    Ok(())
}

/// Opens a port of this machine, or any free one.
async fn listen(port: Option<u16>) -> Result<(TcpListener, SocketAddr), StackError> {
    let listener =
        TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await.map_err(|error| {
            match (error.kind(), port) {
                (io::ErrorKind::AddrInUse, Some(port)) => StackError::PortInUse(port),
                _ => machine("the port can't be opened")(error),
            }
        })?;
    let address = listener.local_addr().map_err(machine("the port has no address"))?;
    Ok((listener, address))
}

/// The directory of logs. It is beside the tables, or, if those are in memory, it is deleted with
/// the stack.
fn log_directory(state: &State) -> Result<(PathBuf, Option<TempDir>), StackError> {
    match state {
        State::Directory(directory) => Ok((aws::log_directory(directory)?, None)),
        State::Memory | State::Image(_) => {
            let directory = tempfile::Builder::new()
                .prefix("tally-logs-")
                .tempdir()
                .map_err(machine("the directory of the logs can't be created"))?;
            Ok((directory.path().to_owned(), Some(directory)))
        }
    }
}

fn machine(what: &'static str) -> impl Fn(io::Error) -> StackError {
    move |source| StackError::Machine { what, source }
}
