//! Options of a stack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::aws::State;
use crate::builder;
use crate::error::StackError;
use crate::lambda::ProcessLimits;
use crate::shared::Shared;
use crate::template::model::Deployment;
use crate::template::{self, Source, TemplateError};
use crate::websocket_api::WebSocketLimits;

/// The stack to start, and its settings.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Path of template.yaml.
    pub template: PathBuf,
    /// Path of samconfig.toml, for the parameters. Without it they have their defaults.
    pub samconfig: Option<PathBuf>,
    /// The environment in samconfig.toml.
    pub config_env: String,
    /// Parameter values that override those of samconfig.toml.
    pub sets: Vec<(String, String)>,
    /// Where the state of the services and logs are kept.
    pub state: State,
    /// Port of the HTTP and WebSocket APIs. `None` takes a free one.
    pub port: Option<u16>,
    /// Names by which clients reach the port, beside `localhost` and this machine's addresses.
    pub hosts: Vec<String>,
    /// Whether the stack starts each function once, which takes some seconds in all, and fails if
    /// one can't start with its settings.
    pub tries_functions: bool,
    /// Directory of the functions' binaries.
    pub binaries: PathBuf,
    /// The only functions to run, by their binaries' names. `None` runs all of the template's.
    pub only: Option<Vec<String>>,
    /// Variables that every function gets beside the template's.
    pub environment: BTreeMap<String, String>,
    /// Bounds on the functions' processes and asynchronous invocations.
    pub processes: ProcessLimits,
    /// Bounds on WebSocket connections.
    pub websocket: WebSocketLimits,
    /// The parts that this stack shares with others of this process, if it shares any.
    pub shared: Option<Shared>,
}

impl StackOptions {
    /// Options for a test: state in memory, a free port, and the environment `local` of the
    /// samconfig.toml beside the template.
    pub fn new(template: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> StackOptions {
        let template = template.into();
        StackOptions {
            samconfig: Some(template.with_file_name("samconfig.toml")),
            template,
            config_env: "local".to_owned(),
            sets: Vec::new(),
            state: State::Memory,
            port: None,
            hosts: Vec::new(),
            tries_functions: false,
            binaries: binaries.into(),
            only: None,
            environment: BTreeMap::new(),
            processes: ProcessLimits::default(),
            websocket: WebSocketLimits::default(),
            shared: None,
        }
    }

    /// Builds the binaries that the template names, in the workspace at the template's directory.
    /// Cargo's output passes through.
    pub fn build(&self) -> Result<(), StackError> {
        // The set of binaries does not depend on the URL.
        let deployment = self.deployment("http://127.0.0.1")?;
        let root = self.template.parent().unwrap_or(Path::new("."));
        Ok(builder::build(&deployment, root, &self.binaries)?)
    }

    /// The resolved template for an HTTP API at `url`, without the functions that are not wanted.
    pub(crate) fn deployment(&self, url: &str) -> Result<Deployment, TemplateError> {
        let source = self.source(url);
        let mut deployment = match &self.shared {
            Some(shared) => template::load_with(&source, shared.template())?,
            None => template::load(&source)?,
        };
        if let Some(only) = &self.only {
            deployment.functions.retain(|function| only.contains(&function.binary));
        }
        Ok(deployment)
    }

    /// The source of the template for an HTTP API at `url`.
    pub fn source(&self, url: &str) -> Source {
        Source {
            template: self.template.clone(),
            samconfig: self.samconfig.clone(),
            config_env: self.config_env.clone(),
            sets: self.sets.clone(),
            url: url.to_owned(),
        }
    }
}
