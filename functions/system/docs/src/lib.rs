//! `GET /` and the documentation. Every file of it is inside the binary: the page loads nothing from anywhere else.

mod documents;
mod metadata;
mod page;
mod root;

pub use documents::{AsyncApi, OpenApi, SERVER_URL};
pub use metadata::{AuthorizationServer, Metadata};
pub use page::{Asset, Page, Redoc};
pub use root::{Root, Service};

/// The endpoints of this function.
pub type Endpoints = (Root, OpenApi, AsyncApi, Page, Redoc, Asset, Metadata);
