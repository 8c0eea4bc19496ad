//! The head of a range: all facts about it without its cells.

use std::collections::{BTreeMap, BTreeSet};

use cells::address::{Address, Area};
use cells::moment::Epoch;
use cells::read::Settings;
use cells::text_number::{Separators, SeparatorsError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tally_access::Decision;
use tally_access::decision::{Place, Reason};
use tally_access::domain::Action;

/// The head of a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RangeHead {
    /// UUIDv7.
    pub id: String,
    /// The workbook.
    pub workbook_id: String,
    /// The sheet, by our id.
    pub sheet_id: String,
    /// The name that the sheet had.
    pub sheet_name: String,
    /// Whether people saw the sheet.
    pub visibility: Visibility,
    /// Id of the user who uploads it.
    #[serde(rename = "user_id")]
    pub uploaded_by: String,
    /// The state of the upload.
    pub status: RangeStatus,
    /// The rectangle.
    #[serde(with = "area_text")]
    pub area: Area,
    /// Number of its parts.
    pub parts: u32,
    /// The parts that are there, by their numbers from one.
    #[serde(default)]
    pub arrived: BTreeMap<u32, PartHead>,
    /// Bytes of the text in these parts.
    pub text: u64,
    /// Columns, from zero in the sheet, of which these parts did not store the cells.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dropped: BTreeSet<u32>,
    /// Where the headers are, as the uploader says.
    pub headers: Headers,
    /// Rows at the top that have the headers. Zero until the range is ready.
    #[serde(default)]
    pub header_rows: u32,
    /// How its cells are read.
    pub settings: RangeSettings,
    /// Where the layout, the names and the tables are.
    pub about: Vec<String>,
    /// The lists of cells without a formula of their own that the upload left out: `spills`,
    /// `pivots`.
    pub unstated: Vec<String>,
    /// The facts that completion added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Completed>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970. From then on it does not exist.
    pub expires_at: i64,
}

/// The facts that completion adds to a head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completed {
    /// Ids of the columns in the register, from the left.
    pub column_ids: Vec<String>,
    /// Columns, from zero in the sheet, whose cells were not stored: the uploader could not read
    /// them. They are in order.
    pub dropped: Vec<u32>,
    /// [`RangeHead::has_formulas`].
    pub has_formulas: bool,
    /// The generation of the workbook's graph that has the sources of its formulas.
    pub generation: u64,
    /// Where the groups of the cells are.
    pub groups: Vec<GroupPiece>,
    /// Where the sources of the groups are, with the columns that they name.
    pub sources: Vec<String>,
}

/// A part that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartHead {
    /// SHA-256 of the bytes that were sent.
    pub hash: String,
    /// The rectangle.
    #[serde(with = "area_text")]
    pub area: Area,
    /// Whether it came as a CSV file.
    pub is_csv: bool,
    /// Whether it came with its formulas.
    pub has_formulas: bool,
    /// Where the number formats are.
    pub formats: Vec<String>,
    /// Where the cells are, with the number of cells of each piece.
    pub pieces: Vec<(String, usize)>,
}

/// A piece of the groups' numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPiece {
    /// Key of the item.
    pub item: String,
    /// Number of cells.
    pub count: usize,
    /// The group of the cell before the first one.
    pub before: u32,
}

/// The state of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RangeStatus {
    /// It takes parts.
    Uploading,
    /// It is whole, and never changes.
    Ready,
}

/// Whether people see a sheet, as Office.js says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Visibility {
    /// They do.
    #[default]
    Visible,
    /// They can make it visible.
    Hidden,
    /// Only a program can make it visible.
    VeryHidden,
}

/// Where the headers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Headers {
    /// In the first row, if it looks like one.
    #[default]
    Auto,
    /// In so many rows at the top: none, or one to five.
    Rows(u32),
}

/// The first day of a workbook's serial numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateSystem {
    /// 1900.
    #[default]
    #[serde(rename = "1900")]
    Y1900,
    /// 1904.
    #[serde(rename = "1904")]
    Y1904,
}

/// How the cells of a range are read. Its separators are valid ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeSettings {
    decimal: String,
    group: String,
    date_system: DateSystem,
}

impl RangeHead {
    /// Whether the range is whole.
    pub fn is_ready(&self) -> bool {
        self.status == RangeStatus::Ready
    }

    /// Whether the upload says of each cell whether a formula, a spill or a pivot table made it.
    pub fn has_formulas(&self) -> bool {
        self.unstated.is_empty() && self.arrived.values().all(|part| part.has_formulas)
    }

