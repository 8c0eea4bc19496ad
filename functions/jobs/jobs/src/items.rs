//! `GET /jobs/{id}/items`.

use std::collections::BTreeSet;

use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_files::Bucket;
use tally_jobs::domain::{Inputs, ItemStatus, JobItem, Work};
use tally_jobs::inputs_of;
use tally_jobs::store::{Head, Items, Jobs};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::PATH;
use crate::page::Read;

/// Items that a page reads, at most. One query gives 1 MB at most.
const LOOK_AT: usize = 500;

/// `GET /jobs/{id}/items`.
pub struct ListItems {
    jobs: Jobs,
    items: Items,
    bucket: Bucket,
    cursors: Cursors,
}

/// Index of the last item that a job can have: a batch has an item for each of 50,000 rows at most.
const LAST_INDEX: u32 = 49_999;

/// The filters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ItemFilters {
    /// Only items with this status.
    #[param(inline)]
    pub status: Option<ItemStatus>,
    /// Only items from this index on, which counts from 0.
    #[param(required = false, default = 0, maximum = 49_999)]
    pub from_index: u32,
}

/// The query parameters.
#[derive(Debug)]
pub struct ItemsQuery {
    /// Which items are wanted.
    pub filters: ItemFilters,
    /// The page to return.
    pub paging: Paging,
}

impl Input for ItemsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let status = fields.optional("status");
        let from_index = fields.optional::<u64>("from_index");
        let paging = Paging::read(fields);
        let from_index = u32::try_from(from_index?.unwrap_or_default());
        let Ok(from_index @ 0..=LAST_INDEX) = from_index else {
            fields.refuse("from_index", "must be 0 to 49999");
            return None;
        };
        Some(Self { filters: ItemFilters { status: status?, from_index }, paging: paging? })
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for ItemsQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<ItemFilters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListItems {
    const ROUTE: Route = routes::JOB_ITEMS;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ItemsQuery;
    type Output = Page<JobItem>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            items: Items::new(platform)?,
            bucket: Bucket::new(platform)?,
            cursors: Cursors::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<JobItem>>, Problem> {
        let (ItemsQuery { filters, paging }, user_id) = (&request.query, &request.caller.user_id);
        let id = request.call.path_id("id")?;
        let place = self.cursors.open::<u32>(paging, user_id, request.call).await?;
        let head = self.jobs.get(user_id, &id, request.now).await?;
        let head = head.ok_or_else(Problem::not_found)?;
        let from = place.unwrap_or(filters.from_index).min(head.items);
        let (stored, last) = self.items.page(&id, from, LOOK_AT).await?;
        let indices = from..last.map_or(head.items, |last| last + 1);
        let wanted = self.wanted(&head).await?;
        let (items, next) =
            Read { head: &head, stored, indices, wanted }.page(filters.status, paging.limit);
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?))
    }
}

impl ListItems {
    /// The items that the round of a job is for. `None` stands for all that have no whole result.
    async fn wanted(&self, head: &Head) -> Result<Option<BTreeSet<u32>>, Problem> {
        if head.only.is_empty() {
            return Ok(None);
        }
        let Some(Inputs { work: Work::Batch(work), .. }) =
            inputs_of(&self.bucket, &head.user_id, &head.id).await?
        else {
            return Ok(None);
        };
        Ok(Some(head.only.iter().filter_map(|row| work.item_of(*row)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_refused_parameter_by_parameter() {
        for (query, expected) in [
            ("", Ok((None, 0))),
            ("status=failed&from_index=20&limit=5", Ok((Some(ItemStatus::Failed), 20))),
            ("from_index=49999", Ok((None, 49_999))),
            ("from_index=50000", Err(vec!["from_index"])),
            ("from_index=18446744073709551615", Err(vec!["from_index"])),
            ("status=done&from_index=-1", Err(vec!["status", "from_index"])),
            ("from=1&limit=101", Err(vec!["limit", "from"])),
        ] {
            let found = Fields::query(query).read::<ItemsQuery>();
            let found = found.map(|query| (query.filters.status, query.filters.from_index));
            let found = found.map_err(|problem| {
                let errors = problem.errors.into_iter();
                errors.filter_map(|error| error.parameter).collect::<Vec<_>>()
            });
            let expected = expected.map_err(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{query}");
        }
    }
}
