//! The policies and their quotas: the contract's defaults, which `RATE_LIMITS` overrides.

use std::collections::HashMap;

use crate::config::{Config, ConfigError, invalid};

/// A named limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Name, as in the headers and in `RATE_LIMITS`.
    pub name: &'static str,
    /// The subject that it counts.
    pub subject: Subject,
    /// What happens when the counter cannot be reached.
    pub on_store_failure: OnStoreFailure,
    quota: Quota,
}

/// A number of calls in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls allowed in any window.
    pub limit: u64,
    /// Length of the window in seconds.
    pub window_seconds: u64,
}

/// Whose calls a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The client's address.
    Address,
    /// The identifier whose password is tried. The endpoint names its fingerprint. It is counted
    /// from the client's address, and for a lock also from anywhere. See `gate::login_attempt`.
    LoginAttempt,
    /// The recipient of a mail. The endpoint names their fingerprint.
    Recipient,
    /// The session whose refresh token is spent, which the endpoint names.
    SpentSession,
    /// The person of an identity provider whose sign-in the endpoint has verified.
    SsoIdentity,
    /// The signed-in user.
    User,
    /// The caller's session or API key.
    Session,
    /// The WebSocket connection.
    Connection,
}

/// What a limited call does when the counter cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// It is refused with 503. This is for calls by which a client could guess passwords or tokens.
    Refuse,
    /// It goes on, and the failure is logged.
    Allow,
}

impl Policy {
    const fn new(
        name: &'static str,
        limit: u64,
        window_seconds: u64,
        subject: Subject,
        on_store_failure: OnStoreFailure,
    ) -> Self {
        Self { name, subject, on_store_failure, quota: Quota { limit, window_seconds } }
    }

    /// The policies of a row in two parts, which count one after the other. The person of an
    /// identity provider is known only once a proof has been verified. That may take a call of the
    /// provider, so what comes before such a policy bounds that work, too. A row without one has
    /// nothing in its first part.
    pub fn in_turn(policies: &[Self]) -> (&[Self], &[Self]) {
        let verified = policies.iter().position(|policy| policy.subject == Subject::SsoIdentity);
        policies.split_at(verified.unwrap_or_default())
    }

