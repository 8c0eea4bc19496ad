//! `GET /jobs`, `GET|DELETE /jobs/{id}`, `GET /jobs/{id}/items|findings|compare`,
//! `POST /jobs/{id}/cancel|retry`: the jobs of a user, what they have come to, and their end.
//!
//! - `list`, `read`, `items`: jobs and their items; `page`: the items of a page
//! - `change`: stops, retries and deletes
//! - `findings`, `compare`: what analyses have found; `found` reads it, `part` cuts it into pages,
//!   `form` and `sarif` write it

mod change;
mod compare;
mod findings;
mod form;
mod found;
mod items;
mod list;
mod page;
mod part;
mod read;
mod sarif;

use platform::http::PathParameter;

pub use change::{CancelJob, DeleteJob, JobRetry, RetryJob, Rows};
pub use compare::{CompareJobs, CompareQuery, JobComparison};
pub use findings::{FindingsQuery, ListFindings};
pub use form::{Form, Listing};
pub use items::{ItemsQuery, ListItems};
pub use list::{JobsQuery, ListJobs};
pub use read::ReadJob;

/// The endpoints of this function.
pub type Endpoints =
    (ListJobs, ReadJob, ListItems, CancelJob, RetryJob, DeleteJob, ListFindings, CompareJobs);

/// The parameter of the paths below `/jobs`.
const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the job.")];
