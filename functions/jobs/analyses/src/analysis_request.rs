//! The body of `POST /analyses`.

use assistant::domain::{Budget, Cost};
use platform::domain::ResourceId;
use platform::http::{Schemas, either};
use platform::input::{Fields, FromField, Input, Items, RawValue};
use tally_jobs::domain::{AnalysisType, max_cost_usd};
use tally_prompts::domain::{PromptRef, Values};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::fields::Title;
use crate::input::NewInput;

/// Inputs, at most.
const MOST_INPUTS: usize = 20;

/// The analysis to start.
pub struct AnalysisRequest {
    /// What it reads.
    pub subject: Subject,
    /// The prompt.
    pub prompt: Option<PromptRef>,
    /// The values of its variables.
    pub variables: Option<Values>,
    /// The most that it may cost.
    pub max_cost: Option<Cost>,
    /// Its title.
    pub title: Option<String>,
}

platform::opaque!(AnalysisRequest);

/// What an analysis reads.
pub enum Subject {
    /// These inputs.
    Inputs(AnalysisType, Vec<NewInput>),
    /// The inputs of an earlier analysis.
    Earlier(ResourceId),
}

/// An analysis of files and texts.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct NewAnalysis {
    /// What it looks for.
    r#type: AnalysisType,
    /// The inputs. The server divides them into pieces, at most 500 together.
    #[schema(min_items = 1, max_items = 20)]
    inputs: Vec<NewInput>,
    /// A prompt of the kind `task`. Without one, it is `code.review` or `finance.review`, by the
    /// type. The type `custom` needs one. Editors and administrators may name a version of it too:
    /// `name@label` or `name@7`.
    #[schema(
        pattern = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?(@([a-z][a-z0-9-]{0,31}|0|[1-9][0-9]{0,8}))?$",
        example = "code.review"
    )]
    prompt: Option<String>,
    /// Values of the prompt's variables, by name. At most 100,000 bytes of JSON.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>, example = json!({}))]
    variables: Option<Values>,
    /// The most that it may cost.
    #[schema(schema_with = max_cost_usd, required = false)]
    max_cost_usd: Option<Budget>,
    /// Its title. Without one, the title has the type and the name of the first input.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "Review of the contract"
    )]
    title: Option<String>,
}

/// An earlier analysis of yours again, of the same pieces. Files are not prepared again.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct AnalysisRerun {
    /// Id of the earlier analysis.
    #[schema(format = "uuid")]
    rerun_of: String,
    /// A prompt of the kind `task`. Without one, it is the version that the earlier analysis used.
    /// Editors and administrators may name a version too: `name@label` or `name@7`.
    #[schema(
        pattern = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?(@([a-z][a-z0-9-]{0,31}|0|[1-9][0-9]{0,8}))?$",
        example = "code.review@staging"
    )]
    prompt: Option<String>,
    /// Values of the prompt's variables, by name. Without them, they are those of the earlier
    /// analysis if the prompt has the same name, and none otherwise. At most 100,000 bytes of JSON.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>, example = json!({}))]
    variables: Option<Values>,
    /// The most that it may cost.
    #[schema(schema_with = max_cost_usd, required = false)]
    max_cost_usd: Option<Budget>,
    /// Its title. Without one, it is that of the earlier analysis.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "Review of the contract"
    )]
    title: Option<String>,
}

impl PartialSchema for AnalysisRequest {
    fn schema() -> RefOr<Schema> {
        either::<NewAnalysis, AnalysisRerun>()
    }
}

impl ToSchema for AnalysisRequest {
    fn schemas(schemas: &mut Schemas) {
        add::<NewAnalysis>(schemas);
        add::<AnalysisRerun>(schemas);
    }
}

/// Adds a schema, and those that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// 1 to 20 inputs.
struct NewInputs(Vec<NewInput>);

impl FromField for NewInputs {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let Items(inputs) = Items::read(raw)?;
        if (1..=MOST_INPUTS).contains(&inputs.len()) {
            Ok(Self(inputs))
        } else {
            Err(format!("must be 1 to {MOST_INPUTS} inputs"))
        }
    }
}

