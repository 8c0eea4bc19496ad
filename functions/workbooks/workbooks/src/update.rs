//! `PATCH|DELETE /workbooks/{id}`, by those who manage it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::domain::ResourceId;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::worker::Invoker;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::{Approval, Label};
use tally_access::store::{PurgeLeftovers, Rules, Snapshots, Workbook, Workbooks};
use utoipa::ToSchema;

use crate::opened::{Opened, PATH, WorkbookView};

/// `PATCH /workbooks/{id}`.
#[derive(Clone)]
pub struct UpdateWorkbook {
    workbooks: Workbooks,
    snapshots: Snapshots,
    rules: Rules,
}

/// `DELETE /workbooks/{id}`. A worker deletes the sheets and rules soon after.
#[derive(Clone)]
pub struct DeleteWorkbook {
    workbooks: Workbooks,
    snapshots: Snapshots,
    rules: Rules,
    worker: Invoker,
}

/// The changes of a workbook. A field that you leave out keeps its value.
#[derive(Clone, ToSchema)]
pub struct WorkbookChange {
    /// For people, on one line.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Budget 2026")]
    pub name: Option<Label>,
    /// Approval of proposed changes: by the proposer too (`self`), or by another user (`other`).
    pub approval: Option<Approval>,
    /// The version by which you decided about the change. If it is another now, the answer is 409.
    pub if_version: Option<u64>,
}

impl Input for WorkbookChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.optional("name");
        let approval = fields.optional("approval");
        let if_version = fields.optional("if_version");
        Some(Self { name: name?, approval: approval?, if_version: if_version? })
    }
}

impl Endpoint for UpdateWorkbook {
    const ROUTE: Route = routes::WORKBOOK_UPDATE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::Conflict];
    type Caller = Identity;
    type Body = WorkbookChange;
    type Query = ();
    type Output = WorkbookView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            workbooks: Workbooks::new(platform)?,
            snapshots: Snapshots::new(platform)?,
            rules: Rules::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<WorkbookView>, Problem> {
        let id = request.call.path_id("id")?;
        self.clone().plan(id, request.caller.user_id, request.body, request.now).await
    }
}

impl UpdateWorkbook {
    /// Boxed, because it calls this function again if the workbook or its rules change meanwhile.
    fn plan(
        self,
        id: ResourceId,
        user_id: String,
        change: WorkbookChange,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<WorkbookView>, Problem>> {
        async move {
            let opened = Opened::by(&self.snapshots, &id, &user_id, now).await?;
            opened.must_manage()?;
            let held = opened.must_hold(&self.rules);
            let before = opened.workbook;
            if change.if_version.is_some_and(|version| version != before.version) {
                return Err(Problem::conflict());
            }
            let WorkbookChange { name, approval, .. } = change.clone();
            let is_renamed = name.is_some();
            let after = Workbook {
                name: name.map_or(before.name, |Label(name)| name),
                approval: approval.unwrap_or(before.approval),
                version: before.version + 1,
                updated_at: now.as_millisecond(),
                ..before
            };
            let details = AuditDetails::default()
                .detail("renamed", is_renamed)
                .detail("approval", after.approval.as_str());
            let describe = self.workbooks.describe(&after);
            let plan = Plan::reply(WorkbookView::from(after)).details(details);
            Ok([describe].into_iter().chain(held).fold(plan, |plan, write| {
                let (endpoint, id) = (self.clone(), id.clone());
                let (user_id, change) = (user_id.clone(), change.clone());
                let again = move |_| endpoint.plan(id, user_id, change, now);
                plan.write_or_retry(write, Box::new(again))
            }))
        }
        .boxed()
    }
}

impl Endpoint for DeleteWorkbook {
    const ROUTE: Route = routes::WORKBOOK_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            workbooks: Workbooks::new(platform)?,
            snapshots: Snapshots::new(platform)?,
            rules: Rules::new(platform)?,
            worker: Invoker::new(&platform.config, "PURGE_CONVERSATIONS_ARN")?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        self.clone().plan(id, request.caller.user_id, request.now).await
    }
}

impl DeleteWorkbook {
    /// Boxed, because it calls this function again if the rules change meanwhile.
    fn plan(
        self,
        id: ResourceId,
        user_id: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let opened = Opened::by(&self.snapshots, &id, &user_id, now).await?;
            opened.must_manage()?;
            let [head, left] = self.workbooks.delete(&id)?;
            // If the worker cannot be started, the workbook is gone all the same. The next worker
            // does its work.
            let start = self.worker.start_after_commit(&PurgeLeftovers {});
            let plan = Plan::reply(()).write_or(head, Problem::not_found()).write(left);
            let conditions = opened.must_hold(&self.rules).into_iter();
            Ok(conditions.fold(plan.after_commit(start), |plan, write| {
                let (endpoint, id, user_id) = (self.clone(), id.clone(), user_id.clone());
                plan.write_or_retry(write, Box::new(move |_| endpoint.plan(id, user_id, now)))
            }))
        }
        .boxed()
    }
}
