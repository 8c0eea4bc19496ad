//! `POST /access/changes`: adds and removes rules of one workbook, or for every workbook, all or
//! nothing. It holds from the next request on, because every request reads the heads of the rules.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use platform::audit::AuditDetails;
use platform::identity::Identity;
use platform::plan::Retry;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::domain::Rule;
use tally_access::effects::{AccessEffect, cut, effects};
use tally_access::store::{Groups, Rules, Scope, Snapshot, Snapshots, Workbooks};
use utoipa::ToSchema;

pub use crate::change::AccessChange;
use crate::change::group_counts;
use crate::rule::RuleView;
use crate::work::{Work, recorded};

/// Workbooks in which the function looks for effects of rules for every workbook, at most.
const MOST_WORKBOOKS: usize = 25;

/// `POST /access/changes`.
#[derive(Clone)]
pub struct ChangeAccess {
    snapshots: Snapshots,
    rules: Rules,
    groups: Groups,
    workbooks: Workbooks,
    users: Users,
}

/// The result of a change, or of its simulation.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessChanged {
    /// The version of the rules from now on. For a simulation it is that of now.
    #[schema(example = 7)]
    pub version: u64,
    /// The new rules. A simulation adds none.
    pub added: Vec<RuleView>,
    /// Actions that the users of `user_ids` gain. The answer to a repeated request lists none.
    pub gained: Vec<AccessEffect>,
    /// Actions that they lose.
    pub lost: Vec<AccessEffect>,
    /// Whether effects are missing. `gained` and `lost` have at most 1,000 entries and 20,000
    /// columns. Rules for every workbook are tried in the first 25 workbooks only.
    pub truncated: bool,
}

/// The effects of a change on users, and whether some are missing.
type Effects = (Vec<AccessEffect>, Vec<AccessEffect>, bool);

impl Endpoint for ChangeAccess {
    const ROUTE: Route = routes::ACCESS_CHANGES;
    const PROBLEMS: &'static [Code] = &[Code::NotFound, Code::Conflict, Code::LimitReached];
    type Caller = Identity;
    type Body = AccessChange;
    type Query = ();
    type Output = AccessChanged;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            snapshots: Snapshots::new(platform)?,
            rules: Rules::new(platform)?,
            groups: Groups::new(platform)?,
            workbooks: Workbooks::new(platform)?,
            users: Users::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<AccessChanged>, Problem> {
        let change = request.body;
        let scope = match (change.scope(), change.remove.first()) {
            (Some(scope), _) => scope,
            (None, Some(rule_id)) => {
                self.rules.scope_of(rule_id).await?.ok_or_else(Problem::not_found)?
            }
            (None, None) => return Err(Problem::not_found()),
        };
        let work = Work { caller: request.caller, change, scope, now: request.now };
        self.clone().plan(Arc::new(work)).await
    }

    /// The rules as they are now, of those that the first request added.
    async fn repeat(
        &self,
        request: Request<'_, Self>,
        record: &str,
    ) -> Result<Plan<AccessChanged>, Problem> {
        let (scope, ids) = recorded(record);
        let (caller, change) = (request.caller, request.body);
        let work = Work { caller, change, scope, now: request.now };
        let user_id = work.caller.user_id.as_str();
        let snapshot = self.snapshots.load(work.scope.workbook_id(), &[user_id], &[]).await?;
        work.must_manage(&snapshot)?;
        let (head, rules) = work.rules(&snapshot);
        let added: Vec<_> = rules.iter().filter(|rule| ids.contains(&rule.id.as_str())).collect();
        let details = work.scoped(AuditDetails::action("access.changed").detail("repeated", true));
        Ok(Plan::reply(AccessChanged {
            version: head.version,
            added: added.into_iter().map(RuleView::from).collect(),
            gained: Vec::new(),
            lost: Vec::new(),
            truncated: false,
        })
        .details(details))
    }
}

