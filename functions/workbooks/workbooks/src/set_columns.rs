//! `PUT /workbooks/{id}/sheets/{sheet_id}/columns`, by those who manage the workbook: they say
//! which columns of the register the columns of the sheet are.

use platform::audit::AuditDetails;
use platform::domain::ResourceId;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::input::{Fields, FromField, Input, Items, RawValue};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use tally_access::domain::{Column, Letter, Sheet};
use tally_access::register::{Entry, fit_together, merged};
use tally_access::store::{Rules, Snapshots, Workbooks};
use utoipa::ToSchema;

use crate::columns::ColumnsView;
use crate::opened::{Opened, SHEET_PATH};

/// Characters of a header, at most.
const HEADER: usize = 255;

/// `PUT /workbooks/{id}/sheets/{sheet_id}/columns`.
pub struct SetColumns {
    workbooks: Workbooks,
    snapshots: Snapshots,
    rules: Rules,
}

/// The register from now on.
#[derive(ToSchema)]
pub struct ColumnsChange {
    /// Every column of the sheet. A column of the register that is not among them leaves it.
    #[schema(value_type = Vec<ColumnEntry>, max_items = 1000)]
    pub columns: Vec<ColumnEntry>,
    /// The version of the sheet by which you decided. If it is another now, the answer is 409.
    pub if_version: u64,
}

/// A column of the sheet.
#[derive(ToSchema)]
pub struct ColumnEntry {
    /// Its id in the register. A column without one is new.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub id: Option<ResourceId>,
    /// Its letter.
    #[schema(value_type = String, pattern = r"^[A-Za-z]{1,3}$", example = "D")]
    pub letter: Letter,
    /// Its header. It may be empty. Leave it out to keep the header of the column with this `id`,
    /// which may be withheld from you.
    #[schema(value_type = Option<String>, max_length = 255, pattern = r"^[^\u0000]*$", example = "Salary")]
    pub header: Option<Header>,
    /// Id of the column in the register whose place it takes, under another header for example.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub same_as: Option<ResourceId>,
    /// Whether you have reviewed it, and it is no column that the rules know.
    #[schema(value_type = Option<bool>, default = false)]
    pub cleared: bool,
}

/// A header as the sheet has it: at most 255 characters.
pub struct Header(pub String);

impl FromField for Header {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > HEADER {
            return Err(format!("must be at most {HEADER} characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Input for ColumnEntry {
    fn read(fields: &mut Fields) -> Option<Self> {
        let id = fields.optional("id");
        let letter = fields.required("letter");
        // A new column has none to keep.
        let header = match id {
            Some(None) => fields.required("header").map(Some),
            _ => fields.optional("header"),
        };
        let same_as = fields.optional("same_as");
        let cleared = fields.optional("cleared");
        Some(Self {
            id: id?,
            letter: letter?,
            header: header?,
            same_as: same_as?,
            cleared: cleared?.unwrap_or_default(),
        })
    }
}

impl Input for ColumnsChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let columns = fields.required("columns");
        let if_version = fields.required("if_version");
        let Items(columns) = columns?;
        Some(Self { columns, if_version: if_version? })
    }
}

impl From<ColumnEntry> for Entry {
    fn from(entry: ColumnEntry) -> Self {
        Self {
            id: entry.id.map(String::from),
            letter: entry.letter,
            header: entry.header.map(|Header(text)| text),
            same_as: entry.same_as.map(String::from),
            cleared: entry.cleared,
        }
    }
}

impl Endpoint for SetColumns {
    const ROUTE: Route = routes::COLUMNS_SET;
    const PATH: &'static [PathParameter] = SHEET_PATH;
    const PROBLEMS: &'static [Code] = &[Code::Conflict];
    type Caller = Identity;
    type Body = ColumnsChange;
    type Query = ();
    type Output = ColumnsView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            workbooks: Workbooks::new(platform)?,
            snapshots: Snapshots::new(platform)?,
            rules: Rules::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ColumnsView>, Problem> {
        let (id, sheet_id) = (request.call.path_id("id")?, request.call.path_id("sheet_id")?);
        let (now, user_id) = (request.now, &request.caller.user_id);
        let mut opened = Opened::by(&self.snapshots, &id, user_id, now).await?;
        let before = opened.sheet(&sheet_id)?.clone();
        opened.must_manage()?;
        if request.body.if_version != before.version {
            return Err(Problem::conflict());
        }
        let denied = opened.snapshot.under_deny(&before, now);
        let entries: Vec<_> = request.body.columns.into_iter().map(Entry::from).collect();
        let is_denied = |column: &Column| denied.contains(&column.id);
        let columns = merged(&before.columns, entries, is_denied, || ids::new_id(now))
            .map_err(|detail| Problem::invalid_field("columns", detail))?;
        let pending = columns.iter().filter(|column| column.pending).count();
        let details = AuditDetails::default()
            .detail("workbook_id", id.as_str())
            .detail("columns", columns.len())
            .detail("unreviewed", pending);
        let size = before.bytes();
        let after = Sheet { columns, version: before.version + 1, ..before };
        let change = self.workbooks.change_sheet(&id, &after)?;
        // The answer shows the columns under the same rules.
        let sheets = opened
            .sheets()
            .iter()
            .map(|sheet| if sheet.id == after.id { after.clone() } else { sheet.clone() });
        opened.snapshot.sheets = sheets.collect();
        if after.bytes() > size {
            fit_together(opened.sheets())
                .map_err(|detail| Problem::invalid_field("columns", detail))?;
        }
        let view = ColumnsView::of(&opened.decision(), &sheet_id, after.version);
        let plan = Plan::reply(view)
            .details(details)
            .write_or(self.workbooks.touch(&id, now), Problem::not_found())
            .write(change);
        // The right depends on the rules, and so do the columns that wait for a review.
        Ok(opened.must_hold(&self.rules).into_iter().fold(plan, Plan::write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_register_is_read_or_refused_with_the_place_of_its_fault() {
        let id = "019ab9a0-0000-7000-8000-00000000c0de";
        for (entry, expected) in [
            (json!({"letter": "A", "header": ""}), None),
            (
                json!({"id": id, "letter": "xfd", "header": "x", "same_as": id, "cleared": true}),
                None,
            ),
            (json!({"header": "x"}), Some("has a fault at /0/letter: is required")),
            (json!({"letter": "A"}), Some("has a fault at /0/header: is required")),
            (json!({"id": id, "letter": "A"}), None),
            (json!({"id": null, "letter": "A"}), Some("has a fault at /0/header: is required")),
            (
                json!({"letter": "A1", "header": "x"}),
                Some("has a fault at /0/letter: must be the letters of a column, A to XFD"),
            ),
            (
                json!({"letter": "A", "header": "x".repeat(256)}),
                Some("has a fault at /0/header: must be at most 255 characters"),
            ),
        ] {
            let body = json!({"columns": [entry], "if_version": 1});
            let fields = Fields::json(body.as_object().unwrap().clone());
            let fault = fields.read::<ColumnsChange>().err();
            let detail = fault.map(|problem| problem.errors[0].detail.clone());
            assert_eq!(detail.as_deref(), expected, "{body}");
        }
    }
}
