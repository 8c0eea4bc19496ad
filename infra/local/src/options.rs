//! What a stack is to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::aws::State;
use crate::builder;
use crate::error::StackError;
use crate::lambda::ProcessLimits;
use crate::template::model::Deployment;
use crate::template::{self, Source, TemplateError};
use crate::websocket_api::WebSocketLimits;

/// What to bring up, and how.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Path of template.yaml.
    pub template: PathBuf,
    /// Path of samconfig.toml, for the parameters; without it they have their defaults.
    pub samconfig: Option<PathBuf>,
    /// The environment in samconfig.toml.
    pub config_env: String,
    /// Parameter values that come before those of samconfig.toml.
    pub sets: Vec<(String, String)>,
    /// Where tables, secrets, mail and logs are kept.
    pub state: State,
    /// Port of the HTTP and WebSocket APIs; `None` takes a free one.
    pub port: Option<u16>,
    /// Names by which clients reach the port, beside `localhost` and this machine's addresses.
    pub hosts: Vec<String>,
    /// Whether the start fails where a function cannot start with its settings. It starts each of them once, some seconds in all.
    pub tries_functions: bool,
    /// Directory of the functions' binaries.
    pub binaries: PathBuf,
    /// The only functions that there are, by their binaries' names; `None`: all of the template's.
    pub only: Option<Vec<String>>,
    /// Variables that every function gets beside the template's.
    pub environment: BTreeMap<String, String>,
    /// Bounds on the functions' processes.
    pub processes: ProcessLimits,
    /// Bounds on WebSocket connections.
    pub websocket: WebSocketLimits,
}

impl StackOptions {
    /// A stack as tests want it: in memory, on a free port, with the environment `local` of the samconfig.toml beside the template.
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
        }
    }

    /// Builds the binaries that the template names, in the workspace that the template is the root of. Cargo's output passes through.
    pub fn build(&self) -> Result<(), StackError> {
        // Which binaries there are does not depend on the URL.
        let deployment = self.deployment("http://127.0.0.1")?;
        let root = self.template.parent().unwrap_or(Path::new("."));
        Ok(builder::build(&deployment, root, &self.binaries)?)
    }

    /// What the template says where the HTTP API is at `url`, as far as it is wanted.
    pub(crate) fn deployment(&self, url: &str) -> Result<Deployment, TemplateError> {
        let mut deployment = template::load(&self.source(url))?;
        if let Some(only) = &self.only {
            deployment.functions.retain(|function| only.contains(&function.binary));
        }
        Ok(deployment)
    }

    /// The template, as it is where the HTTP API is at `url`.
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
