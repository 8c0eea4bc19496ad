//! A log in a bucket of S3.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the environment is the functions'"
)]

use std::env;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::error::Unreadable;

/// The objects of a bucket under a prefix.
pub(crate) struct Bucket {
    client: Client,
    name: String,
    /// Empty, or ends with a slash.
    prefix: String,
}

impl Bucket {
    /// The bucket `<name>[/<prefix>]`, with the credentials, the region and the endpoint of the
    /// environment.
    pub(crate) fn open(place: &str) -> Result<Self, Unreadable> {
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { client: client()?, name: name.to_owned(), prefix })
    }

    /// The object with this key, up to one byte more than `limit`.
    pub(crate) async fn read(
        &self,
        path: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let key = format!("{}{path}", self.prefix);
        let answer = self.client.get_object().bucket(&self.name).key(&key).send().await;
        let mut body = match answer {
            Ok(object) => object.body,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(Unreadable::file(&key, &error)),
        };
        let mut bytes = Vec::new();
        while bytes.len() <= limit
            && let Some(chunk) =
                body.try_next().await.map_err(|error| Unreadable::file(&key, &error))?
        {
            bytes.extend_from_slice(&chunk);
        }
        bytes.truncate(limit + 1);
        Ok(Some(bytes))
    }

    /// Gives the name of each object in a folder.
    pub(crate) async fn list(
        &self,
        folder: &str,
        mut each: impl FnMut(&str),
    ) -> Result<(), Unreadable> {
        let prefix = format!("{}{folder}/", self.prefix);
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(&prefix);
        let mut pages = list.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Unreadable::file(&prefix, &error))?;
            for object in page.contents() {
                let name = object.key().and_then(|key| key.strip_prefix(&prefix));
                name.into_iter().for_each(&mut each);
            }
        }
        Ok(())
    }
}

fn client() -> Result<Client, Unreadable> {
    let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.ok_or_else(|| missing("AWS_REGION"))?;
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID").ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?,
        variable("AWS_SECRET_ACCESS_KEY").ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?,
        variable("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let http = Builder::new();
    let http = if endpoint.as_ref().is_some_and(|url| url.starts_with("http://")) {
        http.build_http()
    } else {
        http.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
    };
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::standard())
        .http_client(http);
    if let Some(url) = endpoint {
        // A bucket's name does not resolve as a part of another server's name.
        config = config.endpoint_url(url).force_path_style(true);
    }
    Ok(Client::from_conf(config.build()))
}

/// A variable of the environment. An empty one is not set, as for AWS's own tools.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn missing(name: &str) -> Unreadable {
    Unreadable(format!(
        "the environment variable {name} is not set. `aws configure export-credentials --format \
         env` prints the credentials of a profile as variables"
    ))
}
