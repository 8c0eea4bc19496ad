//! The resources of a template as JSON, for tests that check rules about the template.

use serde_json::{Map as Object, Value, json};

use super::document::Document;
use super::node::{Map, Node};

/// By logical id.
pub(super) fn of(document: Document) -> Object<String, Value> {
    let resource = |kind, metadata, properties| {
        json!({
            "Type": kind, "Metadata": object(metadata), "Properties": object(properties),
        })
    };
    let resources = document.resources.into_iter();
    resources
        .map(|found| (found.id, resource(found.kind, found.metadata, found.properties)))
        .collect()
}

fn object(map: Map) -> Value {
    map.into_iter().map(|(key, node)| (key, value(node))).collect::<Object<_, _>>().into()
}

fn value(node: Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(truth) => truth.into(),
        Node::Number(number) => number.into(),
        Node::String(text) => text.into(),
        Node::List(items) => items.into_iter().map(value).collect(),
        Node::Map(map) => object(map),
        Node::Call(function, argument) => object(vec![(function, *argument)]),
    }
}
