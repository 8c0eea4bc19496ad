//! The details of events about ranges: addresses, ids of columns and counts, and nothing of a cell.

use cells::address::Area;
use cells::grid::Withheld;
use platform::audit::AuditDetails;

use crate::domain::RangeHead;

/// Ids of columns in an event, at most. The address says which the others are.
const COLUMNS: usize = 50;

/// The details of an event about a whole range.
pub fn of_range(head: &RangeHead) -> AuditDetails {
    of_area(head, head.area)
}

/// The details of an event about cells of a range.
pub fn of_area(head: &RangeHead, area: Area) -> AuditDetails {
    let columns = area.first().column..=area.last().column;
    let ids = columns.filter_map(|column| head.column_id(column));
    let ids: Vec<_> = ids.take(COLUMNS).collect();
    AuditDetails::default()
        .detail("workbook_id", head.workbook_id.as_str())
        .detail("sheet_id", head.sheet_id.as_str())
        .detail("address", area.to_string())
        .detail("cells", area.cells())
        .detail("columns", area.columns())
        .detail("column_ids", ids)
}

/// The same, with the number of withheld columns and cells.
pub fn withholding(details: AuditDetails, withheld: Withheld) -> AuditDetails {
    details.detail("withheld_columns", withheld.columns).detail("withheld_cells", withheld.cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_has_a_bounded_number_of_columns() {
        let ids: Vec<_> = (0..1_000).map(|number| format!("column-{number}")).collect();
        let head = json!({
            "id": "r", "workbook_id": "w", "sheet_id": "s", "sheet_name": "S",
            "visibility": "visible", "user_id": "u", "status": "ready", "area": "A1:ALL2",
            "parts": 1, "arrived": {}, "text": 0, "headers": "auto",
            "settings": {"decimal": ".", "group": ",", "date_system": "1900"}, "about": [],
            "unstated": [], "created_at": 1, "expires_at": 2,
            "completed": {
                "column_ids": ids, "dropped": [], "has_formulas": true, "generation": 0,
                "groups": [], "sources": [],
            },
        });
        let head: RangeHead = serde_json::from_value(head).unwrap();
        let details = format!("{:?}", of_range(&head));
        assert_eq!(details.matches("column-").count(), COLUMNS, "{details}");
        assert!(details.contains("Number(1000)"), "{details}");
    }
}
