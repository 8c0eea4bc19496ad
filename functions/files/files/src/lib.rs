//! `POST|GET /files`, `GET|DELETE /files/{id}`, `POST /files/{id}/complete`,
//! `GET /files/{id}/content`: the files of a user.

mod complete;
mod create;
mod delete;
mod list;
mod read;

use platform::http::PathParameter;

pub use complete::CompleteFile;
pub use create::CreateFile;
pub use delete::DeleteFile;
pub use list::{FilesQuery, ListFiles};
pub use read::{ReadFile, ReadFileContent};

/// The endpoints of this function.
pub type Endpoints = (CreateFile, CompleteFile, ListFiles, ReadFile, ReadFileContent, DeleteFile);

/// The parameter of the paths below `/files`.
const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the file.")];
