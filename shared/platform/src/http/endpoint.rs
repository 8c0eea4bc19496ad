//! An HTTP endpoint: its row of the route table, its input and output, and its handler.

use std::future::Future;
use std::marker::PhantomData;

use jiff::Timestamp;
use utoipa::ToSchema;

use super::describe::{Parameters, PathParameter};
use super::respond::Output;
use crate::config::ConfigError;
use crate::context::Context;
use crate::identity::{Authority, Caller};
use crate::input::{Input, Media};
use crate::limits::Key;
use crate::plan::{Plan, Reply};
use crate::platform::Platform;
use crate::problem::{Code, Problem};
use crate::request::HttpCall;
use crate::routes::Route;

/// One HTTP endpoint that has a caller, a limit or an event: its handler gives a plan.
pub trait Endpoint: Sized + Send + Sync + 'static {
    /// Its row of the route table.
    const ROUTE: Route;

    /// The parameters of its path, in their order.
    const PATH: &'static [PathParameter] = &[];
    /// Media types that the body may have.
    const MEDIA: Media = Media::Json;
    /// Statuses of success beside that of the row, which answer with the same output.
    const STATUSES: &'static [u16] = &[];
    /// Codes of its problems beside those that follow from its row, its path and its body.
    const PROBLEMS: &'static [Code] = &[];

    /// `Identity` on a protected route, `Principal` on one that takes API keys too, `()` on a
    /// public one.
    type Caller: Caller;
    /// Fields of the body.
    type Body: Input + ToSchema + 'static;
    /// Query parameters.
    type Query: Input + Parameters;
    /// Output of a success.
    type Output: Output;

    /// Makes the endpoint once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Whether this deployment answers anyone, although the row asks for a caller. The row that the
    /// endpoint gives has no limit of a user then.
    fn is_open(&self) -> bool {
        false
    }

    /// A problem that comes before any other check, for example that registration is closed.
    fn reject_early(&self, _call: &HttpCall) -> Option<Problem> {
        None
    }

    /// A 403 that depends on the headers alone, for example an origin that may not call. It follows
    /// the checks of the caller.
    fn forbid(&self, _call: &HttpCall) -> Option<Problem> {
        None
    }

    /// A problem of any step as this endpoint answers it, for example with more in its challenge.
    fn as_answered(&self, _call: &HttpCall, problem: Problem) -> Problem {
        problem
    }

    /// Media types that the body may have in this deployment.
    fn media(&self) -> Media {
        Self::MEDIA
    }

    /// The row whose limits and audit event apply to a request: its own, unless it does the work of
    /// another endpoint. An API key needs the scope of this row too.
    fn row(&self, _request: &Request<Self>) -> Route {
        Self::ROUTE
    }

    /// The subject of limits that count a `LoginAttempt`, `Recipient`, `SpentSession` or
    /// `SsoIdentity`; `None` leaves such limits out. Where the row counts an `SsoIdentity`, its
    /// other limits have admitted the request before.
    fn limit_key(
        &self,
        _request: &Request<Self>,
    ) -> impl Future<Output = Result<Option<Key>, Problem>> + Send {
        async { Ok(None) }
    }

    /// Does the work, but writes nothing itself: the plan holds the writes.
    ///
    /// An error answers with the problem, and is audited as a failure if the route is audited.
    fn handle(
        &self,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Plan<Self::Output>, Problem>> + Send;

    /// Answers a repeated request on an idempotent route, with the current state of the resource
    /// that the first one created.
    ///
    /// A plan without a status gets the status of the first answer.
    fn repeat(
        &self,
        _request: Request<Self>,
        _created: &str,
    ) -> impl Future<Output = Result<Plan<Self::Output>, Problem>> + Send {
        async { Err(Problem::internal()) }
    }
}

/// One HTTP endpoint that anyone may call, without limits and events, such as `GET /health`. It
/// writes nothing: its handler gives a reply, and no plan.
pub trait PlainEndpoint: Sized + Send + Sync + 'static {
    /// Its row of the route table.
    const ROUTE: Route;

    /// The parameters of its path, in their order.
    const PATH: &'static [PathParameter] = &[];
    /// Statuses of success beside that of the row, which answer with the same output.
    const STATUSES: &'static [u16] = &[];

    /// Output of a success.
    type Output: Output;

    /// Makes the endpoint once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Answers a request.
    fn handle(
        &self,
        call: &HttpCall,
    ) -> impl Future<Output = Result<Reply<Self::Output>, Problem>> + Send;
}

/// Marks a plain endpoint in a list, or a whole list of them.
pub struct Plain<E>(PhantomData<E>);

/// A request that has passed every check before the work.
pub struct Request<'a, E: Endpoint> {
    /// Who calls.
    pub caller: E::Caller,
    /// When their access token expires, in seconds since 1970; an API key is no token.
    pub token_exp: Option<i64>,
    /// The scopes of their API key, and the roles of its owner; `None` in a session.
    pub authority: Option<Authority>,
    /// The body.
    pub body: E::Body,
    /// The query parameters.
    pub query: E::Query,
    /// Whether the body was a form.
    pub is_form: bool,
    /// Where it came from.
    pub context: &'a Context,
    /// When it arrived.
    pub now: Timestamp,
    /// The request as it came, for headers and path parameters.
    pub call: &'a HttpCall,
}

/// The endpoints of a function, which it lists once: for the process that serves them and for the
/// API's documents.
pub trait Endpoints {
    /// Shows each of them to a visitor.
    fn visit<V: Visitor>(visitor: V) -> Result<V, V::Error>;
}

/// Does something with each endpoint of a function.
pub trait Visitor: Sized {
    /// The error that stops it.
    type Error;

    /// Visits one endpoint.
    fn endpoint<E: Endpoint>(self) -> Result<Self, Self::Error>;

    /// Visits one plain endpoint.
    fn plain<E: PlainEndpoint>(self) -> Result<Self, Self::Error>;
}

/// One place of a list: an endpoint, or `Plain<...>` of a plain one.
pub trait Listed {
    /// Shows it to a visitor.
    fn show<V: Visitor>(visitor: V) -> Result<V, V::Error>;
}

impl<E: Endpoint> Listed for E {
    fn show<V: Visitor>(visitor: V) -> Result<V, V::Error> {
        visitor.endpoint::<E>()
    }
}

impl<E: PlainEndpoint> Listed for Plain<E> {
    fn show<V: Visitor>(visitor: V) -> Result<V, V::Error> {
        visitor.plain::<E>()
    }
}

macro_rules! lists {
    ($($endpoint:ident)*) => {
        impl<$($endpoint: Listed),*> Endpoints for ($($endpoint,)*) {
            fn visit<V: Visitor>(visitor: V) -> Result<V, V::Error> {
                $(let visitor = $endpoint::show(visitor)?;)*
                Ok(visitor)
            }
        }

        impl<$($endpoint: PlainEndpoint),*> Endpoints for Plain<($($endpoint,)*)> {
            fn visit<V: Visitor>(visitor: V) -> Result<V, V::Error> {
                $(let visitor = visitor.plain::<$endpoint>()?;)*
                Ok(visitor)
            }
        }
    };
}
lists!(A);
lists!(A B);
lists!(A B C);
lists!(A B C D);
lists!(A B C D E);
lists!(A B C D E F);
lists!(A B C D E F G);
lists!(A B C D E F G H);
lists!(A B C D E F G H I);
lists!(A B C D E F G H I J);
lists!(A B C D E F G H I J K);
lists!(A B C D E F G H I J K L);