impl Input for AnalysisRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let earlier = fields.optional::<ResourceId>("rerun_of");
        let kind = fields.optional::<AnalysisType>("type");
        let inputs = fields.optional::<NewInputs>("inputs");
        let prompt = fields.optional::<PromptRef>("prompt");
        let variables = fields.optional("variables");
        let max_cost = fields.optional::<Budget>("max_cost_usd");
        let title = fields.optional::<Title>("title");
        // A field that is there but wrong counts as sent.
        let others =
            [("type", matches!(kind, Some(None))), ("inputs", matches!(inputs, Some(None)))];
        for (name, is_absent) in others {
            match (&earlier, is_absent) {
                (Some(None), true) => fields.refuse(name, "is required, unless rerun_of is sent"),
                (Some(Some(_)), false) => {
                    fields.refuse(name, "must not be sent together with rerun_of");
                }
                _ => {}
            }
        }
        if kind == Some(Some(AnalysisType::Custom)) && prompt == Some(None) {
            fields.refuse("prompt", "is required for the type custom");
        }
        let subject = match earlier? {
            Some(id) => Subject::Earlier(id),
            None => Subject::Inputs(kind??, inputs??.0),
        };
        Some(Self {
            subject,
            prompt: prompt?,
            variables: variables?,
            max_cost: max_cost?.map(Budget::amount),
            title: title?.map(|Title(text)| text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ID: &str = "019ab9a0-0000-7000-8000-00000000c0de";

    fn read(body: &Value) -> Result<AnalysisRequest, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<AnalysisRequest>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn an_analysis_is_of_inputs_or_of_those_of_an_earlier_one() {
        let new = read(&json!({
            "type": "custom", "inputs": [{"file_id": ID}, {"name": "a", "text": "b"}],
            "prompt": "mine@7", "variables": {"x": 1}, "max_cost_usd": 0.5, "title": "T",
        }));
        let new = new.unwrap();
        let Subject::Inputs(AnalysisType::Custom, inputs) = &new.subject else { panic!("{new:?}") };
        assert_eq!(inputs.len(), 2);
        assert_eq!(new.prompt.map(|prompt| prompt.to_string()).as_deref(), Some("mine@7"));
        assert_eq!(new.variables.and_then(|values| values.get("x").cloned()), Some(json!(1)));
        assert_eq!(new.max_cost.map(|cost| cost.to_string()).as_deref(), Some("0.50"));
        assert_eq!(new.title.as_deref(), Some("T"));
        // Null counts as absent.
        let rerun = read(&json!({"rerun_of": ID, "type": null, "inputs": null})).unwrap();
        assert!(matches!(&rerun.subject, Subject::Earlier(id) if **id == *ID));
        assert_eq!((rerun.prompt, rerun.variables, rerun.title), (None, None, None));
    }

    #[test]
    fn every_fault_is_named() {
        let text = json!({"name": "a", "text": "b"});
        let many = vec![text.clone(); 21];
        for (body, faults) in [
            (json!({}), &["/type", "/inputs"][..]),
            (json!({"type": "code"}), &["/inputs"]),
            (json!({"type": "code", "inputs": []}), &["/inputs"]),
            (json!({"type": "code", "inputs": many}), &["/inputs"]),
            (json!({"type": "code", "inputs": [text, {"file_id": "a"}]}), &["/inputs"]),
            (json!({"type": "fast", "inputs": "a"}), &["/type", "/inputs"]),
            (json!({"type": "custom", "inputs": [text]}), &["/prompt"]),
            (json!({"type": "custom", "inputs": [text], "prompt": "a b"}), &["/prompt"]),
            (
                json!({"type": "code", "inputs": [text], "variables": [], "max_cost_usd": -1}),
                &["/variables", "/max_cost_usd"],
            ),
            (json!({"type": "code", "inputs": [text], "title": ""}), &["/title"]),
            (json!({"type": "code", "inputs": [text], "dry_run": true}), &["/dry_run"]),
            (json!({"rerun_of": "a"}), &["/rerun_of"]),
            (json!({"rerun_of": ID, "type": "code"}), &["/type"]),
            (json!({"rerun_of": ID, "inputs": [text], "title": 1}), &["/title", "/inputs"]),
        ] {
            assert_eq!(read(&body).err().unwrap_or_default(), faults, "{body}");
        }
    }
}