    /// The head for a reader of the workbook's graph in a generation. If that is another one than
    /// at the completion, the formulas count as unknown: the graph may lack what they lead to.
    #[must_use]
    pub fn under(mut self, generation: u64) -> Self {
        if let Some(completed) = &mut self.completed {
            completed.has_formulas &= completed.generation == generation;
        }
        self
    }

    /// Whether the range exists for a user: they may read one of its columns. To its uploader it
    /// also exists while it has no columns yet, or waits for a review, if the rules let them read
    /// the sheet.
    pub fn is_seen_by(&self, decision: &Decision<'_>, user_id: &str) -> bool {
        let mut sheets = decision.sheets().filter(|(sheet, _)| sheet.id == self.sheet_id);
        let is_own = self.uploaded_by == user_id
            && sheets.any(|(_, place)| is_granted(&place, Action::Read));
        is_own || self.allows(decision, Action::Read)
    }

    /// Whether a user may do this with one of the range's columns. A column whose cells were
    /// dropped counts as none.
    pub fn allows(&self, decision: &Decision<'_>, action: Action) -> bool {
        let Some(completed) = &self.completed else { return false };
        let numbered = (self.area.first().column..).zip(&completed.column_ids);
        let is_there = |number: &u32| completed.dropped.binary_search(number).is_err();
        let ids: BTreeSet<_> =
            numbered.filter(|(number, _)| is_there(number)).map(|(_, id)| id.as_str()).collect();
        let mut allowed =
            decision.columns(&self.sheet_id).filter(|(_, place)| place.allows(action));
        allowed.any(|(column, _)| column.ids().any(|id| ids.contains(id)))
    }

    /// The id of a column of the area, from zero in the sheet.
    pub fn column_id(&self, column: u32) -> Option<&str> {
        let place = column.checked_sub(self.area.first().column)?;
        let ids = &self.completed.as_ref()?.column_ids;
        ids.get(usize::try_from(place).ok()?).map(String::as_str)
    }
}

/// Whether the rules let the user do this, even if the place waits for a review. The cells of an
/// upload wait with it.
pub(crate) fn is_granted(place: &Place<'_>, action: Action) -> bool {
    let reason = place.verdict(action).reason;
    matches!(reason, Reason::Owner | Reason::Rule | Reason::Unreviewed)
}

impl RangeSettings {
    /// Settings with these separators.
    pub fn new(
        decimal: &str,
        group: &str,
        date_system: DateSystem,
    ) -> Result<Self, SeparatorsError> {
        Separators::new(decimal, group)?;
        Ok(Self { decimal: decimal.to_owned(), group: group.to_owned(), date_system })
    }

    /// The settings by which a part is read.
    pub fn of_part(&self, is_csv: bool) -> Settings {
        let separators = Separators::new(&self.decimal, &self.group).unwrap_or_default();
        let epoch = match self.date_system {
            DateSystem::Y1900 => Epoch::Y1900,
            DateSystem::Y1904 => Epoch::Y1904,
        };
        Settings { separators, epoch, is_csv }
    }
}

impl Default for RangeSettings {
    fn default() -> Self {
        Self { decimal: ".".to_owned(), group: ",".to_owned(), date_system: DateSystem::default() }
    }
}

/// Areas as text.
mod area_text {
    use serde::de::Error as _;

    use super::{Address, Area, Deserialize, Deserializer, Serialize as _, Serializer};

    pub fn serialize<S: Serializer>(area: &Area, serializer: S) -> Result<S::Ok, S::Error> {
        area.to_string().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Area, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address: Address = text.parse().map_err(D::Error::custom)?;
        Ok(address.area)
    }
}

#[cfg(test)]
mod tests {
    use cells::address::Cell;
    use platform::clock::Timestamp;
    use serde_json::{Value, json};
    use tally_access::domain::{Book, Rule, Sheet, Standing};

    use super::*;
    use crate::domain::samples;

    fn rule(effect: &str, more: Value) -> Rule {
        let mut rule = json!({
            "id": "r", "effect": effect, "actions": ["read"], "subject": {"type": "everyone"},
            "workbook_id": "w", "sheet_id": "s", "created_by": "m", "created_at": 0,
        });
        let Value::Object(more) = more else { panic!("{more} is no object") };
        rule.as_object_mut().unwrap().extend(more);
        serde_json::from_value(rule).unwrap()
    }

