//! Resolves intrinsic functions: the template's tree becomes plain JSON values.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::document::Document;
use super::error::TemplateError;
use super::node::{Map, Node, get};
use super::substitution::{SubPart, sub_parts};
use super::{ACCOUNT, REGION, STACK};

/// Resolves values of one document.
pub(super) struct Resolver<'d> {
    pub document: &'d Document,
    /// Values of the parameters: text, or a list of text.
    pub parameters: BTreeMap<String, Value>,
    /// URL of the local HTTP API.
    pub url: String,
    // The names under resolution, outermost first. They reveal a name that refers back to itself.
    active: RefCell<Vec<String>>,
}

/// `None` is CloudFormation's `AWS::NoValue`: an entry with this value is left out.
type Resolved = Result<Option<Value>, TemplateError>;

impl<'d> Resolver<'d> {
    pub(super) fn new(
        document: &'d Document,
        parameters: BTreeMap<String, Value>,
        url: &str,
    ) -> Resolver<'d> {
        Resolver { document, parameters, url: url.to_owned(), active: RefCell::default() }
    }

    /// Resolves a map. Each error carries the name of its entry.
    pub(super) fn map(&self, map: &Map) -> Result<serde_json::Map<String, Value>, TemplateError> {
        let mut resolved = serde_json::Map::new();
        for (key, node) in map {
            if let Some(value) = self.resolve(node).map_err(|error| error.within(key))? {
                resolved.insert(key.clone(), value);
            }
        }
        Ok(resolved)
    }

    pub(super) fn resolve(&self, node: &Node) -> Resolved {
        Ok(Some(match node {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Number(number) => Value::Number(number.clone()),
            Node::String(text) => Value::String(text.clone()),
            Node::Map(map) => Value::Object(self.map(map)?),
            Node::List(items) => Value::Array(self.list(items)?),
            Node::Call(function, argument) => {
                return self.call(function, argument).map_err(|error| error.within(function));
            }
        }))
    }

    /// Resolves a value that must become a text.
    pub(super) fn text(&self, node: &Node) -> Result<String, TemplateError> {
        match self.resolve(node)? {
            Some(value) => scalar_text(&value),
            None => Err(TemplateError::new("AWS::NoValue is not allowed here")),
        }
    }

    /// Runs `resolve` for the named thing, unless its resolution is already under way.
    pub(super) fn guarded<T>(
        &self,
        name: &str,
        resolve: impl FnOnce() -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.active.borrow().iter().any(|active| active == name) {
            let circle = self.active.borrow().join(" -> ");
            return Err(TemplateError::new(format!(
                "the value refers to itself: {circle} -> {name}"
            )));
        }
        self.active.borrow_mut().push(name.to_owned());
        let resolved = resolve();
        self.active.borrow_mut().pop();
        resolved
    }

    fn list(&self, items: &[Node]) -> Result<Vec<Value>, TemplateError> {
        let mut resolved = Vec::new();
        for (index, item) in items.iter().enumerate() {
            resolved.extend(self.resolve(item).map_err(|error| error.within(index.to_string()))?);
        }
        Ok(resolved)
    }

    fn call(&self, function: &str, argument: &Node) -> Resolved {
        match (function, argument) {
            ("Ref", Node::String(name)) => self.reference(name),
            ("Fn::GetAtt", Node::List(parts)) => {
                let [resource, attribute] = self.texts(parts)?;
                self.attribute(&resource, &attribute).map(Some)
            }
            ("Fn::Sub", Node::String(pattern)) => self.substitute(pattern, &Map::new()).map(Some),
            ("Fn::Sub", Node::List(parts)) => match parts.as_slice() {
                [Node::String(pattern), Node::Map(variables)] => {
                    self.substitute(pattern, variables).map(Some)
                }
                _ => Err(malformed("a text and a map of its variables")),
            },
            ("Fn::If", Node::List(parts)) => match parts.as_slice() {
                [Node::String(condition), then, otherwise] => {
                    self.resolve(if self.condition(condition)? { then } else { otherwise })
                }
                _ => Err(malformed("the name of a condition and two values")),
            },
            ("Fn::FindInMap", Node::List(path)) => self.find_in_map(&self.texts::<3>(path)?),
            ("Fn::Join", Node::List(parts)) => match self.list(parts)?.as_slice() {
                [Value::String(separator), Value::Array(items)] => {
                    let items = items.iter().map(scalar_text).collect::<Result<Vec<_>, _>>()?;
                    Ok(Some(items.join(separator).into()))
                }
                _ => Err(malformed("a separator and a list")),
            },
            ("Fn::Split", Node::List(parts)) => {
                let [separator, text] = self.texts(parts)?;
                Ok(Some(text.split(separator.as_str()).map(Value::from).collect()))
            }
            ("Fn::Select", Node::List(parts)) => match self.list(parts)?.as_slice() {
                [index, Value::Array(items)] => {
                    let index = scalar_text(index)?;
                    let item = index.parse::<usize>().ok().and_then(|index| items.get(index));
                    item.cloned().map(Some).ok_or_else(|| {
                        TemplateError::new(format!(
                            "the list has {} items, none at {index}",
                            items.len()
                        ))
                    })
                }
                _ => Err(malformed("an index and a list")),
            },
            ("Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" | "Condition", _) => {
                Err(TemplateError::new(
                    "this function is for the section Conditions only: name a condition and use \
                     Fn::If here",
                ))
            }
            (
                "Ref" | "Fn::GetAtt" | "Fn::Sub" | "Fn::If" | "Fn::FindInMap" | "Fn::Join"
                | "Fn::Split" | "Fn::Select",
                _,
            ) => Err(TemplateError::new("the argument has another shape than this function takes")),
            _ => Err(TemplateError::new("the local stack does not know this intrinsic function")),
        }
    }

    fn reference(&self, name: &str) -> Resolved {
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        Ok(Some(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => STACK.into(),
            "AWS::StackId" => {
                format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local").into()
            }
            _ => return self.physical_id(name).map(|id| Some(id.into())),
        }))
    }

    fn substitute(&self, pattern: &str, variables: &Map) -> Result<Value, TemplateError> {
        let mut text = String::new();
        for part in sub_parts(pattern)? {
            match part {
                SubPart::Text(literal) => text.push_str(literal),
                SubPart::Name(name) => {
                    let resolved = match (get(variables, name), name.split_once('.')) {
                        (Some(node), _) => self.text(node),
                        (None, Some((resource, attribute))) => self
                            .attribute(resource, attribute)
                            .and_then(|value| scalar_text(&value)),
                        _ => self
                            .text(&Node::Call("Ref".into(), Box::new(Node::String(name.into())))),
                    };
                    text.push_str(&resolved.map_err(|error| error.within(format!("${{{name}}}")))?);
                }
            }
        }
        Ok(text.into())
    }

    fn find_in_map(&self, path: &[String; 3]) -> Resolved {
        let [mapping, first, second] = path;
        let found = get(&self.document.mappings, mapping)
            .and_then(|node| if let Node::Map(map) = node { get(map, first) } else { None })
            .and_then(|node| if let Node::Map(map) = node { get(map, second) } else { None });
        match found {
            Some(node) => self.resolve(node),
            None => Err(TemplateError::new(format!("there is no Mappings.{}", path.join(".")))),
        }
    }

    /// Resolves a list of exactly `N` texts.
    pub(super) fn texts<const N: usize>(
        &self,
        nodes: &[Node],
    ) -> Result<[String; N], TemplateError> {
        let texts = nodes.iter().map(|node| self.text(node)).collect::<Result<Vec<_>, _>>()?;
        texts.try_into().map_err(|_| malformed(&format!("a list of {N} texts")))
    }
}

fn scalar_text(value: &Value) -> Result<String, TemplateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(Number::to_string(number)),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(TemplateError::new("this must be a text, not a list or a map")),
    }
}

pub(super) fn malformed(expected: &str) -> TemplateError {
    TemplateError::new(format!("this must be {expected}"))
}
