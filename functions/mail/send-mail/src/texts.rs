//! The texts of our mail. The username is the only text in them that users have chosen, and it can
//! contain no link. Otherwise an attacker could register an account with another person's address,
//! and make us send that person any text.

use platform::config::Config;
use tally_accounts::domain::Notice;

/// One mail.
pub struct Mail {
    /// Address.
    pub to: String,
    /// One line.
    pub subject: &'static str,
    /// Plain text.
    pub text: String,
}

/// The front end that links lead to, if there is one.
pub struct App(Option<String>);

impl App {
    /// The setting `APP_URL`.
    pub fn new(config: &Config) -> Self {
        Self(config.get("APP_URL").map(|url| url.trim_end_matches('/').to_owned()))
    }

    /// How to use a token. A link has the token in its fragment, which a browser sends to no server
    /// and puts into no `Referer`.
    fn how(&self, path: &str, token: &str, api: &str) -> String {
        let link = self.0.as_ref().map(|url| {
            format!(
                "open this link:\n\n{url}/{path}#token={token}\n\nor, if you use the API itself, "
            )
        });
        format!("{}send this token to {api}:\n\n{token}\n\n", link.unwrap_or_default())
    }
}

/// The mail with which a user sets a new password.
pub fn password_reset(app: &App, username: &str, email: &str, token: &str) -> Mail {
    let how = app.how("password-reset", token, "POST /auth/password/reset");
    Mail {
        to: email.to_owned(),
        subject: "Reset your Tally password",
        text: format!(
            "Hello {username},\n\nsomeone, most likely you, asked for a new password. To set one, {how}\
             It works once, within 30 minutes, and only until you ask for another one. Every \
             session and every API key of your\n\
             account ends with the old password.\n\
             If it was not you, there is nothing to do: your password is still the same.\n"
        ),
    }
}

/// The mail with which users prove that an address is theirs.
pub fn email_verification(app: &App, username: &str, email: &str, token: &str) -> Mail {
    let how = app.how("verify-email", token, "POST /auth/email/verify");
    Mail {
        to: email.to_owned(),
        subject: "Verify your Tally address",
        text: format!(
            "Hello {username},\n\nthe account {username} is to have this address. If it is yours, \
             {how}\
             It works once, within 24 hours, and only until you ask for another one.\n\
             If the account is not yours, do nothing.\n"
        ),
    }
}

/// The mail that tells an owner of a change to the account.
pub fn notice(of: Notice, username: &str, email: &str) -> Mail {
    let (subject, what, otherwise) = match of {
        Notice::PasswordChanged => (
            "Your Tally password was changed",
            "the password of your account was changed, and other sessions have ended",
            "ask for a new password at once, and tell your administrator",
        ),
        Notice::PasswordReset => (
            "Your Tally password was changed",
            "a new password was set for your account with a token that we had mailed. Every \
             session and every API key has ended",
            "ask for a new password at once, and tell your administrator",
        ),
        Notice::EmailChanged => (
            "Your Tally address was changed",
            "your account has another address now. This is the last mail to this one",
            "tell your administrator at once",
        ),
        Notice::AccountDeleted => (
            "Your Tally account was deleted",
            "your account was deleted",
            "tell your administrator at once",
        ),
    };
    Mail {
        to: email.to_owned(),
        subject,
        text: format!("Hello {username},\n\n{what}.\nIf it was not you, {otherwise}.\n"),
    }
}
