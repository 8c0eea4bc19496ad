//! `read_cells`: the cells of a rectangle of a range.

use cells::address::{Area, Cell};
use platform::identity::Scope;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_access::domain::Action;
use tally_ranges::events::{of_area, withholding};
use tally_ranges::tools::{
    Answer, CellRows, ReadCells as Arguments, address_of, fence, read_cells, rectangle,
};
use tally_ranges::{Opened, Reader};

use super::ranges::{answered, open, planned, range};
use crate::cut::{Cut, Cutter, refused};
use crate::input::Continued;
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// `read_cells`.
pub struct ReadCells {
    reader: Reader,
    cutter: Cutter,
}

impl Tool for ReadCells {
    const ABOUT: About = About {
        name: "read_cells",
        title: "Read cells",
        description: "Reads the cells of a rectangle of a range, at most 2,000. The answer has the \
                      letter, header and type of each column, and a value of each column for each \
                      row below the headers. \"#WITHHELD\" stands for a cell that the user may not \
                      give you: never guess it.",
        scope: Scope::RangesRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: "range.read",
        limits: &[],
    };
    type Input = Continued<Arguments>;
    type Output = Cut<CellRows>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let cutter = Cutter::new(platform, Self::ABOUT.name)?;
        Ok(Self { reader: Reader::new(platform)?, cutter })
    }

    async fn preview(&self, given: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        let opened = open(&self.reader, &input.0.range_id, given).await?;
        let area = area_of(&opened, &input.0)?;
        let address = address_of(&opened.head().sheet_name, area);
        Ok(format!("Read the cells {}.", quoted(&address)))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Continued(input): Self::Input,
    ) -> Result<Plan<Found<Self::Output>>, Problem> {
        Ok(planned(self.read(given, &input).await, &input.range_id))
    }

    fn text(output: &Self::Output) -> Result<String, serde_json::Error> {
        fence(output)
    }
}

impl ReadCells {
    async fn read(
        &self,
        given: Given<'_>,
        input: &Arguments,
    ) -> Result<Plan<Found<Cut<CellRows>>>, Problem> {
        let skipped = self.cutter.skipped(given).await?;
        let opened = open(&self.reader, &input.range_id, given).await?;
        let area = area_of(&opened, input)?;
        let read = with_headers(area, opened.head().area);
        let cells = opened.cells(Some(read), Action::Ai.with_read()).await?;
        let Answer { output, columns } = read_cells(range(&opened, &cells), area);
        let output = self.cutter.cut_rest(output, skipped, given).await?;
        let details = withholding(of_area(opened.head(), area), cells.withheld());
        answered(output, (&opened, &columns), details)
    }
}

/// The part of the range that the arguments mean.
fn area_of(opened: &Opened, input: &Arguments) -> Result<Area, Problem> {
    let head = opened.head();
    rectangle(&input.address, &head.sheet_name, head.area).map_err(refused)
}

/// An area of a range, up to the first row of the range, where the headers are.
fn with_headers(area: Area, whole: Area) -> Area {
    let top = Cell { row: whole.first().row, ..area.first() };
    Area::new(top, area.last()).unwrap_or(area)
}

#[cfg(test)]
mod tests {
    use cells::address::Address;

    use super::*;

    #[test]
    fn headers_are_read_with_their_columns() {
        let area = |text: &str| text.parse::<Address>().unwrap().area;
        for (wanted, expected) in [("B2:C3", "B2:C3"), ("C9:D20", "C2:D20"), ("B14", "B2:B14")] {
            assert_eq!(with_headers(area(wanted), area("B2:D20")), area(expected), "{wanted}");
        }
    }
}
