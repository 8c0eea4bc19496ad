//! `POST /ranges/{id}/complete`.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::clock::Timestamp;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::events::of_range;
use tally_ranges::{Ranges, Reader};

use crate::read::PATH;
use crate::view::RangeView;

/// `POST /ranges/{id}/complete`. A second call answers like the first one.
#[derive(Clone)]
pub struct CompleteRange {
    ranges: Ranges,
    reader: Reader,
}

impl Endpoint for CompleteRange {
    const ROUTE: Route = routes::RANGE_COMPLETE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::LimitReached, Code::Conflict, Code::FormulasRequired];
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = RangeView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { ranges: Ranges::new(platform)?, reader: Reader::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<RangeView>, Problem> {
        let id = request.call.path_id("id")?;
        self.clone().plan(id.to_string(), request.caller.user_id, request.now).await
    }
}

impl CompleteRange {
    /// Boxed, because it calls itself again if the sheet, the rules or another upload change
    /// meanwhile. It reads the answer after the commit, so that the answer has only what the caller
    /// may see.
    fn plan(
        self,
        id: String,
        user_id: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<RangeView>, Problem>> {
        async move {
            let (head, writes) = self.ranges.complete(&id, &user_id, now).await?;
            let details = of_range(&head).detail("parts", head.parts);
            let details =
                if writes.is_empty() { details.detail("repeated", true) } else { details };
            let plan = Plan::reply(RangeView::empty(&head)).details(details);
            let (reader, range_id, reader_id) = (self.reader.clone(), id.clone(), user_id.clone());
            let plan = plan.after_commit(Box::new(move || {
                async move {
                    let opened = reader.open(&range_id, &reader_id, now).await?;
                    Ok(Some(Reply::new(RangeView::of(&opened).await?)))
                }
                .boxed()
            }));
            Ok(writes.into_iter().fold(plan, |plan, write| {
                let (endpoint, id, user_id) = (self.clone(), id.clone(), user_id.clone());
                plan.write_or_retry(write, Box::new(move |_| endpoint.plan(id, user_id, now)))
            }))
        }
        .boxed()
    }
}
