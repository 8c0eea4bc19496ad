//! What a model does, in the words of no API. Each stand-in makes an answer of its own API of it,
//! so that one suite of behaviours runs against all of them.

use std::time::Duration;

use assistant::domain::StopReason;
use serde_json::Value;

use super::parts::owned;

/// What a model does when it is asked.
#[derive(Debug, Clone)]
pub enum Act {
    /// It writes a text in these parts, and stops. It has read 25 tokens, and 7 more from the
    /// cache. It has written a token for each part and one more.
    Says(Vec<String>, StopReason),
    /// It writes this text, if it is not empty, and asks for these tools. The usage is that of
    /// [`Act::Says`] with as many parts as there are tools.
    Uses(String, Vec<Use>),
    /// It refuses, before anything is written.
    Refuses(Refusal),
    /// It does as [`Act::Says`], but breaks off after so many parts.
    Breaks(Vec<String>, usize, Break),
    /// The connection is open, and no answer comes.
    Silence,
    /// The connection is reset before an answer comes.
    Reset,
}

/// A use of a tool.
#[derive(Debug, Clone)]
pub struct Use {
    /// Its id, of `[A-Za-z0-9_-]`.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The input, an object.
    pub input: Value,
}

/// Why a model refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is overloaded, and may be asked again at once.
    Overloaded,
    /// The rate limit is reached. It may be asked again after this time, if the API says so.
    RateLimited(Duration),
    /// The server fails, and may be asked again at once.
    Failing,
    /// The key, or the role, is refused.
    Key,
    /// There is no such model.
    UnknownModel,
    /// The request is too long.
    TooLong,
    /// The content is refused.
    Filtered,
    /// The request is wrong.
    Wrong,
}

/// How a reply breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// An error in the stream: the model is overloaded.
    Error,
    /// The stream ends.
    End,
    /// Nothing more comes.
    Silence,
    /// The connection is reset.
    Reset,
}

impl Act {
    /// A text in these parts, which the model ends itself.
    pub fn says(parts: &[&str]) -> Self {
        Self::Says(owned(parts), StopReason::EndTurn)
    }

    /// The same text, broken off after so many parts.
    pub fn breaks(parts: &[&str], after: usize, how: Break) -> Self {
        Self::Breaks(owned(parts), after, how)
    }

    /// Uses of tools: id, name and input of each.
    pub fn uses(uses: &[(&str, &str, Value)]) -> Self {
        let made = uses.iter().map(|(id, name, input)| Use {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            input: input.clone(),
        });
        Self::Uses(String::new(), made.collect())
    }
}
