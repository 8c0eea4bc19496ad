//! The claims of tokens, as the provider makes them.

use platform::ids;
use serde_json::{Value, json};

use super::fault::Fault;
use super::person::Person;
use super::setup::{CLIENT, Kind, TENANT};
use super::tenant::{Tenant, now};

/// Microsoft Graph, for which an access token is if the client asks for no scope of Tally's.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// Entra's tokens are valid from five minutes ago, because clocks differ.
const BACKDATED_SECONDS: i64 = 300;
/// Seconds for which an access token is good. Entra takes 60 to 90 minutes.
pub(super) const ACCESS_SECONDS: i64 = 4_500;
const ID_SECONDS: i64 = 3_600;

/// What a client gets a token for.
pub(super) struct Recipient<'r> {
    /// The client id.
    pub client: &'r str,
    /// How it has proved who it is (`azpacr`): `0` not at all, `1` by a secret, `2` by a
    /// certificate.
    pub proof: &'static str,
    /// The scopes that it asks for, with spaces between them.
    pub scope: &'r str,
    /// The authentication contexts of the token.
    pub contexts: &'r [String],
}

impl Recipient<'_> {
    /// A client that asks for Tally's scope on behalf of a user: Tally's own registration.
    pub fn of_tally() -> Self {
        Self { client: CLIENT, proof: "0", scope: "access_as_user", contexts: &[] }
    }

    /// The audience of its access token, and the scopes in it.
    fn audience(&self) -> (&'static str, String) {
        let own = [format!("api://{CLIENT}/"), format!("{CLIENT}/")];
        let names = self.scope.split(' ').filter_map(|scope| {
            let of_resource = own.iter().find_map(|resource| scope.strip_prefix(resource.as_str()));
            match of_resource {
                Some(".default") => Some("access_as_user"),
                None if scope == "access_as_user" => Some(scope),
                named => named,
            }
        });
        let names: Vec<_> = names.collect();
        if names.is_empty() { (GRAPH, self.scope.to_owned()) } else { (CLIENT, names.join(" ")) }
    }
}

impl Tenant {
    /// The claims of an access token of Entra.
    pub fn access_claims(&self, person: &Person, recipient: &Recipient) -> Value {
        let (audience, scope) = recipient.audience();
        let mut claims = self.entra_claims(person, audience, recipient.contexts);
        claims["azp"] = recipient.client.into();
        claims["azpacr"] = recipient.proof.into();
        claims["scp"] = scope.into();
        claims["idtyp"] = "user".into();
        claims["exp"] = (now() + ACCESS_SECONDS).into();
        claims
    }

    /// The claims of an ID token.
    pub fn id_claims(&self, person: &Person, recipient: &Recipient, nonce: Option<&str>) -> Value {
        let mut claims = match self.setup.kind {
            Kind::Entra => self.entra_claims(person, recipient.client, recipient.contexts),
            Kind::Oidc => self.oidc_claims(person, recipient.client),
        };
        claims["exp"] = (now() + ID_SECONDS).into();
        let another = self.has(Fault::WrongNonce).then(ids::new_secret::<16>);
        if let Some(nonce) = another.as_deref().or(nonce) {
            claims["nonce"] = nonce.into();
        }
        claims
    }

    /// What both tokens of Entra have.
    fn entra_claims(&self, person: &Person, audience: &str, contexts: &[String]) -> Value {
        let start = now() - BACKDATED_SECONDS;
        // The subject is another one for each audience.
        let subject = ids::sha256(&format!("{}\n{audience}", person.object));
        let mut claims = json!({
            "ver": "2.0", "iss": self.issuer(), "aud": audience,
            "iat": start, "nbf": start,
            "tid": TENANT, "oid": person.object, "sub": subject,
            "name": person.name, "preferred_username": person.upn,
            "acct": 0, "uti": ids::new_secret::<16>(),
            "rh": format!("1.{}", ids::new_secret::<32>()), "aio": ids::new_secret::<48>(),
        });
        // Entra leaves out empty claims.
        if let Some(email) = &person.email {
            claims["email"] = email.as_str().into();
        }
        if !person.roles.is_empty() {
            claims["roles"] = person.roles.clone().into();
        }
        if !contexts.is_empty() {
            claims["acrs"] = contexts.to_vec().into();
        }
        if self.has(Fault::Groups) {
            let endpoint = format!(
                "https://graph.windows.net/{TENANT}/users/{}/getMemberObjects",
                person.object
            );
            claims["_claim_names"] = json!({"groups": "src1"});
            claims["_claim_sources"] = json!({"src1": {"endpoint": endpoint}});
        }
        claims
    }

    fn oidc_claims(&self, person: &Person, audience: &str) -> Value {
        let mut claims = json!({
            "iss": self.issuer(), "aud": audience, "sub": person.object,
            "iat": now(), "auth_time": now(),
            "name": person.name, "preferred_username": person.upn, "roles": person.roles,
        });
        if let Some(email) = &person.email {
            claims["email"] = email.as_str().into();
            claims["email_verified"] = true.into();
        }
        claims
    }
}
