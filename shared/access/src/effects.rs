//! Effects of a change of rules: the actions that users gain or lose.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::decision::{Decision, Place};
use crate::domain::{Action, Actions};

/// Effects in one answer, at most.
const EFFECTS: usize = 1_000;

/// Ids of columns in the effects of one answer, at most.
const COLUMNS: usize = 20_000;

/// Actions that a user gains or loses with some columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccessEffect {
    /// The user.
    #[schema(format = "uuid")]
    pub user_id: String,
    /// The workbook.
    #[schema(format = "uuid")]
    pub workbook_id: String,
    /// The sheet, or null for the workbook as a whole.
    #[schema(format = "uuid", required)]
    pub sheet_id: Option<String>,
    /// The columns. Empty for a sheet without columns, and for the workbook.
    pub column_ids: Vec<String>,
    /// The actions.
    #[schema(value_type = Vec<Action>)]
    pub actions: Actions,
}

/// The effects of a change on one user in one workbook: gained, and lost.
pub fn effects(
    user_id: &str,
    workbook_id: &str,
    before: &Decision<'_>,
    after: &Decision<'_>,
) -> (Vec<AccessEffect>, Vec<AccessEffect>) {
    let of = |from: &Decision<'_>, to: &Decision<'_>| {
        let found = differences(from, to).into_iter();
        let effect = |(sheet_id, column_ids, actions)| AccessEffect {
            user_id: user_id.to_owned(),
            workbook_id: workbook_id.to_owned(),
            sheet_id,
            column_ids,
            actions,
        };
        found.map(effect).collect()
    };
    (of(before, after), of(after, before))
}

/// Cuts effects to the limits of one answer. Returns whether there were more.
pub fn cut(effects: &mut Vec<AccessEffect>) -> bool {
    let mut columns = 0;
    let fits = |effect: &&AccessEffect| {
        columns += effect.column_ids.len();
        columns <= COLUMNS
    };
    let fitting = effects.iter().take(EFFECTS).take_while(fits).count();
    let is_cut = fitting < effects.len();
    effects.truncate(fitting);
    is_cut
}

/// The actions that `to` allows and `from` does not, by sheet and columns.
fn differences(
    from: &Decision<'_>,
    to: &Decision<'_>,
) -> Vec<(Option<String>, Vec<String>, Actions)> {
    let new = |from: &Place<'_>, to: &Place<'_>| to.allowed().without(from.allowed());
    let of_workbooks: Actions =
        Action::ALL.into_iter().filter(|action| action.is_of_workbooks()).collect();
    let mut found = Vec::new();
    let whole = new(&from.workbook(), &to.workbook());
    // The actions on cells are shown with the sheets, if there are any.
    let has_sheets = from.sheets().next().is_some();
    let cells = if has_sheets { whole.without(of_workbooks) } else { Actions::NONE };
    found.push((None, Vec::new(), whole.without(cells)));
    for ((sheet, before), (_, after)) in from.sheets().zip(to.sheets()) {
        let mut by_actions = BTreeMap::<Actions, Vec<String>>::new();
        let columns = from.columns(&sheet.id).zip(to.columns(&sheet.id));
        for ((column, before), (_, after)) in columns {
            let actions = new(&before, &after).without(of_workbooks);
            by_actions.entry(actions).or_default().push(column.id.clone());
        }
        if by_actions.is_empty() {
            by_actions.insert(new(&before, &after).without(of_workbooks), Vec::new());
        }
        let of_sheet = by_actions.into_iter();
        found.extend(of_sheet.map(|(actions, ids)| (Some(sheet.id.clone()), ids, actions)));
    }
    found.retain(|(.., actions)| !actions.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use platform::clock::Timestamp;

    use super::*;
    use crate::domain::{Book, Rule, Sheet, Standing};

    #[test]
    fn effects_are_grouped_by_what_changes() {
        let sheets: Vec<Sheet> = serde_json::from_value(serde_json::json!([
            {"id": "s", "name": "S", "version": 1, "columns": [
                {"id": "a", "letter": "A", "header": "Month", "names": ["month"]},
                {"id": "b", "letter": "B", "header": "Salary", "names": ["salary"]},
                {"id": "c", "letter": "C", "header": "Year", "names": ["year"]},
            ]},
            {"id": "t", "name": "T", "version": 1},
        ]))
        .unwrap();
        let rule = |value: serde_json::Value| -> Rule {
            let mut rule = serde_json::json!({
                "id": "r", "effect": "allow", "subject": {"type": "everyone"}, "workbook_id": "w",
                "created_by": "u", "created_at": 0,
            });
            rule.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            serde_json::from_value(rule).unwrap()
        };
        let read = || rule(serde_json::json!({"actions": ["read", "export", "manage"]}));
        let no_salary = || {
            rule(serde_json::json!({
                "effect": "deny", "actions": ["read"], "column": {"header": "salary"},
            }))
        };
        let who = Standing { user_id: "u".into(), ..Standing::default() };
        let found = |from: &[Rule], to: &[Rule], sheets: &[Sheet]| {
            let book = |rules| Book { owner_id: None, sheets, rules, every: &[] };
            let now = Timestamp::UNIX_EPOCH;
            let before = Decision::new(&who, book(from), now);
            let after = Decision::new(&who, book(to), now);
            let (gained, lost) = effects("u", "w", &before, &after);
            let text = |effects: Vec<AccessEffect>| {
                let line = |effect: AccessEffect| {
                    let actions: Vec<_> = effect.actions.iter().map(Action::as_str).collect();
                    let place = effect.sheet_id.unwrap_or_default();
                    format!("{place}[{}]:{}", effect.column_ids.join(","), actions.join(","))
                };
                effects.into_iter().map(line).collect::<Vec<_>>().join(" ")
            };
            (text(gained), text(lost))
        };
        for (from, to, sheets, gained, lost) in [
            (vec![], vec![], &sheets[..], "", ""),
            (vec![], vec![read()], &[], "[]:read,export,manage", ""),
            (vec![], vec![read()], &sheets, "[]:manage s[a,b,c]:read,export t[]:read,export", ""),
            (
                vec![],
                vec![read(), no_salary()],
                &sheets,
                "[]:manage s[a,c]:read,export t[]:read,export",
                "",
            ),
            (vec![read()], vec![read(), no_salary()], &sheets, "", "s[b]:read,export"),
            (vec![read(), no_salary()], vec![read()], &sheets, "s[b]:read,export", ""),
        ] {
            assert_eq!(found(&from, &to, sheets), (gained.to_owned(), lost.to_owned()));
        }
    }

    #[test]
    fn effects_are_cut_to_the_size_of_an_answer() {
        let effect = |columns: usize| AccessEffect {
            user_id: "u".into(),
            workbook_id: "w".into(),
            sheet_id: Some("s".into()),
            column_ids: vec!["c".into(); columns],
            actions: Actions::NONE,
        };
        for (count, columns, expected) in [
            (0, 0, 0),
            (1_000, 20, 1_000),
            (1_001, 0, 1_000),
            (1_001, 20, 1_000),
            (20, 1_000, 20),
            (21, 1_000, 20),
        ] {
            let mut effects = vec![effect(columns); count];
            assert_eq!(cut(&mut effects), expected < count, "{count} of {columns}");
            assert_eq!(effects.len(), expected, "{count} of {columns}");
        }
    }
}
