//! What a handler returns instead of writing: the writes, the event, what follows the commit, and the answer.

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::audit::Note;
use crate::problem::Problem;
use crate::store::{Item, Write};

/// What a handler wants to happen, all of it or nothing.
pub struct Plan<O> {
    pub(crate) writes: Vec<(Write, Otherwise<O>)>,
    pub(crate) note: Note,
    pub(crate) created: Option<String>,
    pub(crate) then: Vec<Then<O>>,
    pub(crate) reply: Result<Reply<O>, Problem>,
}

/// What a write's failed condition means.
pub enum Otherwise<O> {
    /// The request is answered with this.
    Refuse(Problem),
    /// Someone was faster: a new plan from the item as it now stands.
    Replan(Replan<O>),
    /// Someone was faster, and the rest of the plan stands.
    Rewrite(Rewrite<O>),
}

/// Makes another write in the place of one whose condition failed, from the item that failed it, and what follows besides.
pub type Rewrite<O> = Box<dyn FnOnce(Option<Item>) -> Result<(Write, Otherwise<O>, Then<O>), Problem> + Send>;

/// Makes a new plan from the item that failed a condition (`None`: there is no such item).
pub type Replan<O> = Box<dyn FnOnce(Option<Item>) -> BoxFuture<'static, Result<Plan<O>, Problem>> + Send>;

/// What follows a commit: it may replace the answer, and can be repeated without harm.
pub type Then<O> = Box<dyn FnOnce() -> BoxFuture<'static, Result<Option<Reply<O>>, Problem>> + Send>;

/// An answer: the output, and what of status and headers differs from the route's own.
#[derive(Debug)]
pub struct Reply<O> {
    pub(crate) output: O,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl<O> Plan<O> {
    /// A plan that answers with this, and so far writes nothing.
    pub fn reply(reply: impl Into<Reply<O>>) -> Self {
        Self { writes: Vec::new(), note: Note::default(), created: None, then: Vec::new(), reply: Ok(reply.into()) }
    }

    /// A plan that refuses, and may write all the same (a reused token ends its session).
    pub fn refuse(problem: Problem) -> Self {
        Self { writes: Vec::new(), note: Note::default(), created: None, then: Vec::new(), reply: Err(problem) }
    }

    /// Adds a write; where its condition does not hold, the request is answered with `problem`.
    #[must_use]
    pub fn write_or(mut self, write: Write, problem: Problem) -> Self {
        self.writes.push((write, Otherwise::Refuse(problem)));
        self
    }

    /// Adds a write; where its condition does not hold, `replan` makes a new plan from what stands there.
    #[must_use]
    pub fn write_or_replan(mut self, write: Write, replan: Replan<O>) -> Self {
        self.writes.push((write, Otherwise::Replan(replan)));
        self
    }

    /// Adds a write; where its condition does not hold, `rewrite` makes another from what stands there.
    #[must_use]
    pub fn write_or_rewrite(mut self, write: Write, rewrite: Rewrite<O>) -> Self {
        self.writes.push((write, Otherwise::Rewrite(rewrite)));
        self
    }

    /// Adds a write whose condition, if it has one, fails only where something else is amiss: that is a 409.
    #[must_use]
    pub fn write(self, write: Write) -> Self {
        self.write_or(write, Problem::conflict())
    }

    /// What the event of this action says.
    #[must_use]
    pub fn note(mut self, note: Note) -> Self {
        self.note = note;
        self
    }

    /// Id of what this creates: a request that is sent again with its `Idempotency-Key` is answered with that.
    #[must_use]
    pub fn creates(mut self, id: impl Into<String>) -> Self {
        self.created = Some(id.into());
        self
    }

    /// What follows the commit, after what follows it already.
    #[must_use]
    pub fn then(mut self, then: Then<O>) -> Self {
        self.then.push(then);
        self
    }
}

impl<O> Reply<O> {
    /// The output with the route's own status.
    pub fn new(output: O) -> Self {
        Self { output, status: None, headers: Vec::new() }
    }

    /// Another status than the route's.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header; it replaces one of the same name that every answer has.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The same answer with its output made into another.
    pub fn map<P>(self, make: impl FnOnce(O) -> P) -> Reply<P> {
        Reply { output: make(self.output), status: self.status, headers: self.headers }
    }

    /// The output alone.
    pub fn into_output(self) -> O {
        self.output
    }

    /// The path of what was made.
    #[must_use]
    pub fn location(self, path: &str) -> Self {
        self.header(header::LOCATION, path)
    }
}

impl<O> From<O> for Reply<O> {
    fn from(output: O) -> Self {
        Self::new(output)
    }
}
