//! A template's text as a tree. The short and long form of an intrinsic function become the same
//! node.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::error::TemplateError;

/// One value of a template before it is resolved. Maps keep the template's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    List(Vec<Node>),
    Map(Map),
    /// An intrinsic function by its long name (`Ref`, `Fn::Sub`) and its argument.
    Call(String, Box<Node>),
}

pub(super) type Map = Vec<(String, Node)>;

/// Reads one YAML document.
pub(super) fn parse(text: &str) -> Result<Node, TemplateError> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd, _) => return Ok(Node::Null),
            (event, span) => return reader.node(event, span),
        }
    }
}

/// The value of `key` in `map`.
pub(super) fn get<'m>(map: &'m Map, key: &str) -> Option<&'m Node> {
    map.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), TemplateError> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(TemplateError::new(format!("this is not YAML: {error}"))),
            None => Err(TemplateError::new("this is not YAML: it ends too early")),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, TemplateError> {
        let line = span.start.line();
        let (node, tag) = match event {
            Event::Scalar(text, style, 0, tag) => (scalar(&text, style, line)?, tag),
            Event::SequenceStart(0, tag) => (Node::List(self.list()?), tag),
            Event::MappingStart(0, tag) => (fold_long_form(self.map()?), tag),
            _ => {
                return Err(at_line(
                    line,
                    "CloudFormation does not know YAML anchors and aliases: write the value out",
                ));
            }
        };
        match tag {
            None => Ok(node),
            Some(tag) => tagged(&tag, node, line),
        }
    }

    fn list(&mut self) -> Result<Vec<Node>, TemplateError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Map, TemplateError> {
        let mut entries = Map::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(key, _, 0, None) => key.into_owned(),
                _ => return Err(at_line(line, "a key must be plain text")),
            };
            if get(&entries, &key).is_some() {
                return Err(at_line(line, &format!("the key `{key}` is there twice")));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            entries.push((key, value));
        }
    }
}

/// `{Ref: X}` and `{"Fn::Sub": …}` become the same as `!Ref X` and `!Sub …`.
fn fold_long_form(mut map: Map) -> Node {
    let is_call =
        matches!(map.as_slice(), [(name, _)] if name == "Ref" || name.starts_with("Fn::"));
    match map.pop() {
        Some((name, argument)) if is_call => Node::Call(name, Box::new(argument)),
        last => {
            map.extend(last);
            Node::Map(map)
        }
    }
}

fn tagged(tag: &Tag, node: Node, line: usize) -> Result<Node, TemplateError> {
    let name = match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", name @ ("Ref" | "Condition")) => name.to_owned(),
        ("!", name) => format!("Fn::{name}"),
        _ => return Err(at_line(line, &format!("the local stack does not know the tag `{tag}`"))),
    };
    // `!GetAtt A.B` is `Fn::GetAtt: [A, B]`.
    let argument = match node {
        Node::String(path) if name == "Fn::GetAtt" => {
            let (resource, attribute) = path.split_once('.').ok_or_else(|| {
                at_line(
                    line,
                    &format!("`!GetAtt {path}` names no attribute: write `Resource.Attribute`"),
                )
            })?;
            Node::List(vec![Node::String(resource.to_owned()), Node::String(attribute.to_owned())])
        }
        other => other,
    };
    Ok(Node::Call(name, Box::new(argument)))
}

/// CloudFormation and SAM read YAML 1.1. It differs from YAML 1.2 in places: there, `on` is true
/// and `010` is 8. Such text is refused, so that a template can't mean one thing here and another
/// on AWS.
fn scalar(text: &str, style: ScalarStyle, line: usize) -> Result<Node, TemplateError> {
    if style != ScalarStyle::Plain {
        return Ok(Node::String(text.to_owned()));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "true" | "True" | "TRUE" => Node::Bool(true),
        "false" | "False" | "FALSE" => Node::Bool(false),
        _ if ["on", "off", "yes", "no", "y", "n"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word)) =>
        {
            return Err(at_line(
                line,
                &format!(
                    "CloudFormation reads `{text}` as a truth value: write \"{text}\" in quotes, \
                     or true or false"
                ),
            ));
        }
        _ if digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            return Err(at_line(
                line,
                &format!(
                    "CloudFormation reads `{text}` as an octal number: write \"{text}\" in quotes"
                ),
            ));
        }
        _ if !number => Node::String(text.to_owned()),
        _ => match (
            text.parse::<i64>(),
            text.parse::<f64>().ok().and_then(serde_json::Number::from_f64),
        ) {
            (Ok(integer), _) => Node::Number(integer.into()),
            (_, Some(float)) => Node::Number(float),
            _ => Node::String(text.to_owned()),
        },
    })
}

fn at_line(line: usize, message: &str) -> TemplateError {
    TemplateError::new(message).within(format!("line {line}"))
}

#[cfg(test)]
mod tests {
    use super::{Node, parse};

    fn check(yaml: &str, expected: &str) {
        let actual = match parse(yaml) {
            Ok(node) => format!("{node:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected, "{yaml}");
    }

    #[test]
    fn short_and_long_forms_are_the_same() {
        for (short, long) in [
            ("!Ref A", "{Ref: A}"),
            ("!Sub 'x${A}'", "{'Fn::Sub': 'x${A}'}"),
            ("!GetAtt A.Arn", "{'Fn::GetAtt': [A, Arn]}"),
            ("!If [C, 1, !Ref B]", "{'Fn::If': [C, 1, {Ref: B}]}"),
            ("[!Join [',', [a, b]]]", "- Fn::Join:\n  - ','\n  - [a, b]"),
        ] {
            assert_eq!(parse(short).unwrap(), parse(long).unwrap(), "{short}");
        }
    }

    #[test]
    fn scalars_mean_what_cloudformation_takes_them_for() {
        check("12", "Number(Number(12))");
        check("1.5", "Number(Number(1.5))");
        check("2010-09-09", r#"String("2010-09-09")"#);
        check("1.2.3.4", r#"String("1.2.3.4")"#);
        check("'on'", r#"String("on")"#);
        check("true", "Bool(true)");
        check("", "Null");
        check(
            "a: on",
            ": line 1: CloudFormation reads `on` as a truth value: write \"on\" in quotes, or \
             true or false",
        );
        check(
            "a: 010",
            ": line 1: CloudFormation reads `010` as an octal number: write \"010\" in quotes",
        );
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        check("a: 1\na: 2", ": line 2: the key `a` is there twice");
        check(
            "a: &x 1\nb: *x",
            ": line 1: CloudFormation does not know YAML anchors and aliases: write the value out",
        );
        check("!GetAtt A", ": line 1: `!GetAtt A` names no attribute: write `Resource.Attribute`");
        assert!(parse("a: [1").unwrap_err().to_string().contains("this is not YAML"));
    }

    #[test]
    fn maps_keep_their_order() {
        let Node::Map(map) = parse("{b: 1, a: 2, c: 3}").unwrap() else { panic!("a map") };
        assert_eq!(map.iter().map(|(key, _)| key.as_str()).collect::<String>(), "bac");
    }
}
