//! The tokens of a request, as the provider counts them before it is sent. A count is free.

use tokio::time::{Instant, sleep};

use super::api::{Api, Sending};
use super::{Model, Shared};
use crate::error::{Fault, ProviderError};
use crate::request::Request;

/// Retries of a failure that may be over soon. A caller waits for the count before it does the
/// work itself.
const RETRIES: u32 = 1;

/// Counts a request as it would be sent to a model: another key or a part that is refused makes it
/// another request, as in a call. The model's circuit has no say, because no model is asked.
pub(super) async fn count<A: Api>(
    shared: &Shared<A>,
    model: &Model,
    mut request: Request,
) -> Result<u64, ProviderError> {
    let mut authorization = shared.key.authorization().await?;
    let mut is_replaced = false;
    let mut retries = 0;
    let mut takes = model.takes();
    loop {
        let by = Instant::now() + shared.patience.first_token;
        let sending = Sending { model: &model.name, authorization: authorization.clone(), by };
        let failure = match shared.api.count(&request, takes, sending).await {
            Ok(tokens) => {
                model.learn(takes);
                return Ok(tokens);
            }
            Err(failure) => failure,
        };
        let error = &failure.error;
        tracing::warn!(model = model.name, retries, %error, "failed to count tokens in one attempt");
        if error.fault == Fault::KeyRefused && !is_replaced {
            is_replaced = true;
            if let Some(key) = shared.key.replacement(authorization.as_ref()).await {
                authorization = Some(key);
                continue;
            }
        }
        let is_changed =
            failure.refused.is_some_and(|part| part.leave_out(&mut request, &mut takes));
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
