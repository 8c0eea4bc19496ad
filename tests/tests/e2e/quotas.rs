//! Quotas of AWS that the template nears as it grows: the resources of a stack, and the environment
//! of a function. Nothing else would notice before a deployment is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tally_local::template;
use tally_tests::root;

/// CloudFormation takes 500 resources in a stack, counted after SAM's transform.
const RESOURCES: usize = 480;
/// Lambda takes 4,096 bytes of environment variables for a function. The worker `chat-stream` comes
/// close, because it has the tables of all tools beside its own. A tool with a further table needs
/// another place. So does `sso`, by the lengths of the settings of single sign-on: if it needs a
/// further variable, shorten one of them.
const ENVIRONMENT: usize = 4_064;

/// Properties by which SAM makes more resources than [`made_of`] counts.
const UNCOUNTED: [&str; 3] = ["AutoPublishAlias", "Domain", "FunctionUrlConfig"];

/// How many resources SAM's transform makes of one:
///
/// - of a function two, itself and its role, which has the policies; and besides
///   - for an `HttpApi` event one, the API's permission to invoke the function (the route is part
///     of the API);
///   - for a `Schedule` event two, the rule and its permission;
///   - for a `DynamoDB` event one, the event source mapping;
///   - for `EventInvokeConfig` one (its queue is a resource of the template's own);
/// - of the HTTP API two, itself and its stage;
/// - of any other resource one, itself, even if a condition may leave it out.
///
/// For 43 functions this gave 214 resources, and so did samtranslator 1.115.0.
fn made_of(id: &str, resource: &Value) -> usize {
    let properties = &resource["Properties"];
    let kind = resource["Type"].as_str().unwrap();
    if !kind.starts_with("AWS::Serverless::") {
        return 1;
    }
    for property in UNCOUNTED {
        assert_eq!(
            properties[property],
            Value::Null,
            "count what SAM makes of the {property} of {id}"
        );
    }
    match kind {
        "AWS::Serverless::Function" => {
            let events =
                properties["Events"].as_object().into_iter().flat_map(|events| events.values());
            let sources = events.map(|event| match event["Type"].as_str().unwrap() {
                "HttpApi" | "DynamoDB" => 1_usize,
                "Schedule" => 2,
                other => panic!("count what SAM makes of the {other} event of {id}"),
            });
            2 + sources.sum::<usize>() + usize::from(!properties["EventInvokeConfig"].is_null())
        }
        "AWS::Serverless::HttpApi" => 2,
        other => panic!("count what SAM makes of {id}, which is {other}"),
    }
}

#[test]
fn the_stack_has_room_for_more_resources() {
    let resources = template::resources(&root().join("template.yaml")).unwrap();
    let made: usize = resources.iter().map(|(id, resource)| made_of(id, resource)).sum();
    assert!(
        made <= RESOURCES,
        "the stack has {made} resources after SAM's transform: split it before CloudFormation's \
         500 are reached"
    );
}

/// The name of the stack. CloudFormation would take 128 characters, but the name is a part of each
/// table's name. docs/operations.md has this limit.
const STACK: &str = "a-name-of-32-bytes-for-the-stack";
const _: () = assert!(STACK.len() == 32);
// The longest of all regions and partitions, which never meet.
const PARTITION: &str = "aws-us-gov";
const REGION: &str = "us-isof-south-1";
const URL_SUFFIX: &str = "amazonaws.com.cn";
const ACCOUNT: &str = "000000000000";
/// The id of an API.
const API: &str = "0123456789";
/// CloudFormation bounds no list. The default of the template has a tenth of this.
const ORIGINS: usize = 1_024;

/// A name that CloudFormation makes.
fn named(id: &str) -> String {
    format!("{STACK}-{id}-1234567890123")
}

fn arn(service: &str, rest: &str) -> String {
    format!("arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{rest}")
}

/// The template, and of each variable the longest value that it can have. Values are taken to be
/// ASCII.
struct Longest {
    resources: Map<String, Value>,
    parameters: BTreeMap<String, Option<usize>>,
}

