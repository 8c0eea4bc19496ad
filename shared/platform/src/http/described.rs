//! What the documents say of an endpoint, plain or not.

use utoipa::ToSchema;

use super::describe::{Parameters, PathParameter};
use super::endpoint::{Endpoint, Plain, PlainEndpoint};
use super::respond::Output;
use crate::input::{Input, Media};
use crate::problem::Code;
use crate::routes::Route;

/// An endpoint as the documents show it.
pub trait Described {
    /// Its row of the route table.
    const ROUTE: Route;
    /// The parameters of its path, in their order.
    const PATH: &'static [PathParameter];
    /// Media types that the body may have.
    const MEDIA: Media = Media::Json;
    /// Statuses of success beside that of the row, which answer with the same output.
    const STATUSES: &'static [u16];
    /// Codes of its problems beside those that follow from its row, its path and its body.
    const PROBLEMS: &'static [Code] = &[];
    /// Fields of the body.
    type Body: Input + ToSchema + 'static;
    /// Query parameters.
    type Query: Parameters;
    /// Output of a success.
    type Output: Output;
}

impl<E: Endpoint> Described for E {
    const ROUTE: Route = E::ROUTE;
    const PATH: &'static [PathParameter] = E::PATH;
    const MEDIA: Media = E::MEDIA;
    const STATUSES: &'static [u16] = E::STATUSES;
    const PROBLEMS: &'static [Code] = E::PROBLEMS;
    type Body = E::Body;
    type Query = E::Query;
    type Output = E::Output;
}

impl<E: PlainEndpoint> Described for Plain<E> {
    const ROUTE: Route = E::ROUTE;
    const PATH: &'static [PathParameter] = E::PATH;
    const STATUSES: &'static [u16] = E::STATUSES;
    type Body = ();
    type Query = ();
    type Output = E::Output;
}
