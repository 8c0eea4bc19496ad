//! The parts of AWS clients, given explicitly. The SDK's default chain would read files, probe the
//! network and parse the system's certificates before the first request.

use std::sync::LazyLock;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{RetryConfig, SharedHttpClient, TimeoutConfig};

use crate::config::{Config, ConfigError};

/// The certificate authorities of AWS's own endpoints (Amazon Trust Services). Parsing all
/// certificates of the system would cost more than the rest of a cold start.
const AMAZON_ROOTS: &str = include_str!("../amazon-roots.pem");

/// The longest time to connect to a service.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The HTTPS client of the whole process: one TLS set-up, made while the function starts, and one
/// connection pool. The SDK's own client would set TLS up for each client, throw that away, and do
/// it again in the first request.
static HTTPS: LazyLock<SharedHttpClient> = LazyLock::new(|| {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let connector = Connector::builder()
        .connector_settings(
            HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build(),
        )
        .sleep_impl(TokioSleep::new())
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    let connector =
        SharedHttpConnector::new(match TlsContext::builder().with_trust_store(roots).build() {
            Ok(context) => connector.tls_context(context).build(),
            // The roots are compiled in, so this does not happen. If it did, the system's own roots
            // would do.
            Err(_) => connector.build(),
        });
    http_client_fn(move |_, _| connector.clone())
});

/// A service that functions call.
#[derive(Debug, Clone, Copy)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// Secrets Manager.
    SecretsManager,
    /// Lambda, to start workers.
    Lambda,
    /// The `@connections` endpoint of the WebSocket API.
    Connections,
    /// SES, version 2.
    Mail,
    /// KMS.
    Kms,
    /// S3.
    S3,
    /// Bedrock, to ask a model.
    Bedrock,
}

impl Service {
    /// The SDKs' own variable for another endpoint. Clients made from parts do not read it
    /// themselves.
    fn endpoint_variable(self) -> &'static str {
        match self {
            Service::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Service::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Service::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
            Service::Connections => "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI",
            Service::Mail => "AWS_ENDPOINT_URL_SESV2",
            Service::Kms => "AWS_ENDPOINT_URL_KMS",
            Service::S3 => "AWS_ENDPOINT_URL_S3",
            Service::Bedrock => "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        }
    }
}

/// The SDK configuration for one service: region, the environment's credentials, one HTTP client,
/// an endpoint if one is set.
pub fn sdk_config(config: &Config, service: Service) -> Result<SdkConfig, ConfigError> {
    let credentials = Credentials::new(
        config.require("AWS_ACCESS_KEY_ID")?,
        config.require("AWS_SECRET_ACCESS_KEY")?,
        config.get("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    );
    let endpoint = match (config.get(service.endpoint_variable()), service) {
        (Some(url), _) => Some(url),
        // A WebSocket API has its own address, with its stage. A URL for all services does not
        // replace it.
        (None, Service::Connections) => Some(config.require("CONNECTIONS_ENDPOINT")?),
        // A VPC endpoint, or a stand-in of the tests.
        (None, Service::Bedrock) => {
            config.get("BEDROCK_URL").or_else(|| config.get("AWS_ENDPOINT_URL"))
        }
        (None, _) => config.get("AWS_ENDPOINT_URL"),
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build();
    let builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.require("AWS_REGION")?.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client(endpoint))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(50)),
        )
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .timeout_config(timeouts);
    Ok(match endpoint {
        Some(url) => builder.endpoint_url(url).build(),
        None => builder.build(),
    })
}

/// The text for the log about a failed call: the chain of causes, each in its own words. The SDK's
/// `DisplayErrorContext` would add their `Debug` forms. Those can contain the bytes of a response,
/// such as those of a secret or an item.
pub fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Plain HTTP for an `http://` endpoint, so that no unused TLS is set up.
fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    if endpoint.is_some_and(|url| url.starts_with("http://")) {
        return Builder::new().build_http();
    }
    HTTPS.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_for_all_services_leaves_the_connections_their_own_with_its_stage() {
        let own = ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://127.0.0.1:1/live");
        for (service, more, expected) in [
            (Service::DynamoDb, None, "http://127.0.0.1:4566"),
            (Service::Connections, None, "https://api.execute-api.example.com/live"),
            (Service::Connections, Some(own), own.1),
            (Service::Lambda, Some(own), "http://127.0.0.1:4566"),
        ] {
            let settings = [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "id"),
                ("AWS_SECRET_ACCESS_KEY", "key"),
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
                ("CONNECTIONS_ENDPOINT", "https://api.execute-api.example.com/live"),
            ];
            let config: Config = settings.into_iter().chain(more).collect();
            assert_eq!(
                sdk_config(&config, service).unwrap().endpoint_url(),
                Some(expected),
                "{service:?}"
            );
        }
    }

    #[test]
    fn bedrock_has_an_address_of_its_own_if_one_is_set() {
        let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        let own = ("BEDROCK_URL", "https://vpce-1.bedrock-runtime.example.com");
        let of_sdk = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1");
        for (settings, service, expected) in [
            (vec![], Service::Bedrock, None),
            (vec![all], Service::Bedrock, Some(all.1)),
            (vec![all, own], Service::Bedrock, Some(own.1)),
            (vec![all, own, of_sdk], Service::Bedrock, Some(of_sdk.1)),
            (vec![all, ("BEDROCK_URL", "")], Service::Bedrock, Some(all.1)),
            (vec![all, own, of_sdk], Service::DynamoDb, Some(all.1)),
            (vec![own], Service::Kms, None),
        ] {
            let basic = [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "id"),
                ("AWS_SECRET_ACCESS_KEY", "key"),
            ];
            let config: Config = basic.into_iter().chain(settings.clone()).collect();
            assert_eq!(
                sdk_config(&config, service).unwrap().endpoint_url(),
                expected,
                "{service:?} {settings:?}"
            );
        }
    }
}
