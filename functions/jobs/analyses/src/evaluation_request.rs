//! The body of `POST /evaluations`.

use std::collections::BTreeSet;

use assistant::domain::{Budget, Cost};
use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde_json::Value;
use tally_jobs::domain::{Case, Check, max_cost_usd};
use tally_prompts::domain::{PromptName, Values, VersionNumber};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

use crate::fields::{AnyJson, Text, Title};

/// Versions, cases and repetitions, at most.
const MOST_VERSIONS: usize = 5;
const MOST_CASES: usize = 200;
const MOST_REPETITIONS: u32 = 5;

/// Characters of the input of a case, at most.
const LONGEST_INPUT: usize = 60_000;

/// Texts that an answer has to contain, at most.
const MOST_TEXTS: usize = 100;

/// The evaluation to start. Each version of a prompt is asked each case, as often as `repeat` says.
#[derive(ToSchema)]
#[schema(as = NewEvaluation)]
pub struct EvaluationRequest {
    /// The prompt. It is of the kind `task`.
    #[schema(
        value_type = String,
        pattern = "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$",
        example = "code.review"
    )]
    pub prompt: PromptName,
    /// Numbers of the versions.
    #[schema(schema_with = versions)]
    pub versions: Vec<u32>,
    /// The cases.
    #[schema(value_type = Vec<EvaluationCase>, min_items = 1, max_items = 200)]
    pub cases: Vec<Case>,
    /// The checks, each once. `schema` needs an `output_schema` in every version.
    #[schema(value_type = BTreeSet<Check>, min_items = 1, max_items = 3)]
    pub checks: Vec<Check>,
    /// How often each case is asked: 1 unless you say otherwise.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 5, default = 1)]
    pub repeat: u32,
    /// The most that it may cost.
    #[schema(schema_with = max_cost_usd, required = false)]
    pub max_cost_usd: Option<Cost>,
    /// Its title. Without one, the title has the name of the prompt.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "Shorter answers"
    )]
    pub title: Option<String>,
}

platform::opaque!(EvaluationRequest);

/// A case of an evaluation.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct EvaluationCase {
    /// Values of the prompt's variables, by name. At most 100,000 bytes of JSON.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>, example = json!({}))]
    variables: Option<Values>,
    /// The input: 1 to 60,000 characters, and not blanks alone.
    #[schema(min_length = 1, max_length = 60_000, example = "Revenue rose by 3 %.")]
    input: String,
    /// What is expected: any JSON for the check `exact`; a text, or a list of 1 to 100 texts, for
    /// `contains`. Both need it in every case.
    #[schema(value_type = Option<Value>, nullable = false)]
    expect: Option<Value>,
}

/// A case, as it is read.
struct NewCase(Case);

struct Cases(Vec<Case>);
struct Numbers(Vec<u32>);
struct Checks(Vec<Check>);
struct Repeat(u32);

impl Input for NewCase {
    fn read(fields: &mut Fields) -> Option<Self> {
        let variables = fields.optional::<Values>("variables");
        let input = fields.required::<Text<LONGEST_INPUT>>("input");
        let expect = fields.optional::<AnyJson>("expect");
        Some(Self(Case {
            variables: variables?.unwrap_or_default(),
            input: input?.0,
            expect: expect?.map(|AnyJson(value)| value),
        }))
    }
}

impl FromField for Cases {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let Items(cases) = Items::<NewCase>::read(raw)?;
        if (1..=MOST_CASES).contains(&cases.len()) {
            Ok(Self(cases.into_iter().map(|NewCase(case)| case).collect()))
        } else {
            Err(format!("must be 1 to {MOST_CASES} cases"))
        }
    }
}

/// The schema of a list of versions.
fn versions() -> Schema {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(VersionNumber::LARGEST));
    let description =
        "Numbers of the versions, 1 to 5, each once. 0 is the version that is built in.";
    ArrayBuilder::new()
        .items(number)
        .unique_items(true)
        .min_items(Some(1))
        .max_items(Some(MOST_VERSIONS))
        .description(Some(description))
        .examples([serde_json::json!([3, 4])])
        .into()
}

impl FromField for Numbers {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || format!("must be 1 to {MOST_VERSIONS} numbers of versions, each once");
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let number = |item| VersionNumber::read(&RawValue::Json(item)).map(|number| number.0);
        let numbers = items.iter().map(number).collect::<Result<Vec<_>, _>>();
        let numbers = numbers.map_err(|_| wrong())?;
        let different = numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len();
        let is_right = different && (1..=MOST_VERSIONS).contains(&numbers.len());
        if is_right { Ok(Self(numbers)) } else { Err(wrong()) }
    }
}

impl FromField for Checks {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be 1 to 3 of exact, contains and schema, each once".to_owned();
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let read = items.iter().map(|item| Check::read(&RawValue::Json(item)));
        let checks = read.collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
        let is_repeated = |(at, check): (usize, &Check)| checks[..at].contains(check);
        if checks.is_empty() || checks.iter().enumerate().any(is_repeated) {
            return Err(wrong());
        }
        Ok(Self(checks))
    }
}

impl FromField for Repeat {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let number = u32::try_from(u64::read(raw)?).ok();
        let number = number.filter(|number| (1..=MOST_REPETITIONS).contains(number));
        number.map(Self).ok_or_else(|| format!("must be 1 to {MOST_REPETITIONS}"))
    }
}

