//! The stronger sign-in that roles beyond `user` may need.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::Problem;
use platform::config::Config;
use platform::domain::Role;
use serde_json::{Value, json};

use crate::Verified;

/// The setting `SSO_ADMIN_AUTH_CONTEXT`: the authentication context, for example `c1`, that a
/// sign-in needs which gives the role `auditor` or `admin`.
#[derive(Debug, Clone)]
pub struct StepUp {
    context: Option<String>,
}

impl StepUp {
    /// Reads the setting.
    pub fn from_config(config: &Config) -> Self {
        Self { context: config.get("SSO_ADMIN_AUTH_CONTEXT").map(str::to_owned) }
    }

    /// Refuses roles that need a stronger sign-in than this one. The problem has the claims request
    /// for an access token.
    pub fn check(&self, roles: &[Role], verified: &Verified) -> Result<(), Problem> {
        let needs = roles.iter().any(|role| *role != Role::User);
        match &self.context {
            Some(context) if needs && !verified.contexts.contains(context) => {
                let claims = STANDARD.encode(claims_request("access_token", context).to_string());
                Err(Problem::step_up_required(claims))
            }
            _ => Ok(()),
        }
    }

    /// The claims request (OpenID Connect Core 1.0 section 5.5) for an ID token that meets the
    /// context, if the deployment has one.
    pub fn for_id_token(&self) -> Option<String> {
        Some(claims_request("id_token", self.context.as_ref()?).to_string())
    }
}

fn claims_request(token: &str, context: &str) -> Value {
    json!({token: {"acrs": {"essential": true, "value": context}}})
}

#[cfg(test)]
mod tests {
    use platform::domain::SsoIdentity;
    use platform::problem::Code;

    use super::*;

    #[test]
    fn roles_beyond_user_need_the_context_of_the_deployment() {
        let signed_in = |contexts: &[&str]| Verified {
            identity: SsoIdentity { tenant: "t".into(), subject: "s".into() },
            preferred_username: None,
            name: None,
            email: None,
            roles: Vec::new(),
            has_overage: false,
            contexts: contexts.iter().map(|&context| context.to_owned()).collect(),
            client: None,
            token_id: None,
        };
        let by = |context: &str| {
            StepUp::from_config(&[("SSO_ADMIN_AUTH_CONTEXT", context)].into_iter().collect())
        };
        let (user, admin) = ([Role::User], [Role::User, Role::Admin]);
        assert_eq!(by("").check(&admin, &signed_in(&[])), Ok(()));
        assert_eq!(by("c1").check(&user, &signed_in(&[])), Ok(()));
        assert_eq!(by("c1").check(&admin, &signed_in(&["c2", "c1"])), Ok(()));
        let refused = by("c1").check(&admin, &signed_in(&["c2"])).unwrap_err();
        assert_eq!(refused.code, Code::StepUpRequired);
        let claims = STANDARD.decode(refused.sso.unwrap().claims.unwrap()).unwrap();
        let expected = json!({"access_token": {"acrs": {"essential": true, "value": "c1"}}});
        assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap(), expected);
    }
}
