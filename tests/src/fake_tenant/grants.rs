//! What the provider has given: codes and refresh tokens, with what each stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use platform::ids;
use serde_json::Value;

/// Seconds for which a code is good.
pub(super) const CODE_SECONDS: i64 = 600;

/// What a person has allowed a client.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub client: String,
    pub redirect_uri: String,
    /// `code_challenge` (RFC 7636), always S256.
    pub challenge: Option<String>,
    pub nonce: Option<String>,
    pub scope: String,
    pub contexts: Contexts,
    /// The object id of the person.
    pub object: String,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// The authentication contexts (`acrs`) that tokens have, because the client has asked for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Contexts {
    pub access: Vec<String>,
    pub id: Vec<String>,
}

impl Contexts {
    /// Reads the parameter `claims` (OpenID Connect Core 1.0, section 5.5); `None` if it is not
    /// JSON.
    pub fn read(claims: Option<&str>) -> Option<Self> {
        let Some(claims) = claims else { return Some(Self::default()) };
        let claims: Value = serde_json::from_str(claims).ok()?;
        let of = |token: &str| -> Vec<String> {
            let asked = &claims[token]["acrs"];
            let values = asked["values"].as_array().into_iter().flatten();
            let all = values.chain([&asked["value"]]).filter_map(Value::as_str);
            all.map(str::to_owned).collect()
        };
        Some(Self { access: of("access_token"), id: of("id_token") })
    }

    /// These contexts and others, each of them once.
    pub fn and(self, others: Self) -> Self {
        let union = |mut own: Vec<String>, others: Vec<String>| {
            own.extend(others);
            own.sort();
            own.dedup();
            own
        };
        Self { access: union(self.access, others.access), id: union(self.id, others.id) }
    }
}

/// Why a code gives nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum BadCode {
    Spent,
    Unknown,
}

/// All that the provider has given.
#[derive(Default)]
pub(super) struct Grants {
    /// The grant of each code; `None` once it is spent.
    codes: Mutex<BTreeMap<String, Option<Grant>>>,
    refresh: Mutex<BTreeMap<String, Grant>>,
    /// Ids (`jti`) of the assertions that clients have sent.
    assertions: Mutex<BTreeSet<String>>,
}

impl Grants {
    /// A new code. It is as long as many of Entra's.
    pub fn code(&self, grant: Grant) -> String {
        let code = format!("1.{}", ids::new_secret::<600>());
        self.codes.lock().unwrap().insert(code.clone(), Some(grant));
        code
    }

    /// Spends a code.
    pub fn redeem(&self, code: &str) -> Result<Grant, BadCode> {
        let mut codes = self.codes.lock().unwrap();
        codes.get_mut(code).ok_or(BadCode::Unknown)?.take().ok_or(BadCode::Spent)
    }

    /// A new refresh token.
    pub fn refresh_token(&self, grant: Grant) -> String {
        let token = format!("1.{}", ids::new_secret::<300>());
        self.refresh.lock().unwrap().insert(token.clone(), grant);
        token
    }

    /// The grant of a refresh token, which stays good.
    pub fn refreshed(&self, token: &str) -> Option<Grant> {
        self.refresh.lock().unwrap().get(token).cloned()
    }

    /// Notes the id of an assertion. Returns whether it is new.
    pub fn is_new_assertion(&self, id: &str) -> bool {
        self.assertions.lock().unwrap().insert(id.to_owned())
    }
}
