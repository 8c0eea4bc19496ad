//! A version of a prompt, and the texts that it renders.

use jiff::civil::Date;
use platform::problem::FieldError;
use platform::{Problem, ids};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content::Content;
use super::name::PromptName;
use super::template::{Fault, Template};
use super::values::Values;

/// Characters of the hash in a fence.
const FENCE: usize = 16;

/// Faults that an answer names, at most: few enough for a frame of a WebSocket (32 KB).
const NAMED_FAULTS: usize = 20;

/// Bytes of both rendered texts together, at most. A template may name a long value many times.
const MOST_RENDERED_BYTES: usize = 500_000;

/// A version of a prompt. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The prompt.
    pub name: PromptName,
    /// Its number: 1, 2, 3… without gaps. 0 is the version that is built in.
    pub version: u32,
    /// The content.
    #[serde(flatten)]
    pub content: Content,
    /// What has changed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// SHA-256 of the content: see [`Content::sha256`].
    pub sha256: String,
    /// Milliseconds since 1970. A version that is built in has no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// Id of the user who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// The version of a prompt that a reply uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(from = "Stored")]
#[schema(as = PinnedPrompt)]
pub struct Pinned {
    /// The name of the prompt.
    #[schema(value_type = String, example = "default")]
    pub name: PromptName,
    /// The number of the version. 0 is the one that is built in.
    #[schema(example = 7)]
    pub version: u32,
}

/// A pinned version as an item has it. Items from before prompts had versions have the name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Name(PromptName),
    Version { name: PromptName, version: u32 },
}

/// The texts for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The system prompt.
    pub system: String,
    /// The user's turn. Without a template it is the message or input as it is.
    pub user: String,
}

impl From<Stored> for Pinned {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Name(name) => Self { name, version: 0 },
            Stored::Version { name, version } => Self { name, version },
        }
    }
}

impl Version {
    /// The name and the number, by which a reply keeps the version.
    pub fn pinned(&self) -> Pinned {
        Pinned { name: self.name.clone(), version: self.version }
    }

    /// The texts for a model: the templates with these values, and the message or input in the
    /// user's turn. A value that is missing, unknown or of another type is a 422 that names its
    /// variable. Texts that are too long with these values are a 422 too.
    pub fn render(&self, values: &Values, text: &str, today: Date) -> Result<Rendered, Problem> {
        let Content { system, user, variables, kind, .. } = &self.content;
        let mut faults = Vec::new();
        let mut fault = |name: &str, detail: &str| faults.push(invalid(name, detail));
        let unknown = values.names().filter(|name| self.content.variable(name).is_none());
        unknown.for_each(|name| fault(name, "is no variable of the prompt: leave it out"));
        let texts = variables.iter().map(|variable| {
            let text = variable.text(values.get(&variable.name));
            (variable.name.as_str(), text.map_err(|detail| fault(&variable.name, &detail)))
        });
        let mut texts: Vec<_> =
            texts.map(|(name, text)| (name, text.unwrap_or_default())).collect();
        if !faults.is_empty() {
            return Err(Problem::validation_failed(named(faults)));
        }
        texts.push(("today", today.to_string()));
        if user.is_some() {
            texts.push((kind.text(), fenced(kind.text(), text)));
        }
        let value =
            |name: &str| texts.iter().find(|(of, _)| *of == name).map(|(_, text)| text.as_str());
        let templates = [Some(system), user.as_ref()].into_iter().flatten();
        if templates.map(|template| length(template, value)).sum::<usize>() > MOST_RENDERED_BYTES {
            let detail = "must be shorter: with these values, the texts of the prompt are longer \
                          than 500,000 bytes";
            return Err(Problem::invalid_field("variables", detail));
        }
        let render = |template: &str| {
            Template::parse(template).render(value).map_err(|Fault::Undeclared(variable)| {
                // Saving refuses such a template.
                tracing::error!(
                    prompt = %self.name,
                    version = self.version,
                    variable,
                    "failed to render a prompt: its template names an undeclared variable"
                );
                Problem::internal()
            })
        };
        Ok(Rendered {
            system: render(system)?,
            user: user.as_deref().map_or_else(|| Ok(text.to_owned()), render)?,
        })
    }
}

/// Bytes of a template with these values, or some more.
fn length<'v>(template: &str, value: impl Fn(&str) -> Option<&'v str>) -> usize {
    let parsed = Template::parse(template);
    let values = parsed.variables().filter_map(value).map(str::len);
    template.len() + values.sum::<usize>()
}

/// A text in tags that have its own hash. So the text cannot close them.
fn fenced(kind: &str, text: &str) -> String {
    let hash = ids::sha256(text);
    let tag = format!("{kind}-{}", &hash[..FENCE]);
    format!("<{tag}>\n{text}\n</{tag}>")
}

/// The first of these faults, and how many more there are.
fn named(mut faults: Vec<FieldError>) -> Vec<FieldError> {
    let more = faults.len().saturating_sub(NAMED_FAULTS);
    if more > 0 {
        faults.truncate(NAMED_FAULTS);
        let pointer = Some("/variables".to_owned());
        let detail = format!("has {more} more faults");
        faults.push(FieldError { pointer, parameter: None, detail });
    }
    faults
}

