//! `GET /access/rules`, `GET /access/rules/{id}`.

use std::sync::Arc;

use platform::clock::Timestamp;
use platform::cursor::{Cursors, Page, Paging};
use platform::domain::{ResourceId, Role};
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::{Rule, Subject};
use tally_access::store::{Rules, Scope, Snapshots};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::rule::RuleView;

/// `GET /access/rules`.
pub struct ListRules {
    snapshots: Snapshots,
    cursors: Cursors,
}

/// `GET /access/rules/{id}`.
pub struct ReadRule {
    snapshots: Snapshots,
    rules: Rules,
}

/// The query parameters.
#[derive(Debug)]
pub struct RulesQuery {
    scope: Scope,
    subject: Option<Subject>,
    paging: Paging,
}

/// The filters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct Filters {
    /// The workbook. Without it, the rules for every workbook are listed, for administrators.
    #[param(format = "uuid")]
    workbook_id: Option<String>,
    /// Only rules about this subject: `user:<id>`, `group:<id>`, `role:<name>` or `everyone`.
    #[param(
        example = "everyone",
        pattern = r"^(everyone|role:(user|auditor|admin)|(user|group):[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"
    )]
    subject: Option<String>,
}

impl Input for RulesQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let workbook_id = fields.optional::<ResourceId>("workbook_id");
        let subject = fields.optional("subject");
        let paging = Paging::read(fields);
        let scope = Scope::of(workbook_id?.as_deref());
        Some(Self { scope, subject: subject?, paging: paging? })
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for RulesQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<Filters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListRules {
    const ROUTE: Route = routes::ACCESS_RULES;
    const PROBLEMS: &'static [Code] = &[Code::NotFound];
    type Caller = Identity;
    type Body = ();
    type Query = RulesQuery;
    type Output = Page<RuleView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<RuleView>>, Problem> {
        let (RulesQuery { scope, subject, paging }, user_id) =
            (&request.query, &request.caller.user_id);
        let after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let rules = managed(&self.snapshots, scope, user_id, request.now).await??;
        let is_wanted = |rule: &&Rule| {
            subject.as_ref().is_none_or(|subject| *subject == rule.subject)
                && after.as_ref().is_none_or(|after| rule.id > *after)
        };
        let mut found: Vec<_> = rules.iter().filter(is_wanted).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let more = found.len() > paging.limit;
        found.truncate(paging.limit);
        let next = found.last().filter(|_| more).map(|rule| rule.id.clone());
        let items = found.into_iter().map(RuleView::from).collect();
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?))
    }
}

impl Endpoint for ReadRule {
    const ROUTE: Route = routes::ACCESS_RULE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the rule.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = RuleView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)?, rules: Rules::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<RuleView>, Problem> {
        let id = request.call.path_id("id")?;
        let scope = self.rules.scope_of(&id).await?.ok_or_else(Problem::not_found)?;
        let rules = managed(&self.snapshots, &scope, &request.caller.user_id, request.now).await?;
        // To a caller who does not manage the workbook, its rules do not exist.
        let rules = rules.map_err(|_| Problem::not_found())?;
        let rule = rules.iter().find(|rule| rule.id == id.as_str());
        Ok(Plan::reply(RuleView::from(rule.ok_or_else(Problem::not_found)?)))
    }
}

/// The rules of a scope, or the problem of a caller who does not manage them.
async fn managed(
    snapshots: &Snapshots,
    scope: &Scope,
    user_id: &str,
    now: Timestamp,
) -> Result<Result<Arc<[Rule]>, Problem>, Problem> {
    let snapshot = snapshots.load(scope.workbook_id(), &[user_id], &[]).await?;
    let is_admin = snapshot.standing(user_id).is_some_and(|user| user.has(Role::Admin));
    if *scope == Scope::Every {
        let forbidden = || Problem::forbidden("You need the role admin for these rules.");
        return Ok(if is_admin { Ok(snapshot.every) } else { Err(forbidden()) });
    }
    let decision = snapshot.decision(user_id, now);
    if snapshot.workbook.is_some() && (decision.manages() || is_admin) {
        return Ok(Ok(Arc::clone(&snapshot.rules)));
    }
    let is_seen = decision.sees_workbook();
    Ok(Err(if is_seen { Problem::not_granted("manage") } else { Problem::not_found() }))
}
