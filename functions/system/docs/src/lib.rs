//! `GET /` and the documentation. Every file of it is inside the binary, so the page loads nothing
//! from other servers.

mod documents;
mod metadata;
mod page;
mod root;

use platform::http::Plain;

pub use documents::{ReadAsyncApi, ReadOpenApi, SERVER_URL};
pub use metadata::{AuthorizationServer, ReadOAuthMetadata};
pub use page::{ReadDocs, ReadDocsFile, ReadRedoc};
pub use root::{ReadService, Service};

/// The endpoints of this function.
pub type Endpoints = Plain<(
    ReadService,
    ReadOpenApi,
    ReadAsyncApi,
    ReadDocs,
    ReadRedoc,
    ReadDocsFile,
    ReadOAuthMetadata,
)>;
