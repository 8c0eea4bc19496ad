//! A tool of any type, with its schemas, and the path of a call from its arguments to its answer.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::Problem;
use platform::gate::{Committer, RateLimiter, RequestInfo};
use platform::input::Fields;
use platform::problem::{Code, FieldError};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, counted};
use crate::input::KEY;
use crate::schema::schema;
use crate::sentence::visible;
use crate::tool::{About, Found, Given, OUTPUT_BYTES, Tool};

/// A tool with its schemas. Each schema is made when it is read for the first time, because most
/// calls read none.
#[derive(Debug)]
pub struct Listed {
    /// What it is.
    pub about: About,
    /// JSON Schema of its arguments, an object.
    pub input_schema: LazyLock<Value>,
    /// JSON Schema of its output, an object.
    pub output_schema: LazyLock<Value>,
}

/// The steps that the calls of all tools share.
pub struct Gate {
    /// Counts calls.
    pub limiter: RateLimiter,
    /// Commits plans.
    pub committer: Committer,
}

/// A tool of any type.
pub trait AnyTool: Send + Sync {
    /// The tool with its schemas.
    fn listed(&self) -> &Listed;

    /// Checks the arguments, and says what the call will do.
    fn preview<'a>(&'a self, given: Given<'a>) -> BoxFuture<'a, Result<String, Problem>>;

    /// Makes the call, in this order: the arguments, the limits, an earlier call with the same key,
    /// the work, the commit.
    fn run<'a>(
        &'a self,
        given: Given<'a>,
        gate: &'a Gate,
        info: RequestInfo<'a>,
    ) -> BoxFuture<'a, Result<Answer, Problem>>;
}

/// A tool of one type.
pub struct Entry<T> {
    /// The tool.
    pub tool: T,
    /// The tool with its schemas.
    pub listed: Listed,
}

impl Listed {
    /// The tool of this type.
    pub fn of<T: Tool>() -> Self {
        Self {
            about: T::ABOUT,
            input_schema: LazyLock::new(schema::<T::Input>),
            output_schema: LazyLock::new(schema::<T::Output>),
        }
    }
}

impl<T: Tool> AnyTool for Entry<T> {
    fn listed(&self) -> &Listed {
        &self.listed
    }

    fn preview<'a>(&'a self, given: Given<'a>) -> BoxFuture<'a, Result<String, Problem>> {
        async move {
            let input = Fields::json(given.arguments.clone()).read::<T::Input>()?;
            self.tool.preview(given, &input).await
        }
        .boxed()
    }

    fn run<'a>(
        &'a self,
        given: Given<'a>,
        gate: &'a Gate,
        info: RequestInfo<'a>,
    ) -> BoxFuture<'a, Result<Answer, Problem>> {
        async move {
            let Given { caller, now, arguments, .. } = given;
            let About { name, limits, .. } = T::ABOUT;
            let input = Fields::json(arguments.clone()).read::<T::Input>()?;
            gate.limiter.limit_message(limits, Some(caller), None, &info).await?;
            let (fingerprint, earlier) = match T::repetition(&input) {
                Some(key) => {
                    let repetition = (key, content(arguments));
                    let found = gate.committer.repetition_of(name, caller, repetition, now).await;
                    found.map_err(of_key)?
                }
                None => (None, None),
            };
            let info = RequestInfo { fingerprint, ..info };
            let plan = match earlier {
                Some(earlier) => self.tool.repeat(given, input, &earlier.resource).await,
                None => self.tool.handle(given, input).await,
            };
            let reply = gate.committer.commit(plan, Some(caller), &info).await?;
            let Found { output, sources } = reply.into_output();
            let content = serde_json::to_value(&output).map_err(|_| Problem::internal())?;
            let text = T::text(&output).map_err(|_| Problem::internal())?;
            if text.len() > OUTPUT_BYTES {
                tracing::error!(
                    tool = name,
                    bytes = text.len(),
                    "the output of a tool is too long"
                );
            }
            let summary = T::summary(&output).unwrap_or_else(|| counted(&content));
            Ok(Answer { content, text: visible(&text).into_owned(), summary, sources })
        }
        .boxed()
    }
}

/// What a call says beside its key. The order of its arguments does not matter.
fn content(arguments: &Map<String, Value>) -> String {
    let said = arguments.iter().filter(|(name, _)| *name != KEY);
    json!(said.collect::<BTreeMap<_, _>>()).to_string()
}

/// The problem of a key, with its place among the arguments.
fn of_key(mut problem: Problem) -> Problem {
    if problem.code == Code::IdempotencyKeyReused {
        problem.errors.push(FieldError {
            pointer: Some(format!("/{KEY}")),
            parameter: None,
            detail: "belongs to an earlier call with other arguments".to_owned(),
        });
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &str) -> String {
        content(&serde_json::from_str(arguments).unwrap())
    }

    #[test]
    fn calls_that_differ_in_their_key_alone_say_the_same() {
        let plain = said(r#"{"title": "a", "due_date": "2026-01-31"}"#);
        for (other, is_same) in [
            (r#"{"due_date": "2026-01-31", "title": "a"}"#, true),
            (r#"{"title": "a", "idempotency_key": "k", "due_date": "2026-01-31"}"#, true),
            (r#"{"title": "b", "due_date": "2026-01-31"}"#, false),
            (r#"{"title": "a", "due_date": "2026-01-31", "description": null}"#, false),
            (r#"{"title": "a"}"#, false),
        ] {
            assert_eq!(said(other) == plain, is_same, "{other}");
        }
    }

    #[test]
    fn a_key_of_other_arguments_is_refused_at_its_place() {
        let problem = of_key(Problem::idempotency_key_reused());
        assert_eq!(problem.errors[0].pointer.as_deref(), Some("/idempotency_key"));
        assert_eq!(of_key(Problem::unavailable()), Problem::unavailable());
    }
}