    #[test]
    fn a_range_exists_for_its_uploader_and_for_readers_of_its_columns() {
        let column = |letter: &str| {
            let id = letter.to_lowercase();
            json!({"id": id, "letter": letter, "header": id, "names": [id]})
        };
        let columns = ["A", "B", "C"].map(column);
        let (open, on) = (|| rule("allow", json!({})), |id: &str| json!({"column": {"ids": [id]}}));
        for (rules, waits, dropped, expected) in [
            (vec![open()], false, &[][..], [true, true]),
            (vec![], false, &[], [false, false]),
            // The sheet exists for both, and the range has other columns.
            (vec![rule("allow", on("a"))], false, &[], [false, false]),
            (vec![rule("allow", on("c"))], false, &[], [true, true]),
            (vec![rule("allow", on("c"))], false, &[2], [false, false]),
            // The uploader is told that all of it is withheld.
            (vec![open(), rule("deny", on("b")), rule("deny", on("c"))], false, &[], [true, false]),
            (vec![open(), rule("deny", on("a"))], true, &[], [true, false]),
            (vec![open(), rule("deny", json!({}))], true, &[], [false, false]),
        ] {
            let sheet =
                json!({"id": "s", "name": "S", "version": 1, "pending": waits, "columns": columns});
            let sheets: [Sheet; 1] = [serde_json::from_value(sheet).unwrap()];
            let mut head = samples::head(&[]);
            let seen = |head: &RangeHead| {
                ["u", "v"].map(|user| {
                    let who = Standing { user_id: user.into(), ..Standing::default() };
                    let book = Book { owner_id: None, sheets: &sheets, rules: &rules, every: &[] };
                    let decision = Decision::new(&who, book, Timestamp::UNIX_EPOCH);
                    head.is_seen_by(&decision, user)
                })
            };
            let is_upload_seen = rules.iter().any(|rule| *rule == open()) && expected[0];
            assert_eq!(seen(&head), [is_upload_seen, false], "{rules:?}");
            head.status = RangeStatus::Ready;
            head.completed = Some(Completed {
                column_ids: vec!["b".into(), "c".into()],
                dropped: dropped.to_vec(),
                has_formulas: true,
                generation: 0,
                groups: Vec::new(),
                sources: Vec::new(),
            });
            assert_eq!(seen(&head), expected, "{rules:?} {dropped:?}");
        }
    }

    #[test]
    fn a_head_is_stored_and_read() {
        let stored = json!({
            "id": "r", "workbook_id": "w", "sheet_id": "s", "sheet_name": "P&L",
            "visibility": "veryHidden", "user_id": "u", "status": "ready", "area": "C2:E9",
            "parts": 1,
            "arrived": {"1": {
                "hash": "h", "area": "C2:E9", "is_csv": false, "has_formulas": true,
                "formats": ["h#formats#0"], "pieces": [["h#cells#0", 24]],
            }},
            "text": 5, "dropped": [3],
            "headers": {"rows": 2}, "header_rows": 2,
            "settings": {"decimal": ",", "group": ".", "date_system": "1904"},
            "about": ["about#0"], "unstated": ["spills"],
            "completed": {
                "column_ids": ["a", "b", "c"], "dropped": [3], "has_formulas": false,
                "generation": 4, "groups": [{"item": "x#groups#0", "count": 24, "before": 0}],
                "sources": ["x#sources#0"],
            },
            "created_at": 1, "expires_at": 2,
        });
        let head: RangeHead = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&head).unwrap(), stored);
        let ids = [1, 2, 4, 5].map(|column| head.column_id(column));
        assert_eq!(ids, [None, Some("a"), Some("c"), None]);
        assert_eq!(head.area.first(), Cell { row: 1, column: 2 });
        assert_eq!(head.settings.of_part(true).epoch, Epoch::Y1904);
        assert!(RangeSettings::new(",", ",", DateSystem::Y1900).is_err());
        // Its part has formulas. Still a spilled cell may look like a typed one.
        assert!(!head.has_formulas());
        assert!(RangeHead { unstated: Vec::new(), ..head }.has_formulas());
    }

    #[test]
    fn formulas_are_unknown_in_another_generation_of_the_graph() {
        for (has_formulas, generation, expected) in
            [(true, 1, true), (true, 0, false), (true, 2, false), (false, 1, false)]
        {
            let mut head = samples::head(&[]);
            assert_eq!(head.clone().under(generation), head);
            head.completed = Some(Completed {
                column_ids: Vec::new(),
                dropped: Vec::new(),
                has_formulas,
                generation: 1,
                groups: Vec::new(),
                sources: Vec::new(),
            });
            let found = head.under(generation).completed.unwrap();
            assert_eq!(found.has_formulas, expected, "{has_formulas} {generation}");
        }
    }
}
