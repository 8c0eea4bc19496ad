//! Single sign-on: how a client learns of it, signs in by it, and links an account to it. This
//! function exchanges what the provider says for an ordinary session. It knows accounts, and not
//! our credential at the provider.

mod account;
mod address;
mod entry;
mod events;
mod forms;
mod link;
mod linking;
mod proof;
mod read;
mod rights;
#[cfg(test)]
mod samples;
mod sign_in;
mod terms;
mod username;

use platform::http::Plain;

pub use forms::{
    SsoCodeLink, SsoCodeSignIn, SsoLinkRequest, SsoSignIn, SsoTokenLink, SsoTokenSignIn,
};
pub use link::LinkSso;
pub use linking::Linked;
pub use read::{ReadSso, SsoKind, SsoSettings};
pub use sign_in::SignInBySso;

/// The endpoints of this function.
pub type Endpoints = (Plain<ReadSso>, SignInBySso, LinkSso);
