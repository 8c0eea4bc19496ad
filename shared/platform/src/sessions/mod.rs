//! Sessions: how one begins, how it is kept alive, and how it ends. Every route that does one of these shares it.

mod begin;
mod end;
mod rotate;

pub use begin::SignIn;
pub use end::Ending;
pub use rotate::Rotation;
