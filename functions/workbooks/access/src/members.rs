//! `GET /groups/{id}/members`, `PUT|DELETE /groups/{id}/members/{user_id}`.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::{Timestamp, rfc3339_ms};
use platform::cursor::{Cursors, Page, Paging};
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::store::{GROUPS_PER_USER, Groups, MEMBERS_PER_GROUP, Member};
use utoipa::ToSchema;

/// `GET /groups/{id}/members`.
pub struct ListMembers {
    groups: Groups,
    cursors: Cursors,
}

/// `PUT /groups/{id}/members/{user_id}`.
#[derive(Clone)]
pub struct SetMember {
    groups: Groups,
    users: Users,
}

/// `DELETE /groups/{id}/members/{user_id}`.
pub struct EndMembership {
    groups: Groups,
    users: Users,
}

/// A member of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    /// Id of the user.
    #[schema(format = "uuid")]
    pub user_id: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub added_at: String,
}

const GROUP: PathParameter = PathParameter::id("id", "Id of the group.");
const MEMBER: PathParameter = PathParameter::id("user_id", "Id of the user.");

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self { user_id: member.user_id, added_at: rfc3339_ms(member.added_at) }
    }
}

impl Endpoint for ListMembers {
    const ROUTE: Route = routes::GROUP_MEMBERS;
    const PATH: &'static [PathParameter] = &[GROUP];
    type Caller = Identity;
    type Body = ();
    type Query = Paging;
    type Output = Page<MemberView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<MemberView>>, Problem> {
        let id = request.call.path_id("id")?;
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        self.groups.get(&id).await?.ok_or_else(Problem::not_found)?;
        let after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let (members, more) = self.groups.members(&id, after.as_deref(), paging.limit).await?;
        let next = members.last().filter(|_| more).map(|member| member.user_id.clone());
        let details =
            AuditDetails::default().detail("limit", paging.limit).detail("rows", members.len());
        let items = members.into_iter().map(MemberView::from).collect();
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?)
            .details(details))
    }
}

impl Endpoint for SetMember {
    const ROUTE: Route = routes::MEMBER_ADD;
    const PATH: &'static [PathParameter] = &[GROUP, MEMBER];
    const PROBLEMS: &'static [Code] = &[Code::LimitReached];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let (id, user_id) = (request.call.path_id("id")?, request.call.path_id("user_id")?);
        self.users.get(&user_id).await?.ok_or_else(Problem::not_found)?;
        let admin_id = request.caller.user_id;
        self.clone().plan(id.into(), user_id.into(), admin_id, request.now).await
    }
}

impl SetMember {
    /// The membership, unless it is there. Another request may have made it meanwhile.
    fn plan(
        self,
        id: String,
        user_id: String,
        admin_id: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let plan = Plan::reply(()).details(details(&id));
            if self.groups.member(&id, &user_id).await?.is_some() {
                return Ok(plan);
            }
            let [head, membership, groups] = self.groups.join(&id, &user_id, now)?;
            let is_admin = self.users.on_word_of(&admin_id, AdminsChange::Stay);
            let must_be = self.users.must_be_active(&user_id);
            let full = Problem::limit_reached("A group", MEMBERS_PER_GROUP, "members");
            let most = u64::try_from(GROUPS_PER_USER).unwrap_or(u64::MAX);
            let plan = plan
                .write_or_retry(
                    head,
                    Box::new(|found| {
                        let problem = if found.is_some() { full } else { Problem::not_found() };
                        async { Err(problem) }.boxed()
                    }),
                )
                .write_or(groups, Problem::limit_reached("A user", most, "groups"))
                .write_or(must_be, Problem::not_found())
                .write_or(is_admin, Problem::no_longer_admin());
            Ok(plan.write_or_retry(
                membership,
                Box::new(move |_| self.plan(id, user_id, admin_id, now)),
            ))
        }
        .boxed()
    }
}

impl Endpoint for EndMembership {
    const ROUTE: Route = routes::MEMBER_REMOVE;
    const PATH: &'static [PathParameter] = &[GROUP, MEMBER];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let (id, user_id) = (request.call.path_id("id")?, request.call.path_id("user_id")?);
        let [membership, groups, head] = self.groups.part(&id, &user_id);
        let plan = Plan::reply(())
            .details(details(&id))
            .write_or(membership, Problem::not_found())
            .write(groups)
            .write_or(head, Problem::not_found());
        Ok(plan.write_or(
            self.users.on_word_of(&request.caller.user_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }
}

/// The event names the user by the path, and the group here.
fn details(group_id: &str) -> AuditDetails {
    AuditDetails::default().detail("group_id", group_id)
}
