//! `POST|GET /workbooks` and below: workbooks, their sheets, and the registers of their columns. A
//! caller to whom all of a workbook or a sheet is denied gets 404.

mod columns;
mod create;
mod list;
mod opened;
mod review;
mod set_columns;
mod sheets;
mod update;

pub use columns::{ColumnView, ColumnsView, ReadColumns};
pub use create::{CreateWorkbook, NewWorkbook};
pub use list::ListWorkbooks;
pub use opened::{ReadWorkbook, WorkbookView};
pub use review::{SetSheetReview, SheetReview};
pub use set_columns::{ColumnEntry, ColumnsChange, SetColumns};
pub use sheets::{CreateSheet, ListSheets, NewSheet, SheetView};
pub use update::{DeleteWorkbook, UpdateWorkbook, WorkbookChange};

/// The endpoints of this function.
pub type Endpoints = (
    CreateWorkbook,
    ListWorkbooks,
    ReadWorkbook,
    UpdateWorkbook,
    DeleteWorkbook,
    ListSheets,
    CreateSheet,
    SetSheetReview,
    ReadColumns,
    SetColumns,
);
