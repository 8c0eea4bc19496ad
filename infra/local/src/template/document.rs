//! The sections of a template, with SAM's `Globals` merged into the resources they apply to.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::error::TemplateError;
use super::node::{Map, Node, parse};

/// A template with nothing resolved yet.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub metadata: Map,
    pub parameters: BTreeMap<String, Parameter>,
    pub rules: Vec<(String, Rule)>,
    pub mappings: Map,
    pub conditions: Map,
    /// In the template's order.
    pub resources: Vec<Resource>,
    pub outputs: Map,
}

/// An entry of `Parameters`.
#[derive(Debug, Default)]
pub(super) struct Parameter {
    pub kind: String,
    pub default: Option<String>,
    pub allowed: Vec<String>,
    /// The whole value, or each item of a list, must match this pattern.
    pub pattern: Option<Regex>,
    /// The message that CloudFormation shows in place of the pattern.
    pub constraint: Option<String>,
    pub length: (Option<f64>, Option<f64>),
    pub value: (Option<f64>, Option<f64>),
}

/// An entry of `Rules`: assertions about the parameters, which apply where the rule's condition
/// holds.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub condition: Option<Node>,
    /// Conditions, each with the message for the case that it does not hold.
    pub assertions: Vec<(Node, String)>,
}

/// An entry of `Resources`.
#[derive(Debug, Default)]
pub(super) struct Resource {
    pub id: String,
    pub kind: String,
    pub condition: Option<String>,
    pub depends_on: Vec<String>,
    pub metadata: Map,
    pub properties: Map,
}

impl Document {
    pub(super) fn read(text: &str) -> Result<Document, TemplateError> {
        let mut document = Document::default();
        let mut globals = Map::new();
        for (section, node) in map(parse(text)?)? {
            let read = match section.as_str() {
                "AWSTemplateFormatVersion" | "Description" => Ok(()),
                "Rules" => entries(node, |_, entry| rule(entry)).map(|all| document.rules = all),
                "Transform" if node == Node::String("AWS::Serverless-2016-10-31".into()) => Ok(()),
                "Transform" => Err(TemplateError::new(
                    "the local stack knows only the transform AWS::Serverless-2016-10-31",
                )),
                "Metadata" => map(node).map(|map| document.metadata = map),
                "Globals" => map(node).map(|map| globals = map),
                "Mappings" => map(node).map(|map| document.mappings = map),
                "Conditions" => map(node).map(|map| document.conditions = map),
                "Outputs" => map(node).map(|map| document.outputs = map),
                "Parameters" => entries(node, |_, entry| parameter(entry))
                    .map(|all| document.parameters = all.into_iter().collect()),
                "Resources" => entries(node, resource).map(|all| {
                    document.resources = all.into_iter().map(|(_, resource)| resource).collect();
                }),
                _ => Err(TemplateError::new("the local stack does not know this section")),
            };
            read.map_err(|error| error.within(section))?;
        }
        for (kind, defaults) in globals {
            let place = format!("Globals.{kind}");
            let defaults = map(defaults).map_err(|error| error.within(&place))?;
            if !matches!(kind.as_str(), "Function" | "HttpApi") {
                return Err(TemplateError::new(
                    "the local stack knows globals of Function and HttpApi only",
                )
                .within(place));
            }
            let kind = format!("AWS::Serverless::{kind}");
            for resource in document.resources.iter_mut().filter(|resource| resource.kind == kind) {
                let own = std::mem::take(&mut resource.properties);
                resource.properties = merge_maps(defaults.clone(), own);
            }
        }
        Ok(document)
    }

    pub(super) fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == id)
    }
}

/// Merges by SAM's rule: maps are merged, lists are joined, any other value of the resource
/// replaces the global one.
fn merge(global: Node, own: Node) -> Node {
    match (global, own) {
        (Node::Map(global), Node::Map(own)) => Node::Map(merge_maps(global, own)),
        (Node::List(mut global), Node::List(own)) => {
            global.extend(own);
            Node::List(global)
        }
        (_, own) => own,
    }
}

fn merge_maps(mut global: Map, own: Map) -> Map {
    for (key, value) in own {
        match global.iter_mut().find(|(name, _)| *name == key) {
            Some((_, existing)) => {
                *existing = merge(std::mem::replace(existing, Node::Null), value);
            }
            None => global.push((key, value)),
        }
    }
    global
}

fn parameter(entry: Map) -> Result<Parameter, TemplateError> {
    let mut parameter = Parameter::default();
    let number = |key: &str, value: &Node| {
        let text = text(value)?;
        text.parse::<f64>()
            .map(Some)
            .map_err(|_| TemplateError::new(format!("{key} must be a number, not `{text}`")))
    };
    for (key, value) in entry {
        match key.as_str() {
            "Type" => parameter.kind = text(&value)?,
            "Default" => parameter.default = Some(text(&value)?),
            "AllowedValues" => {
                let Node::List(values) = value else {
                    return Err(TemplateError::new("AllowedValues must be a list"));
                };
                parameter.allowed = values.iter().map(text).collect::<Result<_, _>>()?;
            }
            "AllowedPattern" => {
                let pattern = Regex::new(&format!("^(?:{})$", text(&value)?));
                parameter.pattern = Some(
                    pattern
                        .map_err(|error| TemplateError::new(format!("AllowedPattern: {error}")))?,
                );
            }
            "ConstraintDescription" => parameter.constraint = Some(text(&value)?),
            "MinLength" => parameter.length.0 = number(&key, &value)?,
            "MaxLength" => parameter.length.1 = number(&key, &value)?,
            "MinValue" => parameter.value.0 = number(&key, &value)?,
            "MaxValue" => parameter.value.1 = number(&key, &value)?,
            "Description" | "NoEcho" => {}
            _ => {
                return Err(TemplateError::new(format!(
                    "the local stack does not know the key `{key}` of a parameter"
                )));
            }
        }
    }
    match parameter.kind.as_str() {
        "String" | "Number" | "CommaDelimitedList" => Ok(parameter),
        other => Err(TemplateError::new(format!(
            "the local stack knows parameters of the types String, Number and CommaDelimitedList, \
             not `{other}`"
        ))),
    }
}

