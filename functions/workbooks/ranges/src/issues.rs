//! `GET /ranges/{id}/issues`: the issues of the cells that the caller may see, row by row.

use cells::address::Address;
use cells::csv::weigh;
use cells::issue::{Code, Severity};
use cells::issues::{Issue, Issues};
use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::Principal;
use platform::input::{Fields, FromField, Input, RawValue};
use platform::problem;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::{Deserialize, Serialize};
use tally_access::domain::Action;
use tally_ranges::Reader;
use tally_ranges::events::{of_range, withholding};
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};

use crate::read::PATH;
use crate::weight::LIMIT;

/// `GET /ranges/{id}/issues`.
pub struct ListIssues {
    reader: Reader,
    cursors: Cursors,
}

/// The query parameters.
pub struct IssuesQuery {
    code: Option<CodeField>,
    paging: Paging,
}

/// The filter.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct Filter {
    /// Only issues of this code.
    #[param(schema_with = code, required = false)]
    code: String,
}

/// A code by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CodeField(Code);

/// An issue of a cell: a likely fault, or a fact that a reader should know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RangeIssue)]
pub struct IssueView {
    /// The cell.
    #[schema(example = "D14")]
    pub cell: String,
    /// The kind of issue.
    #[schema(schema_with = code)]
    pub code: &'static str,
    /// How much it matters.
    #[schema(value_type = IssueSeverity)]
    pub severity: Severity,
    /// A sentence for a person.
    #[schema(example = "The text begins or ends with a space.")]
    pub detail: &'static str,
    /// Text to write into the cell instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Total")]
    pub suggestion: Option<String>,
}

/// How much an issue matters.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it is here to be described")]
pub enum IssueSeverity {
    /// Good to know.
    Info,
    /// A total over the cells may be wrong.
    Warning,
    /// The cell has no usable value, or is dangerous.
    Error,
}

/// A place in the list: a cell, and how many of its issues came before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    cell: String,
    before: usize,
}

/// The schema of a code.
fn code() -> Schema {
    let names = Code::ALL.iter().map(|code| code.name());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

impl FromField for CodeField {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let found = Code::ALL.iter().find(|code| code.name() == text);
        found.copied().map(Self).ok_or_else(|| "must be the code of an issue".into())
    }
}

impl Input for IssuesQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let code = fields.optional("code");
        let paging = Paging::read(fields);
        Some(Self { code: code?, paging: paging? })
    }
}

/// The filter, and the parameters of every list.
impl Parameters for IssuesQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<Filter>(), Paging::parameters()].concat()
    }
}

impl From<Issue> for IssueView {
    fn from(issue: Issue) -> Self {
        let Issue { cell, code, severity, detail, suggestion } = issue;
        Self { cell, code, severity, detail, suggestion }
    }
}

impl Endpoint for ListIssues {
    const ROUTE: Route = routes::RANGE_ISSUES;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [problem::Code] = &[problem::Code::NotReady];
    type Caller = Principal;
    type Body = ();
    type Query = IssuesQuery;
    type Output = Page<IssueView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: Reader::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<IssueView>>, Problem> {
        let (IssuesQuery { code, paging }, user_id) = (&request.query, &request.caller.user_id);
        let id = request.call.path_id("id")?;
        let from = self.cursors.open::<Place>(paging, user_id, request.call).await?;
        let opened = self.reader.open(&id, user_id, request.now).await?;
        opened.must_be_ready()?;
        let cleared = opened.cells(None, Action::Read.with_read()).await?;
        let code = code.map(|CodeField(code)| code);
        let start = from.as_ref().and_then(|place| place.cell.parse::<Address>().ok());
        let issues = Issues::new(&cleared);
        let list = issues.list(code, start.map(|address| address.area.first()));
        let (items, next) = page(list, from.as_ref(), paging.limit);
        let details =
            withholding(of_range(opened.head()), cleared.withheld()).detail("issues", items.len());
        let details =
            code.iter().fold(details, |details, code| details.detail("code", code.name()));
        let reply = self.cursors.page(items, next, user_id, request.call).await?;
        Ok(Plan::reply(reply).details(details))
    }
}

/// As many issues as an answer has, and where the next ones begin. The list begins with the cell of
/// the place.
fn page(
    list: impl Iterator<Item = Issue>,
    from: Option<&Place>,
    limit: usize,
) -> (Vec<IssueView>, Option<Place>) {
    let is_seen = |(at, issue): &(usize, Issue)| {
        from.is_some_and(|place| *at < place.before && issue.cell == place.cell)
    };
    let rest = list.enumerate().skip_while(is_seen).map(|(_, issue)| IssueView::from(issue));
    let (mut items, mut weight): (Vec<IssueView>, usize) = (Vec::new(), 0);
    for issue in rest {
        // The bytes of an issue in an answer: a suggestion is JSON inside of JSON.
        weight += 300 + issue.suggestion.as_deref().map_or(0, |text| 2 * weigh(text));
        if items.len() == limit || weight > LIMIT && !items.is_empty() {
            let here = items.iter().rev().take_while(|item| item.cell == issue.cell).count();
            let earlier = from.filter(|place| place.cell == issue.cell);
            let before = here + earlier.map_or(0, |place| place.before);
            return (items, Some(Place { cell: issue.cell, before }));
        }
        items.push(issue);
    }
    (items, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(cell: &str, code: Code, suggestion: Option<String>) -> Issue {
        Issue {
            cell: cell.to_owned(),
            code: code.name(),
            severity: code.severity(),
            detail: code.detail(),
            suggestion,
        }
    }

    #[test]
    fn pages_have_each_issue_once() {
        use Code::{ErrorValue, Hidden, Merged, TextNumber};
        let all = [
            issue("A1", Merged, None),
            issue("B2", TextNumber, Some("5".into())),
            issue("B2", Hidden, None),
            issue("B2", Merged, None),
            issue("C9", ErrorValue, None),
        ];
        for limit in 1..=6 {
            let (mut found, mut from) = (Vec::new(), None::<Place>);
            loop {
                // The list begins with the cell of the place.
                let is_before =
                    |issue: &&Issue| from.as_ref().is_some_and(|place| issue.cell != place.cell);
                let list = all.iter().skip_while(is_before).cloned();
                let (items, next) = page(list, from.as_ref(), limit);
                assert!(items.len() <= limit);
                found.extend(items.into_iter().map(|item| (item.cell, item.code)));
                from = next;
                if from.is_none() {
                    break;
                }
            }
            let expected: Vec<_> =
                all.iter().map(|issue| (issue.cell.clone(), issue.code)).collect();
            assert_eq!(found, expected, "{limit}");
        }
    }

    #[test]
    fn a_page_ends_before_it_is_too_long() {
        let text = "\"".repeat(32_767);
        let all =
            (1..=100).map(|row| issue(&format!("A{row}"), Code::TrailingSpace, Some(text.clone())));
        let (items, next) = page(all, None, 100);
        assert!((2..100).contains(&items.len()), "{}", items.len());
        let cell = format!("A{}", items.len() + 1);
        assert_eq!(next, Some(Place { cell, before: 0 }));
        let body = serde_json::to_string(&items).unwrap();
        assert!(weigh(&body) <= LIMIT);
        // One issue is always shown.
        let long = issue("A1", Code::TrailingSpace, Some("x".repeat(LIMIT)));
        assert_eq!(page([long].into_iter(), None, 1).0.len(), 1);
    }
}
