//! `GET /ranges/{id}/access`: why a cell is withheld from a user. The chain leads from the column
//! of the cell, through the columns that its formula reads, to the one that withholds it.

use std::collections::BTreeMap;

use cells::address::{Cell, Style};
use platform::audit::AuditDetails;
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::{Identity, Someone};
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::Decision;
use tally_access::decision::{Place, Reason};
use tally_access::domain::{Action, Column};
use tally_ranges::{CellReason, Opened, Reader};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

use crate::fields::{AddressStyle, StyleField, area_within};
use crate::read::PATH;

/// Columns of a chain in an answer, at most.
const LINKS: usize = 100;

/// `GET /ranges/{id}/access`.
pub struct ReadCellAccess {
    reader: Reader,
}

/// The query parameters.
pub struct CellAccessQuery {
    cell: String,
    style: Style,
    user_id: Someone,
}

/// The parameters, to be described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct CellAccessParameters {
    /// The cell.
    #[param(max_length = 400, example = "E14")]
    cell: String,
    /// How the cell is written.
    #[param(inline)]
    style: Option<AddressStyle>,
    /// The user to ask about, or `me`. Those who manage the workbook may ask about others.
    #[param(inline, example = "me")]
    user_id: Option<Someone>,
}

/// Why a cell is shown to a user, or withheld.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CellAccess)]
pub struct CellAccessView {
    /// The cell.
    #[schema(example = "E14")]
    pub cell: String,
    /// The user.
    #[schema(format = "uuid")]
    pub user_id: String,
    /// Whether the cell is shown to the user.
    pub shown: bool,
    /// The reason.
    pub by: DecidedBy,
    /// The column of the cell, then the columns that lead to the one that withholds it.
    pub chain: Vec<ChainLink>,
    /// Whether the chain has more columns. Without `manage` it ends before the first column that
    /// you may not read.
    pub is_cut: bool,
}

/// The reason why a cell is shown or withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    /// Nothing withholds it.
    Nothing,
    /// Its column is withheld, or was not uploaded.
    Column,
    /// Its formula leads to the last column of the chain.
    Formula,
    /// The columns that its formula reads are not known.
    Unresolved,
}

/// A column of a chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainLink {
    /// The sheet, or null if the column has left the workbook.
    #[schema(format = "uuid", required)]
    pub sheet_id: Option<String>,
    /// The column.
    #[schema(format = "uuid")]
    pub column_id: String,
    /// The letter of the column, or null if it has left the workbook.
    #[schema(required, example = "D")]
    pub letter: Option<String>,
    /// The header of the column. Left out unless you may read the column, and where a formula may
    /// have made it and something of the workbook is denied to you.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Salary")]
    pub header: Option<String>,
    /// Whether the user may read the column. If the last column of a chain is readable, the columns
    /// that its formulas read are not known.
    pub readable: bool,
    /// Why, or null if the column has left the workbook.
    #[schema(required)]
    pub reason: Option<Reason>,
    /// Notes of the rules that decided.
    pub notes: Vec<String>,
}

impl Parameters for CellAccessQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<CellAccessParameters>()
    }
}

impl Input for CellAccessQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let cell = fields.required("cell");
        let style = fields.optional::<StyleField>("style");
        let user_id = fields.optional("user_id");
        Some(Self {
            cell: cell?,
            style: style?.map_or(Style::A1, Style::from),
            user_id: user_id?.unwrap_or(Someone::Me),
        })
    }
}

