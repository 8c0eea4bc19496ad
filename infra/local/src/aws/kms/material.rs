//! The secret part of a key, and the form of a ciphertext.
//!
//! A ciphertext is a version byte, the key's id, a nonce, and AES-256-GCM's output. Version, id and
//! the encryption context are the associated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::template::model::KeySpec;

/// Length of a key's id, which is a UUID.
const ID_LENGTH: usize = 36;
/// Version byte and id.
const HEADER_LENGTH: usize = 1 + ID_LENGTH;
const VERSION: u8 = 1;

/// A key as its file holds it. It has no `Debug`, so that no log shows it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptKey {
    pub(super) spec: KeySpec,
    pub(super) created_at_seconds: i64,
    /// Base64 of 32 bytes (AES), or of PKCS#8 (Ed25519).
    material: String,
}

/// The secret part of a key, ready for use. It has no `Debug`, so that no log shows it.
pub(super) enum Material {
    Symmetric(RandomizedNonceKey),
    Ed25519(Ed25519KeyPair),
}

impl KeptKey {
    /// Makes a new key.
    pub(super) fn generate(spec: KeySpec, created_at_seconds: i64) -> Result<Self, Unspecified> {
        let material = match spec {
            KeySpec::Symmetric => {
                let mut bytes = [0; 32];
                rand::fill(&mut bytes)?;
                STANDARD.encode(bytes)
            }
            KeySpec::Ed25519 => STANDARD.encode(Ed25519KeyPair::generate()?.to_pkcs8()?),
        };
        Ok(Self { spec, created_at_seconds, material })
    }

    /// The material, unless it is damaged.
    pub(super) fn material(&self) -> Result<Material, Unspecified> {
        let bytes = STANDARD.decode(&self.material).map_err(|_| Unspecified)?;
        Ok(match self.spec {
            KeySpec::Symmetric => {
                Material::Symmetric(RandomizedNonceKey::new(&AES_256_GCM, &bytes)?)
            }
            KeySpec::Ed25519 => Material::Ed25519(Ed25519KeyPair::from_pkcs8(&bytes)?),
        })
    }
}

/// Encrypts under the key with this id.
pub(super) fn seal(
    cipher: &RandomizedNonceKey,
    key_id: &str,
    context: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let header = [&[VERSION][..], key_id.as_bytes()].concat();
    let mut sealed = plaintext.to_vec();
    let associated = [&header[..], context].concat();
    let nonce = cipher.seal_in_place_append_tag(Aad::from(associated), &mut sealed)?;
    Ok([&header[..], &nonce.as_ref()[..], &sealed].concat())
}

/// Decrypts. The key must be that of [`key_of`].
pub(super) fn open(
    cipher: &RandomizedNonceKey,
    context: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let (header, rest) = ciphertext.split_at_checked(HEADER_LENGTH).ok_or(Unspecified)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce)?;
    let mut sealed = sealed.to_vec();
    let associated = [header, context].concat();
    cipher
        .open_in_place(nonce, Aad::from(associated), &mut sealed)
        .map(|plaintext| plaintext.to_vec())
}

/// The id of the key that a ciphertext names, if it is one.
pub(super) fn key_of(ciphertext: &[u8]) -> Option<&str> {
    let (version, rest) = ciphertext.split_first()?;
    let id = rest.get(..ID_LENGTH)?;
    if *version == VERSION { str::from_utf8(id).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01234567-89ab-8def-8123-456789abcdef";

    fn cipher() -> RandomizedNonceKey {
        let key = KeptKey::generate(KeySpec::Symmetric, 0).unwrap().material().unwrap();
        let Material::Symmetric(cipher) = key else { panic!("another kind") };
        cipher
    }

    #[test]
    fn a_ciphertext_opens_under_its_key_and_context_alone() {
        let cipher_of_id = cipher();
        let sealed = seal(&cipher_of_id, ID, b"context", b"plaintext").unwrap();
        assert_eq!(key_of(&sealed), Some(ID));
        assert_eq!(open(&cipher_of_id, b"context", &sealed).unwrap(), b"plaintext");
        assert!(open(&cipher_of_id, b"", &sealed).is_err());
        assert!(open(&cipher(), b"context", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(open(&cipher_of_id, b"context", &damaged).is_err(), "byte {place}");
        }
        for length in 0..sealed.len() {
            assert!(open(&cipher_of_id, b"context", &sealed[..length]).is_err(), "{length} bytes");
        }
        let again = seal(&cipher_of_id, ID, b"context", b"plaintext").unwrap();
        assert_ne!(again, sealed);
    }

    #[test]
    fn what_is_no_ciphertext_names_no_key() {
        for bytes in [&b""[..], &b"\x01"[..], &[2; 100][..], &[1; 36][..], &[0xff; 100][..]] {
            assert_eq!(key_of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn damaged_material_is_refused() {
        for spec in [KeySpec::Symmetric, KeySpec::Ed25519] {
            let kept = KeptKey::generate(spec, 0).unwrap();
            assert!(kept.material().is_ok());
            for material in ["", "%", &kept.material[..kept.material.len() - 4]] {
                let damaged =
                    KeptKey { spec, created_at_seconds: 0, material: material.to_owned() };
                assert!(damaged.material().is_err(), "{} {material:?}", spec.name());
            }
        }
    }
}
