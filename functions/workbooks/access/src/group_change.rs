//! `PATCH|DELETE /groups/{id}`.

use futures_util::FutureExt as _;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::worker::Invoker;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::{Label, Note};
use tally_access::store::{Group, Groups, PurgeLeftovers};
use utoipa::ToSchema;

use crate::groups::GroupView;

/// `PATCH /groups/{id}`.
pub struct UpdateGroup {
    groups: Groups,
    users: Users,
}

/// `DELETE /groups/{id}`. A worker ends the memberships soon after.
pub struct DeleteGroup {
    groups: Groups,
    users: Users,
    worker: Invoker,
}

/// The changes of a group. A field that you leave out keeps its value.
#[derive(ToSchema)]
#[allow(clippy::option_option, reason = "a field that is left out and null are two things")]
pub struct GroupChange {
    /// For people, on one line.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Controllers")]
    pub name: Option<Label>,
    /// For people; null removes it.
    #[schema(value_type = Option<String>, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub description: Option<Option<Note>>,
    /// Id of the group in another directory; null removes it.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$")]
    pub external_id: Option<Option<Label>>,
}

impl Input for GroupChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let has = ["description", "external_id"].map(|name| fields.has(name));
        let name = fields.optional("name");
        let description = fields.optional("description");
        let external_id = fields.optional("external_id");
        let (description, external_id) = (description?, external_id?);
        Some(Self {
            name: name?,
            description: has[0].then_some(description),
            external_id: has[1].then_some(external_id),
        })
    }
}

impl Endpoint for UpdateGroup {
    const ROUTE: Route = routes::GROUP_UPDATE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the group.")];
    type Caller = Identity;
    type Body = GroupChange;
    type Query = ();
    type Output = GroupView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<GroupView>, Problem> {
        let id = request.call.path_id("id")?;
        let before = self.groups.get(&id).await?.ok_or_else(Problem::not_found)?;
        let change = request.body;
        let after = Group {
            name: change.name.map_or(before.name, |Label(name)| name),
            description: change
                .description
                .map_or(before.description, |text| text.map(|Note(text)| text)),
            external_id: change
                .external_id
                .map_or(before.external_id, |text| text.map(|Label(text)| text)),
            updated_at: request.now.as_millisecond(),
            ..before
        };
        let describe = self.groups.describe(&after);
        let plan = Plan::reply(GroupView::from(after)).write_or(describe, Problem::not_found());
        Ok(plan.write_or(
            self.users.on_word_of(&request.caller.user_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }
}

impl Endpoint for DeleteGroup {
    const ROUTE: Route = routes::GROUP_DELETE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the group.")];
    const PROBLEMS: &'static [Code] = &[Code::GroupInUse];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            groups: Groups::new(platform)?,
            users: Users::new(platform)?,
            worker: Invoker::new(&platform.config, "PURGE_CONVERSATIONS_ARN")?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        let delete = self.groups.delete(&id);
        let leave = self.groups.leave(&id)?;
        // If the worker cannot be started, the group is gone all the same. The next worker does its
        // work.
        let start = self.worker.start_after_commit(&PurgeLeftovers {});
        let plan = Plan::reply(()).after_commit(start).write_or_retry(
            delete,
            Box::new(|found| {
                let problem = match found {
                    Some(_) => Problem::group_in_use(),
                    None => Problem::not_found(),
                };
                async { Err(problem) }.boxed()
            }),
        );
        Ok(plan.write(leave).write_or(
            self.users.on_word_of(&request.caller.user_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }
}
