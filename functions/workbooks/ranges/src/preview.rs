//! `POST /ranges/{id}/preview`: the cells that a model would get with a task, and their cost. They
//! are those that chat would send: the text and its digest are the same.

use assistant::domain::{Cost, ModelName};
use cells::address::{Area, Cell};
use cells::csv::weigh;
use cells::grid::{Cleared, Grid};
use cells::profile::Column;
use cells::prompt::WouldSend;
use futures_util::future::try_join3;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::domain::Action;
use tally_chat::Excerpts;
use tally_chat::domain::MessageText;
use tally_prompts::Registry;
use tally_prompts::domain::PromptRef;
use tally_ranges::Reader;
use tally_ranges::events::{of_range, withholding};
use utoipa::ToSchema;

use crate::money::{Costs, Money, Tokens};
use crate::read::PATH;
use crate::view::RangeColumn;
use crate::weight::LIMIT;

/// Rows of the sample.
const SAMPLE: usize = 20;

/// Characters of a cell of the sample, at most.
const SAMPLE_TEXT: usize = 200;

/// Characters of the excerpt, at most.
const EXCERPT: usize = 4_000;

/// `POST /ranges/{id}/preview`.
pub struct PreviewRange {
    reader: Reader,
    money: Money,
    registry: Registry,
}

/// The message that you would send with the range.
#[derive(ToSchema)]
pub struct PreviewRequest {
    /// 1 to 10,000 characters. Control characters other than newline and tab are dropped.
    #[schema(
        value_type = String, min_length = 1, max_length = 10_000,
        pattern = r"[^\s\u0000-\u001f\u007f-\u009f]", example = "Which months are over budget?"
    )]
    pub task: MessageText,
    /// Whether the model gets hidden rows and columns too.
    #[schema(value_type = Option<bool>, default = false)]
    pub include_hidden: bool,
}

/// The cells that a model would get.
#[derive(Serialize, ToSchema)]
pub struct Preview {
    /// The columns that would be sent, from the left, and those that are withheld from a model.
    #[schema(value_type = Vec<RangeColumn>)]
    pub columns: Vec<Column>,
    /// The first 20 rows that would be sent, with a value for each of `columns`. A withheld one is
    /// null. Long texts are cut after 200 characters.
    pub sample: Vec<Vec<Option<String>>>,
    /// The number of rows and cells.
    #[schema(value_type = PreviewCounts)]
    pub would_send: WouldSend,
    /// The first 4,000 characters of the text that the model would get. Of a range that does not
    /// fit into a message, the text has statistics and the first rows.
    pub excerpt: String,
    /// Tokens that the model would read.
    pub tokens: Tokens,
    /// Cost of the reply.
    pub cost_usd: Costs,
    /// The rest of your budget this month, in US dollars.
    #[schema(value_type = String, example = "16.7488")]
    pub budget_left_usd: Cost,
    /// SHA-256 of the whole text of the cells as it would be sent, URL-safe base64.
    #[schema(example = "dLc2qAZfzY6Hv5GfYtOdjTIIdGvdSgbGkkEQox1wR_k")]
    pub digest: String,
}

/// Counts of the rows and cells that would be sent.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct PreviewCounts {
    /// Rows below the headers.
    #[schema(example = 480)]
    rows: usize,
    /// Cells with their values.
    #[schema(example = 1900)]
    cells: usize,
    /// Cells that are withheld from a model.
    #[schema(example = 20)]
    withheld: usize,
    /// Cells of hidden rows and columns, which are left out.
    #[schema(example = 0)]
    hidden: usize,
}

impl Input for PreviewRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let task = fields.required("task");
        let include_hidden = fields.optional("include_hidden");
        Some(Self { task: task?, include_hidden: include_hidden?.unwrap_or_default() })
    }
}

