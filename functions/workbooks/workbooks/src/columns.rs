//! `GET /workbooks/{id}/sheets/{sheet_id}/columns`: the register of a sheet, as its caller may see
//! it.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::Decision;
use tally_access::cleared::{Cleared, clear};
use tally_access::decision::Place;
use tally_access::domain::{Action, Column};
use tally_access::store::Snapshots;
use utoipa::ToSchema;

use crate::opened::{Opened, SHEET_PATH};
use crate::sheets::ReviewStatus;

/// `GET /workbooks/{id}/sheets/{sheet_id}/columns`.
pub struct ReadColumns {
    snapshots: Snapshots,
}

/// The columns of a sheet.
#[derive(Serialize, ToSchema)]
#[schema(as = Columns)]
pub struct ColumnsView {
    /// Counts the changes of the sheet.
    #[schema(example = 1)]
    pub version: u64,
    /// The columns, in the order of their letters.
    #[schema(value_type = Vec<ColumnView>)]
    pub columns: Vec<ShownColumn>,
}

/// A column. Of one that is withheld, the answer has `letter` and `access` alone.
#[derive(Serialize, ToSchema)]
#[schema(as = Column)]
pub struct ColumnView {
    /// UUIDv7.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub id: Option<String>,
    /// Its letter.
    #[schema(example = "D")]
    pub letter: String,
    /// Its header. Left out where a formula may have made it and something of the workbook is
    /// denied to you.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Salary")]
    pub header: Option<String>,
    /// Whether it has yet to be reviewed. Until then, only those who manage the workbook may see
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<ReviewStatus>,
    /// Set if the column is withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub access: Option<ColumnAccess>,
}

/// The part of a column that the caller may see.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnAccess {
    /// Nothing but its letter.
    Withheld,
}

/// A column that was cleared for the caller, or its letter.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ShownColumn {
    /// The column.
    Cleared(Cleared<ColumnView>),
    /// The letter, and that the column is withheld.
    Withheld(ColumnView),
}

impl ColumnsView {
    /// The columns of a sheet under a decision.
    pub fn of(decision: &Decision<'_>, sheet_id: &str, version: u64) -> Self {
        let columns = decision.columns(sheet_id).map(|(column, place)| shown(column, &place));
        Self { version, columns: columns.collect() }
    }
}

/// A column at its place. One who manages the workbook has its id too, to say which column it is.
fn shown(column: &Column, place: &Place<'_>) -> ShownColumn {
    let letter = column.letter.to_string();
    let view = ColumnView {
        id: Some(column.id.clone()),
        letter: letter.clone(),
        header: place.header(column).map(str::to_owned),
        status: Some(ReviewStatus::of(place.is_unreviewed())),
        access: None,
    };
    clear(view, place, Action::Read).map_or_else(
        || {
            let id = place.allows(Action::Manage).then(|| column.id.clone());
            let access = Some(ColumnAccess::Withheld);
            ShownColumn::Withheld(ColumnView { id, letter, header: None, status: None, access })
        },
        ShownColumn::Cleared,
    )
}

impl Endpoint for ReadColumns {
    const ROUTE: Route = routes::COLUMNS;
    const PATH: &'static [PathParameter] = SHEET_PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ColumnsView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { snapshots: Snapshots::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ColumnsView>, Problem> {
        let (id, sheet_id) = (request.call.path_id("id")?, request.call.path_id("sheet_id")?);
        let user_id = &request.caller.user_id;
        let opened = Opened::by(&self.snapshots, &id, user_id, request.now).await?;
        let version = opened.sheet(&sheet_id)?.version;
        let view = ColumnsView::of(&opened.decision(), &sheet_id, version);
        Ok(Plan::reply(view))
    }
}
