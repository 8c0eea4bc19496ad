//! `GET /workbooks/{id}/access`: the actions that a user may take on a workbook, and the rules that
//! decide.

use platform::audit::AuditDetails;
use platform::cursor::{Cursors, Page, Paging};
use platform::domain::{ResourceId, Role};
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::{Identity, Someone};
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::Decision;
use tally_access::decision::{Place, Reason};
use tally_access::domain::{Action, Column};
use tally_access::store::Snapshots;
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

/// Rows of a page, at most, and unless the caller says otherwise. Each has six answers with notes.
const ROWS: usize = 100;

/// Rules that one answer about an action names, at most.
const RULES: usize = 5;

/// `GET /workbooks/{id}/access`.
pub struct ReadAccess {
    snapshots: Snapshots,
    cursors: Cursors,
}

/// The query parameters.
#[derive(Debug)]
pub struct ExplainQuery {
    user_id: Someone,
    sheet_id: Option<ResourceId>,
    paging: Paging,
}

/// The filters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct Filters {
    /// The user to ask about, or `me`. Those who manage the workbook, auditors and administrators
    /// may ask about others.
    #[param(inline, example = "me")]
    user_id: Option<Someone>,
    /// Only this sheet.
    #[param(format = "uuid")]
    sheet_id: Option<String>,
}

/// The actions that a user may take on a workbook.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessExplained {
    /// The version of the workbook's rules.
    #[schema(example = 7)]
    pub version: u64,
    /// The workbook, then each sheet, followed by its columns.
    pub items: Vec<AccessItem>,
    /// Value of `cursor` for the next page, or null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The actions that a user may take on a workbook, a sheet or a column.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessItem {
    /// The sheet, or null for the workbook as a whole.
    #[schema(format = "uuid", required)]
    pub sheet_id: Option<String>,
    /// The column, or null for the sheet as a whole.
    #[schema(format = "uuid", required)]
    pub column_id: Option<String>,
    /// The letter of the column, or null.
    #[schema(required, example = "D")]
    pub letter: Option<String>,
    /// The header of the column. Left out unless you may read the column, and where a formula may
    /// have made it and something of the workbook is denied to you.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Salary")]
    pub header: Option<String>,
    /// See cells.
    pub read: ActionAccess,
    /// Let cells reach a model.
    pub ai: ActionAccess,
    /// Take cells away in a file.
    pub export: ActionAccess,
    /// Propose, apply and undo changes, and upload.
    pub write: ActionAccess,
    /// Decide about proposed changes.
    pub approve: ActionAccess,
    /// Change the rules and the register.
    pub manage: ActionAccess,
}

/// Whether an action is allowed, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionAccess {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The first five of the rules that decided: those that deny, or else those that allow.
    pub rules: Vec<RuleReference>,
    /// Groups by which these rules are about the user.
    pub via_groups: Vec<String>,
}

/// A rule that decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleReference {
    /// Id of the rule. Left out unless you may read the rules of the workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub id: Option<String>,
    /// The note of the rule.
    #[schema(example = "Salaries are for HR.")]
    pub note: String,
}

impl Input for ExplainQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let user_id = fields.optional("user_id");
        let sheet_id = fields.optional("sheet_id");
        let paging = Paging::within(fields, ROWS, ROWS);
        Some(Self {
            user_id: user_id?.unwrap_or(Someone::Me),
            sheet_id: sheet_id?,
            paging: paging?,
        })
    }
}

/// The parameters of the filters, and those of a list.
impl Parameters for ExplainQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<Filters>(), in_query::<Rows>()].concat()
    }
}

/// The page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct Rows {
    /// Largest number of rows on a page.
    #[param(required = false, minimum = 1, maximum = 100, default = 100)]
    limit: usize,
    /// `next_cursor` of the previous page. Send the same filters with it.
    cursor: Option<String>,
}

