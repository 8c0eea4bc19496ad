//! `PUT|DELETE /users/{id}/sso`: binds an account to a person of the identity provider, and frees
//! it. Either way its owner signs in anew.

mod changer;
mod free;
mod person;
mod set;

pub use free::DeleteUserSso;
pub use person::SsoPerson;
pub use set::{BoundUser, SetUserSso};
