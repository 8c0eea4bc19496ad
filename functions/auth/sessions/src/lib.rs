//! `GET /auth/sessions` and `DELETE /auth/sessions/{id}`: list the caller's sessions, and end one.

mod end;
mod list;

pub use end::EndSession;
pub use list::{ListSessions, SessionView, SessionsView};

/// The endpoints of this function.
pub type Endpoints = (ListSessions, EndSession);
