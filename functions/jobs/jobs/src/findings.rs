//! `GET /jobs/{id}/findings`: what an analysis has found, so far if it has not ended.

use platform::audit::AuditDetails;
use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_jobs::domain::{Finding, Severity};
use tally_jobs::store::{Head, Items, Jobs};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::PATH;
use crate::form::{Form, LARGEST_EXPORT, Listing};
use crate::found::{Found, analysis};
use crate::part::{Part, Place};

/// Queries for a page in JSON, at most. A page for which they do not suffice is short, even empty,
/// and goes on.
const PAGE_QUERIES: usize = 4;

/// Queries for an export, at most. An analysis has 501 items of 100 KB at most.
const EXPORT_QUERIES: usize = 100;

/// `GET /jobs/{id}/findings`.
pub struct ListFindings {
    jobs: Jobs,
    items: Items,
    cursors: Cursors,
}

/// The query parameters, and the form of the answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindingsQuery {
    /// Only findings of at least this severity.
    #[param(inline)]
    pub severity: Option<Severity>,
    /// Largest number of findings. A page in JSON has at most 100, and 20 unless you say otherwise.
    /// An export has at most 5,000, and as many unless you say otherwise.
    #[param(required = false, minimum = 1, maximum = 5_000)]
    pub limit: usize,
    /// `next_cursor` of the previous page, as the header `Link` has it too. Send the same filters
    /// with it. SARIF has no pages.
    pub cursor: Option<String>,
    /// The form of the answer.
    #[param(ignore)]
    pub form: Form,
}

impl Input for FindingsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let severity = fields.optional("severity");
        let form = fields.accepted(Form::OFFERS)?;
        let paging = match form {
            Form::Page => Paging::read(fields),
            Form::Csv | Form::Sarif => Paging::within(fields, LARGEST_EXPORT, LARGEST_EXPORT),
        };
        let Paging { limit, cursor } = paging?;
        if form == Form::Sarif && cursor.is_some() {
            fields.refuse("cursor", "is for application/json and text/csv");
        }
        Some(Self { severity: severity?, limit, cursor, form })
    }
}

impl Parameters for FindingsQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Endpoint for ListFindings {
    const ROUTE: Route = routes::JOB_FINDINGS;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::NotAcceptable, Code::Conflict];
    type Caller = Principal;
    type Body = ();
    type Query = FindingsQuery;
    type Output = Listing;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            items: Items::new(platform)?,
            cursors: Cursors::new(platform)?,
        })
    }

    /// An export leaves an event, and a page leaves none.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        let audit = request.query.form.export().and(Self::ROUTE.audit);
        Route { audit, ..Self::ROUTE }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Listing>, Problem> {
        let (user_id, call) = (&request.caller.user_id, request.call);
        let FindingsQuery { severity, limit, cursor, form } = request.query;
        let id = call.path_id("id")?;
        let paging = Paging { limit, cursor };
        let from = self.cursors.open::<Place>(&paging, user_id, call).await?;
        let head = analysis(self.jobs.get(user_id, &id, request.now).await?)?;
        let part = (from.unwrap_or_default(), limit);
        let (findings, next) = self.part(&head, severity, form, part).await?;
        let details = AuditDetails::default()
            .resource("job", &id)
            .detail("findings", findings.len())
            .detail("truncated", next.is_some());
        let details = (form.export().into_iter())
            .fold(details, |details, format| details.detail("format", format));
        let details = (severity.into_iter())
            .fold(details, |details, severity| details.detail("severity", severity.as_str()));
        let has_more = next.is_some();
        let next = next.filter(|_| form != Form::Sarif);
        let reply = self.cursors.page(findings, next, user_id, call).await?;
        let job = head.shown();
        let reply = reply.map(|page: Page<Finding>| Listing { form, job, page, has_more });
        Ok(Plan::reply(reply).details(details))
    }
}

impl ListFindings {
    /// The findings of a part, and where the next one begins.
    async fn part(
        &self,
        head: &Head,
        least: Option<Severity>,
        form: Form,
        (from, limit): (Place, usize),
    ) -> Result<(Vec<Finding>, Option<Place>), Problem> {
        let queries = form.export().map_or(PAGE_QUERIES, |_| EXPORT_QUERIES);
        let mut found = Found::new(&self.items, &head.id, from.item, queries);
        let mut part = Part::new(from, least, (limit, form.room()), form.weight());
        while let Some((item, findings)) = found.next_item().await? {
            if let Some(next) = part.add(item, findings) {
                return Ok((part.findings, Some(next)));
            }
        }
        let next = found.rest().map(|item| Place { item, before: 0 });
        Ok((part.findings, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_answer_says_how_many_findings_it_can_have() {
        for (accept, query, expected) in [
            ("", "", Ok((Form::Page, 20))),
            ("application/json", "severity=high&limit=100&cursor=c", Ok((Form::Page, 100))),
            ("text/csv", "", Ok((Form::Csv, 5_000))),
            ("text/csv", "limit=5000&cursor=c", Ok((Form::Csv, 5_000))),
            ("application/sarif+json", "", Ok((Form::Sarif, 5_000))),
            ("application/sarif+json", "limit=1", Ok((Form::Sarif, 1))),
            ("application/sarif+json", "cursor=c", Err("cursor")),
            ("application/json", "limit=101", Err("limit")),
            ("text/csv", "limit=5001", Err("limit")),
            ("", "severity=High", Err("severity")),
            ("", "page=2", Err("page")),
        ] {
            let read = Fields::query(query).accepting(accept.to_owned()).read::<FindingsQuery>();
            let found = read.map(|query| (query.form, query.limit));
            let found = found.map_err(|problem| problem.errors[0].parameter.clone());
            let expected = expected.map_err(|name| Some(name.to_owned()));
            assert_eq!(found, expected, "{accept} {query}");
        }
        let refused = Fields::query("limit=0").accepting("application/xml".into());
        let refused = refused.read::<FindingsQuery>().map(|query| query.form);
        assert_eq!(refused.err().map(|problem| problem.code), Some(Code::NotAcceptable));
    }
}
