//! A bound for the events of an answer. The SDK's parser has none of its own: it takes the length
//! of an event from the event, and waits for as many bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_bedrockruntime::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_bedrockruntime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_bedrockruntime::error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyStream, StreamBody};

use crate::remote::LARGEST_EVENT;

/// The bound of one answer. The SDK puts it around the body, and the reader resets it with each
/// event.
#[derive(Debug, Clone, Default)]
pub(super) struct Bound {
    /// Bytes that have arrived since the last event.
    unread: Arc<AtomicUsize>,
}

/// An event is larger than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the stream has an event of more than {LARGEST_EVENT} bytes")]
pub(super) struct TooLarge;

impl Bound {
    /// Counts from here, because an event is complete.
    pub fn reset(&self) {
        self.unread.store(0, Ordering::Relaxed);
    }

    /// A body that fails when an event grows beyond the bound.
    fn around(&self, body: SdkBody) -> SdkBody {
        let unread = Arc::clone(&self.unread);
        let frames = BodyStream::new(body).map(move |frame| {
            let frame = frame?;
            let length = frame.data_ref().map_or(0, Bytes::len);
            if unread.fetch_add(length, Ordering::Relaxed) + length > LARGEST_EVENT {
                return Err(BoxError::from(TooLarge));
            }
            Ok(frame)
        });
        SdkBody::from_body_1_x(StreamBody::new(frames))
    }
}

impl Intercept for Bound {
    fn name(&self) -> &'static str {
        "Bound"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        *body = self.around(std::mem::replace(body, SdkBody::taken()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{BodyExt as _, Full};

    #[tokio::test]
    async fn a_body_fails_at_the_bound_of_an_event() {
        let most = LARGEST_EVENT;
        for (pieces, resets, expected) in [
            (vec![most], false, 1),
            (vec![most + 1], false, 0),
            (vec![most - 1, 1, 1], false, 2),
            (vec![most, most, most], true, 3),
            (vec![1, most + 1], true, 1),
            (vec![], false, 0),
        ] {
            let sent = stream::iter(pieces.clone())
                .flat_map(|length| BodyStream::new(Full::new(Bytes::from(vec![b'x'; length]))));
            let bound = Bound::default();
            let mut body = bound.around(SdkBody::from_body_1_x(StreamBody::new(sent)));
            let mut found = 0;
            let failed = loop {
                match body.frame().await {
                    Some(Ok(_)) => found += 1,
                    Some(Err(error)) => break error.is::<TooLarge>(),
                    None => break false,
                }
                if resets {
                    bound.reset();
                }
            };
            assert_eq!((found, failed), (expected, expected < pieces.len()), "{pieces:?}");
        }
    }
}
