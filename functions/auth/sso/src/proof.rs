//! The proof of a sign-in at the provider: a token, or the code of a sign-in in a browser.

use std::sync::OnceLock;

use futures_util::FutureExt as _;
use platform::clock::Timestamp;
use platform::input::{Fields, FromField, RawValue};
use platform::limits::Key;
use platform::plan::Retry;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_sso::store::{Handoff, Handoffs};
use tally_sso::{AccessTokens, Kind, Provider, Verified};

use crate::events::refused;

/// Characters of a token, at most.
const TOKEN_CHARACTERS: usize = 16_384;

/// Characters of a code, at most. Ours are shorter.
const CODE_CHARACTERS: usize = 128;

/// Characters of a verifier (RFC 7636 section 4.1).
const VERIFIER_CHARACTERS: std::ops::RangeInclusive<usize> = 43..=128;

/// A proof as a client sends it, with its outcome once it has been checked.
pub struct Proof {
    shown: Shown,
    checked: OnceLock<Result<SignedIn, Problem>>,
}

/// The text that proves a sign-in.
enum Shown {
    /// An access token of the provider.
    Token(String),
    /// A code of ours, for the page that knows the verifier.
    Code { code: String, verifier: String },
}

/// A sign-in at the provider that has been verified.
#[derive(Clone)]
pub struct SignedIn {
    /// What the provider says.
    pub verified: Verified,
    /// The handoff to take, if it was a sign-in in a browser.
    pub handoff: Option<Handoff>,
}

/// Verifies proofs.
pub struct Verifier {
    /// Absent where the provider's access tokens are not for this API.
    tokens: Option<AccessTokens>,
    /// The handoffs.
    pub handoffs: Handoffs,
}

/// Text of a limited length.
struct Text<const MOST: usize>(String);

/// A verifier of PKCE.
struct CodeVerifier(String);

impl<const MOST: usize> FromField for Text<MOST> {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > MOST {
            return Err(format!("must be at most {MOST} characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for CodeVerifier {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        if !is_plain || !VERIFIER_CHARACTERS.contains(&text.len()) {
            return Err("must be 43 to 128 of A-Z, a-z, 0-9 and -._~ (RFC 7636)".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Proof {
    /// Reads `token`, or `code` with `code_verifier`.
    pub fn read(fields: &mut Fields) -> Option<Self> {
        let token = fields.optional::<Text<TOKEN_CHARACTERS>>("token");
        let code = fields.optional::<Text<CODE_CHARACTERS>>("code");
        let verifier = fields.optional::<CodeVerifier>("code_verifier");
        let shown = match (token?, code?, verifier?) {
            (Some(Text(token)), None, None) => Some(Shown::Token(token)),
            (None, Some(Text(code)), Some(CodeVerifier(verifier))) => {
                Some(Shown::Code { code, verifier })
            }
            (given, code, verifier) => {
                let (field, fault) = fault(given.is_some(), code.is_some(), verifier.is_some());
                fields.refuse(field, fault);
                None
            }
        };
        Some(Self { shown: shown?, checked: OnceLock::new() })
    }
}

/// The field at fault where the fields are no proof, and its fault.
fn fault(token: bool, code: bool, verifier: bool) -> (&'static str, &'static str) {
    match (token, code, verifier) {
        (true, ..) => ("token", "must not be sent together with code and code_verifier"),
        (false, true, _) => ("code_verifier", "is required with code"),
        (false, false, true) => ("code", "is required with code_verifier"),
        (false, false, false) => ("token", "is required, unless code and code_verifier are sent"),
    }
}

impl SignedIn {
    /// Adds the end of the handoff, if there is one. Of two requests with its code, one is refused.
    pub fn take<O: Send + 'static>(&self, plan: Plan<O>, handoffs: &Handoffs) -> Plan<O> {
        let Some(handoff) = &self.handoff else { return plan };
        let refusal = refused(Problem::invalid_sso_code(), Some(&self.verified), None);
        let spent: Retry<O> = Box::new(move |_| async { Ok(refusal) }.boxed());
        plan.write_or_retry(handoffs.take(handoff), spent)
    }
}

impl Verifier {
    /// Uses the provider, and the table of handoffs; `None` where single sign-on is off.
    pub fn new(platform: &Platform) -> Result<Option<Self>, ConfigError> {
        let Some(provider) = Provider::of_process(platform)? else { return Ok(None) };
        let takes_tokens = provider.settings().kind == Kind::Entra;
        Ok(Some(Self {
            tokens: takes_tokens.then(|| AccessTokens::new(&provider)),
            handoffs: Handoffs::new(platform)?,
        }))
    }

    /// The person whose limit a proof counts against; `None` if it is refused.
    pub async fn limit_key(&self, proof: &Proof, now: Timestamp) -> Result<Option<Key>, Problem> {
        let signed_in = self.check(proof, now).await?.as_ref().ok();
        let identity = signed_in.map(|signed_in| signed_in.verified.identity.fingerprint());
        Ok(identity.map(Key::SsoIdentity))
    }

    /// Checks a proof once. The inner result is a refusal of the proof itself.
    pub async fn check<'p>(
        &self,
        proof: &'p Proof,
        now: Timestamp,
    ) -> Result<&'p Result<SignedIn, Problem>, Problem> {
        if let Some(checked) = proof.checked.get() {
            return Ok(checked);
        }
        let checked = match &proof.shown {
            Shown::Token(token) => {
                let Some(tokens) = &self.tokens else {
                    let detail = "is not taken from this provider: send code and code_verifier";
                    return Err(Problem::invalid_field("token", detail));
                };
                let verified = tokens.verify(token, now).await;
                verified.map(|verified| SignedIn { verified, handoff: None }).map_err(Problem::from)
            }
            Shown::Code { code, verifier } => {
                let handoff = self.handoffs.find(code, verifier, now).await?;
                let handoff = handoff.ok_or_else(Problem::invalid_sso_code);
                handoff.map(|handoff| SignedIn {
                    verified: handoff.verified.clone(),
                    handoff: Some(handoff),
                })
            }
        };
        Ok(proof.checked.get_or_init(|| checked))
    }
}

#[cfg(test)]
mod tests {
    use platform::input::Input;
    use serde_json::{Value, json};

