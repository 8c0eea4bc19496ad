//! Parameter values from samconfig.toml and from the command line.

use std::collections::BTreeMap;

use super::error::TemplateError;
use crate::names;

type Overrides = BTreeMap<String, String>;

/// The `parameter_overrides` that `sam deploy --config-env <environment>` would use.
pub(super) fn parameter_overrides(
    text: &str,
    environment: &str,
) -> Result<Overrides, TemplateError> {
    let file: toml::Table =
        text.parse().map_err(|error| TemplateError::new(format!("this is not TOML: {error}")))?;
    let Some(tables) = file.get(environment).and_then(toml::Value::as_table) else {
        let known =
            file.iter().filter(|(_, value)| value.is_table()).map(|(name, _)| name.as_str());
        return Err(TemplateError::new(names::unknown("environment", environment, known)));
    };
    let mut overrides = Overrides::new();
    for command in ["global", "deploy"] {
        let value = tables
            .get(command)
            .and_then(|table| table.get("parameters"))
            .and_then(|table| table.get("parameter_overrides"));
        let pairs = match value {
            None => continue,
            Some(toml::Value::String(pairs)) => parse_pairs(pairs),
            Some(toml::Value::Array(items)) => items
                .iter()
                .map(|item| {
                    item.as_str().ok_or_else(|| {
                        TemplateError::new(format!("`{item}` is not a string `Key=Value`"))
                    })
                })
                .try_fold(Vec::new(), |mut pairs, item| {
                    pairs.extend(parse_pairs(item?)?);
                    Ok(pairs)
                }),
            Some(_) => Err(TemplateError::new("write a list of strings `Key=Value`")),
        };
        let pairs = pairs.map_err(|error| {
            error.within(format!("{environment}.{command}.parameters.parameter_overrides"))
        })?;
        overrides.extend(pairs);
    }
    Ok(overrides)
}

/// `Key=Value Other="a value with spaces"`, as SAM reads it: a value without quotes ends at a
/// space.
fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, TemplateError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .filter(|(key, _)| !key.is_empty() && key.chars().all(char::is_alphanumeric))
            .ok_or_else(|| {
                TemplateError::new(format!(
                    "`{rest}` is not `Key=Value`; put quotes around a value with spaces"
                ))
            })?;
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            parse_quoted(quoted)?
        } else {
            let (value, after) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
            (value.to_owned(), after)
        };
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// Returns the text up to the closing quote, and the rest after it. A backslash makes the next
/// character an ordinary one.
fn parse_quoted(text: &str) -> Result<(String, &str), TemplateError> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[index + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err(TemplateError::new(format!("the closing quote of `{text}` is missing")))
}

#[cfg(test)]
mod tests {
    use super::parameter_overrides;

    fn check(overrides: &str, expected: &[(&str, &str)]) {
        let text =
            format!("version = 0.1\n[local.deploy.parameters]\nparameter_overrides = {overrides}");
        let actual = parameter_overrides(&text, "local").unwrap();
        let actual: Vec<_> =
            actual.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(actual, expected, "{overrides}");
    }

    #[test]
    fn lists_and_strings_of_pairs_are_read_as_sam_reads_them() {
        check(r#"["A=1", "B=x=1/m,y=2"]"#, &[("A", "1"), ("B", "x=1/m,y=2")]);
        check(r#""A=1 B=two""#, &[("A", "1"), ("B", "two")]);
        check(r#"'A="one two" B="say \"hi\""'"#, &[("A", "one two"), ("B", r#"say "hi""#)]);
        check(r#"["A="]"#, &[("A", "")]);
        check("[]", &[]);
    }

    #[test]
    fn values_for_all_commands_are_overridden_by_those_for_deploy() {
        let text = "[local.global.parameters]\nparameter_overrides=['A=1', \
                    'B=1']\n[local.deploy.parameters]\nparameter_overrides=['B=2']";
        assert_eq!(
            parameter_overrides(text, "local").unwrap(),
            [("A", "1"), ("B", "2")].map(|(k, v)| (k.into(), v.into())).into()
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("[dev]\n[prod]", "there is no environment `local`; there are: dev, prod"),
            ("[local.deploy.parameters]\nparameter_overrides=['A=b c']", "`c` is not `Key=Value`"),
            ("[local.deploy.parameters]\nparameter_overrides=['A=\"b']", "the closing quote"),
            ("[local.deploy.parameters]\nparameter_overrides=[1]", "`1` is not a string"),
            ("[local", "this is not TOML"),
        ] {
            let error = parameter_overrides(text, "local").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