fn rule(entry: Map) -> Result<Rule, TemplateError> {
    let mut rule = Rule::default();
    for (key, value) in entry {
        match (key.as_str(), value) {
            ("RuleCondition", condition) => rule.condition = Some(condition),
            ("Assertions", Node::List(assertions)) => {
                rule.assertions =
                    assertions.into_iter().map(assertion).collect::<Result<_, _>>()?;
            }
            ("Assertions", _) => return Err(TemplateError::new("Assertions must be a list")),
            _ => {
                return Err(TemplateError::new(format!(
                    "the local stack does not know the key `{key}` of a rule"
                )));
            }
        }
    }
    Ok(rule)
}

fn assertion(node: Node) -> Result<(Node, String), TemplateError> {
    let mut condition = None;
    let mut description = String::new();
    for (key, value) in map(node)? {
        match key.as_str() {
            "Assert" => condition = Some(value),
            "AssertDescription" => description = text(&value)?,
            _ => {
                return Err(TemplateError::new(format!(
                    "the local stack does not know the key `{key}` of an assertion"
                )));
            }
        }
    }
    Ok((condition.ok_or_else(|| TemplateError::new("the assertion has no Assert"))?, description))
}

fn resource(id: &str, entry: Map) -> Result<Resource, TemplateError> {
    let mut resource = Resource { id: id.to_owned(), ..Resource::default() };
    for (key, value) in entry {
        match key.as_str() {
            "Type" => resource.kind = text(&value)?,
            "Condition" => resource.condition = Some(text(&value)?),
            "Properties" => {
                resource.properties = map(value).map_err(|error| error.within("Properties"))?;
            }
            "Metadata" => {
                resource.metadata = map(value).map_err(|error| error.within("Metadata"))?;
            }
            "DependsOn" => {
                resource.depends_on = match value {
                    Node::List(ids) => ids.iter().map(text).collect::<Result<_, _>>()?,
                    id => vec![text(&id)?],
                }
            }
            // CloudFormation uses these when it changes or deletes a stack.
            "DeletionPolicy" | "UpdateReplacePolicy" | "UpdatePolicy" | "CreationPolicy" => {}
            _ => {
                return Err(TemplateError::new(format!(
                    "the local stack does not know the key `{key}` of a resource"
                )));
            }
        }
    }
    if resource.kind.is_empty() {
        return Err(TemplateError::new("the resource has no Type"));
    }
    Ok(resource)
}

fn entries<T>(
    node: Node,
    read: impl Fn(&str, Map) -> Result<T, TemplateError>,
) -> Result<Vec<(String, T)>, TemplateError> {
    map(node)?
        .into_iter()
        .map(|(id, entry)| match map(entry).and_then(|entry| read(&id, entry)) {
            Ok(value) => Ok((id, value)),
            Err(error) => Err(error.within(id)),
        })
        .collect()
}

pub(super) fn map(node: Node) -> Result<Map, TemplateError> {
    match node {
        Node::Map(map) => Ok(map),
        Node::Null => Ok(Map::new()),
        _ => Err(TemplateError::new("this must be a map of names to values")),
    }
}

/// The text of a scalar.
pub(super) fn text(node: &Node) -> Result<String, TemplateError> {
    match node {
        Node::String(text) => Ok(text.clone()),
        Node::Number(number) => Ok(number.to_string()),
        Node::Bool(truth) => Ok(truth.to_string()),
        _ => Err(TemplateError::new("this must be plain text")),
    }
}

#[cfg(test)]
mod tests {
    use super::Document;

    fn check_error(template: &str, expected: &str) {
        let error = Document::read(template).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn globals_are_merged_as_sam_merges_them() {
        let document = Document::read(
            "Globals: {Function: {Timeout: 1, MemorySize: 2, Layers: [a], Environment: {Variables: \
             {A: 1, B: 1}}}}\n\
             Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {Timeout: 9, Layers: \
             [b], Environment: {Variables: {B: 2}}}}\n  \
             T: {Type: AWS::DynamoDB::Table}",
        )
        .unwrap();
        let merged = super::parse(
            "{Timeout: 9, MemorySize: 2, Layers: [a, b], Environment: {Variables: {A: 1, B: 2}}}",
        )
        .unwrap();
        assert_eq!(super::map(merged).unwrap(), document.resource("F").unwrap().properties);
        assert!(document.resource("T").unwrap().properties.is_empty());
    }

    #[test]
    fn what_is_not_known_is_named_with_its_place() {
        check_error("Resource: {}", "Resource: the local stack does not know this section");
        check_error(
            "Transform: AWS::LanguageExtensions",
            "Transform: the local stack knows only the transform",
        );
        check_error("Globals: {Api: {}}", "Globals.Api: the local stack knows globals of");
        check_error(
            "Parameters: {P: {Type: AWS::SSM::Parameter::Name}}",
            "Parameters.P: the local stack knows parameters of the types",
        );
        check_error(
            "Resources: {R: {Type: A, Connectors: {}}}",
            "Resources.R: the local stack does not know the key `Connectors` of a resource",
        );
        check_error("Resources: {R: [1]}", "Resources.R: this must be a map");
        check_error("Resources: {R: {Properties: {}}}", "Resources.R: the resource has no Type");
    }
}
