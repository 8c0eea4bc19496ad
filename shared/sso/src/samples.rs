//! Parts of this crate's tests: a provider that answers on this machine, its keys and its tokens.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use platform::Platform;
use platform::clock::Clock;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Metadata, Provider, Settings};

pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
pub const OTHER_TENANT: &str = "00000000-0000-4000-8000-000000000001";
pub const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
pub const ISSUER: &str =
    "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
pub const OIDC_ISSUER: &str = "https://id.example.com";

/// Seconds since 1970 of the time that is zero for [`at`].
pub const NOW: i64 = 1_800_000_000;

/// The keys of the provider.
pub static FIRST: LazyLock<SigningKey> = LazyLock::new(SigningKey::rsa);
pub static SECOND: LazyLock<SigningKey> = LazyLock::new(SigningKey::rsa);
pub static CURVE: LazyLock<SigningKey> = LazyLock::new(SigningKey::curve);

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

pub fn entra_settings(own: &[(&str, &str)]) -> Settings {
    settings_of("entra", ISSUER, own)
}

pub fn oidc_settings(own: &[(&str, &str)]) -> Settings {
    settings_of("oidc", OIDC_ISSUER, own)
}

fn settings_of(kind: &str, issuer: &str, own: &[(&str, &str)]) -> Settings {
    let usual = [("SSO_KIND", kind), ("SSO_ISSUER", issuer), ("SSO_CLIENT_ID", CLIENT)];
    Settings::from_config(&usual.iter().chain(own).copied().collect()).unwrap().unwrap()
}

/// Metadata of the other provider, with these ways to authenticate as a client.
pub fn metadata(methods: &[&str]) -> Metadata {
    let url = Url::parse("https://id.example.com/token").unwrap();
    Metadata {
        issuer: OIDC_ISSUER.to_owned(),
        authorization_endpoint: url.clone(),
        token_endpoint: url.clone(),
        jwks_uri: url,
        token_endpoint_auth_methods: methods.iter().map(|&name| name.to_owned()).collect(),
        sends_iss: false,
    }
}

