//! A batch: an item is a call about some rows of a range. It reads the rows with the rights that
//! their user has then.
//!
//! - `source`: the rows, cleared for their user
//! - `answer`, `output`: what an answer says of each row; `grounding`: numbers that a row does not
//!   have

mod answer;
mod grounding;
mod output;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use assistant::domain::{MessageRole, ModelName};
use assistant::{Request, Turn};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::{Problem, ids};
use serde_json::{Value, json};
use tally_jobs::domain::{
    BatchWork, ErrorCode, ItemStatus, JobError, Operation, Outcome, StoredRow, StoredRows,
};
use tally_jobs::rows_of;
use tally_jobs::store::{Head, Item, ItemState, Items};
use tally_prompts::domain::{Pinned, Rendered, Values, Version};

use super::asked::asked;
use super::{Accept, Accepted, Call, Kinds, NoCall, Work};
use crate::board::About;
use answer::outputs;
use grounding::Numbers;
use source::{Rows, Source};

/// The work.
pub struct Batch {
    head: Head,
    work: BatchWork,
    version: Arc<Version>,
    variables: Values,
    items: Items,
    source: Source,
}

/// The rows of an item at the begin of an attempt.
struct Attempt {
    operation: Operation,
    /// The rows that the model is asked about, and the numbers that stand in them.
    asked: Vec<(StoredRow, Numbers)>,
    /// All others, with their results.
    others: StoredRows,
    /// How many of the others have a result by this attempt: they are empty.
    blank: u32,
}

impl Batch {
    pub async fn new(
        kinds: &Kinds,
        head: &Head,
        variables: Values,
        work: BatchWork,
    ) -> Result<Self, Problem> {
        let Pinned { name, version } = &head.prompt;
        let version = kinds.version(name, *version).await?;
        let (reader, clock) = (kinds.ranges.clone(), kinds.clock.clone());
        let source = Source::new(reader, clock, head.user_id.clone());
        Ok(Self {
            head: head.clone(),
            work,
            version,
            variables,
            items: kinds.items.clone(),
            source,
        })
    }

    async fn ask(&self, index: u32) -> Result<Call, NoCall> {
        let job_id = self.head.id.as_str();
        let item = self.items.get(job_id, index).await.map_err(Problem::from)?;
        let known = rows_of(&self.work, index, item.as_ref(), &self.head);
        let rows = self.source.rows(&self.work, index).await?;
        let attempt = Attempt::new(&self.work, known, &rows)?;
        let numbers = attempt.numbers();
        if numbers.is_empty() {
            return Err(NoCall::Done(attempt.accepted()));
        }
        let text = rows.text(&self.work, &numbers);
        let Some(rendered) = self.rendered(index, &text) else {
            return Err(NoCall::Item(JobError::of(ErrorCode::TooLarge)));
        };
        let input = json!({
            "range_id": self.work.range_id,
            "columns": self.work.input_columns,
            "rows": numbers,
            "sha256": ids::sha256(&text),
            "today": self.head.day().to_string(),
        });
        let asked = asked(&self.version, &self.variables, &input, &rendered.user);
        let sources = serde_json::to_string(&rows.sources.record());
        let sources = sources.map_err(|_| Problem::internal())?;
        let accept: Accept = Box::new(move |answer: &str, _: u64| attempt.accept(answer));
        let request = self.request_of(index, &numbers, rendered);
        Ok(Call { request, asked, sources: Some(sources), accept })
    }

    /// The texts for the model. `None` if they are more than the hold pays for, or than a prompt can
    /// have.
    fn rendered(&self, index: u32, text: &str) -> Option<Rendered> {
        let rendered = self.version.render(&self.variables, text, self.head.day()).ok();
        rendered.filter(|_| self.work.pays_for(index, text.len()))
    }

