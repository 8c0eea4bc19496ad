//! Evaluates the sections `Conditions` and `Rules`.

use super::document::text;
use super::error::TemplateError;
use super::node::{Node, get};
use super::resolver::{Resolver, malformed};

impl Resolver<'_> {
    /// Whether the named condition holds.
    pub(super) fn condition(&self, name: &str) -> Result<bool, TemplateError> {
        let node = get(&self.document.conditions, name)
            .ok_or_else(|| TemplateError::new(format!("there is no condition `{name}`")))?;
        self.guarded(&format!("Conditions.{name}"), || self.truth(node))
            .map_err(|error| error.within(format!("condition {name}")))
    }

    /// Checks the rules of the template. The error is the message of the rule that does not hold.
    pub(super) fn check_rules(&self) -> Result<(), TemplateError> {
        for (name, rule) in &self.document.rules {
            let applies =
                rule.condition.as_ref().map_or(Ok(true), |condition| self.truth(condition));
            let assertions = rule.assertions.iter();
            let broken = applies.and_then(|applies| {
                let broken = assertions
                    .filter(|_| applies)
                    .map(|(assert, said)| Ok((self.truth(assert)?, said)));
                broken.collect::<Result<Vec<_>, TemplateError>>()
            });
            let broken = broken.map_err(|error| error.within(format!("Rules.{name}")))?;
            if let Some((_, said)) = broken.into_iter().find(|(holds, _)| !holds) {
                return Err(TemplateError::new(said.clone()).within(format!("Rules.{name}")));
            }
        }
        Ok(())
    }

    fn truth(&self, node: &Node) -> Result<bool, TemplateError> {
        let (function, argument) = match node {
            Node::Call(function, argument) => (function.as_str(), &**argument),
            Node::Map(map) => match map.as_slice() {
                [(key, name)] if key == "Condition" => ("Condition", name),
                _ => return Err(malformed("a condition")),
            },
            _ => return Err(malformed("a condition")),
        };
        match (function, argument) {
            ("Condition", name) => self.condition(&text(name)?),
            ("Fn::Equals", Node::List(parts)) => {
                let [left, right] = self.texts(parts)?;
                Ok(left == right)
            }
            ("Fn::Not", Node::List(parts)) if parts.len() == 1 => Ok(!self.truth(&parts[0])?),
            ("Fn::And", Node::List(parts)) => {
                parts.iter().try_fold(true, |all, part| Ok(all & self.truth(part)?))
            }
            ("Fn::Or", Node::List(parts)) => {
                parts.iter().try_fold(false, |any, part| Ok(any | self.truth(part)?))
            }
            _ => Err(TemplateError::new(format!(
                "the local stack does not know `{function}` in a condition"
            ))),
        }
    }
}
