//! Plans. A handler returns one instead of writing: the writes, the event, the steps after the
//! commit, and the answer.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::audit::AuditDetails;
use crate::database::{Item, Write};
use crate::problem::Problem;

/// How often a plan is made anew at most, unless it says otherwise.
const RETRIES: u32 = 8;

/// The effects that a handler wants, all or nothing.
pub struct Plan<O> {
    pub(crate) writes: Vec<(Write, Otherwise<O>)>,
    pub(crate) details: AuditDetails,
    pub(crate) also: Vec<AuditDetails>,
    pub(crate) created: Option<String>,
    pub(crate) after_commit: Vec<AfterCommit<O>>,
    pub(crate) reply: Result<Reply<O>, Problem>,
    pub(crate) retries: u32,
}

/// The reaction to a write's failed condition.
pub enum Otherwise<O> {
    /// The request is answered with this problem.
    Refuse(Problem),
    /// Another request was faster: make a new plan from the current item.
    Retry(Retry<O>),
    /// Another request was faster: replace this write and keep the rest of the plan. The step
    /// belongs to the write. It runs after a commit that contains the write.
    Rewrite(Rewrite<O>, AfterCommit<O>),
}

/// Replaces a write whose condition failed, from the item that failed it. Gives the new write, and
/// the reaction if it fails too.
pub type Rewrite<O> =
    Box<dyn FnOnce(Option<Item>) -> Result<(Write, Otherwise<O>), Problem> + Send>;

/// Makes a new plan from the item that failed a condition (`None`: there is no such item).
pub type Retry<O> =
    Box<dyn FnOnce(Option<Item>) -> BoxFuture<'static, Result<Plan<O>, Problem>> + Send>;

/// A step after the commit. It may replace the answer, and is idempotent.
pub type AfterCommit<O> =
    Box<dyn FnOnce() -> BoxFuture<'static, Result<Option<Reply<O>>, Problem>> + Send>;

/// An answer: the output, and a status and headers where they differ from the route's own.
#[derive(Debug)]
pub struct Reply<O> {
    pub(crate) output: O,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl<O> Otherwise<O> {
    /// The step after the commit that belongs to the write.
    pub(crate) fn step(self) -> Option<AfterCommit<O>> {
        match self {
            Self::Rewrite(_, step) => Some(step),
            Self::Refuse(_) | Self::Retry(_) => None,
        }
    }
}

impl<O: 'static> Otherwise<O> {
    fn map<P: 'static>(
        self,
        make: impl Fn(Reply<O>) -> Reply<P> + Clone + Send + 'static,
    ) -> Otherwise<P> {
        match self {
            Self::Refuse(problem) => Otherwise::Refuse(problem),
            Self::Retry(retry) => Otherwise::Retry(Box::new(move |item| {
                let plan = retry(item);
                async move { Ok(plan.await?.map(make)) }.boxed()
            })),
            Self::Rewrite(rewrite, step) => {
                let step = map_step(step, make.clone());
                let rewrite: Rewrite<P> = Box::new(move |item| {
                    let (write, otherwise) = rewrite(item)?;
                    Ok((write, otherwise.map(make)))
                });
                Otherwise::Rewrite(rewrite, step)
            }
        }
    }
}

fn map_step<O: 'static, P: 'static>(
    step: AfterCommit<O>,
    make: impl Fn(Reply<O>) -> Reply<P> + Send + 'static,
) -> AfterCommit<P> {
    Box::new(move || {
        let step = step();
        async move { Ok(step.await?.map(make)) }.boxed()
    })
}

impl<O> Plan<O> {
    /// A plan that answers with this, and so far writes nothing.
    pub fn reply(reply: impl Into<Reply<O>>) -> Self {
        Self {
            writes: Vec::new(),
            details: AuditDetails::default(),
            also: Vec::new(),
            created: None,
            after_commit: Vec::new(),
            reply: Ok(reply.into()),
            retries: RETRIES,
        }
    }

