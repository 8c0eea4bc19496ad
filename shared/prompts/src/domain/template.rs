//! Templates: text with `{{variables}}`.
//!
//! `{{x}}` stands for the value of a variable. Blanks inside the braces are allowed. `\{{` stands
//! for `{{`. Braces round anything but an identifier are text, so JSON needs no escapes. A template
//! is read once from left to right. Values are never read as a template, and nothing is escaped.

/// Bytes of an identifier, at most.
pub(super) const LONGEST_IDENTIFIER: usize = 40;

/// A text with its places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
}

/// A fault of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It names a variable that is not declared.
    Undeclared(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl<'a> Template<'a> {
    /// Reads a template. Every text is one.
    pub fn parse(text: &'a str) -> Self {
        let mut parts = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(found) = text[at..].find("{{") {
            let open = at + found;
            if text[..open].ends_with('\\') && open > from {
                // The backslash goes, and the braces are text.
                parts.push(Part::Text(&text[from..open - 1]));
                (from, at) = (open, open + 2);
            } else if let Some((name, rest)) = variable(&text[open + 2..]) {
                parts.push(Part::Text(&text[from..open]));
                parts.push(Part::Variable(name));
                from = text.len() - rest.len();
                at = from;
            } else {
                at = open + 1;
            }
        }
        parts.push(Part::Text(&text[from..]));
        parts.retain(|part| *part != Part::Text(""));
        Self { parts }
    }

    /// The names of its variables, in their order, each as often as it stands there.
    pub fn variables(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(*name),
            Part::Text(_) => None,
        })
    }

    /// The text with a value for each variable.
    pub fn render<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, Fault> {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Text(text) => text,
                Part::Variable(name) => {
                    value(name).ok_or_else(|| Fault::Undeclared((*name).to_owned()))?
                }
            });
        }
        Ok(text)
    }
}

/// The variable that stands behind `{{`, and what follows its braces.
fn variable(text: &str) -> Option<(&str, &str)> {
    const BLANK: [char; 2] = [' ', '\t'];
    let text = text.trim_start_matches(BLANK);
    let end = text.find(|c: char| !is_of_identifier(c))?;
    let (name, rest) = text.split_at(end);
    let begins = name.starts_with(|c: char| !c.is_ascii_digit());
    let rest = rest.trim_start_matches(BLANK).strip_prefix("}}")?;
    begins.then_some((name, rest))
}

/// Whether a name of a variable may have this character.
pub(super) fn is_of_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, Fault> {
        Template::parse(text).render(|name| match name {
            "x" => Some("{{y}}"),
            "y" => Some("\\{{x}} & <b>"),
            "long_name_1" => Some(""),
            _ => None,
        })
    }

    #[test]
    fn a_template_is_read_once_and_nothing_is_escaped() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{{x}}", "{{y}}"),
            ("{{ x }}{{\ty\t}}", "{{y}}\\{{x}} & <b>"),
            ("a{{long_name_1}}b", "ab"),
            // Braces round anything else are text.
            (r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1}}"#),
            (
                "{{}} {{ }} {{1x}} {{x y}} {{x.y}} {{#x}} {{x}",
                "{{}} {{ }} {{1x}} {{x y}} {{x.y}} {{#x}} {{x}",
            ),
            ("{{ä}}", "{{ä}}"),
            ("{{x\n}}", "{{x\n}}"),
            ("{{", "{{"),
            ("{{{x}}}", "{{{y}}}"),
            ("{{{{x}}}}", "{{{{y}}}}"),
            ("{ {x} }", "{ {x} }"),
            // A backslash makes the braces text.
            (r"\{{x}}", "{{x}}"),
            (r"\\{{x}}", r"\{{x}}"),
            (r"\{{{{x}}", "{{{{y}}"),
            (r"\ {{x}}", r"\ {{y}}"),
            (r"{{x}}\{{y}}", "{{y}}{{y}}"),
            (r"\{{\{{x}}", "{{{{x}}"),
        ] {
            assert_eq!(render(text).unwrap(), expected, "{text}");
        }
        assert_eq!(render("{{x}}{{z}}"), Err(Fault::Undeclared("z".into())));
    }

    #[test]
    fn its_variables_are_known() {
        let template = Template::parse(r"{{b}}{{ a }}\{{c}}{{b}}");
        assert_eq!(template.variables().collect::<Vec<_>>(), ["b", "a", "b"]);
    }
}
