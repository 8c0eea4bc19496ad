//! Sessions: how one begins, how it is kept alive, and how it ends. Every route that does one of these shares it.

mod begin;
mod confirm;
mod end;
mod login;
mod rotate;
mod shown;

use begin::SignIn;
pub use confirm::Confirmed;
pub use end::Ending;
pub use login::{Attempt, PasswordLogin};
pub use rotate::{RefreshToken, Rotation};
pub use shown::{Held, ShownToken, ShownTokens};
