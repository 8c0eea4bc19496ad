//! Identifiers and random bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// If the generator fails. Nothing safe can be done then, and the request is answered with 500.
#[allow(clippy::expect_used, reason = "no answer without randomness is a safe one")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

/// A new UUIDv7 (RFC 9562), which sorts by its creation time.
pub fn new_uuid(now: Timestamp) -> Uuid {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random()).into_uuid()
}

/// A new UUIDv7 as text.
pub fn new_id(now: Timestamp) -> String {
    new_uuid(now).to_string()
}

/// The UUIDv7 of this time that follows from `seed`. The same event has the same id each time.
pub fn derived_id(time: Timestamp, seed: &str) -> String {
    let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, seed.as_bytes());
    let mut rest = [0; 10];
    rest.copy_from_slice(&hash.as_ref()[..10]);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid().to_string()
}

/// The creation time of a UUIDv7.
pub fn made_at(id: &str) -> Option<Timestamp> {
    let (seconds, nanoseconds) = Uuid::try_parse(id).ok()?.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

/// A secret of `N` random bytes as URL-safe text.
pub fn new_secret<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(random::<N>())
}

/// SHA-256 as URL-safe text. Tokens and the subjects of limits are stored in this form.
pub fn sha256(text: &str) -> String {
    sha256_of(text.as_bytes())
}

/// The same for any bytes.
pub fn sha256_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// Whether two secrets or their hashes are the same. The time that it takes does not tell where
/// they differ.
pub fn same(a: &str, b: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        let early = Timestamp::from_millisecond(1_000).unwrap();
        let late = Timestamp::from_millisecond(1_001).unwrap();
        assert!(new_id(early) < new_id(late));
        assert_eq!((made_at(&new_id(late)), made_at("me")), (Some(late), None));
    }
}
