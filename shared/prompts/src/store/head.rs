//! The head of a prompt: the part of it that changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Kind, Label, PromptName, Version, Which};

/// Labels of a prompt, at most.
pub const MOST_LABELS: usize = 10;

/// Moves that a head keeps.
const MOVES: usize = 50;

/// The head of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The name.
    pub name: PromptName,
    /// The kind of all its versions.
    pub kind: Kind,
    /// Its purpose, for people.
    #[serde(default)]
    pub description: String,
    /// Whether callers may no longer use it.
    #[serde(default)]
    pub archived: bool,
    /// The version to which each label points. 0 is the one that is built in.
    #[serde(default)]
    pub labels: BTreeMap<Label, u32>,
    /// The number of the newest version. 0 if there is none.
    pub latest: u32,
    /// The hash of its content.
    #[serde(default)]
    pub latest_sha256: String,
    /// The last moves of labels, newest first.
    #[serde(default)]
    pub moves: Vec<Move>,
    /// Counts the changes of the head. Each requires the number that it has read.
    pub revision: u64,
}

/// A move of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The label.
    pub label: Label,
    /// The version to which it pointed before. `None` if it was not set.
    pub from: Option<u32>,
    /// The version to which it points. `None` if it was removed.
    pub to: Option<u32>,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Id of the user who moved it.
    pub by: String,
    /// The reason, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Head {
    /// The head of a prompt of which nothing is stored.
    pub fn new(name: PromptName, kind: Kind) -> Self {
        Self {
            name,
            kind,
            description: String::new(),
            archived: false,
            labels: BTreeMap::new(),
            latest: 0,
            latest_sha256: String::new(),
            moves: Vec::new(),
            revision: 0,
        }
    }

    /// The number of the version that replies use, if it is stored: neither unset nor built in.
    pub fn production(&self) -> Option<u32> {
        let production = self.labels.iter().find(|(label, _)| label.is_production());
        production.map(|(_, version)| *version).filter(|version| *version > 0)
    }

    /// The number of the version that `which` names, or of the one that replies use. `None` if the
    /// label is not set. `production` stands for version 0 until it is set.
    pub fn number(&self, which: Option<&Which>) -> Option<u32> {
        match which {
            Some(Which::Number(number)) => Some(*number),
            Some(Which::Label(label)) if !label.is_production() => self.labels.get(label).copied(),
            Some(Which::Label(_)) | None => Some(self.production().unwrap_or(0)),
        }
    }

    /// The head after a change.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { revision: self.revision + 1, ..self.clone() }
    }

    /// The head with this version as the newest.
    #[must_use]
    pub fn with_version(&self, version: &Version) -> Self {
        Self { latest: version.version, latest_sha256: version.sha256.clone(), ..self.next() }
    }

    /// The head after a move of a label. Call it on a head of [`Self::next`] or
    /// [`Self::with_version`].
    #[must_use]
    pub fn moved(mut self, moved: Move) -> Self {
        match moved.to {
            Some(version) => self.labels.insert(moved.label.clone(), version),
            None => self.labels.remove(&moved.label),
        };
        self.moves.insert(0, moved);
        self.moves.truncate(MOVES);
        self
    }
}
