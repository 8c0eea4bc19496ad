//! Sheets, in the table of workbooks.

use std::sync::Arc;

use platform::database::{Expression, Item, StoreError, Write, item, key2, n};

use super::workbooks::{Stored, Workbook, Workbooks, none};
use crate::domain::Sheet;

/// Sheets of a workbook, at most.
pub const SHEETS_PER_WORKBOOK: usize = 200;

impl Workbooks {
    /// A new sheet.
    pub fn add_sheet(&self, id: &str, sheet: &Sheet) -> Result<Write, StoreError> {
        let condition = "attribute_not_exists(workbook)";
        Ok(Write::put(&self.table, sheet_item(id, sheet)?, condition, &none()))
    }

    /// A sheet after a change. The condition fails where its version is no longer that before this
    /// one's.
    pub fn change_sheet(&self, id: &str, sheet: &Sheet) -> Result<Write, StoreError> {
        let expression =
            Expression::default().name("version", "version").value("before", n(sheet.version - 1));
        Ok(Write::put(&self.table, sheet_item(id, sheet)?, "#version = :before", &expression))
    }

    /// Requires that a sheet has not changed when the other writes are committed.
    pub fn sheet_must_be(&self, id: &str, sheet: &Sheet) -> Write {
        let place = key2(("workbook", id), ("item", &format!("sheet#{}", sheet.id)));
        let expression =
            Expression::default().name("version", "version").value("version", n(sheet.version));
        Write::check(&self.table, place, "#version = :version", &expression)
    }

    /// The sheets of a workbook whose head is this one. They are kept if they are those of its
    /// version: `DynamoDB` shows the items of one transaction one after another.
    pub(super) async fn sheets(&self, workbook: &Workbook) -> Result<Arc<[Sheet]>, StoreError> {
        let (id, version) = (workbook.id.as_str(), workbook.version);
        if let Some(kept) = self.kept.get(id, version) {
            return Ok(kept);
        }
        let (of_workbook, sheets) = (("workbook", id), ("item", "sheet#"));
        let found: Vec<Stored<Sheet>> =
            self.database.collection(&self.table, of_workbook, Some(sheets)).await?;
        let sheets: Arc<[Sheet]> = found.into_iter().map(|stored| stored.value).collect();
        if sheets.iter().map(|sheet| sheet.version).sum::<u64>() == workbook.sheet_changes {
            let bytes = sheets.iter().map(Sheet::bytes).sum();
            self.kept.keep(id, version, &sheets, bytes);
        }
        Ok(sheets)
    }

    /// Sheets that are left of a deleted workbook, by their keys; not all if there are many.
    pub(super) async fn sheets_left(&self, id: &str) -> Result<Vec<Item>, StoreError> {
        let items = self.items_of(id).await?;
        Ok(items.iter().map(|item| key2(("workbook", id), ("item", item))).collect())
    }
}

fn sheet_item(id: &str, sheet: &Sheet) -> Result<Item, StoreError> {
    item(Stored {
        workbook: id.to_owned(),
        item: format!("sheet#{}", sheet.id),
        dataset: None,
        value: sheet,
    })
}