impl Endpoint for ReadAccess {
    const ROUTE: Route = routes::ACCESS_EXPLAIN;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the workbook.")];
    type Caller = Identity;
    type Body = ();
    type Query = ExplainQuery;
    type Output = AccessExplained;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<AccessExplained>, Problem> {
        let id = request.call.path_id("id")?;
        let (ExplainQuery { user_id, sheet_id, paging }, caller_id) =
            (&request.query, &request.caller.user_id);
        let from = self.cursors.open::<usize>(paging, caller_id, request.call).await?;
        let user_id = user_id.or(caller_id);
        let snapshot = self.snapshots.load(Some(&id), &[caller_id, user_id], &[]).await?;
        let viewer = snapshot.decision(caller_id, request.now);
        let has = |role| snapshot.standing(caller_id).is_some_and(|user| user.has(role));
        let reads_rules = viewer.manages() || has(Role::Admin);
        let sees_all = reads_rules || has(Role::Auditor);
        if snapshot.workbook.is_none() || !(sees_all || viewer.sees_workbook()) {
            return Err(Problem::not_found());
        }
        if user_id != caller_id && !sees_all {
            return Err(Problem::not_granted("manage"));
        }
        if !snapshot.knows(user_id) {
            let detail = "must be a user with an active account";
            return Err(Problem::invalid_parameter("user_id", detail));
        }
        let user = snapshot.decision(user_id, request.now);
        let is_shown = |id: &str| {
            sheet_id.as_ref().is_none_or(|wanted| wanted.as_str() == id)
                && (sees_all || user.sees_sheet(id))
        };
        let rows = rows(&viewer, &user, is_shown, sheet_id.is_none());
        if rows.is_empty() {
            return Err(Problem::not_found());
        }
        let (from, total) = (from.unwrap_or_default(), rows.len());
        let page = rows.into_iter().skip(from).take(paging.limit);
        let items: Vec<_> = page.map(|row| row.explained(reads_rules)).collect();
        let reached = from + items.len();
        let details = AuditDetails::default()
            .detail("user_id", user_id)
            .detail("rows", items.len())
            .detail("version", snapshot.head.version);
        let details =
            sheet_id.iter().fold(details, |details, id| details.detail("sheet_id", id.as_str()));
        let next = (reached < total).then_some(reached);
        let version = snapshot.head.version;
        let page = self.cursors.page(items, next, caller_id, request.call).await?;
        let explained =
            |Page { items, next_cursor }| AccessExplained { version, items, next_cursor };
        Ok(Plan::reply(page.map(explained)).details(details))
    }
}

/// A row before it is shown.
struct Row<'d> {
    sheet_id: Option<&'d str>,
    column: Option<&'d Column>,
    /// The header of the column, if the viewer may see it.
    header: Option<&'d str>,
    place: Place<'d>,
}

/// The rows of the workbook, the sheets that are shown, and their columns.
fn rows<'d>(
    viewer: &Decision<'_>,
    user: &'d Decision<'_>,
    is_shown: impl Fn(&str) -> bool,
    with_workbook: bool,
) -> Vec<Row<'d>> {
    let whole = Row { sheet_id: None, column: None, header: None, place: user.workbook() };
    let mut rows: Vec<_> = Some(whole).filter(|_| with_workbook).into_iter().collect();
    for (sheet, place) in user.sheets().filter(|(sheet, _)| is_shown(&sheet.id)) {
        let sheet_id = Some(sheet.id.as_str());
        rows.push(Row { sheet_id, column: None, header: None, place });
        let columns = user.columns(&sheet.id).zip(viewer.columns(&sheet.id));
        rows.extend(columns.map(|((column, place), (_, own))| Row {
            sheet_id,
            column: Some(column),
            header: own.header(column),
            place,
        }));
    }
    rows
}

impl Row<'_> {
    fn explained(&self, with_ids: bool) -> AccessItem {
        let action = |action| {
            let verdict = self.place.verdict(action);
            let rules = verdict.rules.iter().take(RULES).map(|rule| RuleReference {
                id: with_ids.then(|| rule.id.clone()),
                note: rule.note.clone(),
            });
            ActionAccess {
                allowed: verdict.allowed,
                reason: verdict.reason,
                rules: rules.collect(),
                via_groups: verdict.via_groups().into_iter().map(str::to_owned).collect(),
            }
        };
        AccessItem {
            sheet_id: self.sheet_id.map(str::to_owned),
            column_id: self.column.map(|column| column.id.clone()),
            letter: self.column.map(|column| column.letter.to_string()),
            header: self.header.map(str::to_owned),
            read: action(Action::Read),
            ai: action(Action::Ai),
            export: action(Action::Export),
            write: action(Action::Write),
            approve: action(Action::Approve),
            manage: action(Action::Manage),
        }
    }
}
