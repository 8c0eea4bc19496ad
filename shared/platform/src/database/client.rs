//! The client by which the other files call DynamoDB.

use crate::aws::{Service, sdk_config};
use crate::config::{Config, ConfigError};

/// A client of DynamoDB.
#[derive(Debug, Clone)]
pub struct Database {
    client: aws_sdk_dynamodb::Client,
}

impl Database {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { client: aws_sdk_dynamodb::Client::new(&sdk_config(config, Service::DynamoDb)?) })
    }

    /// The SDK's client, from which stores build their requests.
    pub fn client(&self) -> &aws_sdk_dynamodb::Client {
        &self.client
    }
}
