//! Quotas of AWS that the template nears as it grows: the resources of a stack, and the environment
//! and policies of a function. Nothing else would notice before a deployment is refused.

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
/// IAM takes 10,240 characters of inline policies for a role. `chat-stream` comes close with
/// `bedrock` and the most ARNs that `BedrockModelArns` takes.
const POLICIES: usize = 10_000;

const FUNCTION: &str = "AWS::Serverless::Function";

/// The providers of the assistant. A function has the settings and rights of one.
const PROVIDERS: [&str; 4] = ["lorem", "anthropic", "openai", "bedrock"];

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
/// Characters that S3 takes for a bucket's name.
const BUCKET: usize = 63;
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

/// The call of an intrinsic function: its name and its argument.
fn call(value: &Value) -> Option<(&str, &Value)> {
    let mut entries = value.as_object()?.iter();
    let (name, argument) = entries.next()?;
    let is_call = entries.next().is_none() && (name == "Ref" || name.starts_with("Fn::"));
    is_call.then_some((name.as_str(), argument))
}

/// Whether a condition of the template holds with this provider of the assistant.
fn holds(condition: &Value, provider: &str) -> bool {
    let name = condition.as_str().and_then(|name| name.strip_prefix("Asks")).unwrap_or_default();
    let name = name.to_lowercase();
    assert!(PROVIDERS.contains(&name.as_str()), "when does {condition} hold?");
    name == provider
}

/// The template, and of each value the longest one that it can be. Values are taken to be ASCII.
struct Longest {
    resources: Map<String, Value>,
    parameters: BTreeMap<String, Option<usize>>,
}

impl Longest {
    /// The template as it stands in the project.
    fn read() -> Self {
        let path = root().join("template.yaml");
        Self {
            resources: template::resources(&path).unwrap(),
            parameters: template::longest_values(&path).unwrap(),
        }
    }

    /// How long the JSON of this part of each function can be with each provider.
    fn sizes(&self, part: &str) -> Vec<(&str, &'static str, usize)> {
        let mut sizes = Vec::new();
        for (id, resource) in &self.resources {
            let part = resource.pointer(part).filter(|_| resource["Type"] == FUNCTION);
            for provider in PROVIDERS {
                let longest = part.and_then(|part| self.value(part, provider));
                let size = longest.map(|longest| longest.to_string().len());
                sizes.extend(size.map(|size| (id.as_str(), provider, size)));
            }
        }
        sizes
    }

    /// The longest value with this provider, all scalars as texts. `None` if the value is left out.
    fn value(&self, value: &Value, provider: &str) -> Option<Value> {
        Some(match (call(value), value) {
            (Some(("Ref", name)), _) if name == "AWS::NoValue" => return None,
            (Some(("Fn::If", parts)), _) => {
                let part = if holds(&parts[0], provider) { &parts[1] } else { &parts[2] };
                return self.value(part, provider);
            }
            (Some((function, argument)), _) => self.text(function, argument).into(),
            (None, Value::Array(items)) => {
                items.iter().filter_map(|item| self.value(item, provider)).collect()
            }
            (None, Value::Object(entries)) => entries
                .iter()
                .filter_map(|(name, entry)| Some((name.clone(), self.value(entry, provider)?)))
                .collect::<Map<_, _>>()
                .into(),
            (None, Value::String(text)) => text.clone().into(),
            (None, other) => other.to_string().into(),
        })
    }

    /// The longest text of a call.
    fn text(&self, function: &str, argument: &Value) -> String {
        match (function, argument) {
            ("Ref", Value::String(name)) => self.reference(name),
            ("Fn::Sub", Value::String(pattern)) => self.substituted(pattern),
            ("Fn::GetAtt", parts) => {
                self.attribute(parts[0].as_str().unwrap(), parts[1].as_str().unwrap())
            }
            ("Fn::Join", parts) if parts[1]["Ref"] == "CorsOrigins" => "o".repeat(ORIGINS),
            // The items and their separators are as long as the text.
            ("Fn::Split", parts) => self.reference(parts[1]["Ref"].as_str().unwrap()),
            _ => panic!("how long can {function} of {argument} be?"),
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
            (_, "AWS::S3::Bucket") => "b".repeat(BUCKET),
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
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", &format!("table/{}", named(id))),
            ("AWS::S3::Bucket", "Arn") => format!("arn:{PARTITION}:s3:::{}", "b".repeat(BUCKET)),
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
    // Lambda's refusal quotes the text that it has measured: the names and values as one JSON
    // object.
    for (id, provider, size) in Longest::read().sizes("/Properties/Environment/Variables") {
        assert!(
            size <= ENVIRONMENT,
            "the variables of {id} can have {size} bytes with {provider}: {ENVIRONMENT} is our \
             limit, 4096 is Lambda's"
        );
    }
}

#[test]
fn every_role_has_room_for_more_statements() {
    for (id, provider, size) in Longest::read().sizes("/Properties/Policies") {
        assert!(
            size <= POLICIES,
            "the policies of {id} can have {size} characters with {provider}: {POLICIES} is our \
             limit, 10240 is IAM's"
        );
    }
}
