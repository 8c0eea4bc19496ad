//! A workbook that its caller may see, and `GET /workbooks/{id}`.

use platform::clock::{Timestamp, rfc3339_ms};
use platform::database::Write;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::Decision;
use tally_access::domain::{Action, Approval, Sheet};
use tally_access::store::{Rules, Scope, Snapshot, Snapshots, Workbook};
use utoipa::ToSchema;

/// The parameter of the paths below `/workbooks`.
pub const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the workbook.")];

/// The parameters of the paths below `/workbooks/{id}/sheets`.
pub const SHEET_PATH: &[PathParameter] =
    &[PATH[0], PathParameter::id("sheet_id", "Id of the sheet.")];

/// `GET /workbooks/{id}`.
pub struct ReadWorkbook {
    snapshots: Snapshots,
}

/// A workbook as its users see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Workbook)]
pub struct WorkbookView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// For people.
    #[schema(example = "Budget 2026")]
    pub name: String,
    /// Approval of proposed changes: by the proposer too (`self`), or by another user (`other`).
    pub approval: Approval,
    /// Id of the owner, or null for a workbook of the deployment itself.
    #[schema(format = "uuid", required)]
    pub owner_id: Option<String>,
    /// Counts the changes of the workbook and its sheets.
    #[schema(example = 1)]
    pub version: u64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Time of the last change, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub updated_at: String,
}

/// A workbook that exists for the caller, as it is now.
pub struct Opened {
    /// The workbook.
    pub workbook: Workbook,
    /// The data that decides about it.
    pub snapshot: Snapshot,
    user_id: String,
    now: Timestamp,
}

impl From<Workbook> for WorkbookView {
    fn from(workbook: Workbook) -> Self {
        Self {
            id: workbook.id,
            name: workbook.name,
            approval: workbook.approval,
            owner_id: workbook.owner_id,
            version: workbook.version,
            created_at: rfc3339_ms(workbook.created_at),
            updated_at: rfc3339_ms(workbook.updated_at),
        }
    }
}

impl Opened {
    /// The workbook with this id, or 404 where it does not exist for the caller.
    pub async fn by(
        snapshots: &Snapshots,
        id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let snapshot = snapshots.load(Some(id), &[user_id], &[]).await?;
        let is_seen = snapshot.decision(user_id, now).sees_workbook();
        let workbook = snapshot.workbook.clone().filter(|_| is_seen);
        let workbook = workbook.ok_or_else(Problem::not_found)?;
        Ok(Self { workbook, snapshot, user_id: user_id.to_owned(), now })
    }

    /// The decision about the caller.
    pub fn decision(&self) -> Decision<'_> {
        self.snapshot.decision(&self.user_id, self.now)
    }

    /// Its sheets, also those that the caller may not see.
    pub fn sheets(&self) -> &[Sheet] {
        &self.snapshot.sheets
    }

    /// The sheet with this id, or 404 where it does not exist for the caller. To one who manages
    /// the workbook, every sheet exists.
    pub fn sheet(&self, id: &str) -> Result<&Sheet, Problem> {
        let decision = self.decision();
        let is_seen = decision.manages() || decision.sees_sheet(id);
        let found = self.sheets().iter().find(|sheet| sheet.id == id && is_seen);
        found.ok_or_else(Problem::not_found)
    }

    /// Requires at the commit that the rules which gave the caller's rights have not changed.
    pub fn must_hold(&self, rules: &Rules) -> [Write; 2] {
        let own = Scope::Workbook(self.workbook.id.clone());
        [
            rules.must_be(&own, self.snapshot.head),
            rules.must_be(&Scope::Every, self.snapshot.every_head),
        ]
    }

    /// Requires that the caller manages the workbook.
    pub fn must_manage(&self) -> Result<(), Problem> {
        if self.decision().workbook().allows(Action::Manage) {
            Ok(())
        } else {
            Err(Problem::not_granted("manage"))
        }
    }
}

impl Endpoint for ReadWorkbook {
    const ROUTE: Route = routes::WORKBOOK;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = WorkbookView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<WorkbookView>, Problem> {
        let id = request.call.path_id("id")?;
        let user_id = &request.caller.user_id;
        let opened = Opened::by(&self.snapshots, &id, user_id, request.now).await?;
        Ok(Plan::reply(WorkbookView::from(opened.workbook)))
    }
}
