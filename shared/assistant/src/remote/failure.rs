//! The meaning of a failed attempt: the fault, and whether and when to try again.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use platform::aws::describe;
use platform::ids;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::part::Part;
use crate::error::{Fault, ProviderError};

/// The wait before the first retry. It doubles with each retry. This wait, the longest one and the
/// jitter are those of the SDKs of Anthropic and OpenAI.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait. If the provider asks for a longer one, there is no retry, because an earlier
/// one would go against its wish.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// The headers with the provider's id of a request.
const REQUEST_IDS: [&str; 3] = ["request-id", "x-request-id", "x-amzn-requestid"];

/// An attempt that has failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The error that is returned if this was the last attempt.
    pub error: ProviderError,
    /// Whether the attempt has to be paid for. Then another one would be paid for once more.
    pub is_paid: bool,
    /// The part of the request without which the provider may take it.
    pub refused: Option<Part>,
    retry: Retry,
}

#[derive(Debug)]
enum Retry {
    /// A retry would fail too.
    Never,
    /// A retry after the pause that the provider asks for, or else after our own.
    After(Option<Duration>),
}

/// What a provider says about a failure.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The kind of failure, if the provider names one that is known.
    pub fault: Option<Fault>,
    /// The part of the request that is refused, if the message names one that can be left out.
    pub refused: Option<Part>,
    /// The pause that the provider asks for in the body. That of a header takes precedence.
    pub retry_after: Option<Duration>,
    /// The provider's word for it, for the log. It never quotes the request.
    pub word: String,
}

impl Failure {
    /// A failure that a retry does not fix.
    pub fn lasting(fault: Fault, detail: impl Into<String>) -> Self {
        Self::new(ProviderError::new(fault, detail), Retry::Never)
    }

    /// A failure that may be over soon.
    pub fn passing(fault: Fault, detail: impl Into<String>) -> Self {
        Self::new(ProviderError::new(fault, detail), Retry::After(None))
    }

    fn new(error: ProviderError, retry: Retry) -> Self {
        Self { error, is_paid: false, refused: None, retry }
    }

    /// A connection that failed or broke.
    pub fn of_transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let fault = if error.is_timeout() { Fault::TimedOut } else { Fault::Unreachable };
        Self::passing(fault, describe(&error))
    }

    /// An answer with another status than 200, with these headers and this body.
    pub fn of_status(status: StatusCode, headers: &HeaderMap, said: Said, now: Timestamp) -> Self {
        let Said { fault, refused, retry_after, word } = said;
        let fault = fault.unwrap_or_else(|| fault_of_status(status));
        let is_passing = match header(headers, "x-should-retry") {
            Some("true") => true,
            Some("false") => false,
            // Servers refuse these for good with the status of a rate limit, or of a failure.
            _ if is_final(fault) => false,
            // Bedrock answers 424 if the model behind it has failed.
            _ => matches!(status.as_u16(), 408 | 409 | 424 | 429 | 500..),
        };
        let wanted = wanted(headers, now).or(retry_after);
        let retry = if is_passing { Retry::After(wanted) } else { Retry::Never };
        let id = REQUEST_IDS.iter().find_map(|name| header(headers, name)).unwrap_or("-");
        let detail = format!("{} {word} (request {id})", status.as_u16());
        let error = ProviderError { retry_after: wanted, ..ProviderError::new(fault, detail) };
        Self { refused, ..Self::new(error, retry) }
    }

    /// An error in a stream that has begun, of the request with this id.
    pub fn of_event(said: &Said, id: Option<&str>) -> Self {
        let fault = said.fault.unwrap_or(Fault::Failing);
        let is_passing = fault.is_outage() || fault == Fault::RateLimited;
        let detail = format!("an error event: {} (request {})", said.word, id.unwrap_or("-"));
        let failure =
            if is_passing { Self::passing(fault, detail) } else { Self::lasting(fault, detail) };
        Self { refused: said.refused, ..failure }
    }

    /// The pause before the next attempt, after so many retries; `None` if another attempt is not
    /// worth it.
    pub fn pause(&self, retries: u32) -> Option<Duration> {
        match self.retry {
            Retry::After(Some(wanted)) => (wanted <= LONGEST_WAIT).then_some(wanted),
            Retry::After(None) => Some(backoff(retries, u16::from_le_bytes(ids::random()))),
            Retry::Never => None,
        }
    }

    /// Whether another model may succeed where this one cannot just now.
    pub fn is_of_the_model(&self) -> bool {
        matches!(self.error.fault, Fault::Overloaded | Fault::UnknownModel | Fault::CircuitOpen)
    }
}

