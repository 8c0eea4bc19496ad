//! The table of circuits alone, and providers that use it.

use std::sync::OnceLock;

use assistant::Provider;
use assistant::store::Outages;
use platform::Platform;
use platform::clock::{Clock, Timestamp};
use platform::config::Config;
use tally_local::aws::{Aws, AwsSettings, Credentials, State};
use tally_local::lambda::NoFunctions;
use tally_local::template::model::{Resources, Table};
use tally_local::{StackOptions, template};
use tokio::net::TcpListener;

use crate::bedrock_api::BedrockApi;
use crate::completions_api::CompletionsApi;
use crate::messages_api::MessagesApi;
use crate::root;

/// The table of circuits alone, for providers that a test makes itself.
pub struct Circuits {
    _aws: Aws,
    credentials: Credentials,
    settings: [(&'static str, String); 5],
}

impl Circuits {
    /// Makes a table without failures.
    pub async fn start() -> Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        let table = TABLE.get_or_init(|| {
            let options = StackOptions::new(root().join("template.yaml"), "");
            let tables =
                template::load(&options.source("http://127.0.0.1:1")).unwrap().resources.tables;
            tables.into_iter().find(|table| table.id == "OutagesTable").unwrap()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, credentials) =
            (format!("http://{}", listener.local_addr().unwrap()), Credentials::random());
        let settings = [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB", url),
            ("OUTAGES_TABLE", table.name.clone()),
        ];
        let served = AwsSettings {
            state: State::Memory,
            resources: Resources { tables: vec![table.clone()], ..Resources::default() },
            s3: None,
            functions: NoFunctions,
            connections: None,
        };
        let aws = Aws::start(listener, credentials.clone(), served).await.unwrap();
        Self { _aws: aws, credentials, settings }
    }

    /// The platform of functions, with these additional settings.
    pub fn platform(&self, own: &[(&str, &str)]) -> Platform {
        let settings = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        Platform::new(settings.chain(own.iter().copied()).collect::<Config>(), Clock::System)
    }

    /// The provider `anthropic` with these circuits and settings, whose first model is `first`. The
    /// server is also its Secrets Manager.
    pub fn anthropic(&self, api: &MessagesApi, own: &[(&str, &str)]) -> Box<dyn Provider> {
        let settings = [
            ("AI_PROVIDER", "anthropic"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", api.url.as_str()),
            ("ANTHROPIC_BASE_URL", &api.url),
            ("ANTHROPIC_KEY_ARN", "arn:key"),
        ];
        self.provider(&settings, own)
    }

    /// The provider `bedrock` with these circuits and settings, whose first model is `first`. The
    /// server takes their credentials from now on.
    pub fn bedrock(&self, api: &BedrockApi, own: &[(&str, &str)]) -> Box<dyn Provider> {
        api.admit(&self.credentials);
        self.provider(&[("AI_PROVIDER", "bedrock"), ("BEDROCK_URL", api.url.as_str())], own)
    }

    /// The provider `openai` with these circuits and settings, whose first model is `first`. The
    /// server is also its Secrets Manager.
    pub fn openai(&self, api: &CompletionsApi, own: &[(&str, &str)]) -> Box<dyn Provider> {
        let base = format!("{}/v1", api.url);
        let settings = [
            ("AI_PROVIDER", "openai"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", api.url.as_str()),
            ("OPENAI_BASE_URL", &base),
            ("OPENAI_KEY_ARN", "arn:key"),
        ];
        self.provider(&settings, own)
    }

    /// The provider with these settings, whose first model is `first`.
    pub fn provider(&self, of_kind: &[(&str, &str)], own: &[(&str, &str)]) -> Box<dyn Provider> {
        let models = [
            ("AI_MODEL", "first"),
            ("AI_PRICES", "first=5/25/6.25/0.50,second=1/5/1.25/0.10,third=10/50/12.50/1"),
        ];
        let settings = [&models, of_kind, own].concat();
        assistant::provider(&self.platform(&settings)).unwrap()
    }

    /// `None` without an outage. Otherwise whether it is total, so that no model is asked.
    pub async fn outage(&self, now: Timestamp) -> Option<bool> {
        self.outages().current(now).await.unwrap().map(|outage| outage.is_total)
    }

    /// The table of circuits.
    pub fn outages(&self) -> Outages {
        let platform = self.platform(&[]);
        Outages::new(&platform).unwrap()
    }
}