    fn request_of(&self, index: u32, rows: &[u32], rendered: Rendered) -> Request {
        let content = &self.version.content;
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        Request {
            reply_id: format!("{}#{index}", self.head.id),
            system: rendered.system,
            turns: vec![Turn::text(MessageRole::User, rendered.user)],
            model: content.model.as_ref().map(|model| ModelName::as_str(model).to_owned()),
            max_tokens: Some(self.work.operation.max_tokens(count)),
            effort: content.effort,
            output_schema: Some(self.work.operation.schema(rows)),
            ..Request::default()
        }
    }
}

impl Work for Batch {
    /// A retry is for the rows without a result, or for some of them.
    fn about(&self, index: u32, state: Option<&ItemState>) -> About {
        let has = state.map_or(0, |state| state.succeeded);
        let lacks = self.work.units(index).saturating_sub(has);
        let units = if self.head.only.is_empty() {
            lacks
        } else {
            let rows = self.work.rows_of(index);
            let named = self.head.only.iter().filter(|row| rows.contains(*row)).count();
            lacks.min(u32::try_from(named).unwrap_or(u32::MAX))
        };
        About { units, is_last: false, is_wanted: units > 0 }
    }

    /// The rows as they are before the attempt. Those that this round is for are pending.
    fn kept(&self, index: u32, earlier: Option<Item>) -> Option<String> {
        let is_untouched = match &earlier {
            Some(item) => item.state.round == self.head.round,
            None => self.head.only.is_empty(),
        };
        if is_untouched {
            return earlier.and_then(|item| item.result);
        }
        let rows = rows_of(&self.work, index, earlier.as_ref(), &self.head);
        serde_json::to_string(&rows).ok()
    }

    fn prompt(&self, _: u32) -> Pinned {
        self.head.prompt.clone()
    }

    fn system_bytes(&self) -> usize {
        self.version.content.system.len()
    }

    fn request(&self, index: u32) -> BoxFuture<'_, Result<Call, NoCall>> {
        self.ask(index).boxed()
    }

    fn finish(&self) -> BoxFuture<'_, Result<Option<Outcome>, Problem>> {
        async { Ok(None) }.boxed()
    }
}

impl Attempt {
    /// The attempt at the rows that are pending. Empty ones have their result at once: no model is
    /// asked about them.
    fn new(work: &BatchWork, known: StoredRows, rows: &Rows) -> Result<Self, Problem> {
        let StoredRows { rows: all, mut sources } = known;
        if !sources.add(&rows.sources) {
            tracing::error!(range_id = work.range_id, "failed to keep the sources of a batch");
            return Err(Problem::internal());
        }
        let (mut asked, mut others, mut blank) = (Vec::new(), Vec::new(), 0);
        for row in all {
            if row.status != ItemStatus::Pending {
                others.push(row);
            } else if rows.is_blank(work, row.row) {
                others.push(StoredRow { attempts: 0, ..row.with(Value::Null, Vec::new()) });
                blank += 1;
            } else {
                let numbers = match work.operation {
                    Operation::Extract { .. } => {
                        Numbers::of(rows.cells(), row.row - 1, work.columns())
                    }
                    _ => Numbers::default(),
                };
                asked.push((row, numbers));
            }
        }
        let others = StoredRows { rows: others, sources };
        Ok(Self { operation: work.operation.clone(), asked, others, blank })
    }

    /// The rows that the model is asked about, by their numbers.
    fn numbers(&self) -> Vec<u32> {
        self.asked.iter().map(|(row, _)| row.row).collect()
    }

    /// Takes the outputs of an answer.
    fn accept(mut self, answer: &str) -> Accepted {
        let mut outputs = outputs(&self.operation, &self.numbers(), answer);
        let asked = std::mem::take(&mut self.asked);
        let (mut good, count) = (0, asked.len());
        for (row, numbers) in asked {
            let row = match outputs.remove(&row.row) {
                Some(Ok(output)) => {
                    good += 1;
                    let ungrounded = numbers.missing_from(&self.operation, &output);
                    row.with(output, ungrounded)
                }
                Some(Err(code)) => row.failed(code),
                None => row,
            };
            self.others.rows.push(row);
        }
        let succeeded = self.blank + good;
        let missing = count - good as usize;
        let error = (missing > 0).then(|| {
            let detail = format!("{missing} of {count} rows have no valid output.");
            JobError::new(ErrorCode::InvalidOutput, detail)
        });
        Accepted { error, succeeded, ..self.accepted() }
    }

