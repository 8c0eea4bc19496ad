//! `POST /workbooks/{id}/ranges`.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::clock::Timestamp;
use platform::http::{Created, PathParameter};
use platform::identity::Principal;
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::domain::NewRange;
use tally_ranges::{Ranges, Reader};

use crate::new_range::RangeInput;
use crate::view::RangeView;

/// The parameter of the paths below `/workbooks`.
pub const WORKBOOK_PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the workbook.")];

/// `POST /workbooks/{id}/ranges`. The range takes its parts afterwards.
pub struct CreateRange {
    ranges: Ranges,
    reader: Reader,
}

impl Endpoint for CreateRange {
    const ROUTE: Route = routes::RANGE_CREATE;
    const PATH: &'static [PathParameter] = WORKBOOK_PATH;
    const PROBLEMS: &'static [Code] = &[Code::LimitReached, Code::Conflict, Code::FormulasRequired];
    type Caller = Principal;
    type Body = RangeInput;
    type Query = ();
    type Output = Created<RangeView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { ranges: Ranges::new(platform)?, reader: Reader::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<RangeView>>, Problem> {
        let workbook_id = request.call.path_id("id")?;
        let new = request.body.checked()?;
        let user_id = request.caller.user_id;
        plan(self.ranges.clone(), workbook_id.to_string(), new, user_id, request.now).await
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        id: &str,
    ) -> Result<Plan<Created<RangeView>>, Problem> {
        let opened = self.reader.open(id, &request.caller.user_id, request.now).await?;
        Ok(Plan::reply(created(RangeView::of(&opened).await?)))
    }
}

/// Boxed, because it calls itself again if the workbook or its rules change meanwhile.
fn plan(
    ranges: Ranges,
    workbook_id: String,
    new: NewRange,
    user_id: String,
    now: Timestamp,
) -> BoxFuture<'static, Result<Plan<Created<RangeView>>, Problem>> {
    async move {
        let (head, writes) = ranges.start(&workbook_id, new.clone(), &user_id, now).await?;
        let reply = Plan::reply(created(RangeView::empty(&head))).creates(head.id);
        Ok(writes.into_iter().fold(reply, |reply, write| {
            let (ranges, workbook_id) = (ranges.clone(), workbook_id.clone());
            let (new, user_id) = (new.clone(), user_id.clone());
            reply.write_or_retry(
                write,
                Box::new(move |_| plan(ranges, workbook_id, new, user_id, now)),
            )
        }))
    }
    .boxed()
}

fn created(view: RangeView) -> Reply<Created<RangeView>> {
    let path = format!("/ranges/{}", view.item.id);
    Reply::new(Created(view)).location(&path)
}
