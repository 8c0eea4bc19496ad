//! The cells of a range from their pieces: those of an area, or all.

use std::sync::Arc;

use cells::address::Area;
use cells::formula::{Groups, Sources};
use cells::grid::Grid;
use cells::part::Part;
use cells::stored::{Damaged, Piece};
use platform::Problem;
use tally_access::places::Places;

use crate::about::About;
use crate::blob::unpack;
use crate::domain::{Completed, GroupPiece, PartHead, RangeHead};
use crate::ranges::damaged;
use crate::store::{Pieces, Place};

/// The sources of the groups of a range, and the columns that they name.
pub type Named = (Vec<Sources>, Places);

/// The pieces that are read for an area, by their purpose.
struct Wanted<'h> {
    places: Vec<Place>,
    about: usize,
    sources: usize,
    /// The pieces of groups, each with its first cell in the range.
    groups: Vec<(usize, &'h GroupPiece)>,
    parts: Vec<WantedPart<'h>>,
}

struct WantedPart<'h> {
    head: &'h PartHead,
    /// The cells that are wanted.
    area: Area,
    formats: usize,
    /// The first cell in the part and the number of cells of each piece.
    pieces: Vec<(usize, usize)>,
}

/// The cells of an area, before anything is taken out, with the columns that their formulas name.
/// Only the pieces are read that have something of the area. `None` if a piece has gone.
pub async fn read(
    pieces: &Pieces,
    head: &RangeHead,
    area: Area,
) -> Result<Option<(Grid, Places)>, Problem> {
    let wanted = Wanted::of(head, area);
    let Some(found) = pieces.get(&wanted.places).await? else { return Ok(None) };
    wanted.grid(head, area, found).map(Some).map_err(damaged(&head.id))
}

/// The surroundings of the cells. `None` if they have gone.
pub async fn read_about(pieces: &Pieces, head: &RangeHead) -> Result<Option<About>, Problem> {
    let places = head.about.iter().map(|item| Place::of_range(&head.id, item.clone()));
    let found = pieces.get(&places.collect::<Vec<_>>()).await?;
    found.map(|found| unpack(&found)).transpose().map_err(damaged(&head.id))
}

impl<'h> Wanted<'h> {
    fn of(head: &'h RangeHead, area: Area) -> Self {
        let of_range = |item: &String| Place::of_range(&head.id, item.clone());
        let mut places: Vec<_> = head.about.iter().map(of_range).collect();
        let about = places.len();
        let completed = head.completed.as_ref();
        places.extend(completed.iter().flat_map(|of| &of.sources).map(of_range));
        let sources = places.len() - about;
        let groups = completed.map(|of| groups(of, head.area, area)).unwrap_or_default();
        places.extend(groups.iter().map(|(_, piece)| of_range(&piece.item)));
        let mut parts = Vec::new();
        for (number, part) in &head.arrived {
            let Some(shared) = part.area.intersection(area) else { continue };
            let of_part = |item: &String| Place::of_part(&head.id, *number, item.clone());
            places.extend(part.formats.iter().map(of_part));
            let mut wanted = WantedPart {
                head: part,
                area: shared,
                formats: part.formats.len(),
                pieces: Vec::new(),
            };
            let mut first = 0;
            for (item, count) in &part.pieces {
                if has_some(part.area, shared, first, *count) {
                    places.push(of_part(item));
                    wanted.pieces.push((first, *count));
                }
                first += count;
            }
            parts.push(wanted);
        }
        Self { places, about, sources, groups, parts }
    }