/// A request that could not be made.
impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::new(error, Retry::Never)
    }
}

/// Whether the same request would fail again, with any status: a quota is used up, the request is
/// too long, or its content is refused.
fn is_final(fault: Fault) -> bool {
    matches!(fault, Fault::KeyRefused | Fault::ContextTooLong | Fault::ContentRefused)
}

fn fault_of_status(status: StatusCode) -> Fault {
    match status.as_u16() {
        401..=403 => Fault::KeyRefused,
        404 => Fault::UnknownModel,
        413 => Fault::ContextTooLong,
        408 | 504 => Fault::TimedOut,
        429 => Fault::RateLimited,
        529 => Fault::Overloaded,
        409 | 424 | 500.. => Fault::Failing,
        400..=499 => Fault::RequestRefused,
        // This is a redirect above all: the key goes where the configuration says and nowhere else.
        _ => Fault::Broken,
    }
}

/// The pause that the provider asks for: `retry-after-ms`, or `retry-after` in seconds or as a
/// date.
fn wanted(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name, unit: f64| {
        let seconds = header(headers, name)?.parse::<f64>().ok()? / unit;
        (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    };
    let date = || {
        let at = rfc2822::parse(header(headers, "retry-after")?).ok()?;
        at.timestamp().duration_since(now).try_into().ok()
    };
    let wanted =
        number("retry-after-ms", 1_000.0).or_else(|| number("retry-after", 1.0)).or_else(date)?;
    (wanted > Duration::ZERO).then_some(wanted)
}

/// 0.5 s, 1 s, 2 s, …, 8 s, each up to a quarter shorter.
fn backoff(retries: u32, random: u16) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << retries.min(8)).min(LONGEST_WAIT);
    wait.mul_f64(1.0 - 0.25 * f64::from(random) / f64::from(u16::MAX))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, headers: &[(&'static str, &str)]) -> Failure {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        Failure::of_status(StatusCode::from_u16(status).unwrap(), &headers, Said::default(), now)
    }

    #[test]
    fn the_provider_says_whether_and_when_to_try_again() {
        let wait = |headers: &[_]| failure(429, headers).pause(0).map(|wait| wait.as_millis());
        for (headers, expected) in [
            (&[("retry-after", "2")][..], Some(2_000)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after-ms", "70"), ("retry-after", "2")], Some(70)),
            (&[("retry-after-ms", "soon"), ("retry-after", "2")], Some(2_000)),
            (&[("retry-after", "Sat, 21 Nov 2026 12:00:03 GMT")], Some(3_000)),
            // Longer than the longest wait: no retry, and no earlier one either.
            (&[("retry-after", "9")], None),
            (&[("retry-after", "1e30")], None),
            (&[("retry-after", "Sat, 21 Nov 2026 13:00:00 GMT")], None),
            (&[("x-should-retry", "false"), ("retry-after", "2")], None),
        ] {
            assert_eq!(wait(headers), expected, "{headers:?}");
        }
        // No usable time: our own pause.
        for headers in [
            &[][..],
            &[("retry-after", "0")],
            &[("retry-after", "-3")],
            &[("retry-after", "Sat, 21 Nov 2026 11:00:00 GMT")],
        ] {
            assert!(wait(headers).is_some_and(|wait| (375..=500).contains(&wait)), "{headers:?}");
        }
        assert!(failure(400, &[("x-should-retry", "true")]).pause(0).is_some());
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_jittered() {
        for (retries, random, expected) in [
            (0, 0, 500),
            (1, 0, 1_000),
            (2, 0, 2_000),
            (4, 0, 8_000),
            (30, 0, 8_000),
            (0, u16::MAX, 375),
            (4, u16::MAX, 6_000),
        ] {
            assert_eq!(backoff(retries, random).as_millis(), expected, "{retries} {random}");
        }
    }

    #[test]
    fn what_is_refused_for_good_is_never_tried_again() {
        for (fault, is_passing) in [
            (Fault::KeyRefused, false),
            (Fault::ContextTooLong, false),
            (Fault::ContentRefused, false),
            (Fault::RateLimited, true),
        ] {
            let said = Said { fault: Some(fault), ..Said::default() };
            let failure = Failure::of_status(
                StatusCode::TOO_MANY_REQUESTS,
                &HeaderMap::new(),
                said,
                Timestamp::UNIX_EPOCH,
            );
            assert_eq!(failure.pause(0).is_some(), is_passing, "{fault:?}");
        }
    }
}