impl Longest {
    fn value(&self, value: &Value) -> String {
        if let Value::String(text) = value {
            return text.clone();
        }
        let call = value.as_object().and_then(|call| call.iter().next());
        match call.map(|(function, argument)| (function.as_str(), argument)) {
            None => value.to_string(),
            Some(("Ref", Value::String(name))) => self.reference(name),
            Some(("Fn::Sub", Value::String(pattern))) => self.substituted(pattern),
            Some(("Fn::GetAtt", parts)) => {
                self.attribute(parts[0].as_str().unwrap(), parts[1].as_str().unwrap())
            }
            Some(("Fn::Join", parts)) if parts[1]["Ref"] == "CorsOrigins" => "o".repeat(ORIGINS),
            Some(_) => panic!("how long can {value} be?"),
        }
    }

    fn substituted(&self, pattern: &str) -> String {
        let mut parts = pattern.split("${");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            text += &name.split_once('.').map_or_else(
                || self.reference(name),
                |(id, attribute)| self.attribute(id, attribute),
            );
            text += rest;
        }
        text
    }

    fn reference(&self, name: &str) -> String {
        if let Some(longest) = self.parameters.get(name) {
            let longest = longest.unwrap_or_else(|| {
                panic!("{name} is part of an environment: give it a MaxLength or a MaxValue")
            });
            return "p".repeat(longest);
        }
        match (name, self.kind(name)) {
            ("AWS::Partition", _) => PARTITION.to_owned(),
            ("AWS::Region", _) => REGION.to_owned(),
            ("AWS::AccountId", _) => ACCOUNT.to_owned(),
            ("AWS::URLSuffix", _) => URL_SUFFIX.to_owned(),
            ("AWS::StackName", _) => STACK.to_owned(),
            (_, "AWS::DynamoDB::Table") => named(name),
            // S3 takes 63 characters for a bucket's name.
            (_, "AWS::S3::Bucket") => "b".repeat(63),
            // Secrets Manager adds a hyphen and six characters.
            (_, "AWS::SecretsManager::Secret") => {
                arn("secretsmanager", &format!("secret:{}-123456", named(name)))
            }
            (_, "AWS::ApiGatewayV2::Api") => API.to_owned(),
            (_, "AWS::ApiGatewayV2::Stage") => {
                self.resources[name]["Properties"]["StageName"].as_str().unwrap().to_owned()
            }
            (_, kind) => panic!("how long can the Ref of {name} be, which is {kind:?}?"),
        }
    }

    fn attribute(&self, id: &str, attribute: &str) -> String {
        match (self.kind(id), attribute) {
            // Lambda takes 64 characters for a function's name, so CloudFormation cuts those that
            // it makes.
            ("AWS::Serverless::Function", "Arn") => {
                arn("lambda", &format!("function:{}", "f".repeat(64)))
            }
            ("AWS::KMS::Key", "Arn") => arn("kms", &format!("key/{}", "0".repeat(36))),
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint") => {
                format!("wss://{API}.execute-api.{REGION}.{URL_SUFFIX}")
            }
            (kind, _) => panic!("how long can the {attribute} of {id} be, which is {kind:?}?"),
        }
    }

    /// The type of a resource. It is empty for any other name.
    fn kind(&self, id: &str) -> &str {
        self.resources.get(id).and_then(|resource| resource["Type"].as_str()).unwrap_or_default()
    }
}

#[test]
fn every_environment_has_room_for_more_variables() {
    let path = root().join("template.yaml");
    let longest = Longest {
        resources: template::resources(&path).unwrap(),
        parameters: template::longest_values(&path).unwrap(),
    };
    for (id, function) in longest
        .resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
    {
        let variables = function["Properties"]["Environment"]["Variables"].as_object().unwrap();
        let variables: Map<_, _> = variables
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(longest.value(value))))
            .collect();
        // Lambda's refusal quotes the text that it has measured: the names and values as one JSON
        // object.
        let size = Value::from(variables).to_string().len();
        assert!(
            size <= ENVIRONMENT,
            "the variables of {id} can have {size} bytes: {ENVIRONMENT} is our limit, 4096 is \
             Lambda's"
        );
    }
}
