//! One attempt at a call: a request, and the messages that answer it.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::api::{Api, Messages, Reply as _, Sending};
use super::failure::Failure;
use super::http::silent;
use super::settings::Patience;
use crate::error::Fault;
use crate::provider::Event;

/// Time to wait for the end of the answer after the end of the reply, so that its connection can be
/// reused.
const FAREWELL: Duration = Duration::from_millis(50);

/// The longest wait for what may follow the stop reason, such as the usage.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// An attempt whose answer has begun. Dropping it closes its connection.
pub(super) struct Attempt<A: Api> {
    messages: Messages<A::Message>,
    reply: A::Reply,
    begins_by: Instant,
    idle: Duration,
    /// When the reply ends if nothing more follows its stop reason. Frames that say nothing, such
    /// as pings, do not put it off.
    ends_by: Option<Instant>,
}

impl<A: Api> Attempt<A> {
    /// Sends a request and waits for the head of its answer.
    pub async fn begin(
        api: &A,
        body: Vec<u8>,
        sending: Sending<'_>,
        reply: A::Reply,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let begins_by = sending.by;
        let sent = api.send(body, sending).await;
        let messages = sent.map_err(|failure| Self::priced(failure, begins_by))?;
        Ok(Self { messages, reply, begins_by, idle: patience.idle, ends_by: None })
    }

    /// The next events: none for a message that means nothing.
    pub async fn next(&mut self) -> Result<Vec<Event>, Failure> {
        let told = match self.message().await {
            Ok(message) => self.reply.take(message),
            Err(failure) => self.reply.cut(failure),
        };
        let says_more = told.as_ref().is_ok_and(|events| !events.is_empty());
        if self.reply.has_stopped() && (says_more || self.ends_by.is_none()) {
            self.ends_by = Some(Instant::now() + self.idle.min(LAST_WORDS));
        }
        if self.reply.is_over() {
            // The reply is complete. If the connection cannot be reused, there is nothing to do
            // about it.
            let _ = timeout(FAREWELL, self.messages.next()).await;
        }
        told.map_err(|mut failure| {
            failure.error.produced = self.reply.has_begun();
            failure.is_paid = self.reply.is_paid();
            Self::priced(failure, self.begins_by)
        })
    }

    /// A failure as it has to be paid for: also where a model may have thought until the time for
    /// its first word was over.
    fn priced(mut failure: Failure, begins_by: Instant) -> Failure {
        let has_waited = failure.error.fault == Fault::TimedOut && Instant::now() >= begins_by;
        failure.is_paid |= A::THINKS_IN_SILENCE && has_waited;
        failure
    }

    /// Whether the reply is whole.
    pub fn is_over(&self) -> bool {
        self.reply.is_over()
    }

