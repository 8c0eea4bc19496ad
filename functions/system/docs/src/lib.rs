//! `GET /` and the documentation. Every file of it is inside the binary: the page loads nothing from anywhere else.

mod documents;
mod metadata;
mod page;
mod root;

pub use documents::{ReadAsyncApi, ReadOpenApi, SERVER_URL};
pub use metadata::{AuthorizationServer, ReadOAuthMetadata};
pub use page::{ReadDocs, ReadDocsFile, ReadRedoc};
pub use root::{ReadService, Service};

/// The endpoints of this function.
pub type Endpoints = (ReadService, ReadOpenApi, ReadAsyncApi, ReadDocs, ReadRedoc, ReadDocsFile, ReadOAuthMetadata);
