//! `find`: the cells of a range that have a text.

use platform::identity::Scope;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_access::domain::Action;
use tally_ranges::Reader;
use tally_ranges::events::{of_range, withholding};
use tally_ranges::tools::{Answer, Find as Arguments, FoundCells, fence, find};

use super::ranges::{answered, named, open, planned, range};
use crate::cut::{Cut, Cutter, refused};
use crate::input::Continued;
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// `find`.
pub struct Find {
    reader: Reader,
    cutter: Cutter,
}

impl Tool for Find {
    const ABOUT: About = About {
        name: "find",
        title: "Find cells",
        description: "Finds the cells of a range that have a text in them, in any case, or that \
                      are a number. It lists the first 100 with their addresses and counts all. \
                      \"complete\" is false if the user may not give you some of the cells that it \
                      would look at: then say that there may be more.",
        scope: Scope::RangesRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: "range.read",
        limits: &[],
    };
    type Input = Continued<Arguments>;
    type Output = Cut<FoundCells>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let cutter = Cutter::new(platform, Self::ABOUT.name)?;
        Ok(Self { reader: Reader::new(platform)?, cutter })
    }

    async fn preview(&self, given: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        let opened = open(&self.reader, &input.0.range_id, given).await?;
        Ok(format!("Find {} in the range {}.", quoted(&input.0.text), named(&opened)))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Continued(input): Self::Input,
    ) -> Result<Plan<Found<Self::Output>>, Problem> {
        Ok(planned(self.look(given, &input).await, &input.range_id))
    }

    fn text(output: &Self::Output) -> Result<String, serde_json::Error> {
        fence(output)
    }
}

impl Find {
    async fn look(
        &self,
        given: Given<'_>,
        input: &Arguments,
    ) -> Result<Plan<Found<Cut<FoundCells>>>, Problem> {
        let skipped = self.cutter.skipped(given).await?;
        let opened = open(&self.reader, &input.range_id, given).await?;
        let cells = opened.cells(None, Action::Ai.with_read()).await?;
        let Answer { output, columns } =
            find(range(&opened, &cells), input, skipped).map_err(refused)?;
        let all = output.found;
        let output = self.cutter.cut(output, (skipped, all), given).await?;
        let details = withholding(of_range(opened.head()), cells.withheld());
        answered(output, (&opened, &columns), details)
    }
}
