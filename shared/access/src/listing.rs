//! The list of the workbooks that a user may see. First come their own, then those that rules about
//! them name, then, under a rule for every workbook, all others. The indexes may lag, so a new
//! workbook is listed a moment after it was made. A decision by consistent reads leaves out what
//! the user may not see. So a page may be short, even empty, before the end.

use platform::clock::Timestamp;
use platform::database::StoreError;
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

use crate::domain::{Rule, Standing, Subject};
use crate::store::{Rules, Snapshot, Snapshots, Workbook, Workbooks};

/// Workbooks that one page looks at, at most.
const LOOKED_AT: usize = 100;

/// Workbooks that are looked at together.
const BATCH: usize = 25;

/// Lists workbooks.
#[derive(Debug, Clone)]
pub struct WorkbookList {
    snapshots: Snapshots,
    workbooks: Workbooks,
    rules: Rules,
}

/// A place in the list: a part of it, and the last workbook that was looked at there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPlace {
    part: Part,
    after: Option<String>,
}

/// A page of the list.
#[derive(Debug)]
pub struct WorkbookPage {
    /// The workbooks, each with the data that decides about it.
    pub items: Vec<ListedWorkbook>,
    /// Where the list goes on.
    pub next: Option<ListPlace>,
}

/// A workbook of the list, which the user may see.
#[derive(Debug)]
pub struct ListedWorkbook {
    /// The workbook.
    pub workbook: Workbook,
    /// The data that decides about it, for the user.
    pub snapshot: Snapshot,
    /// The place behind it.
    pub behind: ListPlace,
}

/// The parts of the list, in their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Part {
    /// The user's own workbooks.
    Own,
    /// Those that rules about a subject name.
    Named(String),
    /// All.
    All,
}

/// The data on which the list depends.
struct View {
    who: Standing,
    /// The parts, in order.
    parts: Vec<Part>,
}

impl WorkbookList {
    /// Uses the tables of [`Snapshots`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            snapshots: Snapshots::new(platform)?,
            workbooks: Workbooks::new(platform)?,
            rules: Rules::new(platform)?,
        })
    }

    /// At most `limit` workbooks, from a place on. `None` if the user has no active account.
    pub async fn page(
        &self,
        user_id: &str,
        from: Option<ListPlace>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<WorkbookPage>, StoreError> {
        let caller = self.snapshots.load(None, &[user_id], &[]).await?;
        let Some(view) = View::of(&caller, user_id, now) else { return Ok(None) };
        let mut next = from.or_else(|| view.first());
        let (mut items, mut looked_at) = (Vec::new(), 0);
        while let Some(place) = next.take_if(|_| items.len() < limit && looked_at < LOOKED_AT) {
            let (ids, more) = self.ids(&place, user_id).await?;
            looked_at += ids.len();
            let last = ids.last().cloned();
            let mut reached = None;
            for snapshot in self.snapshots.load_all(&ids, &caller).await? {
                let is_shown = view.is_new(&place.part, &snapshot)
                    && snapshot.decision(user_id, now).sees_workbook();
                let workbook = snapshot.workbook.clone().filter(|_| is_shown);
                let Some(workbook) = workbook else { continue };
                if items.len() == limit {
                    break;
                }
                reached = Some(workbook.id.clone());
                let behind =
                    ListPlace { part: place.part.clone(), after: Some(workbook.id.clone()) };
                items.push(ListedWorkbook { workbook, snapshot, behind });
            }
            // A full page goes on behind its last workbook, any other behind all that were looked
            // at.
            let is_full = items.len() == limit;
            let reached = reached.filter(|_| is_full).or_else(|| last.clone());
            next = match reached {
                Some(after) if more || is_full && Some(&after) != last.as_ref() => {
                    Some(ListPlace { after: Some(after), ..place })
                }
                _ => view.behind(&place.part),
            };
        }
        Ok(Some(WorkbookPage { items, next }))
    }

    /// The next ids of a part of the list, each once, and whether there may be more.
    async fn ids(
        &self,
        place: &ListPlace,
        user_id: &str,
    ) -> Result<(Vec<String>, bool), StoreError> {
        let after = place.after.as_deref();
        let (mut ids, more) = match &place.part {
            Part::Own => self.workbooks.owned(user_id, after, BATCH).await?,
            Part::Named(subject) => match subject.parse::<Subject>() {
                Ok(subject) => self.rules.named(&subject, after, BATCH).await?,
                Err(_) => (Vec::new(), false),
            },
            Part::All => self.workbooks.all(after, BATCH).await?,
        };
        ids.dedup();
        Ok((ids, more))
    }
}

impl View {
    /// The list of a user. It ends with all workbooks if a rule for every one lets the user in.
    fn of(caller: &Snapshot, user_id: &str, now: Timestamp) -> Option<Self> {
        let who = caller.standing(user_id).cloned()?;
        let named = who.subjects().into_iter().map(|subject| Part::Named(subject.to_string()));
        let lets_in = |rule: &Rule| !rule.denies() && rule.is_live(now) && who.is(&rule.subject);
        let reads_all = caller.every.iter().any(lets_in);
        let all = reads_all.then_some(Part::All);
        let mut parts: Vec<_> = [Part::Own].into_iter().chain(named).chain(all).collect();
        parts.sort();
        Some(Self { who, parts })
    }

    fn first(&self) -> Option<ListPlace> {
        self.parts.first().map(|part| ListPlace { part: part.clone(), after: None })
    }

    /// The next part.
    fn behind(&self, part: &Part) -> Option<ListPlace> {
        let next = self.parts.iter().find(|next| *next > part);
        next.map(|part| ListPlace { part: part.clone(), after: None })
    }

    /// Whether no earlier part of the list has a workbook.
    fn is_new(&self, part: &Part, book: &Snapshot) -> bool {
        let is_own = book.workbook.as_ref().is_some_and(|workbook| self.owns(workbook));
        let is_named_before = book.rules.iter().any(|rule| {
            self.who.is(&rule.subject) && Part::Named(rule.subject.to_string()) < *part
        });
        *part == Part::Own || !is_own && !is_named_before
    }

    fn owns(&self, workbook: &Workbook) -> bool {
        workbook.owner_id.as_ref() == Some(&self.who.user_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::domain::Role;

    #[test]
    fn the_parts_of_a_list_come_in_order() {
        let who = Standing {
            user_id: "u".into(),
            roles: vec![Role::User],
            groups: ["b".to_owned(), "a".to_owned()].into(),
        };
        let named = who.subjects().into_iter().map(|subject| Part::Named(subject.to_string()));
        let mut parts: Vec<_> = named.chain([Part::All, Part::Own]).collect();
        parts.sort();
        let view = View { who, parts };
        let mut place = view.first();
        let mut walked = Vec::new();
        while let Some(ListPlace { part, .. }) = place {
            place = view.behind(&part);
            walked.push(part);
        }
        let named = |text: &str| Part::Named(text.to_owned());
        assert_eq!(
            walked,
            [
                Part::Own,
                named("everyone"),
                named("group:a"),
                named("group:b"),
                named("role:user"),
                named("user:u"),
                Part::All,
            ]
        );
        // A part that is no longer one, after a membership has ended, is left behind too.
        assert_eq!(view.behind(&named("group:aa")).map(|place| place.part), Some(named("group:b")));
    }
}
