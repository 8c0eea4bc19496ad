//! The erasure of a user: an administrator asks for it, a second one confirms it, and the worker
//! `erase` destroys the data.

mod confirm;
mod read;
mod request;
mod view;

use platform::http::PathParameter;

pub use confirm::ConfirmErasure;
pub use read::ReadErasure;
pub use request::RequestErasure;
pub use view::{ErasureStatus, ErasureView};

/// The path of every endpoint names the user.
const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the user.")];

/// The endpoints of this function.
pub type Endpoints = (RequestErasure, ConfirmErasure, ReadErasure);
