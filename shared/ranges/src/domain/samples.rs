//! Heads of tests.

use super::RangeHead;

/// The head of a range of two columns and ten rows in three parts. The parts with these numbers
/// and areas are there.
pub(crate) fn head(arrived: &[(u32, &str)]) -> RangeHead {
    let part = |(number, area): &(u32, &str)| {
        let part = serde_json::json!({
            "hash": "h", "area": area, "is_csv": true, "has_formulas": false, "formats": [],
            "pieces": [],
        });
        (number.to_string(), part)
    };
    let arrived: serde_json::Map<_, _> = arrived.iter().map(part).collect();
    let head = serde_json::json!({
        "id": "r", "workbook_id": "w", "sheet_id": "s", "sheet_name": "S",
        "visibility": "visible", "user_id": "u", "status": "uploading", "area": "B2:C11",
        "parts": 3, "arrived": arrived, "text": 0, "headers": "auto",
        "settings": {"decimal": ".", "group": ",", "date_system": "1900"}, "about": [],
        "unstated": [], "created_at": 1, "expires_at": 2,
    });
    serde_json::from_value(head).unwrap()
}