/// A fault of a variable. Its name is in the pointer as RFC 6901 has it, and no longer than 64
/// characters.
fn invalid(name: &str, detail: &str) -> FieldError {
    let name: String = name.chars().take(64).collect();
    let name = name.replace('~', "~0").replace('/', "~1");
    FieldError {
        pointer: Some(format!("/variables/{name}")),
        parameter: None,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::input::Fields;
    use serde_json::{Value, json};

    fn version(body: &Value) -> Version {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        let content: Content = Fields::json(members.clone()).read().unwrap();
        Version {
            name: PromptName::default(),
            version: 3,
            sha256: content.sha256(),
            content,
            note: None,
            created_at: None,
            created_by: None,
        }
    }

    fn values(values: &Value) -> Values {
        values.as_object().unwrap().clone().into()
    }

    const TODAY: Date = Date::constant(2026, 1, 31);

    #[test]
    fn a_version_is_rendered_with_values_and_a_fenced_message() {
        let plain = version(&json!({"kind": "chat", "system": "On {{today}}."}));
        let rendered = plain.render(&Values::default(), "Hello {{today}}", TODAY).unwrap();
        assert_eq!(rendered.system, "On 2026-01-31.");
        assert_eq!(rendered.user, "Hello {{today}}");

        let full = version(&json!({
            "kind": "chat", "system": "Year {{year}}, {{ unit }}.", "user": "{{notes}}: {{message}}!",
            "variables": [
                {"name": "year", "type": "integer"},
                {"name": "unit", "type": "enum", "values": ["EUR", "USD"], "default": "EUR"},
                {"name": "notes", "type": "string", "required": false},
            ],
        }));
        let given = values(&json!({"year": 2023, "notes": "{{message}}"}));
        let rendered = full.render(&given, "How much?", TODAY).unwrap();
        assert_eq!(rendered.system, "Year 2023, EUR.");
        let hash = &ids::sha256("How much?")[..16];
        assert_eq!(
            rendered.user,
            format!("{{{{message}}}}: <message-{hash}>\nHow much?\n</message-{hash}>!")
        );
    }

    #[test]
    fn every_fault_of_a_value_is_named() {
        let version = version(&json!({
            "kind": "task", "system": "{{a}}", "user": "{{b}}{{input}}",
            "variables": [{"name": "a", "type": "date"}, {"name": "b", "type": "string"}],
        }));
        for (given, faults) in [
            (json!({}), &["/variables/a", "/variables/b"][..]),
            (json!({"a": "2026-01-31", "b": null}), &["/variables/b"]),
            (json!({"a": "today", "b": "x"}), &["/variables/a"]),
            (json!({"a": "2026-01-31", "b": "x", "c/d": 1}), &["/variables/c~1d"]),
            (json!({"a": "2026-01-31", "b": "x", "today": "2020-01-01"}), &["/variables/today"]),
        ] {
            let problem = version.render(&values(&given), "", TODAY).unwrap_err();
            let found: Vec<_> = problem.errors.iter().map(|e| e.pointer.clone().unwrap()).collect();
            assert_eq!(found, faults, "{given}");
        }
    }

    #[test]
    fn an_answer_with_many_faults_fits_a_frame() {
        // Control characters grow most when they are escaped in JSON.
        let listed = |length: usize| ["\u{1}".repeat(length), "\u{2}".repeat(length)];
        let variable = |number: usize| {
            let name = format!("{}{number:02}", "v".repeat(38));
            json!({"name": name, "type": "enum", "values": listed(99)})
        };
        let variables: Vec<_> = (0..30).map(variable).collect();
        let names = variables.iter().map(|variable| variable["name"].as_str().unwrap());
        let system =
            names.clone().map(|name| format!("{{{{{name}}}}}")).collect::<Vec<_>>().concat();
        let declared: serde_json::Map<_, _> =
            names.map(|name| (name.to_owned(), json!("another"))).collect();
        let unknown: serde_json::Map<_, _> =
            (0..500).map(|n| (format!("{n:03}{}", "\u{1}".repeat(90)), json!(1))).collect();
        let version = version(&json!({"kind": "chat", "system": system, "variables": variables}));
        for (given, more) in [(declared, 10), (unknown, 510)] {
            let problem = version.render(&given.into(), "", TODAY).unwrap_err();
            assert_eq!(problem.errors.len(), NAMED_FAULTS + 1);
            let last = problem.errors.last().unwrap();
            assert_eq!(last.pointer.as_deref(), Some("/variables"));
            assert_eq!(last.detail, format!("has {more} more faults"));
            let length = serde_json::to_vec(&problem.errors).unwrap().len();
            assert!(length < 30 * 1024, "{length}");
        }
    }

    #[test]
    fn rendered_texts_have_a_bound() {
        for (times, expected) in [(1, true), (40, true), (60, false), (10_000, false)] {
            let version = version(&json!({
                "kind": "chat", "system": "Be brief.",
                "user": format!("{}{{{{message}}}}", "{{x}}".repeat(times)),
                "variables": [{"name": "x", "type": "string"}],
            }));
            let given = values(&json!({"x": "y".repeat(10_000)}));
            let rendered = version.render(&given, "Hi", TODAY);
            assert_eq!(rendered.is_ok(), expected, "{times}");
            if let Err(problem) = rendered {
                assert_eq!(problem.errors[0].pointer.as_deref(), Some("/variables"));
            }
        }
    }

    #[test]
    fn a_name_alone_pins_the_version_that_was_built_in() {
        let read = |stored: Value| serde_json::from_value::<Pinned>(stored).unwrap();
        assert_eq!(read(json!("agent.tasks")), read(json!({"name": "agent.tasks", "version": 0})));
        assert_eq!(json!(read(json!("default"))), json!({"name": "default", "version": 0}));
    }
}
