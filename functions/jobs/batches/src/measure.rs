//! The worst cases of the calls of a batch: exact bytes of the rows as they would be sent. The cells
//! are read in blocks, so that a large range takes little memory.

use assistant::domain::{MessageRole, ModelName};
use assistant::pricing::Pricing;
use assistant::{Request, Turn, tokens_shown};
use cells::grid::{Cleared, Grid};
use platform::Problem;
use tally_access::domain::{Action, Actions};
use tally_jobs::Worst;
use tally_jobs::domain::BatchWork;
use tally_prompts::domain::{Rendered, Version};
use tally_ranges::Opened;

/// What the cells have to be allowed for.
pub const ACTIONS: Actions = Action::Ai.with_read();

/// Bytes that a row adds to the schema of an answer, at most.
const ROW_BYTES: u64 = 8;

/// The worst cases of the calls of a batch, with the bytes of their rows.
#[derive(Debug, Default)]
pub struct Measured {
    /// [`BatchWork::bytes`].
    pub bytes: Vec<u32>,
    /// Their worst cases.
    pub worst: Worst,
}

/// The part of a call's worst case that does not depend on its rows.
pub struct Base<'a> {
    pricing: Option<&'a Pricing>,
    model: Option<&'a str>,
    tokens: u64,
}

impl<'a> Base<'a> {
    /// That of a version with these texts, which are rendered without rows.
    pub fn new(
        work: &BatchWork,
        version: &'a Version,
        texts: Rendered,
        pricing: Option<&'a Pricing>,
    ) -> Self {
        let request = Request {
            system: texts.system,
            turns: vec![Turn::text(MessageRole::User, texts.user)],
            output_schema: Some(work.operation.schema(&[])),
            ..Request::default()
        };
        let model = version.content.model.as_ref().map(ModelName::as_str);
        Self { pricing, model, tokens: tokens_shown(&request) }
    }
}

/// Reads the rows of a batch as its worker will, and counts what its calls take.
pub async fn measure(
    opened: &Opened,
    work: &BatchWork,
    base: &Base<'_>,
) -> Result<Measured, Problem> {
    let head = opened.head();
    let headers = if head.header_rows == 0 { Vec::new() } else { opened.headers(ACTIONS).await? };
    let named = work.columns().map(|column| {
        let place = column.checked_sub(head.area.first().column);
        let place = place.and_then(|place| usize::try_from(place).ok());
        (column, place.and_then(|place| headers.get(place)?.as_deref()))
    });
    let named: Vec<_> = named.collect();
    let mut measured = Measured::default();
    for block in work.blocks() {
        let area = work.area(&work.rows_of_all(&block)).ok_or_else(Problem::internal)?;
        let cells = opened.cells(Some(area), ACTIONS).await?;
        for index in block {
            measured.add(&cells, (&head.sheet_name, &named), (work, index), base);
        }
    }
    Ok(measured)
}

impl Measured {
    fn add(
        &mut self,
        cells: &Cleared<Grid>,
        (sheet, columns): (&str, &[(u32, Option<&str>)]),
        (work, index): (&BatchWork, u32),
        base: &Base<'_>,
    ) {
        // Rows of a grid count from zero.
        let rows = work.rows_of(index).map(|row| row - 1);
        let rows: Vec<_> = rows.filter(|row| !cells.is_blank(*row, work.columns())).collect();
        let bytes = if rows.is_empty() {
            0
        } else {
            let text = cells.rows_prompt(sheet, columns, rows.iter().copied());
            BatchWork::bytes_at_most(text.len())
        };
        self.bytes.push(bytes);
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        self.add_call(bytes, count, work, base);
    }

    /// Adds the worst case of a call. There is no call without bytes.
    fn add_call(&mut self, bytes: u32, rows: u32, work: &BatchWork, base: &Base<'_>) {
        if bytes == 0 {
            self.worst.nanos.extend(base.pricing.map(|_| 0));
            return;
        }
        let tokens = base.tokens + u64::from(bytes) + ROW_BYTES * u64::from(rows + 1);
        let max_tokens = Some(work.operation.max_tokens(rows));
        self.worst.add(base.pricing, base.model, tokens, max_tokens);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tally_jobs::domain::{Operation, SLACK_BYTES};
    use tally_prompts::built_in;

    use super::*;

    #[test]
    fn a_call_costs_no_more_than_what_is_reserved() {
        let settings =
            [("AI_MODEL", "m"), ("AI_PRICES", "m=3/15/3.75/0.30"), ("AI_MAX_TOKENS", "100000")];
        let pricing = Pricing::of_settings(&settings.into_iter().collect()).unwrap();
        let today = jiff::civil::date(2026, 1, 31);
        for (operation, rows) in [
            (json!({"type": "explain"}), 1..=1),
            (
                json!({"type": "classify", "labels": ["a", "b"], "multi": true}),
                1_048_527..=1_048_576,
            ),
            (json!({"type": "extract", "fields": [{"name": "n", "type": "number"}]}), 90..=109),
        ] {
            let operation: Operation = serde_json::from_value(operation).unwrap();
            let work = BatchWork {
                range_id: "r".into(),
                operation,
                input_columns: vec!["B".parse().unwrap()],
                first_row: *rows.start(),
                last_row: *rows.end(),
                rows_per_call: 50,
                bytes: Vec::new(),
            };
            let version = built_in(&work.operation.prompt()).unwrap();
            let values = work.operation.variables(None);
            let render = |text: &str| version.render(&values, text, today).unwrap();
            let base = Base::new(&work, &version, render(""), Some(&pricing));
            let text = "x".repeat(5_000);
            let mut measured = Measured::default();
            let numbers: Vec<u32> = rows.collect();
            let count = u32::try_from(numbers.len()).unwrap();
            measured.add_call(BatchWork::bytes_at_most(text.len()), count, &work, &base);
            // As the worker asks: with as much more text as it takes.
            let Rendered { system, user } = render(&(text + &"y".repeat(SLACK_BYTES)));
            let request = Request {
                system,
                turns: vec![Turn::text(MessageRole::User, user)],
                max_tokens: Some(work.operation.max_tokens(count)),
                output_schema: Some(work.operation.schema(&numbers)),
                ..Request::default()
            };
            let worst = pricing.worst_of_request(&request);
            assert!(worst <= measured.worst.cost(), "{numbers:?}");
            assert!(measured.worst.cost().nanos() < 2 * worst.nanos(), "{numbers:?}");
            // Rows without a call are free.
            measured.add_call(0, 0, &work, &base);
            assert_eq!(measured.worst.nanos[1..], [0]);
        }
    }
}
