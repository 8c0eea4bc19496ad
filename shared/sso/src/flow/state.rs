//! What a browser keeps of a sign-in until the provider has answered: one sealed cookie for each.
//!
//! A browser has room for five. The `state` of a sign-in begins with the number of its place, so
//! the callback knows the cookie. Two tabs have two places, and do not disturb each other.

use std::array;

use jiff::Timestamp;
use platform::seal::SealKey;
use platform::{Problem, ids};
use serde::{Deserialize, Serialize};

/// Purpose of the key that the cookies are sealed with.
pub const PURPOSE: &str = "tally sso flow";

/// Sign-ins of one browser at the same time, at most.
const PLACES: usize = 5;

/// Seconds in which a sign-in has to return from the provider.
const VALID_SECONDS: i64 = 600;

/// The names of the cookies, without the numbers of their places. A cookie with the prefix
/// `__Host-` comes from this host alone.
const NAME: &str = "__Host-tally_sso_";

/// `Lax`, because the browser comes back from another site.
const ATTRIBUTES: &str = "Path=/; HttpOnly; Secure; SameSite=Lax";

/// A sign-in that has begun.
#[derive(Serialize, Deserialize)]
pub struct Flow {
    /// The place of its cookie.
    place: usize,
    /// Parameter `state` (RFC 6749 section 4.1.1), by which the answer finds its sign-in.
    pub state: String,
    /// Parameter `nonce` (OpenID Connect Core 1.0), which the ID token repeats.
    pub nonce: String,
    /// The verifier of our request to the provider (RFC 7636).
    pub verifier: String,
    /// The page that began it.
    pub return_to: String,
    /// The challenge of that page (RFC 7636), for the code that it gets.
    pub challenge: String,
    /// Seconds since 1970. The browser is not trusted to drop the cookie in time.
    expires_at: i64,
}

platform::opaque!(Flow);

impl Flow {
    /// A new sign-in, with its cookie in this place.
    pub fn begin(place: usize, return_to: String, challenge: String, now: Timestamp) -> Self {
        Self {
            place,
            state: format!("{place}.{}", ids::new_secret::<32>()),
            nonce: ids::new_secret::<32>(),
            verifier: ids::new_secret::<32>(),
            return_to,
            challenge,
            expires_at: now.as_second() + VALID_SECONDS,
        }
    }

    /// The value of `Set-Cookie` that gives the sign-in to the browser. The name of the cookie is
    /// its binding, so it opens in its own place alone.
    pub fn cookie(&self, key: &SealKey) -> Result<String, Problem> {
        let name = name(self.place);
        let value = key.seal(&name, self)?;
        Ok(format!("{name}={value}; {ATTRIBUTES}; Max-Age={VALID_SECONDS}"))
    }

    /// The value of `Set-Cookie` that removes it from the browser.
    pub fn cleared(&self) -> String {
        format!("{}=; {ATTRIBUTES}; Max-Age=0", name(self.place))
    }
}

/// The sign-ins that a browser has under way, by their places.
pub struct FlowCookies {
    flows: [Option<Flow>; PLACES],
}

impl FlowCookies {
    /// Opens the cookies of a request. One that has expired, was altered or stands in another place
    /// is none.
    pub fn open<'c>(
        key: &SealKey,
        cookies: impl Iterator<Item = (&'c str, &'c str)>,
        now: Timestamp,
    ) -> Self {
        let mut flows: [Option<Flow>; PLACES] = array::from_fn(|_| None);
        for (name, value) in cookies {
            let place = name.strip_prefix(NAME).and_then(place);
            if let Some(place) = place.filter(|place| flows[*place].is_none()) {
                let flow = key.open(name, value);
                flows[place] = flow.filter(|flow: &Flow| now.as_second() < flow.expires_at);
            }
        }
        Self { flows }
    }

    /// The place of a new sign-in: a free one, or else that of the oldest.
    pub fn next_place(&self) -> usize {
        let began = |place: &usize| self.flows[*place].as_ref().map(|flow| flow.expires_at);
        // `None` is less than any time.
        (0..PLACES).min_by_key(began).unwrap_or_default()
    }

    /// The sign-in with this `state`.
    pub fn find(self, state: &str) -> Option<Flow> {
        let place = state.split_once('.').and_then(|(number, _)| place(number))?;
        let flow = self.flows.into_iter().nth(place)??;
        ids::same(&flow.state, state).then_some(flow)
    }
}

fn name(place: usize) -> String {
    format!("{NAME}{place}")
}

