//! The claims of a token whose signature has held, and the checks that tokens of all kinds share.

use jiff::Timestamp;
use platform::domain::{SsoIdentity, guid};
use serde_json::{Map, Value};

use crate::{Kind, Refusal, Settings, Verified};

/// Seconds by which the clocks of the provider and of this machine may differ.
const LEEWAY: i64 = 60;

/// The stand-in for the tenant in the issuer of a key of Entra.
const TENANT: &str = "{tenantid}";

/// The claim with a user's groups, which Entra leaves out if they are too many.
const GROUPS: &str = "groups";

/// A check of a token: its name, which is the reason of a refusal, and whether a token passes.
pub(crate) type Check = (&'static str, fn(&Claims, &Settings) -> bool);

/// The claims. A claim of another JSON type than expected counts as absent.
pub(crate) struct Claims {
    members: Map<String, Value>,
    /// Member `issuer` of each key that verifies the signature.
    key_issuers: Vec<Option<String>>,
    /// Seconds since 1970.
    now: i64,
}

impl Claims {
    /// The claims of a token that keys with these issuers verify.
    pub fn new(
        members: Map<String, Value>,
        key_issuers: Vec<Option<String>>,
        now: Timestamp,
    ) -> Self {
        Self { members, key_issuers, now: now.as_second() }
    }

    /// Refuses the token by the first check that it does not pass.
    pub fn pass(&self, checks: &[Check], settings: &Settings) -> Result<(), Refusal> {
        match checks.iter().find(|(_, passes)| !passes(self, settings)) {
            Some(&(reason, _)) => Err(Refusal::Token(reason)),
            None => Ok(()),
        }
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// The values of the claim with the roles. Entra lists them. Other providers may also send one
    /// alone.
    fn roles(&self, settings: &Settings) -> Vec<String> {
        let claim = &settings.roles_claim;
        let is_listed = self.members.get(claim).is_some_and(Value::is_array);
        if is_listed || settings.kind == Kind::Oidc { self.texts(claim) } else { Vec::new() }
    }

    /// A claim that is a string or a list of strings.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.members.get(name) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Whether the token has a claim, of any type.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A claim that is a time: whole seconds since 1970.
    fn time(&self, name: &str) -> Option<i64> {
        self.members.get(name)?.as_i64()
    }

    /// The tenant of Entra that the token is from, a GUID in lower case.
    pub fn tenant(&self) -> Option<String> {
        guid(self.text("tid")?)
    }

    /// Whether the token is from a tenant that the settings name.
    pub fn has_allowed_tenant(&self, settings: &Settings) -> bool {
        self.tenant().is_some_and(|tenant| settings.tenants.contains(&tenant))
    }

    /// Whether the issuer is that of the token's tenant, and a key of this issuer has signed.
    pub fn has_issuer_of_tenant(&self, settings: &Settings) -> bool {
        self.tenant().is_some_and(|tenant| self.has_issuer(&settings.issuer_of(&tenant)))
    }

    /// Whether the token has exactly this issuer, and a key of this issuer has signed. A key
    /// without an issuer of its own signs for every issuer.
    pub fn has_issuer(&self, issuer: &str) -> bool {
        let tenant = self.tenant().unwrap_or_default();
        let signs = |of_key: &String| of_key.replace(TENANT, &tenant) == issuer;
        self.text("iss") == Some(issuer)
            && self.key_issuers.iter().any(|of_key| of_key.as_ref().is_none_or(signs))
    }

    /// Whether the token has not expired.
    pub fn is_live(&self) -> bool {
        self.time("exp").is_some_and(|time| self.now < time.saturating_add(LEEWAY))
    }

    /// Whether a claim is a time that has come.
    pub fn has_come(&self, name: &str) -> bool {
        self.time(name).is_some_and(|time| time <= self.now.saturating_add(LEEWAY))
    }

    /// Whether the token was issued at most so many seconds ago.
    pub fn is_younger(&self, seconds: i64) -> bool {
        self.has_come("iat")
            && self.time("iat").is_some_and(|time| self.now.saturating_sub(time) <= seconds)
    }

    /// Whether the claims of `SSO_REQUIRE` have their values. A number or a truth value is compared
    /// as it is written in JSON.
    pub fn meets_requirements(&self, settings: &Settings) -> bool {
        settings.requirements.iter().all(|(name, text)| match self.members.get(name) {
            Some(Value::String(own)) => own == text,
            Some(Value::Number(own)) => own.to_string() == *text,
            Some(Value::Bool(own)) => own.to_string() == *text,
            _ => false,
        })
    }

    /// The person of Entra: `tid` and `oid`.
    pub fn entra_identity(&self) -> Option<SsoIdentity> {
        SsoIdentity::of_entra(self.text("tid")?, self.text("oid")?)
    }

    /// The person of another provider: `iss` and `sub`.
    pub fn oidc_identity(&self) -> Option<SsoIdentity> {
        SsoIdentity::of_issuer(self.text("iss")?, self.text("sub")?)
    }

    /// The sign-in of a person, after all checks.
    pub fn verified(&self, identity: SsoIdentity, settings: &Settings) -> Verified {
        let text = |name: &str| self.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        Verified {
            identity,
            preferred_username: text("preferred_username"),
            name: text("name"),
            email: text("email"),
            roles: self.roles(settings),
            has_overage: settings.roles_claim == GROUPS && self.lacks_groups(),
            contexts: self.texts("acrs"),
            client: text("azp"),
            token_id: text("uti").or_else(|| text("jti")),
        }
    }

    /// Whether Entra has left the groups out. `_claim_names` then says where to ask for them, and a
    /// short token has `hasgroups`.
    fn lacks_groups(&self) -> bool {
        let is_elsewhere =
            self.members.get("_claim_names").is_some_and(|names| names.get(GROUPS).is_some());
        let hasgroups = self.members.get("hasgroups");
        is_elsewhere || hasgroups.is_some_and(|value| *value == true || *value == "true")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples::{NOW, at, entra_settings, oidc_settings};

    fn with(members: &Value) -> Claims {
        Claims::new(members.as_object().unwrap().clone(), vec![None], at(0))
    }

    #[test]
    fn times_are_whole_seconds_with_a_leeway_of_a_minute() {
        for (exp, is_live) in [
            (json!(NOW + 3600), true),
            (json!(NOW), true),
            (json!(NOW - 59), true),
            (json!(NOW - 60), false),
            (json!(i64::MAX), true),
            (json!(i64::MIN), false),
            (json!(u64::MAX), false),
            (json!(1e300), false),
            (json!(1_900_000_000.5), false),
            (json!("1900000000"), false),
            (json!(null), false),
            (json!([1_900_000_000]), false),
        ] {
            assert_eq!(with(&json!({"exp": exp})).is_live(), is_live, "{exp}");
        }
        assert!(!with(&json!({})).is_live());
        for (nbf, has_come) in [
            (json!(NOW + 60), true),
            (json!(NOW + 61), false),
            (json!(0), true),
            (json!(i64::MIN), true),
            (json!(i64::MAX), false),
            (json!(0.0), false),
            (json!("0"), false),
            (json!(null), false),
        ] {
            assert_eq!(with(&json!({"nbf": nbf})).has_come("nbf"), has_come, "{nbf}");
        }
        assert!(!with(&json!({})).has_come("nbf"));
        for (iat, is_younger) in [
            (json!(NOW), true),
            (json!(NOW - 600), true),
            (json!(NOW - 601), false),
            (json!(NOW + 60), true),
            (json!(NOW + 61), false),
            (json!(i64::MIN), false),
            (json!(i64::MAX), false),
            (json!(null), false),
        ] {
            assert_eq!(with(&json!({"iat": iat})).is_younger(600), is_younger, "{iat}");
        }
    }

    #[test]
    fn requirements_are_met_exactly() {
        let own = [("SSO_REQUIRE", "acct=0, hd=example.com,email_verified=true")];
        let settings = entra_settings(&own);
        for (acct, hd, verified, are_met) in [
            (json!(0), json!("example.com"), json!(true), true),
            (json!("0"), json!("example.com"), json!("true"), true),
            (json!(1), json!("example.com"), json!(true), false),
            (json!(0.0), json!("example.com"), json!(true), false),
            (json!(false), json!("example.com"), json!(true), false),
            (json!(null), json!("example.com"), json!(true), false),
            (json!([0]), json!("example.com"), json!(true), false),
            (json!(0), json!("example.com.evil.example"), json!(true), false),
            (json!(0), json!("Example.com"), json!(true), false),
            (json!(0), json!(["example.com"]), json!(true), false),
            (json!(0), json!("example.com"), json!(false), false),
        ] {
            let claims = json!({"acct": acct, "hd": hd, "email_verified": verified});
            assert_eq!(with(&claims).meets_requirements(&settings), are_met, "{claims}");
        }
        assert!(!with(&json!({})).meets_requirements(&settings));
        assert!(with(&json!({})).meets_requirements(&entra_settings(&[])));
    }

    #[test]
    fn a_key_with_an_issuer_signs_for_it_alone() {
        let (tenant, other) = (crate::samples::TENANT, crate::samples::OTHER_TENANT);
        let of = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let template = Some(of(TENANT));
        for (key_issuers, signs) in [
            (vec![None], true),
            (vec![template.clone()], true),
            (vec![Some(of(tenant))], true),
            (vec![Some(of(other))], false),
            (vec![Some(of(other)), template.clone()], true),
            (vec![Some(String::new())], false),
            (vec![Some("https://sts.windows.net/{tenantid}/".to_owned())], false),
            (vec![], false),
        ] {
            let members = json!({"tid": tenant, "iss": of(tenant)}).as_object().unwrap().clone();
            let shown = format!("{key_issuers:?}");
            let claims = Claims::new(members, key_issuers, at(0));
            assert_eq!(claims.has_issuer_of_tenant(&entra_settings(&[])), signs, "{shown}");
        }
    }

    #[test]
    fn what_a_sign_in_needs_is_read() {
        let identity = || SsoIdentity { tenant: "t".to_owned(), subject: "s".to_owned() };
        let verified = |claims: &Value, roles_claim: &str| {
            let settings = entra_settings(&[("SSO_ROLES_CLAIM", roles_claim)]);
            with(claims).verified(identity(), &settings)
        };
        let full = json!({
            "preferred_username": "anna@contoso.example", "name": "Anna",
            "email": "a@contoso.example", "roles": ["Tally.User", "Tally.Admin"],
            "acrs": ["c1", "c2"], "azp": "client", "uti": "u-1", "jti": "j-1",
        });
        let expected = Verified {
            identity: identity(),
            preferred_username: Some("anna@contoso.example".to_owned()),
            name: Some("Anna".to_owned()),
            email: Some("a@contoso.example".to_owned()),
            roles: vec!["Tally.User".to_owned(), "Tally.Admin".to_owned()],
            has_overage: false,
            contexts: vec!["c1".to_owned(), "c2".to_owned()],
            client: Some("client".to_owned()),
            token_id: Some("u-1".to_owned()),
        };
        assert_eq!(verified(&full, ""), expected);
        let odd = json!({
            "preferred_username": ["anna"], "name": "", "email": 1,
            "roles": "Tally.User Tally.Admin", "acrs": "c1", "azp": null, "jti": "j-1",
        });
        let expected = Verified {
            preferred_username: None,
            name: None,
            email: None,
            roles: Vec::new(),
            contexts: vec!["c1".to_owned()],
            client: None,
            token_id: Some("j-1".to_owned()),
            ..expected
        };
        assert_eq!(verified(&odd, "roles"), expected);
        let elsewhere = with(&odd).verified(identity(), &oidc_settings(&[]));
        assert_eq!(elsewhere.roles, ["Tally.User Tally.Admin"]);
        for roles in [json!({"0": "Tally.Admin"}), json!(["Tally.Admin", 1]), json!(null)] {
            assert!(verified(&json!({"roles": roles}), "").roles.is_empty(), "{roles}");
        }
    }

    #[test]
    fn groups_that_are_left_out_are_noticed() {
        for (claims, is_noticed) in [
            (json!({"groups": ["g"]}), false),
            (json!({}), false),
            (json!({"_claim_names": {"groups": "src1"}}), true),
            (json!({"_claim_names": {"roles": "src1"}}), false),
            (json!({"_claim_names": "groups"}), false),
            (json!({"hasgroups": true}), true),
            (json!({"hasgroups": "true"}), true),
            (json!({"hasgroups": false}), false),
        ] {
            for (roles_claim, counts) in [("groups", true), ("roles", false)] {
                let settings = entra_settings(&[("SSO_ROLES_CLAIM", roles_claim)]);
                let identity = SsoIdentity { tenant: "t".to_owned(), subject: "s".to_owned() };
                let has_overage = with(&claims).verified(identity, &settings).has_overage;
                assert_eq!(has_overage, is_noticed && counts, "{claims} {roles_claim}");
            }
        }
    }
}
