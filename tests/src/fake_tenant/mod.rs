//! A stand-in for identity providers: servers on loopback that sign people in without a password.
//! It speaks as Microsoft Entra ID does, or as a plain OpenID provider. `.ci/check-sso` has clients
//! of others sign in at it. The example `fake_tenant` serves it to people who try single sign-on.
//!
//! - [`FakeTenant::start`] is Entra with the tenant [`TENANT`] and Tally's registration [`CLIENT`],
//!   [`FakeTenant::oidc`] another provider. [`FakeTenant::with`] takes a [`Setup`].
//! - [`Person`]: a person. [`FakeTenant::token`] gives the access token that an add-in would have,
//!   and [`FakeTenant::authorize`] signs in as a browser does.
//! - [`FakeTenant::claims`] and [`FakeTenant::sign`] make wrong tokens with a right signature,
//!   [`FakeTenant::sign_as`] and [`FakeTenant::sign_text`] those with any header.
//! - [`Fault`]: what it does wrong. [`FakeTenant::rotate`] and [`FakeTenant::retire`] change keys.
//!
//!   ```ignore
//!   let tenant = FakeTenant::start();
//!   let stack = TestStack::with_sso(&tenant, &[]).await;
//!   let ann = stack.sso(&tenant, &Person::new("Ann")).await;
//!   ```
//! - [`FakeTenant::https_url`]: the same provider under TLS, for MSAL.
//! - Rules: a code is good once, for its client, its redirect URI and its verifier. Tally proves
//!   who it is by a secret or by an assertion with its certificate. Errors have Entra's form and
//!   codes.

mod authorize;
mod call;
mod certificate;
mod claims;
mod control;
mod fault;
mod grants;
mod metadata;
mod page;
mod person;
mod refusal;
mod routes;
mod server;
mod setup;
mod signing_key;
mod tenant;
mod token;
mod token_client;
mod trial;

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use reqwest::Url;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;

pub use fault::Fault;
pub use person::Person;
pub use setup::{CLIENT, Kind, OFFICE, PAGE, SECRET, Setup, TENANT};

use certificate::Certified;
use claims::Recipient;
use signing_key::SigningKey;
use tenant::{Counts, Tenant};

/// A running provider. Dropping it ends its connections.
pub struct FakeTenant {
    /// Its URL for http, without a path.
    pub url: String,
    tenant: Arc<Tenant>,
    serving: JoinHandle<()>,
    https: OnceLock<Https>,
}

/// The listener for https, which starts when it is first asked for.
struct Https {
    url: String,
    certificate: NamedTempFile,
    serving: JoinHandle<()>,
}

impl FakeTenant {
    /// Starts Entra on a free port. Like the other two, it needs a runtime of tokio.
    pub fn start() -> Self {
        Self::with(Setup::new(Kind::Entra))
    }

    /// Starts another OpenID provider on a free port. Its issuer is its own URL.
    pub fn oidc() -> Self {
        Self::with(Setup::new(Kind::Oidc))
    }

    /// Starts a provider.
    pub fn with(setup: Setup) -> Self {
        let (listener, port) = server::bind(setup.port);
        let url = format!("http://{}:{port}", setup::ADDRESS);
        let tenant = Arc::new(Tenant::new(setup, url.clone()));
        let serving = server::serve(listener, None, Arc::clone(&tenant));
        Self { url, tenant, serving, https: OnceLock::new() }
    }

    /// Its URL for https, without a path. The metadata there names endpoints with https, and the
    /// same issuer.
    pub fn https_url(&self) -> &str {
        &self.https().url
    }

    /// The file with the certificate of the https listener, in PEM. It goes with the provider.
    pub fn https_certificate(&self) -> &Path {
        self.https().certificate.path()
    }

    fn https(&self) -> &Https {
        self.https.get_or_init(|| {
            let (listener, port) = server::bind(self.tenant.setup.https_port);
            let mut certificate = NamedTempFile::with_suffix(".pem").unwrap();
            certificate.write_all(Certified::of_server().certificate.as_bytes()).unwrap();
            Https {
                url: format!("https://{}:{port}", setup::ADDRESS),
                certificate,
                serving: server::serve(listener, Some(server::tls()), Arc::clone(&self.tenant)),
            }
        })
    }

    /// The issuer of its tokens.
    pub fn issuer(&self) -> String {
        self.tenant.issuer()
    }