    /// A plan that refuses. It may still write: a reused token ends its session.
    pub fn refuse(problem: Problem) -> Self {
        Self {
            writes: Vec::new(),
            details: AuditDetails::default(),
            also: Vec::new(),
            created: None,
            after_commit: Vec::new(),
            reply: Err(problem),
            retries: RETRIES,
        }
    }

    /// Adds a write. If its condition fails, the request is answered with `problem`.
    #[must_use]
    pub fn write_or(self, write: Write, problem: Problem) -> Self {
        self.write_otherwise(write, Otherwise::Refuse(problem))
    }

    /// Adds a write. If its condition fails, `retry` makes a new plan from the current item.
    #[must_use]
    pub fn write_or_retry(self, write: Write, retry: Retry<O>) -> Self {
        self.write_otherwise(write, Otherwise::Retry(retry))
    }

    /// Adds a write, and the reaction if its condition fails.
    #[must_use]
    pub fn write_otherwise(mut self, write: Write, otherwise: Otherwise<O>) -> Self {
        self.writes.push((write, otherwise));
        self
    }

    /// Adds a write whose condition, if it has one, fails only in unexpected cases. They are
    /// answered 409.
    #[must_use]
    pub fn write(self, write: Write) -> Self {
        self.write_or(write, Problem::conflict())
    }

    /// Sets the content of this action's event.
    #[must_use]
    pub fn details(mut self, details: AuditDetails) -> Self {
        self.details = details;
        self
    }

    /// Adds a detail to this action's event.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details = self.details.detail(name, value);
        self
    }

    /// Adds another event of the same transaction. The details name its action, and say whether it is
    /// a failure. It is none because the request is refused: it tells of a write of this plan.
    #[must_use]
    pub fn also(mut self, details: AuditDetails) -> Self {
        self.also.push(details);
        self
    }

    /// Sets the id of the created resource. A repeated request with the same `Idempotency-Key` is
    /// answered with that resource.
    #[must_use]
    pub fn creates(mut self, id: impl Into<String>) -> Self {
        self.created = Some(id.into());
        self
    }

    /// Sets how often the plan may be made anew. After that, the request is answered 503. The
    /// number of its first plan counts. A plan that reads its items anew fails at most once for
    /// each of the other requests.
    #[must_use]
    pub fn retries(mut self, most: u32) -> Self {
        self.retries = most;
        self
    }

    /// The same plan with its answer converted, also after a retry or a step that replaces it.
    #[must_use]
    pub fn map<P>(self, make: impl Fn(Reply<O>) -> Reply<P> + Clone + Send + 'static) -> Plan<P>
    where
        O: 'static,
        P: 'static,
    {
        let steps = self.after_commit.into_iter();
        Plan {
            writes: (self.writes.into_iter())
                .map(|(write, otherwise)| (write, otherwise.map(make.clone())))
                .collect(),
            details: self.details,
            also: self.also,
            created: self.created,
            after_commit: steps.map(|step| map_step(step, make.clone())).collect(),
            reply: self.reply.map(make),
            retries: self.retries,
        }
    }

    /// Adds a step after the commit, behind the steps that are already there.
    #[must_use]
    pub fn after_commit(mut self, after_commit: AfterCommit<O>) -> Self {
        self.after_commit.push(after_commit);
        self
    }
}

impl<O> Reply<O> {
    /// The output with the route's own status.
    pub fn new(output: O) -> Self {
        Self { output, status: None, headers: Vec::new() }
    }

    /// Sets another status than the route's.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header; it replaces one of the same name that every answer has. Each `Set-Cookie` is
    /// one more cookie.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The same answer with its output converted.
    pub fn map<P>(self, make: impl FnOnce(O) -> P) -> Reply<P> {
        Reply { output: make(self.output), status: self.status, headers: self.headers }
    }

    /// The output.
    pub fn output(&self) -> &O {
        &self.output
    }

    /// The output alone.
    pub fn into_output(self) -> O {
        self.output
    }

    /// Sets `Location` to the path of the created resource.
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
