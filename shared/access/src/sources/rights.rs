//! The rights of users to sources.

use std::collections::{BTreeSet, HashMap};

use platform::clock::Timestamp;
use platform::database::StoreError;
use platform::{ConfigError, Platform};
use uuid::Uuid;

use super::{Columns, Seen, SheetKey, Sources, WORKBOOKS};
use crate::decision::{Decision, Derivation, Place};
use crate::domain::{Action, Actions};
use crate::store::Snapshots;

/// Reads the rights of users to sources.
#[derive(Debug, Clone)]
pub struct Readers {
    snapshots: Snapshots,
}

/// The actions that one user may take now on sources.
#[derive(Debug, Clone, Default)]
pub struct Rights(HashMap<SheetKey, SheetRights>);

#[derive(Debug, Clone)]
struct SheetRights {
    /// With every column of the sheet.
    whole: Actions,
    columns: HashMap<Uuid, Actions>,
}

impl Readers {
    /// Uses the tables of [`Snapshots`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)? })
    }

    /// The actions that a user may take now on these sources, of at most [`WORKBOOKS`] workbooks
    /// together: see [`Sources::fitting`]. On more the user may take none. One batch reads the data
    /// that decides. Without sources, nothing is read.
    pub async fn rights(
        &self,
        user_id: &str,
        sources: &[&Sources],
        now: Timestamp,
    ) -> Result<Rights, StoreError> {
        let named: BTreeSet<_> = sources.iter().flat_map(|all| all.0.keys()).collect();
        let workbooks: BTreeSet<_> = named.iter().map(|(workbook, ..)| *workbook).collect();
        if workbooks.is_empty() {
            return Ok(Rights::default());
        }
        let ids: Vec<_> = workbooks.iter().take(WORKBOOKS).map(Uuid::to_string).collect();
        let mut rights = Rights::default();
        for snapshot in self.snapshots.load_for(user_id, &ids).await? {
            let workbook = snapshot.workbook.as_ref();
            let id = workbook.and_then(|workbook| Uuid::try_parse(&workbook.id).ok());
            let Some(id) = id else { continue };
            let decision = snapshot.decision(user_id, now);
            let sheets = named.iter().filter(|(workbook, ..)| *workbook == id);
            rights.extend(&decision, sheets.copied());
        }
        Ok(rights)
    }
}

impl Rights {
    /// Whether the user may take this action on all of these sources.
    pub fn may(&self, sources: &Sources, action: Action) -> bool {
        sources.0.iter().all(|(sheet, columns)| {
            self.0.get(sheet).is_some_and(|rights| rights.allow(columns, action))
        })
    }

    /// Adds the answers of a decision about these sheets of its workbook.
    pub(super) fn extend<'a>(
        &mut self,
        decision: &Decision<'_>,
        sheets: impl IntoIterator<Item = &'a SheetKey>,
    ) {
        for sheet in sheets {
            let id = sheet.1.to_string();
            // A sheet that is gone may have been mapped to others, which have its rules.
            let is_there = decision.sheets().any(|(found, _)| found.id == id);
            let is_it = |found: &str, is_mapped| if is_there { found == id } else { is_mapped };
            let found = decision.sheets().filter(|(found, _)| is_it(&found.id, found.is(&id)));
            let rights =
                found.map(|(found, place)| SheetRights::of(sheet.2, &place, decision, &found.id));
            if let Some(rights) = rights.reduce(SheetRights::both) {
                self.0.insert(*sheet, rights);
            }
        }
    }
}

impl SheetRights {
    fn of(seen: Seen, sheet: &Place<'_>, decision: &Decision<'_>, sheet_id: &str) -> Self {
        let mut rights = Self { whole: allowed(seen, sheet), columns: HashMap::new() };
        for (column, place) in decision.columns(sheet_id) {
            let allowed = allowed(seen, &place);
            rights.whole = both(rights.whole, allowed);
            let ids = column.ids().filter_map(|id| Uuid::try_parse(id).ok());
            rights.columns.extend(ids.map(|id| (id, allowed)));
        }
        rights
    }

    /// The actions that both sets have.
    fn both(self, mut other: Self) -> Self {
        let columns = self
            .columns
            .into_iter()
            .filter_map(|(id, allowed)| Some((id, both(allowed, other.columns.remove(&id)?))));
        Self { whole: both(self.whole, other.whole), columns: columns.collect() }
    }

    fn allow(&self, columns: &Columns, action: Action) -> bool {
        if columns.is_empty() {
            return self.whole.contains(action);
        }
        let allows =
            |id: &Uuid| self.columns.get(id).is_some_and(|allowed| allowed.contains(action));
        columns.iter().all(allows)
    }
}

/// What is allowed with what was seen of a place. Results may be seen where the rules deny the
/// cells and let results through.
fn allowed(seen: Seen, place: &Place<'_>) -> Actions {
    let lets_results =
        |action: &Action| place.derivation(action.with_read()) >= Derivation::ResultAlone;
    match seen {
        Seen::Cells => place.allowed(),
        Seen::Results => Action::ALL.into_iter().filter(lets_results).collect(),
    }
}

fn both(a: Actions, b: Actions) -> Actions {
    a.without(a.without(b))
}
