//! Where a list goes on.

use serde::{Deserialize, Serialize};

/// A place in a list: the id of the last file that has been looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlace(String);

impl FilePlace {
    /// The place of the file with this id.
    pub(crate) fn new(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// The id of its file.
    pub(crate) fn id(&self) -> &str {
        &self.0
    }
}