impl Input for EvaluationRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let prompt = fields.required("prompt");
        let versions = fields.required::<Numbers>("versions");
        let cases = fields.required::<Cases>("cases");
        let checks = fields.required::<Checks>("checks");
        let repeat = fields.optional::<Repeat>("repeat");
        let max_cost = fields.optional::<Budget>("max_cost_usd");
        let title = fields.optional::<Title>("title");
        let (Cases(cases), Checks(checks)) = (cases?, checks?);
        if let Some(fault) = unexpected(&cases, &checks) {
            fields.refuse("cases", &fault);
        }
        Some(Self {
            prompt: prompt?,
            versions: versions?.0,
            cases,
            checks,
            repeat: repeat?.map_or(1, |Repeat(number)| number),
            max_cost_usd: max_cost?.map(Budget::amount),
            title: title?.map(|Title(text)| text),
        })
    }
}

/// The first case whose `expect` does not suffice for the checks, as a phrase.
fn unexpected(cases: &[Case], checks: &[Check]) -> Option<String> {
    let fault = |case: &Case| match &case.expect {
        None if checks.contains(&Check::Exact) => Some("is required for the check exact"),
        Some(expect) if checks.contains(&Check::Contains) && !has_texts(expect) => {
            Some("must be a text, or a list of 1 to 100 texts, for the check contains")
        }
        None if checks.contains(&Check::Contains) => Some("is required for the check contains"),
        _ => None,
    };
    let mut faults = cases.iter().enumerate().filter_map(|(at, case)| Some((at, fault(case)?)));
    faults.next().map(|(at, fault)| format!("has a fault at /{at}/expect: {fault}"))
}

/// Whether these are texts that an answer can contain.
fn has_texts(expect: &Value) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match expect {
        Value::Array(texts) => (1..=MOST_TEXTS).contains(&texts.len()) && texts.iter().all(is_text),
        text => is_text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(more: &Value) -> Result<EvaluationRequest, Vec<String>> {
        let mut body = json!({
            "prompt": "code.review", "versions": [0, 7], "cases": [{"input": "a", "expect": "b"}],
            "checks": ["exact"],
        });
        let members = body.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        Fields::json(members.clone()).read::<EvaluationRequest>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn an_evaluation_has_versions_cases_and_checks() {
        let few = read(&json!({})).unwrap();
        assert_eq!(
            (few.prompt.as_str(), &few.versions[..], few.repeat),
            ("code.review", &[0, 7][..], 1)
        );
        assert_eq!((few.cases.len(), few.title), (1, None));
        let case = json!({"variables": {"x": 1}, "input": "a", "expect": ["b", "c"]});
        let full = read(&json!({
            "cases": vec![case; 200], "checks": ["schema", "contains", "exact"], "repeat": 5,
            "versions": [1, 2, 3, 4, 5], "max_cost_usd": "2.5", "title": "T",
        }));
        let full = full.unwrap();
        assert_eq!((full.cases.len(), full.versions.len(), full.repeat), (200, 5, 5));
        assert_eq!(full.checks, [Check::Schema, Check::Contains, Check::Exact]);
        assert_eq!(full.cases[199].variables.get("x"), Some(&json!(1)));
        assert_eq!(full.cases[199].expect, Some(json!(["b", "c"])));
        assert_eq!(full.max_cost_usd.map(|cost| cost.to_string()).as_deref(), Some("2.50"));
    }

    #[test]
    fn every_fault_is_named() {
        let case = |expect: Value| json!({"cases": [{"input": "a", "expect": expect}]});
        let contains = |expect: Value| {
            let mut more = case(expect);
            more["checks"] = json!(["contains"]);
            more
        };
        for (more, faults) in [
            (json!({"prompt": "code.review@7"}), &["/prompt"][..]),
            (json!({"versions": []}), &["/versions"]),
            (json!({"versions": [1, 1]}), &["/versions"]),
            (json!({"versions": [-1]}), &["/versions"]),
            (json!({"versions": [1_000_000_000]}), &["/versions"]),
            (json!({"versions": [1, 2, 3, 4, 5, 6]}), &["/versions"]),
            (json!({"cases": []}), &["/cases"]),
            (json!({"cases": vec![json!({"input": "a", "expect": 1}); 201]}), &["/cases"]),
            (json!({"cases": [{"input": ""}]}), &["/cases"]),
            (json!({"cases": [{"input": "x".repeat(60_001)}]}), &["/cases"]),
            (json!({"cases": [{"input": "a", "output": "b"}]}), &["/cases"]),
            (json!({"cases": [{"input": "a"}]}), &["/cases"]),
            (case(json!(null)), &["/cases"]),
            (case(json!({"a": 1})), &[]),
            (case(json!(0)), &[]),
            (contains(json!("b")), &[]),
            (contains(json!("")), &["/cases"]),
            (contains(json!([])), &["/cases"]),
            (contains(json!(["b", 1])), &["/cases"]),
            (contains(json!(vec!["b"; 101])), &["/cases"]),
            (contains(json!(null)), &["/cases"]),
            (json!({"cases": [{"input": "a"}], "checks": ["schema"]}), &[]),
            (json!({"checks": []}), &["/checks"]),
            (json!({"checks": ["exact", "exact"]}), &["/checks"]),
            (json!({"checks": ["judge"]}), &["/checks"]),
            (
                json!({"repeat": 0, "title": "", "max_cost_usd": "x"}),
                &["/repeat", "/max_cost_usd", "/title"],
            ),
            (json!({"repeat": 6, "checks": null}), &["/checks", "/repeat"]),
            (json!({"dry_run": true}), &["/dry_run"]),
        ] {
            assert_eq!(read(&more).err().unwrap_or_default(), faults, "{more}");
        }
    }
}
