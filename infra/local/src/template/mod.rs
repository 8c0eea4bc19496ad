//! template.yaml and samconfig.toml, resolved into a [`model::Deployment`].
//!
//! The text becomes a tree (`node`), and the tree becomes sections (`document`). Then parameters
//! get their values (`parameters`, `samconfig`), and so do intrinsic functions (`resolver`,
//! `conditions`, `attributes`). At last the resources become the parts that the local stack runs
//! (`serverless`, `streams`, `event_invoke`, `storage`, `buckets`, `keys`, `gateway`). An unknown
//! name is an error that gives its place. It is never skipped.

mod attributes;
mod bucket_rules;
mod buckets;
mod conditions;
mod destination;
mod document;
mod error;
mod event_invoke;
mod gateway;
mod keys;
mod metadata;
pub mod model;
mod node;
mod parameters;
mod properties;
mod references;
mod resolver;
mod resources;
mod samconfig;
mod serverless;
mod storage;
mod streams;
mod substitution;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use attributes::{STREAM_LABEL, function_arn, websocket_url};
pub use error::TemplateError;
pub use references::{References, cycle};

use document::{Document, Resource};
use gateway::Gateway;
use model::{Deployment, HttpApi, HttpRoute, Resources};
use node::{Node, get};
use resolver::Resolver;
use storage::Rotation;

/// Region of all local resources.
pub(crate) const REGION: &str = "us-east-1";
/// Account of all local resources.
pub(crate) const ACCOUNT: &str = "000000000000";
/// Name of the local stack. It is the prefix of the names that the template leaves to
/// CloudFormation.
pub(crate) const STACK: &str = "tally-local";

/// The template to load, with the values of its parameters.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path of template.yaml.
    pub template: PathBuf,
    /// Path of samconfig.toml, if its values apply.
    pub samconfig: Option<PathBuf>,
    /// The environment of samconfig.toml: `local`.
    pub config_env: String,
    /// Parameter values that override all others.
    pub sets: Vec<(String, String)>,
    /// URL of the HTTP API on this machine, without a trailing slash.
    pub url: String,
}

/// The template that was read last, parsed but not resolved. To parse takes longer than all that
/// follows.
#[derive(Debug, Default)]
pub(crate) struct Parsed(Mutex<Option<(String, Arc<Document>)>>);

impl Parsed {
    /// Parses a text, unless it is the same as the last one.
    fn document(&self, text: String) -> Result<Arc<Document>, TemplateError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((parsed, document)) = &*last
            && *parsed == text
        {
            return Ok(Arc::clone(document));
        }
        let document = Arc::new(Document::read(&text)?);
        *last = Some((text, Arc::clone(&document)));
        Ok(document)
    }
}

/// Reads and resolves a template.
pub fn load(source: &Source) -> Result<Deployment, TemplateError> {
    load_with(source, &Parsed::default())
}

/// Reads and resolves a template whose text may be parsed already.
pub(crate) fn load_with(source: &Source, parsed: &Parsed) -> Result<Deployment, TemplateError> {
    let mut given = BTreeMap::new();
    if let Some(path) = &source.samconfig {
        given = read_file(path)
            .and_then(|text| samconfig::parameter_overrides(&text, &source.config_env))
            .map_err(|error| error.in_file(path))?;
    }
    given.extend(source.sets.iter().cloned());
    read_file(&source.template)
        .and_then(|text| parsed.document(text))
        .and_then(|document| deployment(&document, given, &source.url))
        .map_err(|error| error.in_file(&source.template))
}

/// The references between a template's resources. With [`cycle`], they show what CloudFormation
/// would refuse as a circular dependency.
pub fn references(template: &Path) -> Result<References, TemplateError> {
    read_file(template)
        .and_then(|text| Document::read(&text))
        .and_then(|document| references::of(&document))
        .map_err(|error| error.in_file(template))
}

/// The resources of a template by logical id, for rules about the template itself. `Globals` are
/// merged in, and nothing is resolved: `{Type, Metadata, Properties}` as JSON, intrinsic functions
/// in their long form.
pub fn resources(
    template: &Path,
) -> Result<serde_json::Map<String, serde_json::Value>, TemplateError> {
    read_file(template)
        .and_then(|text| Document::read(&text))
        .map(resources::of)
        .map_err(|error| error.in_file(template))
}

/// The length of the longest value of each parameter, for rules about the template itself. `None`
/// if the template sets no bound.
pub fn longest_values(template: &Path) -> Result<BTreeMap<String, Option<usize>>, TemplateError> {
    let document = read_file(template)
        .and_then(|text| Document::read(&text))
        .map_err(|error| error.in_file(template))?;
    Ok(document
        .parameters
        .iter()
        .map(|(name, parameter)| (name.clone(), parameters::longest(parameter)))
        .collect())
}

