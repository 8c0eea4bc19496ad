//! `query_profits`: rows, as `GET /profits` gives them.

use platform::identity::Scope;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_access::domain::Action;
use tally_data::{ProfitReader, ProfitsPage, ProfitsQuery};

use super::profits::{named, sources};
use crate::cut::{Cut, Cutter};
use crate::input::Continued;
use crate::tool::{About, Effect, Found, Given, Tool};

/// `query_profits`.
pub struct QueryProfits {
    reader: ProfitReader,
    cutter: Cutter,
}

impl Tool for QueryProfits {
    const ABOUT: About = About {
        name: "query_profits",
        title: "Query profits",
        description: "Reads profits by company and month, filtered, sorted and in numbered pages \
                      of at most 100 rows. Amounts are exact decimals with two places. For sums \
                      and means use summarize_profits. Rows that the user may not give you are left \
                      out.",
        scope: Scope::ProfitsRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: "profits.read",
        limits: &[],
    };
    type Input = Continued<ProfitsQuery>;
    type Output = Cut<ProfitsPage>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let cutter = Cutter::new(platform, Self::ABOUT.name)?;
        Ok(Self { reader: ProfitReader::new(platform)?, cutter })
    }

    async fn preview(&self, _: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        Ok(format!("Read {}.", named(&input.0.filter())))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Continued(query): Self::Input,
    ) -> Result<Plan<Found<Self::Output>>, Problem> {
        let skipped = self.cutter.skipped(given).await?;
        let (user_id, filter) = (&given.caller.user_id, query.filter());
        let rows = self.reader.rows(user_id, &filter, Action::Ai, given.now).await?;
        let sources = sources(&rows)?;
        let page = rows.page(&query);
        let details = query.details().detail("rows", page.items.len().saturating_sub(skipped));
        let output = self.cutter.cut_rest(page, skipped, given).await?;
        Ok(Plan::reply(Found { output, sources }).details(details))
    }
}