    use super::*;

    struct Body(Proof);

    impl Input for Body {
        fn read(fields: &mut Fields) -> Option<Self> {
            Some(Self(Proof::read(fields)?))
        }
    }

    fn read(body: Value) -> Result<Proof, Vec<String>> {
        let Value::Object(members) = body else { panic!("the body is no object") };
        let read = Fields::json(members).read::<Body>();
        let pointers = |problem: Problem| {
            problem.errors.into_iter().filter_map(|error| error.pointer).collect()
        };
        read.map(|body| body.0).map_err(pointers)
    }

    #[test]
    fn a_proof_is_a_token_or_a_code_with_its_verifier() {
        let verifier = "a".repeat(43);
        assert!(matches!(read(json!({"token": "t"})), Ok(Proof { shown: Shown::Token(_), .. })));
        let by_code = json!({"code": "c", "code_verifier": verifier, "token": null});
        assert!(matches!(read(by_code), Ok(Proof { shown: Shown::Code { .. }, .. })));
        for (body, at) in [
            (json!({}), "/token"),
            (json!({"token": null}), "/token"),
            (json!({"token": 1}), "/token"),
            (json!({"token": "t".repeat(TOKEN_CHARACTERS + 1)}), "/token"),
            (json!({"token": "t", "code": "c"}), "/token"),
            (json!({"token": "t", "code_verifier": verifier}), "/token"),
            (json!({"code": "c"}), "/code_verifier"),
            (json!({"code_verifier": verifier}), "/code"),
            (json!({"code": "c".repeat(129), "code_verifier": verifier}), "/code"),
            (json!({"code": "c", "code_verifier": "a".repeat(42)}), "/code_verifier"),
            (json!({"code": "c", "code_verifier": "a".repeat(129)}), "/code_verifier"),
            (json!({"code": "c", "code_verifier": "a".repeat(42) + "+"}), "/code_verifier"),
        ] {
            let text = body.to_string();
            assert_eq!(read(body).err(), Some(vec![at.to_owned()]), "{text}");
        }
        assert!(read(json!({"token": "t".repeat(TOKEN_CHARACTERS)})).is_ok());
    }
}
