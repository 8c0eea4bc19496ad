//! Stacks whose users sign in at a provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::fake_tenant::{FakeTenant, Person};
use crate::{Caller, TestStack};

impl TestStack {
    /// Starts a stack that signs people of this provider in, with these further parameters. Limits
    /// do not get in the way. Tally proves who it is by the client secret.
    pub async fn with_sso(tenant: &FakeTenant, extra: &[(&str, &str)]) -> Self {
        let parameters = tenant.parameters();
        let own = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let limits = ("RateLimits", "login_lock=100000/1m,*=100000/1m");
        // Of two values of a parameter the later one holds.
        let sets: Vec<_> = [limits].into_iter().chain(own).chain(extra.iter().copied()).collect();
        let stack = Self::with(&sets).await;
        stack.set_sso_credential(&tenant.credential()).await;
        stack
    }

    /// Sets the content of the secret `SsoCredential`.
    pub async fn set_sso_credential(&self, credential: &Value) {
        let secret = json!({"SecretString": credential.to_string()});
        self.secrets_manager("PutSecretValue", "SsoCredential", secret).await.unwrap();
    }

    /// Signs a person in with an access token of their provider, as an add-in does.
    pub async fn sso(&self, tenant: &FakeTenant, person: &Person) -> Caller {
        let body = json!({"token": tenant.token(person)});
        let pair = self.post("/auth/sso", None, &body).await.expect(200);
        let text = |member: &str| pair[member].as_str().unwrap().to_owned();
        let access = text("access_token");
        Caller { username: username(&access), access, refresh: text("refresh_token") }
    }
}

/// The username in one of Tally's access tokens.
fn username(access: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["username"].as_str().unwrap().to_owned()
}
