//! `summarize_profits`: figures of groups, as `GET /profits/summary` gives them.

use platform::identity::Scope;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_access::domain::Action;
use tally_data::{ProfitReader, ProfitsSummary, SummaryQuery};

use super::profits::{named, sources};
use crate::cut::{Cut, Cutter};
use crate::input::Continued;
use crate::tool::{About, Effect, Found, Given, Tool};

/// `summarize_profits`.
pub struct SummarizeProfits {
    reader: ProfitReader,
    cutter: Cutter,
}

impl Tool for SummarizeProfits {
    const ABOUT: About = About {
        name: "summarize_profits",
        title: "Summarize profits",
        description: "Counts profits and computes their exact sum, mean, least and greatest amount \
                      by company, by year, or by month of the year. Use it instead of adding up \
                      rows yourself. The mean is rounded half to even. Rows that the user may not \
                      give you are in no figure.",
        scope: Scope::ProfitsRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: "profits.read",
        limits: &[],
    };
    type Input = Continued<SummaryQuery>;
    type Output = Cut<ProfitsSummary>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let cutter = Cutter::new(platform, Self::ABOUT.name)?;
        Ok(Self { reader: ProfitReader::new(platform)?, cutter })
    }

    async fn preview(&self, _: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        let Continued(query) = input;
        Ok(format!("Sum up {} by {}.", named(&query.filter()), query.group_by))
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
        let summary = rows.summary(query.group_by)?;
        let details = query.details().detail("rows", summary.items.len().saturating_sub(skipped));
        let output = self.cutter.cut_rest(summary, skipped, given).await?;
        Ok(Plan::reply(Found { output, sources }).details(details))
    }
}
