//! Stores the end of a reply, or its wait for a confirmation, and tells the subscribers.

use std::time::Duration;

use assistant::domain::StopReason;
use platform::clock::Clock;
use platform::{ConfigError, Platform, Problem};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Drafts, Message, Messages};
use tally_chat::{ChatCompleted, ChatEnd, ChatFailed, Ended, Ending, Endings, Waiting};
use texts::Texts;
use tokio::time::{sleep, timeout};

use crate::calls::show;
use crate::checkpoint::Command;
use crate::draft::Draft;

/// How often the worker stores the end again if the store does not answer, and the time between two
/// attempts.
const END_ATTEMPTS: u32 = 2;
const END_PAUSE: Duration = Duration::from_secs(1);

/// Time for reading the calls that are open when a reply ends.
const CALLS_WITHIN: Duration = Duration::from_secs(2);

/// Ends replies that the worker has written.
pub struct ReplyEnds {
    messages: Messages,
    drafts: Drafts,
    endings: Endings,
    texts: Texts,
    clock: Clock,
}

impl ReplyEnds {
    /// Uses the tables of messages, drafts and [`Endings`].
    pub fn new(platform: &Platform, texts: Texts) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            endings: Endings::new(platform)?,
            texts,
            clock: platform.clock.clone(),
        })
    }

    /// Stores how the reply ended, and then tells each connection, after the rest of the text.
    /// Commands of other functions that arrive meanwhile are applied first. So a reply that was to
    /// stop has stopped, even if no text was left to write.
    pub async fn end(
        &self,
        mut draft: Draft<'_>,
        written: Result<StopReason, Problem>,
    ) -> Result<(), Problem> {
        self.close_calls(&mut draft).await;
        draft.finish().await;
        let mut written = written;
        let mut attempts = 0;
        let cost_usd = draft.cost();
        loop {
            let (status, stop_reason) = match &written {
                Ok(StopReason::Cancelled) => {
                    (MessageStatus::Cancelled, Some(StopReason::Cancelled))
                }
                Ok(reason) => (MessageStatus::Completed, Some(*reason)),
                Err(_) => (MessageStatus::Failed, None),
            };
            let failure = written.as_ref().err().map(|problem| problem.code);
            let reply =
                Message { stop_reason, failure, cost_usd: Some(cost_usd), ..draft.ended(status) };
            let from = MessageStatus::Streaming;
            let unsaved = draft.unsaved();
            let model = Some(draft.model.as_str());
            let revision = draft.revision();
            let subscribers = draft.subscribers_at_end();
            let has_subscribers = subscribers.any;
            let ending = Ending {
                reply: &reply,
                from,
                model,
                asked: draft.asked.as_ref().map(|asked| (asked, &self.texts)),
                revision,
                overdue: None,
                subscribers,
                frames: unsaved.as_ref(),
            };
            match (self.endings.end(&ending).await, written) {
                // An earlier attempt whose answer was lost may have stored the end.
                (Ok(Ended::Overtaken), _)
                    if attempts == 0 || !self.has_ended_as(&reply).await? =>
                {
                    return Ok(());
                }
                (Ok(Ended::Changed(head)), before) => {
                    let stopped = draft.apply_commands(*head) == Command::Stop;
                    draft.finish().await;
                    written =
                        if stopped && before.is_ok() { Ok(StopReason::Cancelled) } else { before };
                }
                (Err(problem), before) if attempts < END_ATTEMPTS => {
                    tracing::warn!(
                        message_id = reply.id,
                        code = %problem.code,
                        "failed to store the end of a reply; it is tried again"
                    );
                    attempts += 1;
                    written = before;
                    sleep(END_PAUSE).await;
                }
                (Ok(Ended::Stored | Ended::Overtaken), written) => {
                    let end = match written {
                        Ok(stop_reason) => {
                            let message_id = reply.id.clone();
                            ChatEnd::Completed(ChatCompleted {
                                message_id,
                                stop_reason,
                                usage: draft.used(),
                                cost_usd,
                                withheld: draft.is_withheld(),
                            })
                        }
                        Err(problem) => ChatEnd::Failed(ChatFailed::new(&reply.id, &problem)),
                    };
                    let told = draft.send_end(&end).await;
                    // `expire-replies` tells each connection that has not been told.
                    if has_subscribers
                        && told
                        && let Err(error) = self.drafts.close(&reply.id, self.clock.now()).await
                    {
                        tracing::warn!(
                            %error,
                            message_id = reply.id,
                            "failed to close a draft; each subscriber is told of the end twice"
                        );
                    }
                    return Ok(());
                }
                (Err(problem), _) => {
                    draft.send_end(&ChatEnd::Failed(ChatFailed::new(&reply.id, &problem))).await;
                    return Err(problem);
                }
            }
        }
    }

    /// Shows how the calls end that are open when the reply ends. Their records say it: a call whose
    /// answer was lost may have been made. If they can't be read, the message alone has the calls.
    async fn close_calls(&self, draft: &mut Draft<'_>) {
        if !draft.has_open_calls() {
            return;
        }
        let closing = timeout(CALLS_WITHIN, self.endings.closing(draft.reply())).await;
        match closing.unwrap_or_else(|_| Err(Problem::unavailable())) {
            Ok(closing) => {
                draft.release_calls();
                for call in closing.calls() {
                    show(draft, call);
                }
            }
            Err(problem) => tracing::warn!(
                message_id = draft.reply().id,
                code = %problem.code,
                "failed to read the open calls of a reply; its message alone has their ends"
            ),
        }
    }

    /// Stores that the reply waits until this time, in seconds since 1970, for its user to confirm
    /// calls. Then the subscribers are sent these calls, and the worker leaves the reply.
    pub async fn wait(&self, mut draft: Draft<'_>, until: i64) -> Result<(), Problem> {
        let mut attempts = 0;
        loop {
            draft.finish().await;
            let (reply, unsaved, spent) = (draft.waiting(), draft.unsaved_at_wait(), draft.spent());
            let waiting = Waiting {
                reply: &reply,
                revision: draft.revision(),
                frames: unsaved.as_ref(),
                subscribers: draft.subscribers_at_wait(),
                until,
                spent: &spent,
            };
            match self.endings.wait(&waiting).await {
                // An earlier attempt whose answer was lost may have stored the wait.
                Ok(Ended::Overtaken) if attempts == 0 => return Ok(()),
                Ok(Ended::Stored | Ended::Overtaken) => {
                    draft.leave().await;
                    return Ok(());
                }
                Ok(Ended::Changed(head)) => {
                    if draft.apply_commands(*head) == Command::Stop {
                        return self.end(draft, Ok(StopReason::Cancelled)).await;
                    }
                }
                Err(problem) if attempts < END_ATTEMPTS => {
                    tracing::warn!(
                        message_id = reply.id,
                        code = %problem.code,
                        "failed to store that a reply waits; it is tried again"
                    );
                    attempts += 1;
                    sleep(END_PAUSE).await;
                }
                Err(problem) => return self.end(draft, Err(problem)).await,
            }
        }
    }

    /// Whether a reply has ended with this status and text.
    async fn has_ended_as(&self, ended: &Message) -> Result<bool, Problem> {
        let found = self.messages.get(&ended.conversation_id, &ended.id).await?;
        Ok(found.is_some_and(|found| found.status == ended.status && found.text == ended.text))
    }
}