/// An object with these members instead of its own. A member that is null is left out.
pub fn patched(object: &Value, patch: &Value) -> Value {
    let mut members = object.as_object().unwrap().clone();
    members.extend(patch.as_object().unwrap().clone());
    members.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// A key with which the provider signs.
pub enum SigningKey {
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
}

impl SigningKey {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn curve() -> Self {
        Self::Curve(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public key as Entra publishes it, without `alg`.
    pub fn jwk(&self, kid: &str) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (encoded(&public.n), encoded(&public.e));
                json!({"kid": kid, "kty": "RSA", "use": "sig", "n": n, "e": e, "x5c": ["MII"]})
            }
            Self::Curve(pair) => {
                let point: &[u8] = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                let (x, y) = (encoded(x), encoded(y));
                json!({"kid": kid, "kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
        }
    }

    /// The signature of a text, as a JWS has it.
    pub fn sign(&self, alg: &str, text: &str) -> String {
        let random = SystemRandom::new();
        URL_SAFE_NO_PAD.encode(match self {
            Self::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match alg {
                    "PS256" => &RSA_PSS_SHA256,
                    "RS512" => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, text.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Curve(pair) => pair.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
        })
    }

    /// A token with this header and these claims.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// The same of any texts.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let alg = ["PS256", "RS512"].into_iter().find(|alg| header.contains(alg));
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.sign(alg.unwrap_or_default(), &signed);
        format!("{signed}.{signature}")
    }
}

/// A provider that answers on this machine, with Entra's metadata at `/entra` and those of another
/// provider at `/oidc`. It takes the calls to the database, too.
pub struct TestProvider {
    pub url: String,
    served: Arc<Served>,
}

/// Answers by their paths, and the requests so far.
#[derive(Default)]
struct Served {
    answers: Mutex<HashMap<String, String>>,
    requests: Mutex<Vec<String>>,
}

impl TestProvider {
    /// Starts it with one key, which has the name `first`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::new(Served::default());
        let shared = Arc::clone(&served);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let provider = Self { url, served };
        provider.answer("/", "200 OK", "{}");
        provider.describe(&json!({}));
        provider.publish(&[FIRST.jwk("first")]);
        provider
    }

    /// Answers a path. The status may have headers behind it.
    pub fn answer(&self, path: &str, status: &str, body: &str) {
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.served.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Publishes its metadata with these members instead of the usual ones.
    pub fn describe(&self, patch: &Value) {
        for (path, issuer) in [("/entra", ISSUER), ("/oidc", OIDC_ISSUER)] {
            let url = |path: &str| format!("{}{path}", self.url);
            let metadata = json!({
                "issuer": issuer,
                "authorization_endpoint": url("/authorize"),
                "token_endpoint": url("/token"),
                "jwks_uri": url("/keys"),
            });
            self.answer(path, "200 OK", &patched(&metadata, patch).to_string());
        }
    }

    /// Publishes these keys.
    pub fn publish(&self, keys: &[Value]) {
        self.answer("/keys", "200 OK", &json!({"keys": keys}).to_string());
    }

    /// Its requests with this method and path.
    pub fn requests(&self, line: &str) -> Vec<String> {
        let requests = self.served.requests.lock().unwrap();
        requests.iter().filter(|text| text.starts_with(&format!("{line} "))).cloned().collect()
    }

    /// How often its metadata and its keys have been fetched.
    pub fn fetched(&self) -> (usize, usize) {
        let metadata = ["GET /entra", "GET /oidc"].map(|line| self.requests(line).len());
        (metadata.iter().sum(), self.requests("GET /keys").len())
    }

    /// The calls to the database that write.
    pub fn writes(&self) -> Vec<Value> {
        let calls = self.requests("POST /").into_iter();
        let bodies = calls.map(|call| call.split_once("\r\n\r\n").unwrap().1.to_owned());
        bodies
            .map(|body| serde_json::from_str::<Value>(&body).unwrap())
            .filter(|body| !body["UpdateExpression"].is_null())
            .collect()
    }

    /// What functions are built from, with a table of outages.
    pub fn platform(&self) -> Platform {
        let config = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("OUTAGES_TABLE", "outages"),
        ];
        Platform::new(config.into_iter().collect(), Clock::default())
    }

    /// This provider as Entra.
    pub fn entra(&self, own: &[(&str, &str)]) -> Provider {
        let url = format!("{}/entra", self.url);
        let own = [own, &[("SSO_METADATA_URL", url.as_str())]].concat();
        Provider::new(&self.platform(), entra_settings(&own)).unwrap()
    }

    /// This provider as another one.
    pub fn oidc(&self, own: &[(&str, &str)]) -> Provider {
        let url = format!("{}/oidc", self.url);
        let own = [own, &[("SSO_METADATA_URL", url.as_str())]].concat();
        Provider::new(&self.platform(), oidc_settings(&own)).unwrap()
    }
}

async fn serve(mut stream: TcpStream, served: Arc<Served>) {
    let request = read(&mut stream).await;
    let path = request.split(' ').nth(1).unwrap_or_default();
    let answer = served.answers.lock().unwrap().get(path).cloned().unwrap_or_default();
    served.requests.lock().unwrap().push(request);
    // A client that refuses an answer closes the connection before its end.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// One request: its head and its body.
async fn read(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        request += std::str::from_utf8(&piece[..length]).unwrap();
        let is_whole = request.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let head = head.to_ascii_lowercase();
            let stated = head.split("content-length: ").nth(1);
            let stated: Option<usize> = stated.and_then(|rest| rest.lines().next()?.parse().ok());
            body.len() >= stated.unwrap_or(0)
        });
        if is_whole || length == 0 {
            return request;
        }
    }
}
