//! A person as an identity provider knows them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids;

/// Characters of a `sub`, at most (OpenID Connect Core 1.0, section 2).
const SUBJECT_CHARACTERS: usize = 255;

/// The key of a person at an identity provider. It never changes, unlike names and addresses. For
/// Microsoft Entra ID it is the tenant (`tid`) and the object (`oid`), for any other OpenID
/// provider its issuer (`iss`) and `sub`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsoIdentity {
    /// The tenant, a GUID in lower case, or the issuer.
    pub tenant: String,
    /// The object, a GUID in lower case, or `sub`.
    pub subject: String,
}

impl SsoIdentity {
    /// A person of Microsoft Entra ID, if both texts are GUIDs.
    pub fn of_entra(tenant: &str, object: &str) -> Option<Self> {
        Some(Self { tenant: guid(tenant)?, subject: guid(object)? })
    }

    /// A person of another provider: `sub` is 1 to 255 ASCII characters.
    pub fn of_issuer(issuer: &str, subject: &str) -> Option<Self> {
        let is_subject = (1..=SUBJECT_CHARACTERS).contains(&subject.len())
            && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        is_subject.then(|| Self { tenant: issuer.to_owned(), subject: subject.to_owned() })
    }

    /// SHA-256 of both, as URL-safe text. Tables and limits know the person by it.
    pub fn fingerprint(&self) -> String {
        // Neither a GUID nor an issuer has a line break, so two identities never share a text.
        ids::sha256(&format!("{}\n{}", self.tenant, self.subject))
    }
}

/// A GUID with hyphens, in lower case.
pub fn guid(text: &str) -> Option<String> {
    let parsed = (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()?;
    Some(parsed.hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    #[test]
    fn an_identity_of_entra_has_two_guids_without_regard_to_case() {
        let object = "B3B7A0B7-1111-4222-8333-444455556666";
        let identity = SsoIdentity::of_entra(TENANT, object).unwrap();
        assert_eq!(identity.subject, object.to_lowercase());
        assert_eq!(Some(&identity), SsoIdentity::of_entra(TENANT, &identity.subject).as_ref());
        for wrong in ["", "common", "{72f988bf-86f1-41af-91ab-2d7cd011db47}", &TENANT[..35]] {
            assert_eq!(SsoIdentity::of_entra(wrong, object), None, "{wrong}");
            assert_eq!(SsoIdentity::of_entra(TENANT, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_subject_is_short_ascii_text() {
        let issuer = "https://id.example.com";
        for (subject, is_one) in
            [("248289761001", true), ("a b", true), ("", false), ("ä", false), ("a\n", false)]
        {
            assert_eq!(SsoIdentity::of_issuer(issuer, subject).is_some(), is_one, "{subject}");
        }
        assert_eq!(SsoIdentity::of_issuer(issuer, &"a".repeat(256)), None);
        let at = |issuer: &str| SsoIdentity::of_issuer(issuer, "1").unwrap().fingerprint();
        assert_ne!(at(issuer), at("https://id.example.org"));
    }
}
