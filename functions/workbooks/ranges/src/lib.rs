//! `POST|GET /workbooks/{id}/ranges`, and `/ranges/{id}` and below: uploads of cells, and the cells
//! that a caller may have. A range of which the caller may see nothing is a 404. Also
//! `DELETE /workbooks/{id}/graph`.
//!
//! - [`CreateRange`], [`SetRangePart`], [`CompleteRange`], [`DeleteRange`]: uploads
//! - [`ListRanges`], [`ReadRange`], [`ReadCells`], [`ListIssues`]: reads of the cells that the
//!   caller may see
//! - [`ResetGraph`]: the end of what is known about the columns that formulas read
//! - [`PreviewRange`]: the cells that a model would get; [`ReadCellAccess`]: why a cell is withheld

mod cells_query;
mod complete;
mod create;
mod delete;
mod explain;
mod fields;
mod issues;
mod list;
mod money;
mod new_range;
mod part;
mod part_body;
mod preview;
mod read;
mod read_cells;
mod reset_graph;
mod sheet;
mod surroundings;
mod view;
mod weight;

pub use cells_query::CellsQuery;
pub use complete::CompleteRange;
pub use create::CreateRange;
pub use delete::DeleteRange;
pub use explain::{CellAccessQuery, CellAccessView, ChainLink, DecidedBy, ReadCellAccess};
pub use fields::AddressStyle;
pub use issues::{IssueSeverity, IssueView, IssuesQuery, ListIssues};
pub use list::ListRanges;
pub use money::{Costs, Tokens};
pub use new_range::RangeInput;
pub use part::SetRangePart;
pub use part_body::PartBody;
pub use preview::{Preview, PreviewCounts, PreviewRange, PreviewRequest};
pub use read::ReadRange;
pub use read_cells::{CellsAnswer, RangeCells, ReadCells};
pub use reset_graph::ResetGraph;
pub use sheet::SheetInput;
pub use surroundings::{NameInput, PivotInput, SeparatorsInput, TableInput};
pub use view::{RangeColumn, RangeItem, RangeProgress, RangeView, RangeWithheld};

/// The endpoints of this function.
pub type Endpoints = (
    CreateRange,
    ListRanges,
    SetRangePart,
    CompleteRange,
    ReadRange,
    ReadCells,
    ListIssues,
    PreviewRange,
    DeleteRange,
    ReadCellAccess,
    ResetGraph,
);