    /// The template's parameters for a stack that signs in here.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let (kind, metadata) = if self.tenant.is_entra() {
            ("entra", format!("/{TENANT}/v2.0/.well-known/openid-configuration"))
        } else {
            ("oidc", "/.well-known/openid-configuration".to_owned())
        };
        vec![
            ("SsoKind", kind.to_owned()),
            ("SsoIssuer", self.issuer()),
            ("SsoClientId", CLIENT.to_owned()),
            ("SsoMetadataUrl", format!("{}{metadata}", self.url)),
            ("SsoReturnUrls", PAGE.to_owned()),
        ]
    }

    /// The same parameters for a stack that takes people of these tenants of Entra.
    pub fn parameters_of_organizations(&self, tenants: &[&str]) -> Vec<(&'static str, String)> {
        let of_one = self.parameters().into_iter();
        let mut parameters: Vec<_> =
            of_one.map(|(name, value)| (name, value.replace(TENANT, "organizations"))).collect();
        parameters.push(("SsoTenants", tenants.join(",")));
        parameters
    }

    /// The content of the secret `SsoCredential` with a client secret.
    pub fn credential(&self) -> Value {
        control::secret_credential()
    }

    /// The content of the secret `SsoCredential` with a private key and its certificate.
    pub fn certificate_credential(&self) -> Value {
        control::certificate_credential()
    }
}

/// Tokens.
impl FakeTenant {
    /// The claims of a good token, issued now: an access token of Entra, or an ID token of another
    /// provider.
    pub fn claims(&self, person: &Person) -> Value {
        if self.tenant.is_entra() {
            self.tenant.access_claims(person, &Recipient::of_tally())
        } else {
            self.tenant.id_claims(person, &Recipient::of_tally(), None)
        }
    }

    /// The claims of a good ID token for Tally with this nonce, issued now.
    pub fn id_claims(&self, person: &Person, nonce: &str) -> Value {
        self.tenant.id_claims(person, &Recipient::of_tally(), Some(nonce))
    }

    /// A token with these claims, signed by the current key.
    pub fn sign(&self, claims: &Value) -> String {
        self.tenant.sign(claims)
    }

    /// A token with this header and these claims. The header's `alg` says how it is signed, also
    /// `none`, or HS256 by the public key. Its `kid` names the key, and another one the current
    /// key.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token with this header and payload as they are, signed likewise.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        self.tenant.sign_text(header, payload)
    }

    /// A good token for this person.
    pub fn token(&self, person: &Person) -> String {
        self.sign(&self.claims(person))
    }

    /// The name of the current key (`kid`).
    pub fn kid(&self) -> String {
        self.tenant.key().kid.clone()
    }
}

/// What changes while it runs.
impl FakeTenant {
    /// Makes a new key the current one. Those before stay published.
    pub fn rotate(&self) {
        self.tenant.publish(SigningKey::rsa(), None);
    }

    /// The same with a key on the curve P-256, whose tokens are signed by ES256.
    pub fn rotate_to_es256(&self) {
        self.tenant.publish(SigningKey::p256(), None);
    }

    /// Makes a new key the current one that is published for tokens of this issuer alone.
    pub fn rotate_for(&self, issuer: &str) {
        self.tenant.publish(SigningKey::rsa(), Some(issuer.to_owned()));
    }

    /// Drops all keys but the current one.
    pub fn retire(&self) {
        self.tenant.retire();
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.tenant.fault(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.tenant.heal();
    }

    /// Adds a person, or changes the one with the same object id.
    pub fn add(&self, person: &Person) {
        self.tenant.add(person);
    }

    /// Number of requests for keys so far.
    pub fn keys_fetched(&self) -> usize {
        Counts::read(&self.tenant.counts.keys)
    }

    /// Number of requests for metadata so far.
    pub fn metadata_fetched(&self) -> usize {
        Counts::read(&self.tenant.counts.metadata)
    }

    /// Number of requests for tokens so far.
    pub fn tokens_asked(&self) -> usize {
        Counts::read(&self.tenant.counts.tokens)
    }
}

/// Sign-ins in a browser.
impl FakeTenant {
    /// Follows a redirect to this provider as a browser whose user picks this person. Returns the
    /// URL that the provider sends the browser to.
    pub async fn authorize(&self, location: &str, person: &Person) -> String {
        self.add(person);
        let mut url = Url::parse(location).unwrap();
        url.query_pairs_mut().append_pair("user", &person.object);
        // No certificate of the system is needed, and reading them takes long.
        let client = reqwest::Client::builder().redirect(Policy::none()).tls_certs_only([]);
        let answer = client.build().unwrap().get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        let next = answer.headers().get(LOCATION).map(|next| next.to_str().unwrap().to_owned());
        next.filter(|_| status == 302).unwrap_or_else(|| panic!("{status} for {location}"))
    }
}

/// What a newcomer needs to sign in by hand.
impl FakeTenant {
    /// The pages that a sign-in may return to: [`PAGE`] and one of the provider's own.
    pub fn return_urls(&self) -> String {
        trial::return_urls(&self.tenant)
    }

    /// The address at which a sign-in in a browser begins.
    pub fn browser_url(&self) -> String {
        trial::browser_url(&self.tenant)
    }

    /// The command that signs this person in with an access token.
    pub fn token_command(&self, hint: &str) -> String {
        trial::token_command(&self.tenant, hint)
    }
}

impl Drop for FakeTenant {
    fn drop(&mut self) {
        self.serving.abort();
        if let Some(https) = self.https.get() {
            https.serving.abort();
        }
    }
}
