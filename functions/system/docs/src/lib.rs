//! `GET /` and the documentation. Every file of it is inside the binary: the page loads nothing from anywhere else.

mod metadata;
mod page;
mod root;

pub use metadata::{AuthorizationServer, Metadata};
pub use page::{Asset, Page};
pub use root::{OpenApi, Root, Service};
