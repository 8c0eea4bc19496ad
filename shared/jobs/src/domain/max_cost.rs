//! The most that a job may cost, as its caller says it.

use assistant::domain::Budget;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// The schema of `max_cost_usd` in the requests that start jobs: an amount, or null.
pub fn max_cost_usd() -> Schema {
    let description = "The most that the job may cost, in US dollars: 0 to 1,000,000, with at most \
                       nine places after the point. It is held if it is less than the worst case. \
                       Items, or rows of a batch, for which the rest of the hold does not suffice \
                       fail.";
    Budget::forms()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(description))
        .examples(["2.50"])
        .build()
        .into()
}
