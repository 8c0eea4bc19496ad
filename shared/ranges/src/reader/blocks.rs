//! Blocks of cells that a worker keeps between its calls, so that each call does not read them again.
//! Every call clears its cells by the rules of its moment.

use cells::address::Area;
use cells::grid::{Cleared, Grid};
use platform::Problem;
use tally_access::domain::Actions;
use tally_access::places::Places;

use super::Opened;

/// Cells of a range before anything is taken out. Only [`Opened::cells_of`] gives some of them.
pub struct Block {
    range_id: String,
    /// Whether the sources of the formulas were known when the block was read.
    has_formulas: bool,
    grid: Grid,
    places: Places,
}

platform::opaque!(Block);

impl Opened {
    /// Reads a block of the range.
    pub async fn block(&self, area: Area) -> Result<Block, Problem> {
        let has_formulas = self.completed()?.has_formulas;
        let (grid, places) = self.uncleared(area).await?;
        Ok(Block { range_id: self.head.id.clone(), has_formulas, grid, places })
    }

    /// The cells of an area that the user may have now for all of these actions. `None` if the block
    /// does not have the area, or is outdated: then it has to be read again.
    pub fn cells_of(
        &self,
        block: &Block,
        area: Area,
        actions: Actions,
    ) -> Result<Option<Cleared<Grid>>, Problem> {
        let is_current = block.range_id == self.head.id
            && block.has_formulas == self.completed()?.has_formulas
            && block.grid.area().covers(area);
        let Some(part) = block.grid.part(area).filter(|_| is_current) else { return Ok(None) };
        Ok(Some(part.clear(&self.access(&block.places, actions)?)))
    }
}