/// The place with this number, which is one digit.
fn place(number: &str) -> Option<usize> {
    let [digit] = number.as_bytes() else { return None };
    let place = usize::from(digit.checked_sub(b'0')?);
    (place < PLACES).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://localhost:3000/auth.html";

    fn key() -> SealKey {
        SealKey::derive("text of the secret", PURPOSE).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn begin(place: usize, second: i64) -> Flow {
        Flow::begin(place, PAGE.into(), "c".repeat(43), at(second))
    }

    /// The name and the value of a new cookie.
    fn sent(flow: &Flow) -> (String, String) {
        let cookie = flow.cookie(&key()).unwrap();
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    }

    fn open(cookies: &[(String, String)], second: i64) -> FlowCookies {
        let pairs = cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        FlowCookies::open(&key(), pairs, at(second))
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let flow = begin(3, 0);
        let cookie = flow.cookie(&key()).unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert!(pair.starts_with("__Host-tally_sso_3="), "{pair}");
        assert_eq!(attributes, "Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=600");
        // A browser keeps 4,096 bytes of a cookie.
        assert!(cookie.len() < 1_024, "{}", cookie.len());
        let cleared = "__Host-tally_sso_3=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0";
        assert_eq!(flow.cleared(), cleared);
    }

    #[test]
    fn a_sign_in_is_found_by_its_state_for_ten_minutes() {
        let flow = begin(2, 0);
        let cookies = [sent(&begin(0, 0)), sent(&flow)];
        let found = open(&cookies, 599).find(&flow.state).unwrap();
        assert_eq!(
            (found.nonce, found.verifier, found.return_to, found.challenge),
            (flow.nonce, flow.verifier, flow.return_to, flow.challenge)
        );
        assert!(open(&cookies, 600).find(&flow.state).is_none(), "expired");
        let other_place = flow.state.replacen('2', "0", 1);
        let shorter = &flow.state[..flow.state.len() - 1];
        for state in ["", "2", "2.", "9.x", "22.x", "+2.x", "/.x", "é.x", shorter, &other_place] {
            assert!(open(&cookies, 0).find(state).is_none(), "{state}");
        }
        let of_another = begin(2, 0);
        assert!(open(&cookies, 0).find(&of_another.state).is_none(), "another browser's state");
        assert!(open(&[], 0).find(&flow.state).is_none(), "no cookie");
    }

    #[test]
    fn a_cookie_opens_under_its_own_name_and_unaltered_alone() {
        let flow = begin(2, 0);
        let (name, value) = sent(&flow);
        let altered = format!("{}A{}", &value[..40], &value[41..]);
        let changed = if altered == value { value.replacen('A', "B", 1) } else { altered };
        for (name, value, expected) in [
            (name.as_str(), value.as_str(), true),
            ("__Host-tally_sso_1", &value, false),
            ("tally_sso_2", &value, false),
            ("__Host-tally_sso_02", &value, false),
            (&name, &changed, false),
            (&name, &value[1..], false),
            (&name, "", false),
        ] {
            let found = open(&[(name.to_owned(), value.to_owned())], 0).find(&flow.state);
            assert_eq!(found.is_some(), expected, "{name}={value}");
        }
        let other = SealKey::derive("another secret", PURPOSE).unwrap();
        let pair = (name.as_str(), value.as_str());
        let opened = FlowCookies::open(&other, [pair].into_iter(), at(0));
        assert!(opened.find(&flow.state).is_none());
        // A worthless cookie of the same name does not hide the good one.
        let both = [(name.clone(), "x".to_owned()), (name, value)];
        assert!(open(&both, 0).find(&flow.state).is_some());
    }

    #[test]
    fn a_new_sign_in_takes_a_free_place_or_that_of_the_oldest() {
        let mut cookies: Vec<_> = Vec::new();
        for place in 0..PLACES {
            assert_eq!(open(&cookies, 0).next_place(), place);
            // The third is the oldest.
            let second = [10, 20, 0, 30, 40][place];
            cookies.push(sent(&begin(place, second)));
        }
        assert_eq!(open(&cookies, 40).next_place(), 2);
        cookies[2] = sent(&begin(2, 50));
        assert_eq!(open(&cookies, 50).next_place(), 0);
        // One that has expired, or does not open, leaves its place free.
        assert_eq!(open(&cookies, 10 + VALID_SECONDS).next_place(), 0);
        cookies[4].1 = "x".into();
        assert_eq!(open(&cookies, 50).next_place(), 4);
    }
}
