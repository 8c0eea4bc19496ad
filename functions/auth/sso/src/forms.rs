//! The bodies of both endpoints, and their forms for the documents.

use platform::http::{Schemas, either};
use platform::input::{Fields, Input};
use tally_accounts::domain::Password;
use tally_accounts::sessions::RefreshIn;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::proof::Proof;

/// The body of `POST /auth/sso`.
pub struct SsoSignIn {
    /// The proof.
    pub proof: Proof,
    /// Whether a new account may begin beside one with a password and the same address.
    pub new_account: bool,
    /// Where the refresh token goes.
    pub refresh_in: RefreshIn,
}

/// The body of `POST /auth/sso/link`.
pub struct SsoLinkRequest {
    /// The proof.
    pub proof: Proof,
    /// The current password.
    pub current_password: Password,
}

/// A sign-in by an access token of Microsoft Entra ID.
#[derive(ToSchema)]
pub struct SsoTokenSignIn {
    /// An access token (v2.0) of Microsoft Entra ID for this API. `GET /auth/sso` names its scope.
    #[schema(max_length = 16384)]
    pub token: String,
    /// Whether a new account begins although an account with a password has your address. The new
    /// account has no address.
    #[schema(value_type = Option<bool>, default = false)]
    pub new_account: bool,
    /// `cookie` leaves the refresh token out of the body, and sets it as a cookie that no script
    /// can read. The parameter `CookieOrigins` has to name the page's origin.
    #[schema(value_type = Option<RefreshIn>)]
    pub refresh_in: RefreshIn,
}

/// A sign-in by the code of a sign-in in a browser.
#[derive(ToSchema)]
pub struct SsoCodeSignIn {
    /// The code that the page got from `GET /auth/sso/callback`. It is valid once, and for 60
    /// seconds.
    #[schema(max_length = 128, example = "Q2hFq0kUu1yq7bT3sV9wXnD5mJ6pLrZcA8eGiKoMt4E")]
    pub code: String,
    /// The verifier of the page that began the sign-in (PKCE, RFC 7636).
    #[schema(
        min_length = 43,
        max_length = 128,
        pattern = "^[A-Za-z0-9._~-]+$",
        example = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )]
    pub code_verifier: String,
    /// Whether a new account begins although an account with a password has your address. The new
    /// account has no address.
    #[schema(value_type = Option<bool>, default = false)]
    pub new_account: bool,
    /// `cookie` leaves the refresh token out of the body, and sets it as a cookie that no script
    /// can read. The parameter `CookieOrigins` has to name the page's origin.
    #[schema(value_type = Option<RefreshIn>)]
    pub refresh_in: RefreshIn,
}

/// A link by an access token of Microsoft Entra ID.
#[derive(ToSchema)]
pub struct SsoTokenLink {
    /// An access token (v2.0) of Microsoft Entra ID for this API. `GET /auth/sso` names its scope.
    #[schema(max_length = 16384)]
    pub token: String,
    /// The current password, which the link removes.
    #[schema(
        value_type = String, format = "password", max_length = 1024, example = "Correct-Horse-9"
    )]
    pub current_password: Password,
}

/// A link by the code of a sign-in in a browser.
#[derive(ToSchema)]
pub struct SsoCodeLink {
    /// The code that the page got from `GET /auth/sso/callback`. It is valid once, and for 60
    /// seconds.
    #[schema(max_length = 128, example = "Q2hFq0kUu1yq7bT3sV9wXnD5mJ6pLrZcA8eGiKoMt4E")]
    pub code: String,
    /// The verifier of the page that began the sign-in (PKCE, RFC 7636).
    #[schema(
        min_length = 43,
        max_length = 128,
        pattern = "^[A-Za-z0-9._~-]+$",
        example = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )]
    pub code_verifier: String,
    /// The current password, which the link removes.
    #[schema(
        value_type = String, format = "password", max_length = 1024, example = "Correct-Horse-9"
    )]
    pub current_password: Password,
}

impl Input for SsoSignIn {
    fn read(fields: &mut Fields) -> Option<Self> {
        let proof = Proof::read(fields);
        let new_account = fields.optional("new_account");
        let refresh_in = fields.optional("refresh_in");
        Some(Self {
            proof: proof?,
            new_account: new_account?.unwrap_or(false),
            refresh_in: refresh_in?.unwrap_or(RefreshIn::Body),
        })
    }
}

impl Input for SsoLinkRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let proof = Proof::read(fields);
        let current_password = fields.required("current_password");
        Some(Self { proof: proof?, current_password: current_password? })
    }
}

impl PartialSchema for SsoSignIn {
    fn schema() -> RefOr<Schema> {
        either::<SsoTokenSignIn, SsoCodeSignIn>()
    }
}

impl ToSchema for SsoSignIn {
    fn schemas(schemas: &mut Schemas) {
        add::<SsoTokenSignIn>(schemas);
        add::<SsoCodeSignIn>(schemas);
    }
}

impl PartialSchema for SsoLinkRequest {
    fn schema() -> RefOr<Schema> {
        either::<SsoTokenLink, SsoCodeLink>()
    }
}

impl ToSchema for SsoLinkRequest {
    fn schemas(schemas: &mut Schemas) {
        add::<SsoTokenLink>(schemas);
        add::<SsoCodeLink>(schemas);
    }
}

/// Adds a schema, and those that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
