//! `GET|POST /workbooks/{id}/sheets`.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::cursor::{Cursors, Page, Paging};
use platform::domain::ResourceId;
use platform::http::{Created, PathParameter};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use serde::Serialize;
use tally_access::decision::Place;
use tally_access::domain::{Action, Label, Sheet};
use tally_access::store::{Rules, SHEETS_PER_WORKBOOK, Snapshots, Workbooks};
use utoipa::ToSchema;

use crate::opened::{Opened, PATH};

/// `GET /workbooks/{id}/sheets`.
pub struct ListSheets {
    snapshots: Snapshots,
    cursors: Cursors,
}

/// `POST /workbooks/{id}/sheets`.
#[derive(Clone)]
pub struct CreateSheet {
    workbooks: Workbooks,
    snapshots: Snapshots,
    rules: Rules,
}

/// A sheet of a workbook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sheet)]
pub struct SheetView {
    /// UUIDv7. An add-in keeps it in the custom properties of the worksheet.
    #[schema(format = "uuid")]
    pub id: String,
    /// As the workbook has it. Left out unless you may read the sheet or a column of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "P&L")]
    pub name: Option<String>,
    /// Whether the sheet has yet to be reviewed. Until then, only those who manage the workbook
    /// may see it.
    pub status: ReviewStatus,
    /// Number of its columns.
    #[schema(example = 12)]
    pub columns: usize,
}

/// Whether a sheet or a column has been reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReviewStatus {
    /// The rules know it.
    Reviewed,
    /// It is new or not clear, and a rule touches its workbook.
    Unreviewed,
}

/// The sheet to add.
#[derive(ToSchema)]
pub struct NewSheet {
    /// As the workbook has it.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "P&L")]
    pub name: Label,
}

impl ReviewStatus {
    /// The status by whether a review is due.
    pub fn of(is_unreviewed: bool) -> Self {
        if is_unreviewed { Self::Unreviewed } else { Self::Reviewed }
    }
}

impl SheetView {
    /// A sheet. One who manages the workbook has it without its name if they may not read it.
    pub fn of(sheet: &Sheet, is_unreviewed: bool, is_seen: bool) -> Self {
        Self {
            id: sheet.id.clone(),
            name: is_seen.then(|| sheet.name.clone()),
            status: ReviewStatus::of(is_unreviewed),
            columns: sheet.columns.len(),
        }
    }
}

impl Input for NewSheet {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { name: fields.required("name")? })
    }
}

impl Endpoint for ListSheets {
    const ROUTE: Route = routes::SHEETS;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = Paging;
    type Output = Page<SheetView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<SheetView>>, Problem> {
        let id = request.call.path_id("id")?;
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        let after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let opened = Opened::by(&self.snapshots, &id, user_id, request.now).await?;
        let decision = opened.decision();
        let is_next = |sheet: &Sheet| after.as_ref().is_none_or(|after| sheet.id > *after);
        let shown = |(sheet, place): (&Sheet, Place<'_>)| {
            let is_seen = decision.sees_sheet(&sheet.id);
            let view = || SheetView::of(sheet, place.is_unreviewed(), is_seen);
            (is_seen || decision.manages()).then(view)
        };
        let next = decision.sheets().filter(|(sheet, _)| is_next(sheet));
        let mut sheets: Vec<_> = next.filter_map(shown).collect();
        sheets.sort_by(|a, b| a.id.cmp(&b.id));
        let more = sheets.len() > paging.limit;
        sheets.truncate(paging.limit);
        let next = sheets.last().filter(|_| more).map(|sheet| sheet.id.clone());
        Ok(Plan::reply(self.cursors.page(sheets, next, user_id, request.call).await?))
    }
}

impl Endpoint for CreateSheet {
    const ROUTE: Route = routes::SHEET_ADD;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::LimitReached];
    type Caller = Principal;
    type Body = NewSheet;
    type Query = ();
    type Output = Created<SheetView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            workbooks: Workbooks::new(platform)?,
            snapshots: Snapshots::new(platform)?,
            rules: Rules::new(platform)?,
        })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<SheetView>>, Problem> {
        let id = request.call.path_id("id")?;
        let name = request.body.name.0;
        self.clone().plan(id, request.caller.user_id, name, request.now).await
    }

    /// The sheet may wait for a review, so the caller may not read it.
    async fn repeat(
        &self,
        request: Request<'_, Self>,
        sheet_id: &str,
    ) -> Result<Plan<Created<SheetView>>, Problem> {
        let id = request.call.path_id("id")?;
        let user_id = &request.caller.user_id;
        let opened = Opened::by(&self.snapshots, &id, user_id, request.now).await?;
        let decision = opened.decision();
        let mut sheets = decision.sheets();
        let (sheet, place) =
            sheets.find(|(sheet, _)| sheet.id == sheet_id).ok_or_else(Problem::not_found)?;
        let is_seen = decision.sees_sheet(sheet_id);
        let view = SheetView::of(sheet, place.is_unreviewed(), is_seen);
        let details = AuditDetails::default().detail("added_sheet", sheet_id);
        Ok(Plan::reply(created(&id, view)).details(details.detail("repeated", true)))
    }
}

fn created(workbook_id: &str, sheet: SheetView) -> Reply<Created<SheetView>> {
    let path = format!("/workbooks/{workbook_id}/sheets/{}/columns", sheet.id);
    Reply::new(Created(sheet)).location(&path)
}

impl CreateSheet {
    /// Boxed, because it calls this function again if the workbook or its rules change meanwhile.
    fn plan(
        self,
        id: ResourceId,
        user_id: String,
        name: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<Created<SheetView>>, Problem>> {
        async move {
            let opened = Opened::by(&self.snapshots, &id, &user_id, now).await?;
            let is_denied_anywhere = {
                let decision = opened.decision();
                // A new sheet waits for a review, so this function does not ask which columns it
                // has.
                if !decision.workbook().allows(Action::Write) {
                    return Err(Problem::not_granted("write"));
                }
                decision.is_denied_anywhere()
            };
            if opened.sheets().len() >= SHEETS_PER_WORKBOOK {
                let most = u64::try_from(SHEETS_PER_WORKBOOK).unwrap_or(u64::MAX);
                return Err(Problem::limit_reached("A workbook", most, "sheets"));
            }
            let sheet = Sheet {
                id: ids::new_id(now),
                also: Vec::new(),
                name: name.clone(),
                pending: is_denied_anywhere,
                is_renamed: false,
                version: 1,
                columns: Vec::new(),
            };
            let view = SheetView::of(&sheet, sheet.pending, true);
            let details = AuditDetails::default().detail("added_sheet", sheet.id.as_str());
            // Whether the sheet waits for a review depends on the rules, and whether there is room
            // on the workbook.
            let [own, every] = opened.must_hold(&self.rules);
            let heads = [self.workbooks.touch_at(&opened.workbook, now), own, every];
            let plan = Plan::reply(created(&id, view)).details(details).creates(&sheet.id);
            let plan = plan.write(self.workbooks.add_sheet(&id, &sheet)?);
            Ok(heads.into_iter().fold(plan, |plan, head| {
                let (endpoint, id) = (self.clone(), id.clone());
                let (user_id, name) = (user_id.clone(), name.clone());
                plan.write_or_retry(head, Box::new(move |_| endpoint.plan(id, user_id, name, now)))
            }))
        }
        .boxed()
    }
}
