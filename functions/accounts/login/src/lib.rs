//! `POST /auth/login`: a session and its first pair of tokens.

use platform::audit::{Actor, Note};
use platform::config::ConfigError;
use platform::domain::Password;
use platform::http::{Endpoint, Field, Fields, Form, Media, Raw, Request};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use platform::seal::Seal;
use platform::sessions::SignIn;
use platform::store::Users;
use platform::tokens::TokenPair;
use utoipa::ToSchema;

/// The endpoint.
pub struct Login {
    users: Users,
    sign_in: SignIn,
    seal: Seal,
    password_grant: bool,
}

/// What is sent: as JSON, or as OAuth 2.0's password form where `PASSWORD_GRANT` is on.
#[derive(ToSchema)]
pub struct Credentials {
    /// Username or email, in any case.
    #[schema(value_type = String, max_length = 254, example = "demo")]
    pub username: Identifier,
    /// The password.
    #[schema(value_type = String, format = "password", example = "SecureDemo123!")]
    pub password: Password,
    /// On the form: `password`, if it is sent.
    #[schema(ignore)]
    pub grant_type: Option<String>,
}

/// What someone signs in as. Whether it could be a username is not said.
pub struct Identifier(String);

impl Field for Identifier {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        let text = raw.text()?.trim();
        if !(1..=254).contains(&text.chars().count()) {
            return Err("must be 1 to 254 characters".into());
        }
        Ok(Self(text.to_lowercase()))
    }
}

impl Form for Credentials {
    fn read(fields: &mut Fields) -> Option<Self> {
        let username = fields.required("username");
        let password = fields.required("password");
        let grant_type = if fields.is_form() { fields.optional("grant_type") } else { Some(None) };
        Some(Self { username: username?, password: password?, grant_type: grant_type? })
    }
}

impl Endpoint for Login {
    const ROUTE: Route = routes::LOGIN;
    type Caller = ();
    type Body = Credentials;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform.database()?, &platform.config)?,
            sign_in: SignIn::new(platform)?,
            seal: Seal::new(platform)?,
            password_grant: platform.config.switch("PASSWORD_GRANT")?,
        })
    }

    fn media(&self) -> Media {
        if self.password_grant { Media::JsonOrForm } else { Media::Json }
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<String>, Problem> {
        Ok(Some(request.body.username.0.clone()))
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        let Credentials { username: Identifier(identifier), password, grant_type } = request.body;
        if grant_type.is_some_and(|grant| grant != "password") {
            return Err(Problem::oauth("unsupported_grant_type", "This endpoint takes the grant type `password`."));
        }
        let user = self.users.find(&identifier).await?;
        let verified = password.verify(user.as_ref().map(|user| user.password_hash.clone())).await?;
        let refused = if request.is_form {
            Problem::oauth("invalid_grant", Problem::invalid_credentials().detail)
        } else {
            Problem::invalid_credentials()
        };
        match user {
            Some(user) if verified && user.is_active => {
                self.sign_in.clone().plan(user, request.context.clone(), request.now, refused).await
            }
            Some(user) => {
                let actor = Actor::user(&user.id, &user.username);
                Ok(Plan::refuse(refused).note(Note::default().actor(actor).resource("user", &user.id)))
            }
            None => {
                let fingerprint = self.seal.fingerprint("login identifier", &identifier).await?;
                Ok(Plan::refuse(refused).note(Note::default().detail("identifier_hmac", fingerprint)))
            }
        }
    }
}
