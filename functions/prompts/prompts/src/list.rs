//! `GET /prompts`.

use std::collections::BTreeMap;

use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, FromField, Input, RawValue};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_prompts::built_ins;
use tally_prompts::domain::Kind;
use tally_prompts::store::{Head, Prompts};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::view::PromptSummary;

/// Characters of a name, at most.
const LONGEST_NAME: usize = 64;

/// Heads that one query reads, at most, once the first ones had too few of the wanted prompts.
const LOOK_AT: usize = 300;

/// `GET /prompts`, by name.
pub struct ListPrompts {
    prompts: Prompts,
    cursors: Cursors,
}

/// The query parameters.
#[derive(Debug)]
pub struct PromptsQuery {
    /// Which prompts are wanted.
    pub filters: PromptFilters,
    /// The page to return.
    pub paging: Paging,
}

/// Which prompts are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PromptFilters {
    /// Only prompts whose names begin with this text.
    #[param(required = false, max_length = 64, pattern = "^[a-z0-9._-]*$", example = "excel.")]
    pub prefix: String,
    /// Only prompts of this kind.
    #[param(inline)]
    pub kind: Option<Kind>,
    /// `true` lists only archived prompts, and `false` only the others.
    #[param(required = false, default = false)]
    pub archived: bool,
}

/// The beginning of a name.
struct Prefix(String);

impl FromField for Prefix {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_of_name =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if text.len() > LONGEST_NAME || !text.bytes().all(is_of_name) {
            return Err("must be at most 64 of a-z, 0-9, `.`, `_` and `-`".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Input for PromptsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let prefix = fields.optional::<Prefix>("prefix");
        let kind = fields.optional("kind");
        let archived = fields.optional("archived");
        let paging = Paging::read(fields);
        let prefix = prefix?.map(|Prefix(text)| text).unwrap_or_default();
        let filters =
            PromptFilters { prefix, kind: kind?, archived: archived?.unwrap_or_default() };
        Some(Self { filters, paging: paging? })
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for PromptsQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<PromptFilters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListPrompts {
    const ROUTE: Route = routes::PROMPTS;
    type Caller = Principal;
    type Body = ();
    type Query = PromptsQuery;
    type Output = Page<PromptSummary>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Page<PromptSummary>>, Problem> {
        let (PromptsQuery { filters, paging }, user_id) = (&request.query, &request.caller.user_id);
        let mut after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let (mut found, mut look_at) = (Vec::new(), paging.limit + 1);
        loop {
            let (heads, more) =
                self.prompts.heads(&filters.prefix, after.as_deref(), look_at).await?;
            let last = heads.last().map(|head| head.name.to_string()).filter(|_| more);
            let heads = with_built_ins(heads, &filters.prefix, after.as_deref(), last.as_deref());
            found.extend(heads.iter().filter(|head| filters.admit(head)).map(PromptSummary::new));
            (after, look_at) = (last, LOOK_AT);
            if found.len() > paging.limit || after.is_none() {
                break;
            }
        }
        let more = found.len() > paging.limit;
        found.truncate(paging.limit);
        let next = found.last().filter(|_| more).map(|prompt| prompt.name.to_string());
        Ok(Plan::reply(self.cursors.page(found, next, user_id, request.call).await?))
    }
}

impl PromptFilters {
    fn admit(&self, head: &Head) -> bool {
        self.kind.is_none_or(|kind| head.kind == kind) && head.archived == self.archived
    }
}

/// These heads by name, and new heads for prompts that are built in and have none stored. Of those,
/// it takes the names that begin with `prefix` and come after `after`, up to `last`.
fn with_built_ins(
    heads: Vec<Head>,
    prefix: &str,
    after: Option<&str>,
    last: Option<&str>,
) -> Vec<Head> {
    let is_here = |name: &str| {
        name.starts_with(prefix)
            && after.is_none_or(|after| name > after)
            && last.is_none_or(|last| name <= last)
    };
    let here = built_ins().iter().filter(|(version, _)| is_here(version.name.as_str()));
    let new = here.map(|(version, _)| Head::new(version.name.clone(), version.content.kind));
    let by_name = new.chain(heads).map(|head| (head.name.clone(), head));
    by_name.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_that_are_built_in_stand_among_the_others() {
        let head = |name: &str, revision: u64| Head {
            revision,
            ..Head::new(name.parse().unwrap(), Kind::Chat)
        };
        let heads = || vec![head("agent.tasks", 3), head("budget", 1)];
        for (prefix, after, last, expected) in [
            (
                "",
                None,
                None,
                &[
                    ("agent.auditor", 0),
                    ("agent.finance", 0),
                    ("agent.tasks", 3),
                    ("analysis.summary", 0),
                    ("budget", 1),
                    ("code.review", 0),
                    ("default", 0),
                    ("excel.classify", 0),
                    ("excel.clean", 0),
                    ("excel.explain", 0),
                    ("excel.extract", 0),
                    ("excel.formula", 0),
                    ("excel.summarize", 0),
                    ("finance.review", 0),
                ][..],
            ),
            (
                "",
                Some("agent.finance"),
                Some("budget"),
                &[("agent.tasks", 3), ("analysis.summary", 0), ("budget", 1)],
            ),
            (
                "",
                Some("agent.auditor"),
                Some("budget"),
                &[("agent.finance", 0), ("agent.tasks", 3), ("analysis.summary", 0), ("budget", 1)],
            ),
        ] {
            let found = with_built_ins(heads(), prefix, after, last);
            let found: Vec<_> =
                found.iter().map(|head| (head.name.as_str(), head.revision)).collect();
            assert_eq!(found, expected, "{after:?} {last:?}");
        }
        let found = with_built_ins(Vec::new(), "excel.", None, None);
        assert_eq!(found.len(), 6, "{found:?}");
    }
}
