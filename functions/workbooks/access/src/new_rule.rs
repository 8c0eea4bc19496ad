//! A rule that a caller wants to add, and the stored rule under the register of its sheet.

use std::collections::BTreeSet;

use platform::clock::Timestamp;
use platform::domain::ResourceId;
use platform::input::{Fields, FromField, Inner, Input, RawValue};
use platform::{Problem, ids};
use serde_json::Value;
use tally_access::domain::{
    Action, Actions, ColumnMatch, Derived, Effect, Glob, Letters, Note, Rule, Sheet, Subject,
};
use utoipa::ToSchema;

/// Columns that one rule names by their ids, at most.
const MOST_IDS: usize = 50;

/// The rule to add.
#[derive(Debug, Clone, ToSchema)]
pub struct NewRule {
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The actions. `approve` and `manage` are for whole workbooks only.
    #[schema(value_type = Vec<Action>, min_items = 1, example = json!(["read"]))]
    pub actions: Actions,
    /// The users that it is about.
    pub subject: Subject,
    /// The workbook. Without it, the rule is for every one.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub workbook_id: Option<ResourceId>,
    /// The sheet. Without it, the rule is for every one of the workbook.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub sheet_id: Option<ResourceId>,
    /// The columns. Without it, the rule is for whole sheets.
    #[schema(value_type = Option<NewRuleColumn>)]
    pub column: Option<NewColumn>,
    /// The effect of a deny on results of formulas that lead to its cells.
    #[schema(value_type = Option<Derived>)]
    pub derived: Derived,
    /// For people.
    #[schema(value_type = Option<String>, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub note: Note,
    /// From then on the rule has no effect.
    #[schema(value_type = Option<String>, format = "date-time", example = "2027-01-31T09:30:00Z")]
    pub expires_at: Option<Timestamp>,
}

/// The columns that a new rule is about.
#[derive(Debug, Clone)]
pub enum NewColumn {
    /// By their ids.
    Ids(Vec<String>),
    /// By their present letters. The rule keeps their ids.
    Letters(Letters),
    /// By the names that they have, or had.
    Header(Glob),
}

/// The columns of a new rule: exactly one of the members.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct NewRuleColumn {
    /// Ids of columns.
    #[schema(min_items = 1, max_items = 50, nullable = false)]
    ids: Option<Vec<String>>,
    /// Letters of columns of the sheet. The rule keeps their ids, so it follows them.
    #[schema(nullable = false, example = "D:F", pattern = r"^[A-Za-z]{1,3}(:[A-Za-z]{1,3})?$")]
    letters: Option<String>,
    /// Pattern for headers, in any case, with `*` for any run of characters. It matches every name
    /// that a column has had.
    #[schema(nullable = false, max_length = 100, example = "*salary*")]
    header: Option<String>,
}

/// One to fifty ids of columns.
struct Ids(Vec<String>);

impl FromField for Ids {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || format!("must be a list of 1 to {MOST_IDS} ids, each once");
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let read = |item: &Value| item.as_str()?.parse::<ResourceId>().ok().map(String::from);
        let ids: BTreeSet<_> = items.iter().map(read).collect::<Option<_>>().ok_or_else(wrong)?;
        let is_right = (1..=MOST_IDS).contains(&items.len()) && ids.len() == items.len();
        if is_right { Ok(Self(ids.into_iter().collect())) } else { Err(wrong()) }
    }
}

impl Input for NewColumn {
    fn read(fields: &mut Fields) -> Option<Self> {
        let given = ["ids", "letters", "header"].into_iter().filter(|name| fields.has(name));
        let [name] = given.collect::<Vec<_>>()[..] else {
            fields.ignore_rest();
            fields.refuse("ids", "must be given, or `letters` or `header`, and only one of them");
            return None;
        };
        match name {
            "ids" => fields.required("ids").map(|Ids(ids)| Self::Ids(ids)),
            "letters" => fields.required("letters").map(Self::Letters),
            _ => fields.required("header").map(Self::Header),
        }
    }
}

