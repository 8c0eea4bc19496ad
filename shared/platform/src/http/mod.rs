//! HTTP: what an endpoint is, how a request is read, how it travels and how it is answered.

mod answer;
mod call;
mod endpoint;
mod fields;
mod function;
mod respond;
mod validator;

pub use answer::answer;
pub use call::Call;
pub use endpoint::{Endpoint, Media, Request};
pub use fields::{Field, Fields, Form, Raw};
pub use function::HttpFunction;
pub use respond::{Output, Rendered};
pub use validator::revalidated;