fn deployment(
    document: &Document,
    given: BTreeMap<String, String>,
    url: &str,
) -> Result<Deployment, TemplateError> {
    if let Some(circle) = cycle(&references::of(document)?) {
        return Err(TemplateError::new(format!(
            "CloudFormation would refuse this circular dependency: {}",
            circle.join(" -> ")
        ))
        .within("Resources"));
    }
    let resolver =
        Resolver::new(document, parameters::values(&document.parameters, given, url)?, url);
    resolver.check_rules()?;
    let mut deployment = Deployment::default();
    let mut gateway = Gateway::default();
    let mut routes = Vec::new();
    let mut rotations = Vec::new();
    for resource in &document.resources {
        add(resource, &resolver, &mut deployment, &mut gateway, &mut routes, &mut rotations)
            .map_err(|error| error.within(format!("Resources.{}", resource.id)))?;
    }
    for (api, route) in routes {
        match &mut deployment.http_api {
            Some(http_api) if http_api.id == api => add_route(http_api, route)?,
            _ => {
                let error = TemplateError::new(format!(
                    "the event on {} names `{api}`, which is not an HTTP API of this template",
                    route.route_key
                ));
                return Err(error.within(format!("Resources.{}.Properties.Events", route.function)));
            }
        }
    }
    for (id, rotation) in rotations {
        let secret = deployment
            .resources
            .secrets
            .iter_mut()
            .find(|secret| secret.arn == rotation.secret_arn);
        let Some(secret) = secret else {
            return Err(TemplateError::new("this is not a secret of this template")
                .within(format!("Resources.{id}.Properties.SecretId")));
        };
        secret.rotated_by = Some(rotation.function_arn);
    }
    keys::add_aliases(document, &resolver, &mut deployment.resources.keys)?;
    check_names(&deployment.resources)?;
    event_invoke::check_destinations(&deployment)?;
    streams::check(&deployment)?;
    deployment.websocket_api = gateway.finish()?;
    deployment.outputs = outputs(document, &resolver).map_err(|error| error.within("Outputs"))?;
    metadata::read(document, &mut deployment, url)?;
    Ok(deployment)
}

fn add(
    resource: &Resource,
    resolver: &Resolver,
    deployment: &mut Deployment,
    gateway: &mut Gateway,
    routes: &mut Vec<(String, HttpRoute)>,
    rotations: &mut Vec<(String, Rotation)>,
) -> Result<(), TemplateError> {
    if let Some(condition) = &resource.condition
        && !resolver.condition(condition)?
    {
        return Ok(());
    }
    match resource.kind.as_str() {
        "AWS::Serverless::Function" => {
            let (function, events) = serverless::function(resource, resolver)?;
            deployment.functions.push(function);
            routes.extend(events);
        }
        "AWS::Serverless::HttpApi" => {
            if deployment.http_api.replace(serverless::http_api(resource, resolver)?).is_some() {
                return Err(TemplateError::new(
                    "this is a second HTTP API: the local stack runs one",
                ));
            }
        }
        "AWS::DynamoDB::Table" => {
            deployment.resources.tables.push(storage::table(resource, resolver)?);
        }
        "AWS::S3::Bucket" => {
            deployment.resources.buckets.push(buckets::bucket(resource, resolver)?);
        }
        "AWS::SecretsManager::Secret" => {
            deployment.resources.secrets.push(storage::secret(resource, resolver)?);
        }
        "AWS::SQS::Queue" => deployment.resources.queues.push(storage::queue(resource, resolver)?),
        "AWS::SecretsManager::RotationSchedule" => {
            rotations.push((resource.id.clone(), storage::rotation(resource, resolver)?));
        }
        "AWS::KMS::Key" => deployment.resources.keys.push(keys::key(resource, resolver)?),
        "AWS::KMS::Alias" => {} // Its key may come later, so `deployment` reads it at the end.
        kind if !attributes::has_local_effect(kind) => {
            // They have no effect here, but the names they refer to must exist.
            resolver.map(&resource.properties).map_err(|error| error.within("Properties"))?;
        }
        kind => {
            if !gateway.take(resource, resolver)? {
                return Err(TemplateError::new(format!(
                    "the local stack does not know the resource type `{kind}`"
                )));
            }
        }
    }
    Ok(())
}

/// Adds a route. CloudFormation refuses a second route with the same key, also on another function.
fn add_route(api: &mut HttpApi, route: HttpRoute) -> Result<(), TemplateError> {
    if let Some(other) = api.routes.iter().find(|other| other.route_key == route.route_key) {
        let error = TemplateError::new(format!(
            "{} has the route {} already",
            other.function, route.route_key
        ));
        return Err(error.within(format!("Resources.{}.Properties.Events", route.function)));
    }
    api.routes.push(route);
    Ok(())
}

/// Refuses two resources of one kind with the same name, as CloudFormation does.
fn check_names(resources: &Resources) -> Result<(), TemplateError> {
    let Resources { tables, secrets, queues, buckets, keys: _ } = resources;
    let named = tables.iter().map(|table| ("table", &table.id, &table.name));
    let named = named.chain(secrets.iter().map(|secret| ("secret", &secret.id, &secret.name)));
    let named = named.chain(queues.iter().map(|queue| ("queue", &queue.id, &queue.name)));
    let named = named.chain(buckets.iter().map(|bucket| ("bucket", &bucket.id, &bucket.name)));
    let mut taken = BTreeMap::new();
    for (kind, id, name) in named {
        if let Some(other) = taken.insert((kind, name), id) {
            let error = TemplateError::new(format!("the {kind} {other} has the name `{name}` too"));
            return Err(error.within(format!("Resources.{id}")));
        }
    }
    Ok(())
}

fn outputs(
    document: &Document,
    resolver: &Resolver,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let mut outputs = BTreeMap::new();
    for (name, node) in &document.outputs {
        let Node::Map(output) = node else {
            return Err(TemplateError::new("this must be a map").within(name));
        };
        if let Some(Node::String(condition)) = get(output, "Condition")
            && !resolver.condition(condition)?
        {
            continue;
        }
        let value =
            get(output, "Value").ok_or_else(|| TemplateError::new("the output has no Value"));
        let value =
            value.and_then(|node| resolver.text(node).map_err(|error| error.within("Value")));
        outputs.insert(name.clone(), value.map_err(|error| error.within(name))?);
    }
    Ok(outputs)
}

fn read_file(path: &Path) -> Result<String, TemplateError> {
    std::fs::read_to_string(path)
        .map_err(|error| TemplateError::new(format!("the file can't be read: {error}")))
}
