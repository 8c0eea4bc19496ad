//! A prompt as a TOML file has it, made for `git diff`: the keys have one order, and a text stands
//! there line by line.
//!
//! A text is a literal string of several lines if it can be one, so that a backslash is a
//! backslash. A value that TOML cannot hold, such as null, is JSON in a string: `output_schema`, or
//! `default_json` of a variable.

mod values;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use super::content::{Content, Variable};
use values::{json, toml_of};

/// A prompt in a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PromptFile {
    /// Its purpose. A file where it is missing or empty leaves it as it is.
    pub description: Option<String>,
    /// The version that the file was pulled from or saved as.
    pub version: Option<u32>,
    /// The content.
    pub content: Content,
}

/// What a file may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    description: Option<String>,
    kind: String,
    version: Option<Spanned<u32>>,
    model: Option<String>,
    max_tokens: Option<u64>,
    effort: Option<String>,
    system: String,
    user: Option<String>,
    #[serde(default)]
    variables: Vec<VariableForm>,
    output_schema: Option<toml::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VariableForm {
    name: String,
    r#type: String,
    required: Option<bool>,
    values: Option<Vec<String>>,
    max_length: Option<u64>,
    description: Option<String>,
    default_json: Option<String>,
    // Behind the others, because it may be a table.
    default: Option<toml::Value>,
}

/// The keys that stand first.
#[derive(Serialize)]
struct Head<'a> {
    description: Option<&'a str>,
    kind: &'a str,
    version: Option<u32>,
    model: Option<&'a str>,
    max_tokens: Option<u64>,
    effort: Option<&'a str>,
}

/// The tables, which stand last: a key behind them would belong to them.
#[derive(Serialize)]
struct Tables {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variables: Vec<VariableForm>,
    output_schema: Option<toml::Value>,
}

impl PromptFile {
    /// Reads the text of a file.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let form = parse(text)?;
        let output_schema = form.output_schema.map(|schema| match schema {
            toml::Value::String(text) => from_json("output_schema", &text),
            table => json(table).map_err(|fault| format!("output_schema: {fault}")),
        });
        Ok(Self {
            description: form.description,
            version: form.version.map(Spanned::into_inner),
            content: Content {
                kind: form.kind,
                system: form.system,
                user: form.user,
                variables: form.variables.into_iter().map(variable).collect::<Result<_, _>>()?,
                model: form.model,
                max_tokens: form.max_tokens,
                effort: form.effort,
                output_schema: output_schema.transpose()?,
            },
        })
    }

    /// The text of the file. [`Self::read`] gives the same prompt again.
    pub(crate) fn write(&self) -> Result<String, String> {
        let content = &self.content;
        let head = Head {
            description: self.description.as_deref(),
            kind: &content.kind,
            version: self.version,
            model: content.model.as_deref(),
            max_tokens: content.max_tokens,
            effort: content.effort.as_deref(),
        };
        let schema = content.output_schema.as_ref();
        let tables = Tables {
            variables: content.variables.iter().map(variable_form).collect(),
            output_schema: schema.and_then(toml_of).filter(toml::Value::is_table),
        };
        let unwritable =
            |error: toml::ser::Error| format!("the prompt has no form in TOML: {error}");
        let mut parts = vec![toml::to_string(&head).map_err(unwritable)?];
        parts.push(line_by_line("system", &content.system));
        parts.extend(content.user.as_ref().map(|user| line_by_line("user", user)));
        if tables.output_schema.is_none() {
            let json = schema.map(|schema| line_by_line("output_schema", &format!("{schema:#}\n")));
            parts.extend(json);
        }
        parts.push(toml::to_string_pretty(&tables).map_err(unwritable)?);
        parts.retain(|part| !part.is_empty());
        Ok(parts.join("\n"))
    }
}

/// The text of a file with another version. All else stays as it is, comments too.
pub(crate) fn with_version(text: &str, version: u32) -> Result<String, String> {
    let mut changed = text.to_owned();
    match parse(text)?.version {
        Some(found) => changed.replace_range(found.span(), &version.to_string()),
        None => changed.insert_str(0, &format!("version = {version}\n")),
    }
    Ok(changed)
}

/// The error shows the line and names the key.
fn parse(text: &str) -> Result<Form, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// A text whose lines are lines of the file.
fn line_by_line(key: &str, text: &str) -> String {
    let is_literal = |c: char| matches!(c, '\n' | '\t') || !c.is_ascii_control();
    if text.chars().all(is_literal) && !text.contains("'''") && !text.ends_with('\'') {
        // TOML drops the first newline.
        return format!("{key} = '''\n{text}'''\n");
    }
    format!("{key} = {}\n", toml::Value::String(text.to_owned()))
}

fn variable(form: VariableForm) -> Result<Variable, String> {
    let VariableForm { name, r#type, required, values, max_length, description, .. } = form;
    let at = |key: &str| format!("{key} of the variable `{name}`");
    let default = match (form.default, form.default_json) {
        (Some(_), Some(_)) => {
            return Err(format!("{}: leave out default or default_json", at("default")));
        }
        (Some(value), None) => {
            Some(json(value).map_err(|fault| format!("{}: {fault}", at("default")))?)
        }
        (None, Some(text)) => Some(from_json(&at("default_json"), &text)?),
        (None, None) => None,
    };
    let required = required.unwrap_or(true);
    Ok(Variable { name, r#type, required, values, max_length, description, default })
}

fn variable_form(variable: &Variable) -> VariableForm {
    let default = variable.default.as_ref().and_then(toml_of);
    let json = variable.default.as_ref().filter(|_| default.is_none());
    VariableForm {
        name: variable.name.clone(),
        r#type: variable.r#type.clone(),
        required: (!variable.required).then_some(false),
        values: variable.values.clone(),
        max_length: variable.max_length,
        description: variable.description.clone(),
        default_json: json.map(Value::to_string),
        default,
    }
}

fn from_json(key: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{key} is not JSON: {error}"))
}

#[cfg(test)]
mod tests;
