//! Values of `Ref` and `Fn::GetAtt` on this machine.

use s3s::path::check_bucket_name;
use serde_json::Value;

use super::document::Resource;
use super::error::TemplateError;
use super::keys::{key_arn, key_id};
use super::node::{Node, get};
use super::resolver::Resolver;
use super::{ACCOUNT, REGION, STACK};

/// Length of the longest name of a bucket.
const LONGEST_BUCKET_NAME: usize = 63;

/// Resource types that matter to AWS only: the template can refer to them, and they change nothing
/// here. The list names each type, not its service, so that a misspelt type is refused.
const WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "AWS::ApiGateway::Account",
    "AWS::ApiGatewayV2::Deployment",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::IAM::RolePolicy",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SQS::QueuePolicy",
];

/// Label of every local stream.
pub(crate) const STREAM_LABEL: &str = "local";

pub(super) fn has_local_effect(kind: &str) -> bool {
    !WITHOUT_LOCAL_EFFECT.contains(&kind)
}

/// The local ARN of a function.
pub(crate) fn function_arn(id: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{id}")
}

impl Resolver<'_> {
    /// The value of `Ref` for a resource.
    pub(super) fn physical_id(&self, name: &str) -> Result<String, TemplateError> {
        let resource = self.existing(name)?;
        match resource.kind.as_str() {
            "AWS::DynamoDB::Table" => self.own_name(resource, "TableName"),
            "AWS::SecretsManager::Secret" => Ok(format!(
                "arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{}",
                self.own_name(resource, "Name")?
            )),
            "AWS::ApiGatewayV2::Stage" => self.own_name(resource, "StageName"),
            "AWS::KMS::Key" => Ok(key_id(name)),
            "AWS::KMS::Alias" => self.own_name(resource, "AliasName"),
            // SDKs send requests to their configured endpoint, not to the host of this URL.
            "AWS::SQS::Queue" => Ok(format!(
                "https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}",
                self.own_name(resource, "QueueName")?
            )),
            "AWS::SNS::Topic" => {
                let name = self.own_name(resource, "TopicName")?;
                Ok(format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}"))
            }
            "AWS::S3::Bucket" => self.bucket_name(resource),
            _ => Ok(name.to_owned()),
        }
    }

    /// The value of `Fn::GetAtt` for a resource.
    pub(super) fn attribute(&self, name: &str, attribute: &str) -> Result<Value, TemplateError> {
        let resource = self.existing(name)?;
        let value = match (resource.kind.as_str(), attribute) {
            ("AWS::Serverless::Function", "Arn") => function_arn(name),
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => self.url.clone(),
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint") => websocket_url(&self.url),
            ("AWS::Serverless::HttpApi" | "AWS::ApiGatewayV2::Api", "ApiId") => name.to_owned(),
            ("AWS::DynamoDB::Table", "Arn") => table_arn(&self.own_name(resource, "TableName")?),
            ("AWS::DynamoDB::Table", "StreamArn")
                if get(&resource.properties, "StreamSpecification").is_some() =>
            {
                stream_arn(&self.own_name(resource, "TableName")?)
            }
            ("AWS::DynamoDB::Table", "StreamArn") => {
                return Err(TemplateError::new(format!(
                    "{name} has no stream: give it a StreamSpecification"
                )));
            }
            ("AWS::KMS::Key", "Arn") => key_arn(&key_id(name)),
            ("AWS::KMS::Key", "KeyId") => key_id(name),
            ("AWS::SecretsManager::Secret", "Id")
            | ("AWS::SNS::Topic", "TopicArn")
            | ("AWS::SQS::Queue", "QueueUrl") => self.physical_id(name)?,
            ("AWS::SQS::Queue", "QueueName") => self.own_name(resource, "QueueName")?,
            ("AWS::SQS::Queue", "Arn") => queue_arn(&self.own_name(resource, "QueueName")?),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{}", self.bucket_name(resource)?),
            // For a resource with no local effect, any attribute is a name that stands for it.
            (kind, "Arn") if !has_local_effect(kind) => {
                format!("arn:aws:local:{REGION}:{ACCOUNT}:{name}")
            }
            (kind, _) if !has_local_effect(kind) => format!("{name}.{attribute}"),
            (kind, _) => {
                return Err(TemplateError::new(format!(
                    "the local stack does not know the attribute `{attribute}` of {name}, which \
                     is {kind}"
                )));
            }
        };
        Ok(value.into())
    }

    /// The name that a resource gives itself in `property`, or else a name made from its logical
    /// id.
    pub(super) fn own_name(
        &self,
        resource: &Resource,
        property: &str,
    ) -> Result<String, TemplateError> {
        match get(&resource.properties, property) {
            None | Some(Node::Null) => Ok(format!("{STACK}-{}", resource.id)),
            Some(node) => {
                let place = format!("Resources.{}.Properties.{property}", resource.id);
                self.guarded(&place, || self.text(node))
                    .map_err(|error| error.within(place.clone()))
            }
        }
    }

    /// The name of a bucket. S3 takes no capitals, so a name made from a logical id has none.
    pub(super) fn bucket_name(&self, resource: &Resource) -> Result<String, TemplateError> {
        let name = self.own_name(resource, "BucketName")?;
        let name = match get(&resource.properties, "BucketName") {
            None | Some(Node::Null) => {
                name.to_lowercase().chars().take(LONGEST_BUCKET_NAME).collect()
            }
            Some(_) => name,
        };
        if check_bucket_name(&name) {
            return Ok(name);
        }
        Err(TemplateError::new(format!(
            "S3 does not take `{name}` as the name of the bucket {}: use 3 to 63 of `a-z`, `0-9`, \
             `-` and `.`, with a letter or a digit at both ends",
            resource.id
        )))
    }

    fn existing(&self, name: &str) -> Result<&Resource, TemplateError> {
        let resource = self.document.resource(name).ok_or_else(|| {
            TemplateError::new(format!("there is no parameter and no resource `{name}`"))
        })?;
        match &resource.condition {
            Some(condition) if !self.condition(condition)? => Err(TemplateError::new(format!(
                "`{name}` is left out by its condition `{condition}`"
            ))),
            _ => Ok(resource),
        }
    }
}

/// `http://…` as a WebSocket client spells it.
pub(crate) fn websocket_url(url: &str) -> String {
    url.replacen("http", "ws", 1)
}

/// The local ARN of a table's stream. On AWS it ends with the time at which the stream was enabled.
pub(super) fn stream_arn(table: &str) -> String {
    format!("{}/stream/{STREAM_LABEL}", table_arn(table))
}

fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

pub(super) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}