impl ChangeAccess {
    /// Boxed, because it calls this function again if the rules change meanwhile.
    fn plan(self, work: Arc<Work>) -> BoxFuture<'static, Result<Plan<AccessChanged>, Problem>> {
        async move {
            let Work { caller, change, scope, now } = work.as_ref();
            let mut user_ids: Vec<_> = change.user_ids.iter().map(String::as_str).collect();
            user_ids.push(&caller.user_id);
            let named = change.named_users();
            let snapshot = self.snapshots.load(scope.workbook_id(), &user_ids, &named).await?;
            let by_role = work.must_manage(&snapshot)?;
            let (head, rules) = work.rules(&snapshot);
            if change.if_version.is_some_and(|version| version != head.version) {
                return Err(Problem::conflict());
            }
            self.must_be_known(&work, &snapshot, &named).await?;
            let (added, removed) =
                change.resolved(rules, &snapshot.sheets, &caller.user_id, *now)?;
            let kept = rules.iter().filter(|rule| !change.remove.contains(&rule.id));
            let next: Vec<_> = kept.chain(&added).cloned().collect();
            let count = u64::try_from(next.len()).unwrap_or(u64::MAX);
            if count > scope.most() && next.len() > rules.len() {
                let (holder, parts) = match scope {
                    Scope::Every => ("A deployment", "rules for every workbook"),
                    Scope::Workbook(_) => ("A workbook", "rules"),
                };
                return Err(Problem::limit_reached(holder, scope.most(), parts));
            }
            let (gained, lost, truncated) = self.effects(&work, &snapshot, &next).await?;
            let details = work.details(&added, head.version);
            if change.dry_run {
                let added = Vec::new();
                let version = head.version;
                let answer = AccessChanged { version, added, gained, lost, truncated };
                return Ok(Plan::reply(answer).details(details));
            }
            let answer = AccessChanged {
                version: head.version + 1,
                added: added.iter().map(RuleView::from).collect(),
                gained,
                lost,
                truncated,
            };
            // This comes first. If another change was faster, the other conditions are about an old
            // state.
            let change_head = self.rules.change(scope, head, &next);
            let mut plan = Plan::reply(answer)
                .details(details)
                .creates(work.record(&added))
                .write_or_retry(change_head, self.again(&work));
            if let Some(id) = scope.workbook_id() {
                // The right to change may rest on the rules for every workbook.
                let every = self.rules.must_be(&Scope::Every, snapshot.every_head);
                plan = plan
                    .write_or(self.workbooks.must_be(id), Problem::not_found())
                    .write_or_retry(every, self.again(&work));
            }
            for rule in &added {
                plan = plan.write(self.rules.add(rule)?);
            }
            for rule in &removed {
                plan = plan.write(self.rules.remove(scope, &rule.id));
            }
            for (group, change) in group_counts(&added, &removed) {
                let gone = Problem::invalid_field("add", "names a group that does not exist");
                plan = plan.write_or(self.groups.count_rules(&group, change), gone);
            }
            if by_role {
                plan = plan.write_or(
                    self.users.on_word_of(&caller.user_id, AdminsChange::Stay),
                    Problem::no_longer_admin(),
                );
            }
            Ok(plan)
        }
        .boxed()
    }

    /// Decides again, by the rules at that moment.
    fn again(&self, work: &Arc<Work>) -> Retry<AccessChanged> {
        let (endpoint, work) = (self.clone(), Arc::clone(work));
        Box::new(move |_| endpoint.plan(work))
    }

    /// Refuses rules about users and groups that do not exist.
    async fn must_be_known(
        &self,
        work: &Work,
        snapshot: &Snapshot,
        named: &[&str],
    ) -> Result<(), Problem> {
        if !named.iter().all(|id| snapshot.knows(id)) {
            return Err(Problem::invalid_field("add", "names a user without an active account"));
        }
        if !work.change.user_ids.iter().all(|id| snapshot.knows(id)) {
            let detail = "must have users with an active account";
            return Err(Problem::invalid_field("user_ids", detail));
        }
        let groups = work.change.named_groups().into_iter().map(|id| self.groups.get(id));
        if try_join_all(groups).await?.iter().any(Option::is_none) {
            return Err(Problem::invalid_field("add", "names a group that does not exist"));
        }
        Ok(())
    }

    /// The effects on the users of the change.
    async fn effects(
        &self,
        work: &Work,
        snapshot: &Snapshot,
        next: &[Rule],
    ) -> Result<Effects, Problem> {
        let user_ids = &work.change.user_ids;
        if user_ids.is_empty() {
            return Ok((Vec::new(), Vec::new(), false));
        }
        let (books, more) = match &work.scope {
            Scope::Workbook(_) => (vec![snapshot.clone()], false),
            Scope::Every => {
                let (ids, more) = self.workbooks.all(None, MOST_WORKBOOKS).await?;
                (self.snapshots.load_all(&ids, snapshot).await?, more)
            }
        };
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        for book in &books {
            let (rules, every) = match &work.scope {
                Scope::Workbook(_) => (next, &book.every[..]),
                Scope::Every => (&book.rules[..], next),
            };
            let id = book.workbook.as_ref().map_or("", |workbook| &workbook.id);
            for user_id in user_ids {
                let before = book.decision(user_id, work.now);
                let after = book.decision_by(user_id, rules, every, work.now);
                let (more_gained, more_lost) = effects(user_id, id, &before, &after);
                gained.extend(more_gained);
                lost.extend(more_lost);
            }
        }
        let are_cut = [cut(&mut gained), cut(&mut lost)];
        Ok((gained, lost, more || are_cut.contains(&true)))
    }
}
