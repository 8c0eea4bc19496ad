//! `GET /auth/sessions` and `DELETE /auth/sessions/{id}`: where one is signed in, and the end of that.

mod end;
mod list;

pub use end::EndSession;
pub use list::{ListSessions, SessionView, SessionsView};

/// The endpoints of this function.
pub type Endpoints = (ListSessions, EndSession);