    /// The grid of the bytes that were found.
    fn grid(
        self,
        head: &RangeHead,
        area: Area,
        found: Vec<Vec<u8>>,
    ) -> Result<(Grid, Places), Damaged> {
        let mut found = found.into_iter();
        let mut take = |count: usize| found.by_ref().take(count).collect::<Vec<_>>();
        let about: About = unpack(&take(self.about))?;
        let sources = take(self.sources);
        let groups = take(self.groups.len());
        let mut layout = about.layout(head.header_rows);
        // The rows of the headers that the area has.
        let above = area.first().row.saturating_sub(head.area.first().row);
        layout.header_rows = head.header_rows.saturating_sub(above).min(area.rows());
        let completed = head.completed.as_ref();
        let dropped = completed.map(|of| of.dropped.clone()).unwrap_or_default();
        let is_known = head.unstated.is_empty() && completed.is_none_or(|of| of.has_formulas);
        let mut grid = Grid::new(area, layout, dropped);
        for wanted in self.parts {
            let formats: Vec<String> = unpack(&take(wanted.formats))?;
            let formats: Vec<Arc<str>> = formats.into_iter().map(Arc::from).collect();
            let bytes = take(wanted.pieces.len());
            let pieces = wanted.pieces.into_iter().zip(bytes);
            let pieces: Vec<_> =
                pieces.map(|((first, count), bytes)| Piece { first, count, bytes }).collect();
            let of = wanted.head;
            let has_formulas = of.has_formulas && is_known;
            let part = Part::from_pieces(of.area, wanted.area, formats, has_formulas, &pieces)?;
            grid.add(&part, head.settings.of_part(of.is_csv));
        }
        if sources.is_empty() {
            return Ok((grid, Places::default()));
        }
        let (sources, places): Named = unpack(&sources)?;
        let ids = ids(&self.groups, groups, head.area, area)?;
        grid.restore(Groups { ids, sources });
        Ok((grid, places))
    }
}

/// The pieces of groups that have something of an area.
fn groups(completed: &Completed, whole: Area, area: Area) -> Vec<(usize, &GroupPiece)> {
    let mut first = 0;
    let mut wanted = Vec::new();
    for piece in &completed.groups {
        if has_some(whole, area, first, piece.count) {
            wanted.push((first, piece));
        }
        first += piece.count;
    }
    wanted
}

/// The groups of the cells of an area.
fn ids(
    pieces: &[(usize, &GroupPiece)],
    found: Vec<Vec<u8>>,
    whole: Area,
    area: Area,
) -> Result<Vec<u32>, Damaged> {
    let cells = usize::try_from(area.cells()).map_err(|_| Damaged)?;
    let mut ids = vec![None; cells];
    for ((first, piece), bytes) in pieces.iter().zip(found) {
        let stored = Piece { first: *first, count: piece.count, bytes };
        for (at, id) in (*first..).zip(Groups::read_ids(&stored, piece.before)?) {
            let place = whole.cell(at).and_then(|cell| area.index(cell));
            if let Some(place) = place.and_then(|place| ids.get_mut(place)) {
                *place = Some(id);
            }
        }
    }
    ids.into_iter().collect::<Option<_>>().ok_or(Damaged)
}

/// Whether a run of cells of `whole` may have a cell of an area in it.
fn has_some(whole: Area, area: Area, first: usize, count: usize) -> bool {
    let (Some(from), Some(to)) = (whole.index(area.first()), whole.index(area.last())) else {
        return false;
    };
    first <= to && from < first + count
}

#[cfg(test)]
mod tests {
    use cells::address::Address;

    use super::*;

    #[test]
    fn only_pieces_with_cells_of_the_area_are_read() {
        let area = |text: &str| text.parse::<Address>().unwrap().area;
        let whole = area("B2:D101");
        for (wanted, first, count, expected) in [
            ("B2:D101", 0, 300, true),
            ("B2:D2", 0, 3, true),
            ("B2:D2", 3, 3, false),
            ("B3:D3", 3, 3, true),
            ("B3:D3", 0, 3, false),
            ("C4", 6, 2, true),
            ("C4", 8, 2, false),
            ("C4:C5", 8, 2, true),
            ("E1", 0, 300, false),
        ] {
            assert_eq!(has_some(whole, area(wanted), first, count), expected, "{wanted} {first}");
        }
    }
}
