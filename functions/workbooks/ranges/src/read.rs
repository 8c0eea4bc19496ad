//! `GET /ranges/{id}`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::Reader;
use tally_ranges::events::{of_range, withholding};

use crate::view::RangeView;

/// The parameter of the paths below `/ranges`.
pub const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the range.")];

/// `GET /ranges/{id}`.
pub struct ReadRange {
    reader: Reader,
}

impl Endpoint for ReadRange {
    const ROUTE: Route = routes::RANGE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = RangeView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: Reader::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<RangeView>, Problem> {
        let id = request.call.path_id("id")?;
        let opened = self.reader.open(&id, &request.caller.user_id, request.now).await?;
        let view = RangeView::of(&opened).await?;
        let details = withholding(of_range(opened.head()), view.withheld);
        Ok(Plan::reply(view).details(details))
    }
}
