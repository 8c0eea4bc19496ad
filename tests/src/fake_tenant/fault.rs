//! What a provider does wrong on request.

/// A fault. It stays until [`super::FakeTenant::heal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Requests for metadata, keys and tokens are not answered. The connection stays open.
    Hang,
    /// They are answered with this status.
    Status(u16),
    /// They are redirected to another path, where the right answer is.
    Redirect,
    /// Their answers are no JSON.
    Garbage,
    /// Their answers are whole, after a megabyte of spaces.
    Huge,
    /// The metadata names another issuer.
    WrongIssuer,
    /// The key set is empty.
    NoKeys,
    /// Each person is in 200 groups. So their tokens say where to ask for the groups, and name
    /// none.
    Groups,
    /// The token endpoint refuses each request with this code, like `AADSTS7000222`.
    Refuse(&'static str),
    /// The sign-in of each person is refused with this code, like `AADSTS50105`.
    Deny(&'static str),
    /// ID tokens have another nonce than the request.
    WrongNonce,
    /// The answer of a sign-in has no `iss`, though the metadata promises it (RFC 9207).
    NoIss,
    /// The answer of a sign-in has the `iss` of another provider.
    WrongIss,
}

/// The codes that [`Fault::named`] knows.
const CODES: [&str; 5] =
    ["AADSTS50105", "AADSTS53003", "AADSTS65004", "AADSTS7000215", "AADSTS7000222"];

impl Fault {
    /// The fault of this name: `hang`, `status-500`, `refuse-AADSTS7000222` and so on.
    pub(super) fn named(name: &str) -> Option<Self> {
        let code = |code: &str| CODES.into_iter().find(|known| *known == code);
        Some(match name.split_once('-') {
            Some(("status", status)) => Self::Status(status.parse().ok()?),
            Some(("refuse", refused)) => Self::Refuse(code(refused)?),
            Some(("deny", denied)) => Self::Deny(code(denied)?),
            _ => match name {
                "hang" => Self::Hang,
                "redirect" => Self::Redirect,
                "garbage" => Self::Garbage,
                "huge" => Self::Huge,
                "wrong-issuer" => Self::WrongIssuer,
                "no-keys" => Self::NoKeys,
                "groups" => Self::Groups,
                "wrong-nonce" => Self::WrongNonce,
                "no-iss" => Self::NoIss,
                "wrong-iss" => Self::WrongIss,
                _ => return None,
            },
        })
    }
}
