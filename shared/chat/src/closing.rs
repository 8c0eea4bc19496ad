//! The calls of a reply when it ends: none stays open.

use assistant::domain::StopReason;
use platform::database::Write;

use crate::domain::{CallStatus, NOT_MADE, ToolCall};
use crate::store::{CallRecord, Message, Steps, StepsTaken, shown_calls};

/// The steps of a reply that ends, with the calls as they are then.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// The steps, with the calls as the end leaves them.
    pub steps: StepsTaken,
    /// The calls that the end changes, as they were before.
    open: Vec<(CallRecord, CallStatus)>,
}

impl Closing {
    /// The end of these steps. `reply` is in its final state. A call that waits is rejected, or has
    /// expired if the time is over. One that is still to be made fails. The condition of its write
    /// keeps a worker that is not known to be dead from making it later.
    pub fn of(reply: &Message, mut steps: StepsTaken) -> Self {
        let waits = match reply.stop_reason {
            Some(StopReason::ConfirmationExpired) => CallStatus::Expired,
            _ => CallStatus::Rejected,
        };
        let mut open = Vec::new();
        for call in steps.iter_mut().flat_map(|(_, calls)| calls) {
            let before = call.clone();
            let status = match call.status {
                CallStatus::AwaitingConfirmation => waits,
                CallStatus::Running | CallStatus::Approved => CallStatus::Failed,
                _ => continue,
            };
            *call = before.clone().decided(status);
            if status == CallStatus::Failed {
                call.result = Some(NOT_MADE.to_owned());
                call.summary = Some(NOT_MADE.to_owned());
            }
            open.push((before, status));
        }
        Self { steps, open }
    }

    /// The calls as the item of the message has them.
    pub fn shown(&self) -> Vec<ToolCall> {
        shown_calls(&self.steps, None)
    }

    /// The calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &CallRecord> {
        self.steps.iter().flat_map(|(_, calls)| calls)
    }

    /// The writes that end the open calls. The condition of one fails if its call has changed.
    pub fn writes(&self, steps: &Steps) -> Vec<Write> {
        let write = |(call, status): &(CallRecord, CallStatus)| match status {
            CallStatus::Failed => steps.finish(call, *status, NOT_MADE, NOT_MADE),
            _ => steps.decide(call, *status),
        };
        self.open.iter().map(write).collect()
    }
}

#[cfg(test)]
mod tests {
    use assistant::domain::MessageRole;
    use jiff::Timestamp;

    use super::*;
    use crate::store::Step;
    use crate::turn::message;

    #[test]
    fn no_call_stays_open_and_those_that_have_ended_stay_as_they_are() {
        use CallStatus::{
            Approved, AwaitingConfirmation, Completed, Expired, Failed, Rejected, Running,
        };
        let all = [Completed, Running, Approved, AwaitingConfirmation, Rejected, Failed];
        let call = |position: u8, status| CallRecord {
            position,
            ..CallRecord::sample(&position.to_string(), status)
        };
        for (stop_reason, waits) in [
            (None, Rejected),
            (Some(StopReason::Cancelled), Rejected),
            (Some(StopReason::ConfirmationExpired), Expired),
        ] {
            let calls = (0..).zip(all).map(|(position, status)| call(position, status)).collect();
            let steps =
                vec![(Step { message_id: "m".into(), number: 1, blocks: Vec::new() }, calls)];
            let (role, at) = (MessageRole::Assistant, Timestamp::UNIX_EPOCH);
            let mut reply = message("c".into(), "u", role, "", at);
            reply.stop_reason = stop_reason;
            let closing = Closing::of(&reply, steps);
            let statuses: Vec<_> = closing.calls().map(|call| call.status).collect();
            assert_eq!(statuses, [Completed, Failed, Failed, waits, Rejected, Failed]);
            let changed: Vec<_> = closing.open.iter().map(|(call, _)| call.position).collect();
            assert_eq!(changed, [1, 2, 3]);
            let told: Vec<_> =
                closing.shown().into_iter().map(|call| call.summary.is_some()).collect();
            assert_eq!(told, [false, true, true, true, false, false]);
        }
    }
}