impl Endpoint for ReadCellAccess {
    const ROUTE: Route = routes::RANGE_ACCESS;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::NotReady];
    type Caller = Identity;
    type Body = ();
    type Query = CellAccessQuery;
    type Output = CellAccessView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: Reader::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<CellAccessView>, Problem> {
        let id = request.call.path_id("id")?;
        let (caller_id, now) = (&request.caller.user_id, request.now);
        let user_id = request.query.user_id.or(caller_id);
        let viewer = self.reader.open(&id, caller_id, now).await?;
        viewer.must_be_ready()?;
        let cell = cell_of(&request.query, &viewer)?;
        let manages = viewer.decision().manages();
        if user_id != caller_id && !manages {
            return Err(Problem::not_granted("manage"));
        }
        let other;
        let user = if user_id == caller_id {
            &viewer
        } else {
            other = self.reader.open(&id, user_id, now).await.map_err(unseen)?;
            &other
        };
        let (by, reached) = match user.reason(cell).await? {
            CellReason::Shown => (DecidedBy::Nothing, Vec::new()),
            CellReason::Column => (DecidedBy::Column, Vec::new()),
            CellReason::Unresolved => (DecidedBy::Unresolved, Vec::new()),
            CellReason::Chain(ids) => (DecidedBy::Formula, ids),
        };
        let own = user.head().column_id(cell.column).map(str::to_owned);
        let ids: Vec<_> = own.into_iter().chain(reached).collect();
        let (chain, is_cut) = links(&ids, &user.decision(), &viewer.decision());
        let details = AuditDetails::default()
            .detail("user_id", user_id)
            .detail("address", cell.to_string())
            .detail("columns", chain.len());
        let shown = by == DecidedBy::Nothing;
        let (cell, user_id) = (cell.to_string(), user_id.to_owned());
        Ok(Plan::reply(CellAccessView { cell, user_id, shown, by, chain, is_cut }).details(details))
    }
}

/// The problem of a user for whom the range does not exist.
fn unseen(problem: Problem) -> Problem {
    if problem.code == Code::NotFound {
        Problem::invalid_parameter("user_id", "must be a user who sees the range")
    } else {
        problem
    }
}

/// The cell that is asked about.
fn cell_of(query: &CellAccessQuery, opened: &Opened) -> Result<Cell, Problem> {
    let head = opened.head();
    let area = area_within("cell", &query.cell, query.style, (&head.sheet_name, head.area))?;
    if area.cells() == 1 {
        return Ok(area.first());
    }
    Err(Problem::invalid_parameter("cell", "must be one cell"))
}

/// The links of a chain as the viewer may see them, and whether it goes on.
fn links(ids: &[String], user: &Decision<'_>, viewer: &Decision<'_>) -> (Vec<ChainLink>, bool) {
    let readable: BTreeMap<&str, Option<&str>> = columns(viewer)
        .filter(|(_, _, place)| place.allows(Action::Read))
        .flat_map(|(_, column, place)| column.ids().map(move |id| (id, place.header(column))))
        .collect();
    let mut known = BTreeMap::new();
    for (sheet_id, column, place) in columns(user) {
        let link = link(sheet_id, column, &place);
        known.extend(column.ids().map(|id| (id, link.clone())));
    }
    let is_seen = |id: &&String| viewer.manages() || readable.contains_key(id.as_str());
    let shown = ids.iter().take(LINKS).take_while(is_seen).map(|id| {
        let mut link = known.get(id.as_str()).cloned().unwrap_or_else(|| ChainLink::gone(id));
        link.header = readable.get(id.as_str()).copied().flatten().map(str::to_owned);
        link
    });
    let shown: Vec<_> = shown.collect();
    let is_cut = shown.len() < ids.len();
    (shown, is_cut)
}

/// All columns of a workbook under a decision, each with its sheet and its place.
fn columns<'d>(
    decision: &'d Decision<'d>,
) -> impl Iterator<Item = (&'d str, &'d Column, Place<'d>)> {
    decision.sheets().flat_map(move |(sheet, _)| {
        let columns = decision.columns(&sheet.id);
        columns.map(move |(column, place)| (sheet.id.as_str(), column, place))
    })
}

fn link(sheet_id: &str, column: &Column, place: &Place<'_>) -> ChainLink {
    let verdict = place.verdict(Action::Read);
    ChainLink {
        sheet_id: Some(sheet_id.to_owned()),
        column_id: column.id.clone(),
        letter: Some(column.letter.to_string()),
        header: None,
        readable: verdict.allowed,
        reason: Some(verdict.reason),
        notes: verdict.rules.iter().map(|rule| rule.note.clone()).collect(),
    }
}

impl ChainLink {
    /// A column that the workbook no longer has.
    fn gone(id: &str) -> Self {
        Self {
            sheet_id: None,
            column_id: id.to_owned(),
            letter: None,
            header: None,
            readable: false,
            reason: None,
            notes: Vec::new(),
        }
    }
}