impl Input for NewRule {
    fn read(fields: &mut Fields) -> Option<Self> {
        let effect = fields.required("effect");
        let actions = fields.required("actions");
        let subject = fields.required::<Inner<Subject>>("subject");
        let workbook_id = fields.optional("workbook_id");
        let sheet_id = fields.optional("sheet_id");
        let column = fields.optional::<Inner<NewColumn>>("column");
        let derived = fields.optional("derived");
        let note = fields.optional("note");
        let expires_at = fields.optional("expires_at");
        Some(Self {
            effect: effect?,
            actions: actions?,
            subject: subject?.0,
            workbook_id: workbook_id?,
            sheet_id: sheet_id?,
            column: column?.map(|Inner(column)| column),
            derived: derived?.unwrap_or_default(),
            note: note?.unwrap_or_default(),
            expires_at: expires_at?,
        })
    }
}

impl NewRule {
    /// The rule itself. `sheets` are those of its workbook. The problem names the field `add` and
    /// the position `at`.
    pub fn made(
        &self,
        at: usize,
        sheets: &[Sheet],
        created_by: &str,
        now: Timestamp,
    ) -> Result<Rule, Problem> {
        let fault = |place: &str, detail: &str| {
            Problem::invalid_field("add", format!("has a fault at /{at}/{place}: {detail}"))
        };
        let is_whole = self.sheet_id.is_none() && self.column.is_none();
        if !is_whole && self.actions.iter().any(Action::is_of_workbooks) {
            return Err(fault("actions", "approve and manage are for whole workbooks only"));
        }
        if self.effect == Effect::Allow && self.derived == Derived::Allow {
            return Err(fault("derived", "only a deny may let results through"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(fault("expires_at", "must be in the future"));
        }
        let in_scope: Vec<_> = match &self.sheet_id {
            None => sheets.iter().collect(),
            Some(_) if self.workbook_id.is_none() => {
                return Err(fault("sheet_id", "needs the workbook_id too"));
            }
            Some(id) => sheets.iter().filter(|sheet| sheet.id == id.as_str()).collect(),
        };
        if self.sheet_id.is_some() && in_scope.is_empty() {
            return Err(fault("sheet_id", "is no sheet of the workbook"));
        }
        let columns = || in_scope.iter().flat_map(|sheet| &sheet.columns);
        let column = match &self.column {
            None => None,
            Some(NewColumn::Header(glob)) => Some(ColumnMatch::Header(glob.clone())),
            Some(NewColumn::Ids(ids)) => {
                let is_known = |id: &String| {
                    columns().any(|column| column.ids().any(|known| known == id.as_str()))
                };
                if !ids.iter().all(is_known) {
                    return Err(fault("column/ids", "has an id that is in no register"));
                }
                Some(ColumnMatch::Ids(ids.clone()))
            }
            Some(NewColumn::Letters(Letters(letters))) => {
                if self.sheet_id.is_none() {
                    return Err(fault("column/letters", "needs the sheet_id too"));
                }
                let found = columns().filter(|column| letters.contains(&column.letter));
                let ids: Vec<_> = found.map(|column| column.id.clone()).collect();
                match ids.len() {
                    0 => return Err(fault("column/letters", "the register has no such column")),
                    1..=MOST_IDS => Some(ColumnMatch::Ids(ids)),
                    _ => return Err(fault("column/letters", "must be at most 50 columns")),
                }
            }
        };
        Ok(Rule {
            id: ids::new_id(now),
            effect: self.effect,
            actions: self.actions,
            subject: self.subject.clone(),
            workbook_id: self.workbook_id.clone().map(String::from),
            sheet_id: self.sheet_id.clone().map(String::from),
            column,
            derived: self.derived,
            note: self.note.0.clone(),
            expires_at: self.expires_at.map(Timestamp::as_millisecond),
            created_by: created_by.to_owned(),
            created_at: now.as_millisecond(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::input::Items;
    use serde_json::json;
    use tally_access::domain::{Column, folded};

    const ID: &str = "019ab9a0-0000-7000-8000-00000000000a";
    const SHEET: &str = "019ab9a0-0000-7000-8000-00000000000b";

    fn sheets() -> Vec<Sheet> {
        let column = |number: u32, letter: &str, header: &str| Column {
            id: format!("019ab9a0-0000-7000-8000-0000000000{number:02}"),
            also: Vec::new(),
            letter: letter.parse().unwrap(),
            header: header.into(),
            is_computed: false,
            names: vec![folded(header)],
            pending: false,
        };
        let columns = vec![column(1, "A", "Month"), column(2, "D", "Salary"), column(3, "E", "x")];
        vec![Sheet {
            id: SHEET.into(),
            also: vec![],
            name: "S".into(),
            pending: false,
            is_renamed: false,
            version: 1,
            columns,
        }]
    }

    /// The columns of the rule that a change of a plain one makes, or its fault.
    fn made(change: Value) -> Result<Option<ColumnMatch>, String> {
        let mut rule = json!({
            "effect": "deny", "actions": ["read"], "subject": {"type": "everyone"},
            "workbook_id": ID,
        });
        let Value::Object(change) = change else { panic!("{change} is no object") };
        rule.as_object_mut().unwrap().extend(change);
        let Items(rules) = Items::<NewRule>::read(&RawValue::Json(&json!([rule])))?;
        let made = rules[0].made(0, &sheets(), ID, Timestamp::from_second(10).unwrap());
        made.map(|rule| rule.column).map_err(|problem| problem.errors[0].detail.clone())
    }

    #[test]
    fn a_rule_is_made_or_its_first_fault_is_named() {
        let ids = |numbers: &[u32]| {
            let id = |number: &u32| format!("019ab9a0-0000-7000-8000-0000000000{number:02}");
            Ok(Some(ColumnMatch::Ids(numbers.iter().map(id).collect())))
        };
        let fault = |text: &str| Err(format!("has a fault at /0/{text}"));
        for (change, expected) in [
            (json!({}), Ok(None)),
            (json!({"column": {"letters": "D:F"}, "sheet_id": SHEET}), ids(&[2, 3])),
            (json!({"column": {"letters": "b:d"}, "sheet_id": SHEET}), ids(&[2])),
            (
                json!({"column": {"letters": "F"}, "sheet_id": SHEET}),
                fault("column/letters: the register has no such column"),
            ),
            (json!({"column": {"letters": "D"}}), fault("column/letters: needs the sheet_id too")),
            (json!({"column": {"ids": ["019AB9A0-0000-7000-8000-000000000001"]}}), ids(&[1])),
            (
                json!({"column": {"ids": [ID]}}),
                fault("column/ids: has an id that is in no register"),
            ),
            (
                json!({"column": {"ids": []}}),
                fault("column/ids: must be a list of 1 to 50 ids, each once"),
            ),
            (
                json!({"column": {"ids": [ID], "header": "x"}}),
                fault("column/ids: must be given, or `letters` or `header`, and only one of them"),
            ),
            (json!({"sheet_id": ID}), fault("sheet_id: is no sheet of the workbook")),
            (
                json!({"workbook_id": null, "sheet_id": SHEET}),
                fault("sheet_id: needs the workbook_id too"),
            ),
            (
                json!({"actions": ["read", "manage"], "sheet_id": SHEET}),
                fault("actions: approve and manage are for whole workbooks only"),
            ),
            (
                json!({"effect": "allow", "derived": "allow"}),
                fault("derived: only a deny may let results through"),
            ),
            (json!({"derived": "allow"}), Ok(None)),
            (
                json!({"expires_at": "1970-01-01T00:00:10Z"}),
                fault("expires_at: must be in the future"),
            ),
            (json!({"expires_at": "1970-01-01T00:00:11Z"}), Ok(None)),
            (json!({"subject": {"type": "user"}}), fault("subject/id: is required")),
            (
                json!({"subject": {"type": "robot"}}),
                fault("subject/type: must be user, group, role or everyone"),
            ),
            (
                json!({"subject": {"type": "everyone", "id": ID}}),
                fault("subject/id: is unknown: leave it out"),
            ),
            (
                json!({"note": "x".repeat(201)}),
                fault("note: must be at most 200 characters, none of them a control character"),
            ),
        ] {
            assert_eq!(made(change.clone()), expected, "{change}");
        }
    }
}
