//! The tokens of a request, as the provider counts them before it is sent. A count is free.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/token-counting>

use std::sync::atomic::Ordering;

use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::body::count_body;
use super::failure::Failure;
use super::post::body_of;
use super::{Model, Shared};
use crate::error::{Fault, ProviderError};
use crate::request::Request;

/// Retries of a failure that may be over soon. A caller waits for the count before it does the
/// work itself.
const RETRIES: u32 = 1;

/// The answer.
#[derive(Deserialize)]
struct Counted {
    input_tokens: u64,
}

/// Counts a request as it would be sent to a model: another key or a part that is refused makes it
/// another request, as in a call. The model's circuit has no say, because no model is asked.
pub(super) async fn count(
    shared: &Shared,
    model: &Model,
    mut request: Request,
) -> Result<u64, ProviderError> {
    let mut authorization = shared.key.authorization().await?;
    let mut is_replaced = false;
    let mut retries = 0;
    loop {
        let was_strict = model.takes_strict.load(Ordering::Relaxed);
        let body = count_body(&request, &model.name, was_strict)?;
        let failure = match ask(shared, authorization.clone(), body).await {
            Ok(tokens) => return Ok(tokens),
            Err(failure) => failure,
        };
        let error = &failure.error;
        tracing::warn!(model = model.name, retries, %error, "failed to count tokens in one attempt");
        if error.fault == Fault::KeyRefused && !is_replaced {
            is_replaced = true;
            if let Some(key) = shared.key.replacement(&authorization).await {
                authorization = key;
                continue;
            }
        }
        let is_changed = failure
            .refused
            .is_some_and(|part| part.leave_out(&mut request, was_strict, &model.takes_strict));
        if is_changed {
            continue;
        }
        match failure.pause(retries) {
            Some(pause) if retries < RETRIES => sleep(pause).await,
            _ => return Err(failure.error),
        }
        retries += 1;
    }
}

async fn ask(shared: &Shared, authorization: HeaderValue, body: Vec<u8>) -> Result<u64, Failure> {
    let line = shared.line(&shared.settings.count_url);
    let by = Instant::now() + line.patience.first_token;
    let response = line.post(authorization, "application/json", body, by).await?;
    let body = body_of(response, line.patience).await?;
    read(&body)
}

fn read(body: &[u8]) -> Result<u64, Failure> {
    let counted = serde_json::from_slice::<Counted>(body);
    let counted = counted.map_err(|_| Failure::passing(Fault::Broken, "the answer has no count"));
    Ok(counted?.input_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_or_the_answer_is_broken() {
        for (body, expected) in [
            (r#"{"input_tokens": 2095}"#, Some(2_095)),
            (r#"{"input_tokens": 0, "new": {}}"#, Some(0)),
            ("{}", None),
            (r#"{"input_tokens": -1}"#, None),
            (r#"{"input_tokens": "7"}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            let found = read(body.as_bytes());
            let fault = found.as_ref().err().map(|failure| failure.error.fault);
            assert_eq!(fault, expected.is_none().then_some(Fault::Broken), "{body}");
            assert_eq!(found.ok(), expected, "{body}");
        }
    }
}