    async fn message(&mut self) -> Result<A::Message, Failure> {
        let by = if let Some(ends_by) = self.ends_by {
            ends_by
        } else if self.reply.has_begun() {
            Instant::now() + self.idle
        } else {
            self.begins_by
        };
        let message = timeout_at(by, self.messages.next()).await.map_err(|_| silent())?;
        message.unwrap_or_else(|| {
            Err(Failure::passing(Fault::Broken, "the stream ended before the reply was complete"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StopReason, Usage};
    use crate::error::ProviderError;
    use crate::remote::{Reply, Takes};
    use crate::request::{Request, Turn};
    use futures_util::stream;
    use tokio::time::sleep_until;

    /// What a message of the stub says.
    #[derive(Clone, Copy)]
    enum Word {
        Ping,
        Text,
        /// The stop reason.
        Stop,
    }

    /// An API that never answers. Its models may think in silence.
    struct Stub<const THINKS: bool>;

    #[derive(Default)]
    struct StubReply {
        has_begun: bool,
        has_stopped: bool,
        is_over: bool,
    }

    impl<const THINKS: bool> Api for Stub<THINKS> {
        type Message = Word;
        type Reply = StubReply;

        const THINKS_IN_SILENCE: bool = THINKS;

        fn sent(_: &[Turn]) -> Vec<usize> {
            Vec::new()
        }

        fn body(&self, _: &Request, _: &str, _: u64, _: Takes) -> Result<Vec<u8>, ProviderError> {
            Ok(Vec::new())
        }

        async fn send(
            &self,
            body: Vec<u8>,
            sending: Sending<'_>,
        ) -> Result<Messages<Word>, Failure> {
            if body.is_empty() {
                return Ok(stream::pending().boxed());
            }
            // A connection that cannot be made fails earlier.
            if body != b"connect" {
                sleep_until(sending.by).await;
            }
            Err(silent())
        }

        fn reply(_: &Request, _: Usage, _: u64) -> StubReply {
            StubReply::default()
        }
    }

    impl Reply<Word> for StubReply {
        fn take(&mut self, word: Word) -> Result<Vec<Event>, Failure> {
            match word {
                Word::Ping => return Ok(Vec::new()),
                Word::Text => self.has_begun = true,
                Word::Stop => self.has_stopped = true,
            }
            Ok(vec![Event::Text("x".into())])
        }

        fn cut(&mut self, failure: Failure) -> Result<Vec<Event>, Failure> {
            self.is_over = self.has_stopped;
            if self.is_over { Ok(vec![Event::Stop(StopReason::EndTurn)]) } else { Err(failure) }
        }

        fn has_begun(&self) -> bool {
            self.has_begun
        }

        fn is_paid(&self) -> bool {
            self.has_begun
        }

        fn has_stopped(&self) -> bool {
            self.has_stopped
        }

        fn is_over(&self) -> bool {
            self.is_over
        }
    }

    #[tokio::test]
    async fn pings_put_off_neither_the_first_word_nor_the_end() {
        use Word::{Ping, Stop, Text};
        let wait = Duration::from_millis(400);
        let pause = Duration::from_millis(20);
        // The words, after which pings come for ever, the texts, and whether the reply is whole.
        for (name, words, texts, is_whole) in [
            ("nothing but pings", vec![], 0, false),
            ("no end of a connection", vec![Text, Stop], 2, true),
            // Some servers say why they stop in each message.
            ("a text after each reason", vec![Text, Stop, Text, Ping, Stop, Text], 5, true),
        ] {
            let words = stream::iter(words).chain(stream::repeat(Ping));
            let messages = words.then(move |word| async move {
                tokio::time::sleep(pause).await;
                Ok(word)
            });
            let mut attempt: Attempt<Stub<false>> = Attempt {
                messages: messages.boxed(),
                reply: StubReply::default(),
                begins_by: Instant::now() + wait,
                idle: wait,
                ends_by: None,
            };
            let read = async {
                let mut found = 0;
                while !attempt.is_over() {
                    let told = attempt.next().await?;
                    found += told.iter().filter(|event| matches!(event, Event::Text(_))).count();
                }
                Ok::<_, Failure>(found)
            };
            let read = timeout(Duration::from_secs(20), read).await.expect(name);
            assert_eq!((read.is_ok(), read.unwrap_or_default()), (is_whole, texts), "{name}");
        }
    }

    /// Whether an attempt whose answer does not come in time has to be paid for.
    async fn is_paid<const THINKS: bool>(body: &[u8]) -> bool {
        let wait = Duration::from_millis(50);
        let patience = Patience { connect: wait, first_token: wait, idle: wait };
        let sending = Sending { model: "m", authorization: None, by: Instant::now() + wait };
        let (api, reply) = (Stub::<THINKS>, StubReply::default());
        let failure = match Attempt::begin(&api, body.to_vec(), sending, reply, patience).await {
            Ok(mut attempt) => attempt.next().await.unwrap_err(),
            Err(failure) => failure,
        };
        assert_eq!((failure.error.fault, failure.error.produced), (Fault::TimedOut, false));
        failure.is_paid
    }

    #[tokio::test]
    async fn a_model_that_may_have_thought_until_the_time_was_over_is_paid() {
        // No connection, no head of an answer, and a head without anything after it.
        for (body, expected) in [(&b"connect"[..], false), (b"head", true), (b"", true)] {
            assert_eq!(is_paid::<true>(body).await, expected, "{body:?}");
            assert!(!is_paid::<false>(body).await, "{body:?}");
        }
    }
}
