//! `aggregate`: exact statistics of a column of a range.

use platform::identity::Scope;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_access::domain::Action;
use tally_ranges::Reader;
use tally_ranges::events::{of_range, withholding};
use tally_ranges::tools::{Aggregate as Arguments, Answer, Function, Statistics, aggregate, fence};

use super::ranges::{answered, named, open, planned, range};
use crate::cut::{Cut, Cutter, refused};
use crate::input::Continued;
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// `aggregate`.
pub struct Aggregate {
    reader: Reader,
    cutter: Cutter,
}

impl Tool for Aggregate {
    const ABOUT: About = About {
        name: "aggregate",
        title: "Compute a statistic",
        description: "Computes an exact statistic of a column, of all rows or of those that meet \
                      conditions, as a whole or by the values of another column. Use it instead of \
                      adding up numbers yourself. \"cells\" counts the cells that a result is of, \
                      \"skipped\" filled cells that are no numbers. \"complete\" is false if the \
                      user may not give you some of the cells: then say that the result is of the \
                      others alone.",
        scope: Scope::RangesRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: "range.read",
        limits: &[],
    };
    type Input = Continued<Arguments>;
    type Output = Cut<Statistics>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let cutter = Cutter::new(platform, Self::ABOUT.name)?;
        Ok(Self { reader: Reader::new(platform)?, cutter })
    }

    async fn preview(&self, given: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        let Continued(input) = input;
        let opened = open(&self.reader, &input.range_id, given).await?;
        let (what, column) = (name(input.function), quoted(&input.column));
        Ok(format!("Compute the {what} of the column {column} in the range {}.", named(&opened)))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Continued(input): Self::Input,
    ) -> Result<Plan<Found<Self::Output>>, Problem> {
        Ok(planned(self.compute(given, &input).await, &input.range_id))
    }

    fn text(output: &Self::Output) -> Result<String, serde_json::Error> {
        fence(output)
    }
}

impl Aggregate {
    async fn compute(
        &self,
        given: Given<'_>,
        input: &Arguments,
    ) -> Result<Plan<Found<Cut<Statistics>>>, Problem> {
        let skipped = self.cutter.skipped(given).await?;
        let opened = open(&self.reader, &input.range_id, given).await?;
        let cells = opened.cells(None, Action::Ai.with_read()).await?;
        let Answer { output, columns } =
            aggregate(range(&opened, &cells), input).map_err(refused)?;
        let output = self.cutter.cut_rest(output, skipped, given).await?;
        let details = withholding(of_range(opened.head()), cells.withheld());
        answered(output, (&opened, &columns), details)
    }
}

/// A statistic in a sentence.
fn name(function: Function) -> &'static str {
    match function {
        Function::Sum => "sum",
        Function::Avg => "mean",
        Function::Count => "number of values",
        Function::Min => "minimum",
        Function::Max => "maximum",
        Function::Median => "median",
    }
}
