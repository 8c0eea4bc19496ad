//! `POST /workbooks`.

use platform::audit::AuditDetails;
use platform::http::Created;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use tally_access::domain::{Approval, Label};
use tally_access::store::{Snapshots, Workbook, Workbooks};
use utoipa::ToSchema;

use crate::opened::{Opened, WorkbookView};

/// `POST /workbooks`. The caller owns the new workbook.
pub struct CreateWorkbook {
    workbooks: Workbooks,
    snapshots: Snapshots,
}

/// The workbook to create.
#[derive(ToSchema)]
pub struct NewWorkbook {
    /// For people, on one line.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Budget 2026")]
    pub name: Label,
    /// Approval of proposed changes: by the proposer too (`self`, the default), or by another user
    /// (`other`).
    #[schema(value_type = Option<Approval>)]
    pub approval: Approval,
}

impl Input for NewWorkbook {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let approval = fields.optional("approval");
        Some(Self { name: name?, approval: approval?.unwrap_or_default() })
    }
}

impl Endpoint for CreateWorkbook {
    const ROUTE: Route = routes::WORKBOOK_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::NotFound];
    type Caller = Principal;
    type Body = NewWorkbook;
    type Query = ();
    type Output = Created<WorkbookView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { workbooks: Workbooks::new(platform)?, snapshots: Snapshots::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<WorkbookView>>, Problem> {
        let NewWorkbook { name: Label(name), approval } = request.body;
        let now = request.now.as_millisecond();
        let workbook = Workbook {
            id: ids::new_id(request.now),
            name,
            approval,
            owner_id: Some(request.caller.user_id),
            version: 1,
            sheet_changes: 0,
            created_at: now,
            updated_at: now,
        };
        let create = self.workbooks.create(&workbook)?;
        let details = AuditDetails::default()
            .resource("workbook", &workbook.id)
            .detail("approval", approval.as_str());
        let id = workbook.id.clone();
        Ok(Plan::reply(created(workbook)).details(details).creates(id).write(create))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        id: &str,
    ) -> Result<Plan<Created<WorkbookView>>, Problem> {
        let user_id = &request.caller.user_id;
        let opened = Opened::by(&self.snapshots, id, user_id, request.now).await?;
        let details = AuditDetails::default().resource("workbook", id).detail("repeated", true);
        Ok(Plan::reply(created(opened.workbook)).details(details))
    }
}

fn created(workbook: Workbook) -> Reply<Created<WorkbookView>> {
    let path = format!("/workbooks/{}", workbook.id);
    Reply::new(Created(workbook.into())).location(&path)
}
