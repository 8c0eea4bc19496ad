//! The signed text by which a client with a certificate authenticates (RFC 7523, `private_key_jwt`
//! of OpenID Connect Core 1.0 section 9), as Entra takes it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use platform::ids;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

/// Seconds for which an assertion is valid.
const VALID_SECONDS: i64 = 300;

/// An assertion of a client for the token endpoint `audience`. The key and the certificate are PEM;
/// `None` if one is not, or if the key is none of RSA.
pub fn assertion(
    private_key: &str,
    certificate: &str,
    client_id: &str,
    audience: &str,
    now: Timestamp,
) -> Option<String> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let key = match PrivateKeyDer::from_pem_slice(private_key.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return None,
    };
    let key = key.ok()?;
    let header =
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": ids::sha256_of(certificate.as_ref())});
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": ids::new_secret::<16>(),
        "iat": now.as_second(),
        "exp": now.as_second() + VALID_SECONDS,
    });
    let message = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const AUDIENCE: &str = "https://login.example.com/token";

    /// Bytes before the key of RSA-2048 in PKCS #8, which end with the head of its octets.
    const HEAD: usize = 26;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn an_assertion_is_signed_by_the_key_and_names_the_certificate() {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = key.as_der().unwrap();
        let der: &[u8] = der.as_ref();
        let certificate = pem("CERTIFICATE", b"certificate");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for private_key in [pem("PRIVATE KEY", der), pem("RSA PRIVATE KEY", &der[HEAD..])] {
            let make = || assertion(&private_key, &certificate, "client", AUDIENCE, now).unwrap();
            let (first, second) = (make(), make());
            let (message, signature) = first.rsplit_once('.').unwrap();
            UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.public_key())
                .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
                .unwrap();
            let read = |text: &str, index: usize| -> Value {
                let part = text.split('.').nth(index).unwrap();
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            let thumbprint = ids::sha256("certificate");
            let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
            assert_eq!(read(&first, 0), header);
            let claims = read(&first, 1);
            let expected = json!({
                "iss": "client", "sub": "client", "aud": AUDIENCE, "jti": claims["jti"],
                "iat": 1_800_000_000, "exp": 1_800_000_300,
            });
            assert_eq!(claims, expected);
            assert_ne!(claims["jti"], read(&second, 1)["jti"]);
        }
    }

    #[test]
    fn other_texts_give_no_assertion() {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = key.as_der().unwrap();
        let (key, certificate) =
            (pem("PRIVATE KEY", der.as_ref()), pem("CERTIFICATE", b"certificate"));
        let broken = pem("PRIVATE KEY", b"no key");
        for (private_key, certificate) in [
            (key.as_str(), ""),
            (&key, "certificate"),
            (&key, &key),
            ("", &certificate),
            (&certificate, &certificate),
            (&broken, &certificate),
            (&key.replace("PRIVATE", "EC PRIVATE"), &certificate),
        ] {
            let now = Timestamp::UNIX_EPOCH;
            assert_eq!(assertion(private_key, certificate, "client", AUDIENCE, now), None);
        }
    }
}