    /// `register`: 5 an hour from an address.
    pub const REGISTER: Self =
        Self::new("register", 5, 3600, Subject::Address, OnStoreFailure::Refuse);
    /// `login`: 10 in 15 minutes for an identifier from an address.
    pub const LOGIN: Self =
        Self::new("login", 10, 900, Subject::LoginAttempt, OnStoreFailure::Refuse);
    /// `login_address`: 100 in 15 minutes from an address.
    pub const LOGIN_ADDRESS: Self =
        Self::new("login_address", 100, 900, Subject::Address, OnStoreFailure::Refuse);
    /// `login_lock`: 5 failures in a row for an identifier from an address are free; then a
    /// minute's wait, doubling to an hour. Ten times as many attempts in an hour from anywhere are
    /// slowed likewise.
    pub const LOGIN_LOCK: Self =
        Self::new("login_lock", 5, 60, Subject::LoginAttempt, OnStoreFailure::Refuse);
    /// `refresh`: 20 an hour for a session.
    pub const REFRESH: Self =
        Self::new("refresh", 20, 3600, Subject::SpentSession, OnStoreFailure::Refuse);
    /// `refresh_address`: 600 an hour from an address.
    pub const REFRESH_ADDRESS: Self =
        Self::new("refresh_address", 600, 3600, Subject::Address, OnStoreFailure::Refuse);
    /// `account`: 10 an hour by a user, who gives the current password in most of these calls.
    pub const ACCOUNT: Self = Self::new("account", 10, 3600, Subject::User, OnStoreFailure::Refuse);
    /// `mail`: 3 an hour to an address.
    pub const MAIL: Self = Self::new("mail", 3, 3600, Subject::Recipient, OnStoreFailure::Refuse);
    /// `mail_address`: 20 an hour asked for from an address.
    pub const MAIL_ADDRESS: Self =
        Self::new("mail_address", 20, 3600, Subject::Address, OnStoreFailure::Refuse);
    /// `mail_token`: 20 in 15 minutes tried from an address.
    pub const MAIL_TOKEN: Self =
        Self::new("mail_token", 20, 900, Subject::Address, OnStoreFailure::Refuse);
    /// `sso_address`: 600 in 15 minutes from an address: an office may share one.
    pub const SSO_ADDRESS: Self =
        Self::new("sso_address", 600, 900, Subject::Address, OnStoreFailure::Refuse);
    /// `sso_user`: 60 an hour by a person of the identity provider, after their sign-in has been
    /// verified.
    pub const SSO_USER: Self =
        Self::new("sso_user", 60, 3600, Subject::SsoIdentity, OnStoreFailure::Refuse);
    /// `revoke_address`: 600 an hour from an address.
    pub const REVOKE_ADDRESS: Self =
        Self::new("revoke_address", 600, 3600, Subject::Address, OnStoreFailure::Allow);
    /// `chat_user`: 30 a minute for a user.
    pub const CHAT_USER: Self =
        Self::new("chat_user", 30, 60, Subject::User, OnStoreFailure::Allow);
    /// `chat_session`: 10 a minute for a session.
    pub const CHAT_SESSION: Self =
        Self::new("chat_session", 10, 60, Subject::Session, OnStoreFailure::Allow);
    /// `chat_resume`: 60 a minute for a user; each may be answered with a whole reply.
    pub const CHAT_RESUME: Self =
        Self::new("chat_resume", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `ws_ticket`: 60 a minute for a user.
    pub const WS_TICKET: Self =
        Self::new("ws_ticket", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `audit`: 60 a minute for a user, whose searches read a great deal.
    pub const AUDIT: Self = Self::new("audit", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `user`: 600 a minute by a user, with a session or an API key. Every call counts, independent
    /// of its content.
    pub const USER: Self = Self::new("user", 600, 60, Subject::User, OnStoreFailure::Allow);
    /// `search`: 60 a minute by a user, whose searches and exports read a great deal.
    pub const SEARCH: Self = Self::new("search", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `ws_messages`: 60 a minute on a connection.
    pub const WS_MESSAGES: Self =
        Self::new("ws_messages", 60, 60, Subject::Connection, OnStoreFailure::Allow);
    /// `ws_connect`: 30 a minute for a user.
    pub const WS_CONNECT: Self =
        Self::new("ws_connect", 30, 60, Subject::User, OnStoreFailure::Allow);
    /// `charts_subscribe`: 60 a minute for a user; each starts a worker.
    pub const CHARTS_SUBSCRIBE: Self =
        Self::new("charts_subscribe", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `access_change`: 60 an hour by a user. Changes and simulations take many decisions.
    pub const ACCESS_CHANGE: Self =
        Self::new("access_change", 60, 3600, Subject::User, OnStoreFailure::Allow);
    /// `range_upload`: 120 a minute by a user. The function parses and stores each part.
    pub const RANGE_UPLOAD: Self =
        Self::new("range_upload", 120, 60, Subject::User, OnStoreFailure::Allow);

    /// `tasks_write`: 60 a minute by a user, for calls and tools that change tasks.
    pub const TASKS_WRITE: Self =
        Self::new("tasks_write", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `prompts_write`: 60 a minute by a user, for calls that change prompts.
    pub const PROMPTS_WRITE: Self =
        Self::new("prompts_write", 60, 60, Subject::User, OnStoreFailure::Allow);
    /// `files`: 60 in ten minutes by a user, for announcements and completions of files.
    pub const FILES: Self = Self::new("files", 60, 600, Subject::User, OnStoreFailure::Allow);
    /// `jobs`: 20 an hour by a user, for jobs and their retries.
    pub const JOBS: Self = Self::new("jobs", 20, 3_600, Subject::User, OnStoreFailure::Allow);
    /// `mcp`: 120 a minute with an API key.
    pub const MCP: Self = Self::new("mcp", 120, 60, Subject::Session, OnStoreFailure::Allow);

    /// Every policy.
    pub const ALL: &[Self] = &[
        Self::REGISTER,
        Self::LOGIN,
        Self::LOGIN_ADDRESS,
        Self::LOGIN_LOCK,
        Self::REFRESH,
        Self::REFRESH_ADDRESS,
        Self::ACCOUNT,
        Self::MAIL,
        Self::MAIL_ADDRESS,
        Self::MAIL_TOKEN,
        Self::SSO_ADDRESS,
        Self::SSO_USER,
        Self::REVOKE_ADDRESS,
        Self::CHAT_USER,
        Self::CHAT_SESSION,
        Self::CHAT_RESUME,
        Self::WS_TICKET,
        Self::AUDIT,
        Self::USER,
        Self::SEARCH,
        Self::WS_MESSAGES,
        Self::WS_CONNECT,
        Self::CHARTS_SUBSCRIBE,
        Self::ACCESS_CHANGE,
        Self::RANGE_UPLOAD,
        Self::TASKS_WRITE,
        Self::PROMPTS_WRITE,
        Self::FILES,
        Self::JOBS,
        Self::MCP,
    ];
}

/// The quotas in force.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    overrides: HashMap<String, Quota>,
}

impl Limits {
    /// Reads `RATE_LIMITS`: `login=10/15m,register=5/1h,*=100000/1m`. There `*` stands for all
    /// others except [`Policy::LOGIN_LOCK`]: only its own name lifts a lockout, so that none is
    /// lifted by accident.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        const NAME: &str = "RATE_LIMITS";
        let mut overrides = HashMap::new();
        let text = config.get(NAME).unwrap_or_default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let parsed = entry
                .split_once('=')
                .and_then(|(name, quota)| Some((name.trim(), parse_quota(quota.trim())?)));
            let Some((name, quota)) = parsed else {
                return Err(invalid(NAME, text, &format!("{entry:?} must look like login=10/15m")));
            };
            if name != "*" && !Policy::ALL.iter().any(|policy| policy.name == name) {
                return Err(invalid(NAME, text, &format!("there is no policy {name:?}")));
            }
            overrides.insert(name.to_owned(), quota);
        }
        Ok(Self { overrides })
    }

    /// The quota in force for a policy.
    pub fn quota(&self, policy: &Policy) -> Quota {
        let others = || self.overrides.get("*").filter(|_| *policy != Policy::LOGIN_LOCK);
        self.overrides.get(policy.name).or_else(others).copied().unwrap_or(policy.quota)
    }
}

fn parse_quota(text: &str) -> Option<Quota> {
    let (limit, window) = text.split_once('/')?;
    let (count, unit) = window.split_at_checked(window.len().checked_sub(1)?)?;
    let unit_seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let quota = Quota {
        limit: limit.parse().ok()?,
        window_seconds: count.parse::<u64>().ok()?.checked_mul(unit_seconds)?,
    };
    (quota.limit > 0 && (1..=86_400).contains(&quota.window_seconds)).then_some(quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_of_the_provider_is_counted_after_all_else() {
        const ACCOUNT: Policy = Policy::ACCOUNT;
        const ADDRESS: Policy = Policy::SSO_ADDRESS;
        const PERSON: Policy = Policy::SSO_USER;
        for (row, first) in [
            (&[][..], 0),
            (&[ACCOUNT, ADDRESS][..], 0),
            (&[PERSON], 0),
            (&[ADDRESS, PERSON], 1),
            (&[ACCOUNT, ADDRESS, PERSON], 2),
        ] {
            assert_eq!(Policy::in_turn(row), row.split_at(first));
        }
    }

    #[test]
    fn overrides_are_read_or_refused_with_a_reason() {
        let read = |text: &str| Limits::from_config(&Config::from_iter([("RATE_LIMITS", text)]));
        let quota = |limit, window_seconds| Quota { limit, window_seconds };
        for (text, policy, expected) in [
            ("", Policy::LOGIN, quota(10, 900)),
            ("login=3/1m", Policy::LOGIN, quota(3, 60)),
            ("login=3/1m", Policy::REGISTER, quota(5, 3600)),
            ("login=3/30s, *=100000/1m", Policy::REGISTER, quota(100_000, 60)),
            ("*=7/2h,login=3/30s", Policy::LOGIN, quota(3, 30)),
            ("*=100000/1m", Policy::LOGIN_ADDRESS, quota(100_000, 60)),
            ("*=100000/1m", Policy::LOGIN_LOCK, quota(5, 60)),
            ("*=100000/1m,login_lock=9/1h", Policy::LOGIN_LOCK, quota(9, 3600)),
        ] {
            assert_eq!(read(text).unwrap().quota(&policy), expected, "{text} for {}", policy.name);
        }
        for text in [
            "login",
            "login=",
            "login=x/1m",
            "login=1/1d",
            "login=1/",
            "login=0/1m",
            "login=1/0s",
            "logn=1/1m",
            "login=1/48h",
            "login=1/é",
        ] {
            assert!(read(text).is_err(), "{text} was taken");
        }
    }
}
