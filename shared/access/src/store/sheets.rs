//! Sheets, in the table of workbooks.

use std::sync::Arc;

use platform::database::{Expression, Item, StoreError, Write, item, key2, n, query, read, s};

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
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let expression = Expression::default()
                .name("item", "item")
                .value("workbook", s(id))
                .value("sheet", s("sheet#"));
            let request = self.database.client().query().table_name(&self.table);
            let page = query(
                request
                    .key_condition_expression("workbook = :workbook AND begins_with(#item, :sheet)")
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .set_exclusive_start_key(start)
                    .consistent_read(true),
            )
            .await?;
            for item in page.items.unwrap_or_default() {
                found.push(read::<Stored<Sheet>>(item)?.value);
            }
            start = page.last_evaluated_key.filter(|key: &Item| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        let sheets: Arc<[Sheet]> = found.into();
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
