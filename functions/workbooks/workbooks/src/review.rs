//! `PUT /workbooks/{id}/sheets/{sheet_id}`, by those who manage the workbook: they say which sheet
//! a new one is.

use platform::audit::AuditDetails;
use platform::domain::ResourceId;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::{Column, Sheet};
use tally_access::register::take_over;
use tally_access::store::{Rules, Snapshots, Workbooks};
use utoipa::ToSchema;

use crate::opened::{Opened, SHEET_PATH};
use crate::sheets::SheetView;

/// `PUT /workbooks/{id}/sheets/{sheet_id}`.
pub struct SetSheetReview {
    workbooks: Workbooks,
    snapshots: Snapshots,
    rules: Rules,
}

/// The review of a sheet: exactly one of the members.
#[derive(ToSchema)]
pub struct SheetReview {
    /// Another sheet of the workbook, of which this one is a copy or the successor. Its rules hold
    /// for this one too, and its columns are found here by their headers.
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    pub same_as: Option<ResourceId>,
    /// `true`: it is no sheet that the rules know. Its new columns are reviewed by `PUT …/columns`.
    #[schema(value_type = Option<bool>, nullable = false)]
    pub cleared: bool,
}

impl Input for SheetReview {
    fn read(fields: &mut Fields) -> Option<Self> {
        let same_as = fields.optional::<ResourceId>("same_as");
        let cleared = fields.optional::<bool>("cleared");
        let (same_as, cleared) = (same_as?, cleared?.unwrap_or_default());
        if same_as.is_some() == cleared {
            fields.refuse("same_as", "or `cleared: true` must be given, and only one of them");
            return None;
        }
        Some(Self { same_as, cleared })
    }
}

impl Endpoint for SetSheetReview {
    const ROUTE: Route = routes::SHEET_REVIEW;
    const PATH: &'static [PathParameter] = SHEET_PATH;
    const PROBLEMS: &'static [Code] = &[Code::Conflict];
    type Caller = Identity;
    type Body = SheetReview;
    type Query = ();
    type Output = SheetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            workbooks: Workbooks::new(platform)?,
            snapshots: Snapshots::new(platform)?,
            rules: Rules::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<SheetView>, Problem> {
        let (id, sheet_id) = (request.call.path_id("id")?, request.call.path_id("sheet_id")?);
        let now = request.now;
        let opened = Opened::by(&self.snapshots, &id, &request.caller.user_id, now).await?;
        let before = opened.sheet(&sheet_id)?;
        opened.must_manage()?;
        let version = before.version + 1;
        let mut after = Sheet { pending: false, is_renamed: false, version, ..before.clone() };
        if let Some(other) = &request.body.same_as {
            let found = opened.sheets().iter().find(|sheet| sheet.id == other.as_str());
            let other = found.filter(|other| other.id != after.id).ok_or_else(|| {
                Problem::invalid_field("same_as", "must be another sheet of the workbook")
            })?;
            let denied = opened.snapshot.under_deny(other, now);
            let is_denied = |column: &Column| denied.contains(&column.id);
            take_over(&mut after, other, is_denied).map_err(|detail| {
                Problem::invalid_field("same_as", format!("leads to too many names: {detail}"))
            })?;
        }
        let details = AuditDetails::default().detail("workbook_id", id.as_str());
        let details = match &request.body.same_as {
            Some(other) => details.detail("same_as", other.as_str()),
            None => details.detail("cleared", true),
        };
        let change = self.workbooks.change_sheet(&id, &after)?;
        // The other sheet may have changed meanwhile, so the whole workbook must not have.
        let is_seen = opened.decision().sees_sheet(&sheet_id);
        let plan = Plan::reply(SheetView::of(&after, after.pending, is_seen))
            .details(details)
            .write(self.workbooks.touch_at(&opened.workbook, now))
            .write(change);
        Ok(opened.must_hold(&self.rules).into_iter().fold(plan, Plan::write))
    }
}