impl Endpoint for PreviewRange {
    const ROUTE: Route = routes::RANGE_PREVIEW;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::NotReady];
    type Caller = Principal;
    type Body = PreviewRequest;
    type Query = ();
    type Output = Preview;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            reader: Reader::new(platform)?,
            money: Money::new(platform)?,
            registry: Registry::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Preview>, Problem> {
        let id = request.call.path_id("id")?;
        let (user_id, include_hidden) = (&request.caller.user_id, request.body.include_hidden);
        let opened = self.reader.open(&id, user_id, request.now).await?;
        opened.must_be_ready()?;
        if !opened.allows(Action::Ai) {
            return Err(Problem::not_granted("ai"));
        }
        let left = self.money.left(user_id, request.now);
        let default = PromptRef::default();
        let (cleared, budget_left_usd, prompt) = try_join3(
            opened.cells(None, Action::Ai.with_read()),
            left,
            self.registry.find(&default),
        )
        .await?;
        let head = opened.head();
        let (excerpts, block) = Excerpts::of_range(head, &cleared, include_hidden);
        let content = prompt.as_ref().map(|prompt| &prompt.content);
        let system = content.map(|content| content.system.as_str());
        let user = content.and_then(|content| content.user.as_deref());
        let model = content.and_then(|content| content.model.as_ref()).map(ModelName::as_str);
        let said = [request.body.task.as_str(), excerpts.text()];
        let texts: Vec<_> = system.into_iter().chain(user).chain(said).collect();
        let (tokens, cost_usd) = self.money.of(model, &texts);
        let would_send = cleared.would_send(head.area, include_hidden);
        let details = withholding(of_range(head), cleared.withheld())
            .detail("rows", would_send.rows)
            .detail("sent_cells", would_send.cells)
            .detail("include_hidden", include_hidden);
        let (columns, letters) = columns(&cleared, &block.columns);
        Ok(Plan::reply(Preview {
            columns,
            sample: sample(&cleared, head.area, &letters, include_hidden),
            would_send,
            excerpt: excerpts.text().chars().take(EXCERPT).collect(),
            tokens,
            cost_usd,
            budget_left_usd,
            digest: excerpts.digest(),
        })
        .details(details))
    }
}

/// The columns that would be sent and the withheld ones, with their places.
fn columns(cleared: &Cleared<Grid>, sent: &[u32]) -> (Vec<Column>, Vec<u32>) {
    let all = cleared.columns().into_iter();
    let all = all.zip(cleared.area().first().column..);
    all.filter(|(column, at)| matches!(column, Column::Withheld { .. }) || sent.contains(at))
        .unzip()
}

/// The first rows that would be sent, as many as an answer has room for.
fn sample(
    cleared: &Cleared<Grid>,
    area: Area,
    columns: &[u32],
    include_hidden: bool,
) -> Vec<Vec<Option<String>>> {
    let value = |cell| Some(cut(&cleared.value(cell)?.to_string()));
    let rows = cleared.chosen(area, include_hidden).rows.into_iter().take(SAMPLE);
    let mut weight = 0;
    rows.map(|row| columns.iter().map(|&column| value(Cell { row, column })).collect())
        .take_while(|row: &Vec<Option<String>>| {
            // A text is JSON inside of JSON.
            weight += row.iter().flatten().map(|text| 8 + 2 * weigh(text)).sum::<usize>();
            weight <= LIMIT / 2
        })
        .collect()
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SAMPLE_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for (text, expected) in [
            (String::new(), String::new()),
            ("é".repeat(200), "é".repeat(200)),
            ("é".repeat(201), "é".repeat(200) + "…"),
        ] {
            assert_eq!(cut(&text), expected);
        }
    }

    #[test]
    fn a_preview_needs_a_task() {
        for (body, expected) in [
            (serde_json::json!({"task": "Sum it up."}), None),
            (serde_json::json!({"task": "Sum it up.", "include_hidden": true}), None),
            (serde_json::json!({}), Some("/task")),
            (serde_json::json!({"task": " "}), Some("/task")),
            (serde_json::json!({"task": "x", "include_hidden": "yes"}), Some("/include_hidden")),
        ] {
            let read = Fields::json(body.as_object().unwrap().clone()).read::<PreviewRequest>();
            let fault = read.err().and_then(|problem| problem.errors[0].pointer.clone());
            assert_eq!(fault.as_deref(), expected, "{body}");
        }
    }
}
