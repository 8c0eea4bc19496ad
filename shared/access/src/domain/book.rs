//! A workbook as rules see it: its owner, its sheets, and the register of their columns.

use platform::clock::Timestamp;
use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::letter::Letter;
use super::rule::Rule;

/// A workbook with everything that decides about its cells.
#[derive(Debug, Clone, Copy)]
pub struct Book<'a> {
    /// Id of the owner; a workbook of the deployment itself has none.
    pub owner_id: Option<&'a str>,
    /// Its sheets.
    pub sheets: &'a [Sheet],
    /// Its own rules.
    pub rules: &'a [Rule],
    /// The rules for every workbook.
    pub every: &'a [Rule],
}

/// A sheet and its register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// UUIDv7.
    pub id: String,
    /// Ids of sheets whose rules hold for this one too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// As the workbook has it.
    pub name: String,
    /// Whether a manager has yet to say which sheet it is.
    #[serde(default)]
    pub pending: bool,
    /// Whether it has its name from an upload by a user who does not manage the workbook. It may be
    /// the name of another sheet, so formulas that name it lead nowhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_renamed: bool,
    /// Counts its changes, from 1.
    pub version: u64,
    /// The register, in the order of the letters.
    #[serde(default)]
    pub columns: Vec<Column>,
}

/// A column in the register of its sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// UUIDv7.
    pub id: String,
    /// Ids under which rules know it too. No other column of the sheet has one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Its letter now.
    pub letter: Letter,
    /// Its header now, as it is shown.
    pub header: String,
    /// Whether the header may tell of other columns, because a formula made it, for example.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_computed: bool,
    /// Every name that it has had, in the form of [`super::folded`].
    pub names: Vec<String>,
    /// Whether a manager has yet to say which column it is.
    #[serde(default)]
    pub pending: bool,
}

/// The users who approve proposed changes of a workbook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The proposer may.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// Another user has to.
    Other,
}

impl<'a> Book<'a> {
    /// The rules that have an effect now: those of the workbook first.
    pub fn live(self, now: Timestamp) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().chain(self.every).filter(move |rule| rule.is_live(now))
    }
}

impl Sheet {
    /// Whether a rule about the sheet with this id holds for this one.
    pub fn is(&self, id: &str) -> bool {
        self.id == id || self.also.iter().any(|other| other == id)
    }

    /// About its bytes where it is stored.
    pub fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(Column::bytes).sum::<usize>();
        200 + self.name.len() + 40 * self.also.len() + columns
    }
}

impl Column {
    /// The ids under which rules know it.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        [&self.id].into_iter().chain(&self.also).map(String::as_str)
    }

    /// About its bytes where it is stored.
    pub fn bytes(&self) -> usize {
        let names = self.names.iter().chain([&self.header]).map(|name| name.len() + 4);
        100 + 40 * self.also.len() + names.sum::<usize>()
    }
}

impl Approval {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::Other => "other",
        }
    }
}

impl FromField for Approval {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = [Self::Own, Self::Other].into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| "must be self or other".into())
    }
}
