//! Tokens beyond the access token of a request: issues pairs, and reads tokens of either kind.

mod issuer;
mod reader;

pub use issuer::{Lifetimes, Pair, TokenIssuer, TokenPair};
pub use reader::{Genuine, TokenReader};
