//! `POST /groups`, and a group as administrators see it.

use platform::audit::AuditDetails;
use platform::clock::rfc3339_ms;
use platform::http::Created;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use serde::Serialize;
use tally_access::domain::{Label, Note};
use tally_access::store::{Group, Groups};
use utoipa::ToSchema;

/// `POST /groups`.
pub struct CreateGroup {
    groups: Groups,
    users: Users,
}

/// A group of users.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// For people.
    #[schema(example = "Controllers")]
    pub name: String,
    /// For people, or null.
    #[schema(required)]
    pub description: Option<String>,
    /// Id of the group in another directory, or null.
    #[schema(required)]
    pub external_id: Option<String>,
    /// Number of its members.
    #[schema(example = 12)]
    pub members: u64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Time of the last change, without those of members; RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub updated_at: String,
}

/// The group to create.
#[derive(ToSchema)]
pub struct NewGroup {
    /// For people, on one line.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Controllers")]
    pub name: Label,
    /// For people.
    #[schema(value_type = Option<String>, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub description: Option<Note>,
    /// Id of the group in another directory.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$")]
    pub external_id: Option<Label>,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id,
            name: group.name,
            description: group.description,
            external_id: group.external_id,
            members: group.members,
            created_at: rfc3339_ms(group.created_at),
            updated_at: rfc3339_ms(group.updated_at),
        }
    }
}

impl Input for NewGroup {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description");
        let external_id = fields.optional("external_id");
        Some(Self { name: name?, description: description?, external_id: external_id? })
    }
}

impl Endpoint for CreateGroup {
    const ROUTE: Route = routes::GROUP_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::NotFound];
    type Caller = Identity;
    type Body = NewGroup;
    type Query = ();
    type Output = Created<GroupView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<GroupView>>, Problem> {
        let NewGroup { name: Label(name), description, external_id } = request.body;
        let now = request.now.as_millisecond();
        let group = Group {
            id: ids::new_id(request.now),
            name,
            description: description.map(|Note(text)| text),
            external_id: external_id.map(|Label(text)| text),
            members: 0,
            rules: 0,
            created_at: now,
            updated_at: now,
        };
        let create = self.groups.create(&group)?;
        let details = AuditDetails::default().resource("group", &group.id);
        let id = group.id.clone();
        let plan = Plan::reply(created(group)).details(details).creates(id).write(create);
        Ok(plan.write_or(
            self.users.on_word_of(&request.caller.user_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }

    async fn repeat(
        &self,
        _: Request<'_, Self>,
        created_id: &str,
    ) -> Result<Plan<Created<GroupView>>, Problem> {
        let group = self.groups.get(created_id).await?.ok_or_else(Problem::not_found)?;
        let details = AuditDetails::default().resource("group", created_id);
        Ok(Plan::reply(created(group)).details(details.detail("repeated", true)))
    }
}

fn created(group: Group) -> Reply<Created<GroupView>> {
    let path = format!("/groups/{}", group.id);
    Reply::new(Created(group.into())).location(&path)
}
