//! How an upload begins.

use std::collections::{BTreeMap, BTreeSet};

use cells::layout::LayoutError;
use platform::clock::Timestamp;
use platform::database::Write;
use platform::{Problem, ids};
use tally_access::domain::{Action, Sheet};
use tally_access::register::COLUMNS;
use tally_access::store::{SHEETS_PER_WORKBOOK, Snapshot};

use crate::about::About;
use crate::blob::pack;
use crate::domain::{
    NAMES, NewRange, PARTS, RangeHead, RangeStatus, TABLES, UploadedSheet, is_granted,
};
use crate::ranges::{Ranges, damaged, formulas_required};
use crate::store::Place;

impl Ranges {
    /// The head of a new range, and the writes that begin its upload. The caller makes a new plan
    /// where the condition of one fails. The user needs `write` on the sheet, or on the workbook
    /// for a new sheet. A sheet that does not exist for them is a 404 like one that is not there.
    pub async fn start(
        &self,
        workbook_id: &str,
        new: NewRange,
        user_id: &str,
        now: Timestamp,
    ) -> Result<(RangeHead, Vec<Write>), Problem> {
        self.check(&new)?;
        let snapshot = self.snapshots.load(Some(workbook_id), &[user_id], &[]).await?;
        let decision = snapshot.decision(user_id, now);
        if snapshot.workbook.is_none() || !decision.sees_workbook() {
            return Err(Problem::not_found());
        }
        let not_granted = || Problem::not_granted(Action::Write.as_str());
        let (sheet_id, mut writes) = match &new.sheet {
            UploadedSheet { id: Some(id), .. } => {
                let found = decision.sheets().find(|(sheet, _)| sheet.id == *id);
                let (sheet, place) = found.ok_or_else(Problem::not_found)?;
                if !is_granted(&place, Action::Write) {
                    let is_seen = decision.manages() || decision.sees_sheet(id);
                    return Err(if is_seen { not_granted() } else { Problem::not_found() });
                }
                (sheet.id.clone(), vec![self.workbooks.must_be(workbook_id)])
            }
            UploadedSheet { id: None, name, .. } => {
                if !decision.workbook().allows(Action::Write) {
                    return Err(not_granted());
                }
                self.new_sheet(&snapshot, name, decision.is_denied_anywhere(), now)?
            }
        };
        if decision.is_denied_anywhere() && !new.unstated.is_empty() {
            return Err(formulas_required(&new.unstated));
        }
        let id = ids::new_id(now);
        let expires_at = now.as_second().saturating_add(self.lifetime);
        let about = About::new(&new.layout, new.names, new.tables);
        let pieces = pack(&about).map_err(damaged(&id))?;
        let names: Vec<_> = (0..pieces.len()).map(|number| format!("about#{number}")).collect();
        let places = names.iter().map(|name| Place::of_range(&id, name.clone()));
        self.pieces.put(places.zip(pieces).collect(), expires_at).await?;
        let head = RangeHead {
            id,
            workbook_id: workbook_id.to_owned(),
            sheet_id,
            sheet_name: new.sheet.name,
            visibility: new.sheet.visibility,
            uploaded_by: user_id.to_owned(),
            status: RangeStatus::Uploading,
            area: new.area,
            parts: new.parts,
            arrived: BTreeMap::new(),
            text: 0,
            dropped: BTreeSet::new(),
            headers: new.headers,
            header_rows: 0,
            settings: new.settings,
            about: names,
            unstated: new.unstated,
            completed: None,
            created_at: now.as_millisecond(),
            expires_at,
        };
        writes.push(self.heads.create(&head)?);
        Ok((head, writes))
    }

    fn check(&self, new: &NewRange) -> Result<(), Problem> {
        let refuse = |detail: String| Err(Problem::invalid_field("address", detail));
        if new.area.cells() > self.max_cells {
            let (found, most) = (new.area.cells(), self.max_cells);
            return refuse(format!("has {found} cells; a range has at most {most}"));
        }
        let columns = usize::try_from(new.area.columns()).unwrap_or(usize::MAX);
        if columns > COLUMNS {
            return refuse(format!("has {columns} columns; a range has at most {COLUMNS}"));
        }
        if !(1..=PARTS).contains(&new.parts) {
            return Err(Problem::invalid_field("parts", format!("must be 1 to {PARTS}")));
        }
        for (field, found, most) in
            [("names", new.names.len(), NAMES), ("tables", new.tables.len(), TABLES)]
        {
            if found > most {
                return Err(Problem::invalid_field(field, format!("has more than {most} entries")));
            }
        }
        new.layout.check(new.area).map_err(|error| {
            let (LayoutError::Entries(field) | LayoutError::Overlap(field)) = error;
            let text = error.to_string();
            Problem::invalid_field(field, text.strip_prefix(field).unwrap_or(&text).trim_start())
        })
    }

    /// The id of a new sheet, and the writes that add it. Whether the sheet waits for a review
    /// depends on the rules, and whether there is room on the workbook.
    fn new_sheet(
        &self,
        snapshot: &Snapshot,
        name: &str,
        is_denied_anywhere: bool,
        now: Timestamp,
    ) -> Result<(String, Vec<Write>), Problem> {
        let workbook = snapshot.workbook.as_ref().ok_or_else(Problem::not_found)?;
        if snapshot.sheets.len() >= SHEETS_PER_WORKBOOK {
            let most = u64::try_from(SHEETS_PER_WORKBOOK).unwrap_or(u64::MAX);
            return Err(Problem::limit_reached("A workbook", most, "sheets"));
        }
        let sheet = Sheet {
            id: ids::new_id(now),
            also: Vec::new(),
            name: name.to_owned(),
            pending: is_denied_anywhere,
            is_renamed: false,
            version: 1,
            columns: Vec::new(),
        };
        let mut writes = vec![
            self.workbooks.add_sheet(&workbook.id, &sheet)?,
            self.workbooks.touch_at(workbook, now),
        ];
        writes.extend(self.must_hold(&workbook.id, snapshot));
        Ok((sheet.id, writes))
    }
}
