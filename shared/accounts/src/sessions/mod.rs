//! Sessions: how one begins, is refreshed and ends. Every route that does one of these shares this
//! code.

mod begin;
mod confirm;
mod cookie;
mod end;
mod login;
mod rotate;
mod shown;

pub use begin::{NewSession, SignIn};
pub use confirm::Confirmed;
pub use cookie::{RefreshCookie, RefreshIn};
pub use end::Ending;
pub use login::{Attempt, PasswordLogin};
pub use rotate::{RefreshToken, Rotation};
pub use shown::{Held, ShownToken, ShownTokens};
