//! Mail that a stranger may ask for, knowing an address. This function can't look into any account: whether the address
//! belongs to one shows neither in the answer nor in the time it takes.

mod forgot;

pub use forgot::{Forgot, Forgotten};
