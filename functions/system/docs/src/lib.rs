//! `GET /` and the documentation. Every file of it is inside the binary: the page loads nothing from anywhere else.

mod documents;
mod metadata;
mod page;
mod root;

pub use documents::{AsyncApi, OpenApi};
pub use metadata::{AuthorizationServer, Metadata};
pub use page::{Asset, Page};
pub use root::{Root, Service};
