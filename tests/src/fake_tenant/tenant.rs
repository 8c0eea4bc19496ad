//! The state of a provider: its people, keys, faults and counters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use platform::clock::Clock;
use serde_json::{Value, json};

use super::fault::Fault;
use super::grants::Grants;
use super::person::Person;
use super::setup::{Kind, Setup, TENANT};
use super::signing_key::SigningKey;

/// The host of Microsoft's issuers.
const MICROSOFT: &str = "https://login.microsoftonline.com";

/// A provider, without its listeners.
pub(super) struct Tenant {
    pub setup: Setup,
    /// Its URL for http, without a path.
    pub url: String,
    pub grants: Grants,
    pub counts: Counts,
    people: Mutex<Vec<Person>>,
    keys: Mutex<Vec<PublishedKey>>,
    faults: Mutex<Vec<Fault>>,
}

/// A key of the key set.
#[derive(Clone)]
pub(super) struct PublishedKey {
    pub key: Arc<SigningKey>,
    /// The issuer whose tokens alone it signs, if it is another one than this provider.
    pub issuer: Option<String>,
}

/// The requests that have arrived, also those that a fault disturbed.
#[derive(Default)]
pub(super) struct Counts {
    pub metadata: AtomicUsize,
    pub keys: AtomicUsize,
    pub tokens: AtomicUsize,
}

impl Counts {
    /// Counts one more.
    pub fn add(count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn read(count: &AtomicUsize) -> usize {
        count.load(Ordering::Relaxed)
    }
}

impl Tenant {
    /// A provider with one key.
    pub fn new(setup: Setup, url: String) -> Self {
        let first = PublishedKey { key: SigningKey::first(), issuer: None };
        let people = Mutex::new(setup.people.clone());
        Self {
            setup,
            url,
            grants: Grants::default(),
            counts: Counts::default(),
            people,
            keys: Mutex::new(vec![first]),
            faults: Mutex::default(),
        }
    }

    /// Whether it is Entra.
    pub fn is_entra(&self) -> bool {
        self.setup.kind == Kind::Entra
    }

    /// The issuer of its tokens.
    pub fn issuer(&self) -> String {
        let usual = || match self.setup.kind {
            Kind::Entra => format!("{MICROSOFT}/{TENANT}/v2.0"),
            Kind::Oidc => self.url.clone(),
        };
        self.setup.issuer.clone().unwrap_or_else(usual)
    }

    /// The issuer that stands for every tenant: `{tenantid}` instead of the tenant.
    pub fn template_issuer(&self) -> String {
        self.issuer().replace(TENANT, "{tenantid}")
    }

    /// The issuer that stands for this name of a tenant in its paths.
    pub fn issuer_at(&self, name: &str) -> String {
        if name == TENANT { self.issuer() } else { self.template_issuer() }
    }

    /// The keys, the current one last.
    pub fn keys(&self) -> Vec<PublishedKey> {
        self.keys.lock().unwrap().clone()
    }

    /// The key that signs.
    pub fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.keys.lock().unwrap().last().unwrap().key)
    }

    /// A token with these claims, signed by the current key.
    pub fn sign(&self, claims: &Value) -> String {
        let key = self.key();
        let header = json!({"typ": "JWT", "alg": key.algorithm(), "kid": key.kid});
        key.jwt(key.algorithm(), &header.to_string(), &claims.to_string())
    }

    /// A token with this header and payload as they are. The header's `alg` says how it is signed,
    /// and its `kid` by which of the published keys. It is the current one if there is no such key.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let members: Value = serde_json::from_str(header).unwrap_or_default();
        let named = self.keys().into_iter().find(|found| members["kid"] == found.key.kid.as_str());
        let key = named.map_or_else(|| self.key(), |found| found.key);
        key.jwt(members["alg"].as_str().unwrap_or_default(), header, payload)
    }

    /// Makes this key the current one. Those before stay published.
    pub fn publish(&self, key: SigningKey, issuer: Option<String>) {
        self.keys.lock().unwrap().push(PublishedKey { key: Arc::new(key), issuer });
    }

    /// Drops all keys but the current one.
    pub fn retire(&self) {
        let mut keys = self.keys.lock().unwrap();
        let old = keys.len() - 1;
        keys.drain(..old);
    }

    /// The faults.
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.lock().unwrap().clone()
    }

    /// Whether it has this fault.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.lock().unwrap().contains(&fault)
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.faults.lock().unwrap().push(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// The people.
    pub fn people(&self) -> Vec<Person> {
        self.people.lock().unwrap().clone()
    }

    /// Adds a person, or changes the one with the same object id.
    pub fn add(&self, person: &Person) {
        let mut people = self.people.lock().unwrap();
        people.retain(|known| known.object != person.object);
        people.push(person.clone());
    }

    /// The person whom a hint means.
    pub fn person(&self, hint: &str) -> Option<Person> {
        self.people.lock().unwrap().iter().rfind(|person| person.is_meant_by(hint)).cloned()
    }
}

/// The time now, in seconds since 1970.
pub(super) fn now() -> i64 {
    Clock::System.now().as_second()
}