    /// The rows as they are, without those that the model is asked about.
    fn accepted(self) -> Accepted {
        let StoredRows { rows, sources } = self.others;
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.row, row)).collect();
        let all = StoredRows { rows: rows.into_values().collect(), sources };
        let result = serde_json::to_string(&all).ok();
        Accepted { result, error: None, succeeded: self.blank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32, status: ItemStatus) -> StoredRow {
        StoredRow::new(number, status, 1)
    }

    fn attempt(operation: Operation, asked: &[u32], others: Vec<StoredRow>) -> Attempt {
        let asked =
            asked.iter().map(|number| (row(*number, ItemStatus::Pending), Numbers::default()));
        let others = StoredRows { rows: others, ..StoredRows::default() };
        Attempt { operation, asked: asked.collect(), others, blank: 1 }
    }

    fn rows(accepted: &Accepted) -> Vec<Value> {
        let stored: Value = serde_json::from_str(accepted.result.as_ref().unwrap()).unwrap();
        stored["rows"].as_array().unwrap().clone()
    }

    #[test]
    fn an_answer_joins_what_is_known_of_other_rows() {
        let others = || {
            vec![
                row(9, ItemStatus::Pending).with(Value::Null, Vec::new()),
                row(6, ItemStatus::Cancelled),
            ]
        };
        let (six, nine) = (
            json!({"row": 6, "status": "cancelled", "attempts": 1}),
            json!({"row": 9, "status": "succeeded", "attempts": 1}),
        );
        let good = json!({"row": 7, "status": "succeeded", "output": "a", "attempts": 1});
        let bad = |number: u32, code: &str| json!({"row": number, "status": "failed", "code": code, "attempts": 1});
        for (answer, succeeded, detail, seven, eight) in [
            (
                json!({"rows": [{"row": 8, "output": 8}, {"row": 7, "output": "a"}]}).to_string(),
                2,
                "1 of 2 rows have no valid output.",
                good.clone(),
                bad(8, "invalid_output"),
            ),
            (
                json!({"rows": [{"row": 7, "output": "a"}, {"row": 9, "output": "z"}]}).to_string(),
                2,
                "1 of 2 rows have no valid output.",
                good,
                bad(8, "missing_output"),
            ),
            (
                "No.".to_owned(),
                1,
                "2 of 2 rows have no valid output.",
                bad(7, "invalid_output"),
                bad(8, "invalid_output"),
            ),
        ] {
            let accepted = attempt(Operation::Explain, &[7, 8], others()).accept(&answer);
            assert_eq!(accepted.succeeded, succeeded, "{answer}");
            assert_eq!(accepted.error.as_ref().unwrap().detail, detail, "{answer}");
            assert_eq!(rows(&accepted), [six.clone(), seven, eight, nine.clone()], "{answer}");
        }
    }

    #[test]
    fn numbers_that_a_row_does_not_have_are_marked() {
        let operation: Operation = serde_json::from_value(
            json!({"type": "extract", "fields": [{"name": "net", "type": "number"}]}),
        )
        .unwrap();
        let answer = json!({"rows": [{"row": 7, "output": {"net": 5}}]}).to_string();
        let accepted = attempt(operation, &[7], Vec::new()).accept(&answer);
        let expected = json!({
            "row": 7, "status": "succeeded", "output": {"net": 5}, "ungrounded": ["net"],
            "attempts": 1,
        });
        assert_eq!(rows(&accepted), [expected]);
        assert_eq!((accepted.error, accepted.succeeded), (None, 2));
    }
}
