//! The query parameters.

use std::ops::Deref;

use platform::http::{Parameters, in_query};
use platform::input::{Fields, FromField, Input, RawValue};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

/// Characters of a SHA-256 as URL-safe text.
const CHALLENGE_LENGTH: usize = 43;

/// Characters of a name at the provider, at most.
const LONGEST_HINT: usize = 254;

/// The query parameters of `GET /auth/sso/authorize`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BeginQuery {
    /// URL of the page that the browser returns to: one of the parameter `SsoReturnUrls`, character
    /// by character. The fragment has `code`, or `error` with the error code of the provider or of
    /// this API. Beside `error` there may be `error_code` (a number of Entra) and `reason`.
    #[param(example = "https://app.example.com/auth.html")]
    pub return_to: String,
    /// Challenge of the page (PKCE, RFC 7636): the SHA-256 of a verifier that it keeps. The page
    /// sends the verifier with its code to `POST /auth/sso`.
    #[param(
        value_type = String, min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{43}$",
        example = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )]
    pub code_challenge: CodeChallenge,
    /// The user's name at the provider, which fills in its form.
    #[param(
        value_type = Option<String>, min_length = 1, max_length = 254,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "anna@contoso.example"
    )]
    pub login_hint: Option<LoginHint>,
    /// What the provider shows even to a user who is signed in there: the choice of an account, or
    /// the form for credentials.
    #[param(inline)]
    pub prompt: Option<Prompt>,
    /// Whether the sign-in is repeated because an answer had the code `step_up_required`.
    #[param(required = false, default = false)]
    pub step_up: bool,
}

/// 43 characters of URL-safe base64.
pub struct CodeChallenge(String);

/// 1 to 254 characters on one line.
pub struct LoginHint(String);

/// What the provider shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Prompt {
    /// The choice of an account.
    SelectAccount,
    /// The form for credentials.
    Login,
}

/// The query parameters of `GET /auth/sso/callback`, as the provider sends them. Others are
/// ignored.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EndQuery {
    /// `state` of the request to the provider. Without the state of a sign-in of this browser the
    /// status is 400.
    pub state: Option<String>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's error code.
    pub error: Option<String>,
    /// Text about the error. Only a number of Entra (`AADSTS50105`) is taken from it.
    pub error_description: Option<String>,
    /// The provider's issuer (RFC 9207).
    pub iss: Option<String>,
}

impl From<CodeChallenge> for String {
    fn from(challenge: CodeChallenge) -> Self {
        challenge.0
    }
}

impl Deref for LoginHint {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Prompt {
    /// The value that the provider takes (OpenID Connect Core 1.0 section 3.1.2.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelectAccount => "select_account",
            Self::Login => "login",
        }
    }
}

impl FromField for CodeChallenge {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_base64 = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if text.len() == CHALLENGE_LENGTH && is_base64 {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 43 characters of URL-safe base64: the SHA-256 of your verifier".into())
        }
    }
}

impl FromField for LoginHint {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let has_length = (1..=LONGEST_HINT).contains(&text.chars().count());
        if has_length && !text.contains(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 254 characters on one line".into())
        }
    }
}

impl FromField for Prompt {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "select_account" => Ok(Self::SelectAccount),
            "login" => Ok(Self::Login),
            _ => Err("must be select_account or login".into()),
        }
    }
}

impl Input for BeginQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let return_to = fields.required("return_to");
        let code_challenge = fields.required("code_challenge");
        let login_hint = fields.optional("login_hint");
        let prompt = fields.optional("prompt");
        let step_up = fields.optional("step_up");
        Some(Self {
            return_to: return_to?,
            code_challenge: code_challenge?,
            login_hint: login_hint?,
            prompt: prompt?,
            step_up: step_up?.unwrap_or_default(),
        })
    }
}

impl Input for EndQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let state = fields.optional("state");
        let code = fields.optional("code");
        let error = fields.optional("error");
        let error_description = fields.optional("error_description");
        let iss = fields.optional("iss");
        // Providers add parameters of their own, such as `session_state`.
        fields.ignore_rest();
        Some(Self {
            state: state?,
            code: code?,
            error: error?,
            error_description: error_description?,
            iss: iss?,
        })
    }
}

impl Parameters for BeginQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Parameters for EndQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters at fault.
    fn faults<T: Input>(query: &str) -> Vec<String> {
        let problem = Fields::query(query).read::<T>().err();
        let errors = problem.into_iter().flat_map(|problem| problem.errors);
        errors.map(|error| error.parameter.unwrap()).collect()
    }

    #[test]
    fn a_beginning_is_refused_parameter_by_parameter() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let usual = format!("return_to=https://a.example&code_challenge={challenge}");
        let longest = "%C3%A4".repeat(254);
        for (query, expected) in [
            (String::new(), &["return_to", "code_challenge"][..]),
            (usual.clone(), &[]),
            (format!("{usual}&login_hint=anna%40contoso.example"), &[]),
            (format!("{usual}&login_hint={longest}"), &[]),
            (format!("{usual}&login_hint={longest}x"), &["login_hint"]),
            (format!("{usual}&login_hint="), &["login_hint"]),
            (format!("{usual}&login_hint=a%0Ab"), &["login_hint"]),
            (format!("{usual}&prompt=login&step_up=true"), &[]),
            (format!("{usual}&prompt=select_account&step_up=false"), &[]),
            (format!("{usual}&prompt=none&step_up=1"), &["prompt", "step_up"]),
            (format!("{usual}x"), &["code_challenge"]),
            (usual.replace('9', "%2B"), &["code_challenge"]),
            (usual.replace('9', "."), &["code_challenge"]),
            (format!("{usual}&code_challenge_method=plain"), &["code_challenge_method"]),
            (format!("{usual}&return_to=https://b.example"), &["return_to"]),
        ] {
            assert_eq!(faults::<BeginQuery>(&query), expected, "{query}");
        }
    }

    #[test]
    fn the_provider_may_send_parameters_of_its_own() {
        for (query, expected) in [
            ("", &[][..]),
            ("state=0.a&code=c&session_state=s&iss=https://id.example.com", &[]),
            ("state=0.a&error=access_denied&error_description=no&error_uri=x&x=%C3%A4", &[]),
            ("state=0.a&state=0.b", &["state"]),
        ] {
            assert_eq!(faults::<EndQuery>(query), expected, "{query}");
        }
    }

    #[test]
    fn a_prompt_goes_on_as_it_came() {
        for text in ["select_account", "login"] {
            assert_eq!(Prompt::read(&RawValue::Text(text)).map(Prompt::as_str), Ok(text));
        }
    }
}
