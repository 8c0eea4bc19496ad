//! References between resources, as CloudFormation sees them after SAM has expanded the template.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Document;
use super::error::TemplateError;
use super::node::{Node, get};
use super::substitution::{SubPart, sub_parts};

/// Maps the logical id of a resource to the ids of the resources it refers to.
pub type References = BTreeMap<String, BTreeSet<String>>;

/// The references of every resource, including resources whose condition is false.
pub(super) fn of(document: &Document) -> Result<References, TemplateError> {
    let mut references = References::new();
    for resource in &document.resources {
        let mut names: Vec<String> = resource.depends_on.clone();
        for (property, node) in &resource.properties {
            // An event's references belong to its source (the API): SAM writes the function into
            // the API's definition, not the other way round.
            if property == "Events" && resource.kind == "AWS::Serverless::Function" {
                let is_api = |name: &&str| {
                    document
                        .resource(name)
                        .is_some_and(|resource| resource.kind == "AWS::Serverless::HttpApi")
                };
                for api in event_apis(node).filter(is_api) {
                    references.entry(api.to_owned()).or_default().insert(resource.id.clone());
                }
            } else {
                collect(node, &mut names).map_err(|error| {
                    error.within(format!("Resources.{}.Properties.{property}", resource.id))
                })?;
            }
        }
        let targets = names
            .iter()
            .map(|name| name.split('.').next().unwrap_or(name))
            .filter(|name| document.resource(name).is_some());
        references.entry(resource.id.clone()).or_default().extend(targets.map(str::to_owned));
    }
    Ok(references)
}

/// A cycle among the references, if there is one: `[A, B, A]`. CloudFormation refuses to deploy it.
pub fn cycle(references: &References) -> Option<Vec<String>> {
    fn visit<'r>(
        id: &'r str,
        references: &'r References,
        path: &mut Vec<&'r str>,
        done: &mut BTreeSet<&'r str>,
    ) -> bool {
        if done.contains(id) {
            return false;
        }
        let seen = path.contains(&id);
        path.push(id);
        if seen
            || references
                .get(id)
                .into_iter()
                .flatten()
                .any(|target| visit(target, references, path, done))
        {
            return true;
        }
        path.pop();
        done.insert(id);
        false
    }
    let mut done = BTreeSet::new();
    references.keys().find_map(|id| {
        let mut path = Vec::new();
        if !visit(id, references, &mut path, &mut done) {
            return None;
        }
        let start = path.iter().position(|id| Some(id) == path.last())?;
        Some(path[start..].iter().map(|&id| id.to_owned()).collect())
    })
}

/// The APIs that the events in `Events` name by `ApiId: !Ref Api`.
fn event_apis(events: &Node) -> impl Iterator<Item = &str> {
    let events = if let Node::Map(events) = events { events.as_slice() } else { &[] };
    events.iter().filter_map(|(_, event)| {
        let Node::Map(event) = event else { return None };
        let Some(Node::Map(properties)) = get(event, "Properties") else { return None };
        match get(properties, "ApiId") {
            Some(Node::Call(function, argument)) if function == "Ref" => match &**argument {
                Node::String(api) => Some(api.as_str()),
                _ => None,
            },
            _ => None,
        }
    })
}

fn collect(node: &Node, names: &mut Vec<String>) -> Result<(), TemplateError> {
    match node {
        Node::List(items) => items.iter().try_for_each(|item| collect(item, names)),
        Node::Map(map) => map.iter().try_for_each(|(_, value)| collect(value, names)),
        Node::Call(function, argument) => {
            match (function.as_str(), &**argument) {
                ("Ref", Node::String(name)) => names.push(name.clone()),
                ("Fn::GetAtt", Node::List(parts)) => names.extend(parts.first().and_then(as_text)),
                ("Fn::Sub", Node::String(pattern)) => collect_pattern(pattern, names)?,
                ("Fn::Sub", Node::List(parts)) => {
                    if let Some(Node::String(pattern)) = parts.first() {
                        collect_pattern(pattern, names)?;
                    }
                    collect(argument, names)?;
                }
                _ => collect(argument, names)?,
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn collect_pattern(pattern: &str, names: &mut Vec<String>) -> Result<(), TemplateError> {
    names.extend(sub_parts(pattern)?.into_iter().filter_map(|part| match part {
        SubPart::Name(name) => Some(name.to_owned()),
        SubPart::Text(_) => None,
    }));
    Ok(())
}

fn as_text(node: &Node) -> Option<String> {
    if let Node::String(text) = node { Some(text.clone()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::{cycle, of};
    use crate::template::document::Document;

    fn check(resources: &str, references: &str, expected_cycle: Option<&str>) {
        let template = format!("Resources:\n{resources}");
        let actual = of(&Document::read(&template).unwrap()).unwrap();
        let listed: Vec<String> = actual
            .iter()
            .map(|(id, targets)| {
                format!("{id}->{}", targets.iter().cloned().collect::<Vec<_>>().join("+"))
            })
            .collect();
        assert_eq!(listed.join(" "), references);
        assert_eq!(cycle(&actual).map(|ids| ids.join(" ")).as_deref(), expected_cycle);
    }

    #[test]
    fn every_way_of_referring_counts() {
        check("  A: {Type: X, DependsOn: B}\n  B: {Type: X}", "A->B B->", None);
        check(
            "  A: {Type: X, Properties: {P: [!Ref B, !Ref Parameter]}}\n  B: {Type: X}",
            "A->B B->",
            None,
        );
        check("  A: {Type: X, Properties: {P: !GetAtt B.Arn}}\n  B: {Type: X}", "A->B B->", None);
        check(
            "  A: {Type: X, Properties: {P: !Sub 'a${B.Arn}${AWS::Region}${!C}'}}\n  B: {Type: \
             X}\n  C: {Type: X}",
            "A->B B-> C->",
            None,
        );
        check(
            "  A: {Type: X, Properties: {P: !Sub ['${V}', {V: !Ref B}]}}\n  B: {Type: X}",
            "A->B B->",
            None,
        );
        check(
            "  A: {Type: X, Properties: {P: !If [Never, !Ref B.Alias, 1]}}\n  B: {Type: X}",
            "A->B B->",
            None,
        );
    }

    #[test]
    fn an_api_refers_to_the_functions_with_an_event_on_it() {
        let function = "  F: {Type: AWS::Serverless::Function, Properties: {Events: {E: {Type: \
                        HttpApi, Properties: {ApiId: !Ref Api}}}";
        check(
            &format!("{function}}}}}\n  Api: {{Type: AWS::Serverless::HttpApi}}"),
            "Api->F F->",
            None,
        );
        check(
            &format!(
                "{function}, Environment: {{Variables: {{URL: !GetAtt Api.ApiEndpoint}}}}}}}}\n  \
                 Api: {{Type: AWS::Serverless::HttpApi}}"
            ),
            "Api->F F->Api",
            Some("Api F Api"),
        );
    }

    #[test]
    fn cycles_are_found_wherever_they_begin() {
        check(
            "  A: {Type: X, DependsOn: B}\n  B: {Type: X, DependsOn: C}\n  C: {Type: X, \
             DependsOn: B}",
            "A->B B->C C->B",
            Some("B C B"),
        );
        check("  A: {Type: X, DependsOn: A}", "A->A", Some("A A"));
    }
}
