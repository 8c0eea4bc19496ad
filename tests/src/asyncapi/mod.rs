//! The AsyncAPI document. Its operations come from the table of actions, its messages from the
//! types. This module adds the order in which messages follow one another, and an example of each.

mod check;
mod connection;
mod document;
mod operation;
mod schema;
mod texts;

use assistant::domain::{Cost, StopReason, Usage};
use platform::Problem;
use platform::socket::ErrorMessage;
use serde_json::{Value, json};
use tally_chat::domain::{CallStatus, MessageStatus};
use tally_chat::{ChatCompleted, ChatDelta, ChatFailed, ChatStarted, ChatToolCall, ChatToolResult};
use tally_data::charts::Subscribed;
use tally_data::domain::ChartType;
use tally_files::FileUpdated;
use tally_files::domain::{File, FileStatus, Skipped, SkippedBecause};
use tally_jobs::domain::{AnalysisOutcome, Counts, Job, JobKind, JobStatus, Severity};
use tally_jobs::{JobEnded, JobProgress};
use tally_prompts::domain::Pinned;

use self::document::Document;

pub use check::{validator, verify};

const REPLY: &str = "019a0000-0000-7000-8000-000000000001";
const CONVERSATION: &str = "019a0000-0000-7000-8000-000000000002";
const SUBSCRIPTION: &str = "019a0000-0000-7000-8000-000000000003";
const CALL: &str = "call_1";
const FILE: &str = "019a0000-0000-7000-8000-000000000004";
const JOB: &str = "019a0000-0000-7000-8000-000000000005";
const REQUEST: &str = "c2VydmVyLWlk=";

/// The whole document.
pub fn document() -> Value {
    let mut document = Document::default();
    document.action::<ping::Ping>(json!({})).answer::<ping::Pong>();
    document
        .action::<auth_renew::Renew>(json!({"token": "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2lnbmF0dXJl"}))
        .body::<auth_renew::RenewBody>()
        .answer::<auth_renew::Renewed>();
    document
        .action::<charts::Subscribe>(json!({"chart_type": "line", "interval_ms": 500, "seq": 1}))
        .body::<charts::SubscribeBody>()
        .answer::<Subscribed>()
        .then::<chart_stream::Data>()
        .then::<chart_stream::Ended>()
        .fails(Problem::overtaken(2))
        .note(
            "Frames follow until you unsubscribe, or until the server ends the stream. A \
             connection has one stream of each chart at most.",
        );
    document
        .action::<charts::Unsubscribe>(json!({"chart_type": "line", "seq": 2}))
        .body::<charts::UnsubscribeBody>()
        .answer::<charts::Unsubscribed>()
        .fails(Problem::overtaken(3))
        .note(
            "The action is idempotent. Frames that are on their way may arrive before the answer, \
             and none after it.",
        );
    chat(&mut document);
    messages(&mut document);
    document.finish()
}

/// The actions of a chat.
fn chat(document: &mut Document) {
    document
        .action::<chat_send::ChatSend>(json!({"message": "How did Alpha do in 2023?"}))
        .body::<tally_chat::ChatSendRequest>()
        .answer::<ChatStarted>()
        .then::<ChatDelta>()
        .then::<ChatToolCall>()
        .then::<ChatToolResult>()
        .then::<ChatCompleted>()
        .then::<ChatFailed>()
        .fails(Problem::not_found())
        .fails(Problem::not_ready())
        .fails(Problem::not_granted("ai"))
        .fails(Problem::budget_exceeded("Your budget"))
        .fails(Problem::idempotency_key_reused())
        .fails(Problem::request_in_flight())
        .note(
            "Deltas follow, and one `chat.completed` or `chat.failed` at the end. The reply of an \
             `agent` may have calls of tools between the deltas. If a call waits for a \
             confirmation, the reply goes on after `chat.confirm`. If you do not know whether a message arrived, send it again with the same `idempotency_key`, over \
             any connection of the same user. The server answers a repeat with the first message's \
             `chat.started`, its deltas from sequence 1 on, and its end. It repeats a final \
             refusal (`context_too_long`, `content_refused`) too. After any other failure the \
             repeat asks for another reply, which has its own `message_id`. The cells of a \
             `context` are read when the model is asked. A reply fails with `forbidden` or \
             `not_found` if the rules have closed them by then. A reply keeps the version of the \
             `prompt` that `chat.started` names. A name with `@` is `forbidden` unless you are an \
             editor or an administrator.",
        );
    document
        .action::<chat_follow::Cancel>(json!({"message_id": REPLY}))
        .body::<chat_follow::CancelBody>()
        .answer::<chat_follow::Cancelling>()
        .then::<ChatCompleted>()
        .fails(Problem::not_found())
        .fails(Problem::reply_ended())
        .note(
            "`chat.cancelling` echoes the `id`. A message without an `id` has no answer. A reply \
             that waits for a confirmation ends too, and its calls are rejected. Within half a \
             second the reply ends for every subscriber, by `chat.completed` with \
             `stop_reason: \"cancelled\"`. That message may arrive before `chat.cancelling`. The \
             action is idempotent.",
        );
    let decisions = json!([{"call_id": CALL, "decision": "approve"}]);
    document
        .action::<chat_follow::Confirm>(json!({"message_id": REPLY, "decisions": decisions}))
        .body::<chat_follow::ConfirmBody>()
        .answer::<chat_follow::Confirmed>()
        .then::<ChatToolResult>()
        .then::<ChatDelta>()
        .then::<ChatToolCall>()
        .then::<ChatCompleted>()
        .then::<ChatFailed>()
        .fails(Problem::not_found())
        .fails(Problem::not_waiting())
        .fails(Problem::sources_withheld())
        .note(
            "`chat.confirmed` echoes the `id`. A message without an `id` has no answer. The first \
             decision about a call counts: the same one again changes nothing, and another one is \
             a `conflict`. Once all calls that wait are decided, the reply goes on for every \
             connection that receives it. A connection that was not open when the call came sends \
             `chat.resume` first. You cannot change the arguments of a call. If you do not decide \
             in time, the calls expire, and the reply ends with `stop_reason: \
             \"confirmation_expired\"`.",
        );
    document
        .action::<chat_follow::Resume>(json!({"message_id": REPLY, "after_sequence": 7}))
        .body::<chat_follow::ResumeBody>()
        .answer::<chat_follow::Resumed>()
        .then::<ChatDelta>()
        .then::<ChatToolCall>()
        .then::<ChatToolResult>()
        .then::<ChatCompleted>()
        .then::<ChatFailed>()
        .fails(Problem::not_found())
        .note(
            "`chat.resumed` echoes the `id`. A message without an `id` has no answer. The deltas \
             and calls after `after_sequence` follow, and then the rest as the worker writes it. If \
             the reply waits for a confirmation, the rest follows after that. You can resume a \
             reply for a day, over any connection of the same user. The first delta may arrive \
             before `chat.resumed`.",
        );
}

/// Adds the messages of the server, with an example of each.
fn messages(document: &mut Document) {
    document.message(&ErrorMessage::new(
        Problem::invalid_field("chart_type", "must be line, pie or bar"),
        REQUEST,
    ));
    document.message(&ping::Pong {});
    document.message(&auth_renew::Renewed { expires_at: "2026-01-31T09:45:00.000Z".into() });

    let subscription_id = || SUBSCRIPTION.to_owned();
    let point = chart_stream::Point { label: "Jan", value: 123_456.78 };
    document.message(&Subscribed {
        subscription_id: subscription_id(),
        chart_type: ChartType::Line,
        interval_ms: 500,
    });
    document.message(&chart_stream::Data {
        subscription_id: subscription_id(),
        chart_type: ChartType::Line,
        timestamp: "2026-01-31T09:30:00.000Z".into(),
        sequence: 1,
        points: Some(vec![point]),
        slices: None,
    });
    document.message(&chart_stream::Ended {
        subscription_id: subscription_id(),
        reason: chart_stream::Reason::Deadline,
    });
    document.message(&charts::Unsubscribed { chart_type: ChartType::Line });

    let message_id = || REPLY.to_owned();
    document.message(&ChatStarted {
        message_id: message_id(),
        conversation_id: CONVERSATION.into(),
        prompt: Pinned { version: 7, ..Pinned::default() },
    });
    document.message(&chat_follow::Cancelling { message_id: message_id() });
    document.message(&chat_follow::Confirmed {
        message_id: message_id(),
        status: MessageStatus::Pending,
    });
    document.message(&chat_follow::Resumed { message_id: message_id(), after_sequence: 7 });
    document.message(&ChatDelta {
        message_id: message_id(),
        sequence: 1,
        text: "Lorem ipsum".into(),
    });
    document.message(&ChatToolCall {
        message_id: message_id(),
        sequence: 2,
        call_id: CALL.into(),
        tool: "add_task".into(),
        title: "Add a task".into(),
        arguments: json!({"title": "Call the bank"}),
        preview: "Add the task \"Call the bank\".".into(),
        status: CallStatus::AwaitingConfirmation,
        expires_at: Some("2026-01-31T09:45:00.000Z".into()),
    });
    document.message(&ChatToolResult {
        message_id: message_id(),
        sequence: 3,
        call_id: CALL.into(),
        status: CallStatus::Completed,
        summary: "Done.".into(),
    });
    document.message(&ChatCompleted {
        message_id: message_id(),
        stop_reason: StopReason::EndTurn,
        usage: Usage { input_tokens: 12, output_tokens: 87, ..Usage::default() },
        cost_usd: "0.0013410".parse().unwrap(),
        withheld: false,
    });
    document.message(&ChatFailed::new(REPLY, &Problem::unavailable()));
    document.message(&FileUpdated::new(file()));
    document.message(&JobProgress {
        job_id: JOB.into(),
        kind: JobKind::Batch,
        revision: 17,
        status: JobStatus::Running,
        counts: Counts {
            total: 1_240,
            running: 80,
            succeeded: 1_158,
            failed: 2,
            ..Counts::default()
        },
        cost_usd: cost(),
        ended: vec![[0, 57]],
    });
    document.message(&JobEnded { job: job() });
}

fn cost() -> Cost {
    "0.0125".parse().unwrap()
}

/// An analysis that has ended.
fn job() -> Job {
    Job {
        id: JOB.into(),
        kind: JobKind::Analysis,
        status: JobStatus::Succeeded,
        title: "code analysis of Ledger.zip".into(),
        prompt: Pinned { name: "code.review".parse().unwrap(), version: 0 },
        counts: Counts { total: 4, succeeded: 4, ..Counts::default() },
        usage: Usage { input_tokens: 14_210, output_tokens: 1_102, ..Usage::default() },
        cost_usd: cost(),
        held_usd: Cost::ZERO,
        error: None,
        rerun_of: None,
        analysis: Some(AnalysisOutcome {
            summary: Some("Two sums may overflow.".into()),
            findings: [(Severity::High, 2)].into(),
        }),
        evaluation: None,
        revision: 12,
        created_at: "2026-01-31T09:30:00.000Z".into(),
        started_at: Some("2026-01-31T09:30:00.120Z".into()),
        ended_at: Some("2026-01-31T09:30:12.000Z".into()),
        expires_at: "2026-05-01T09:30:00.000Z".into(),
    }
}

/// An archive that is ready.
fn file() -> File {
    File {
        id: FILE.into(),
        name: "Ledger.zip".into(),
        size: 48_213,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        media_type: "application/zip".into(),
        status: FileStatus::Ready,
        reason: None,
        pages: None,
        parts: Some(3),
        skipped: Some(vec![Skipped { path: "target".into(), reason: SkippedBecause::Folder }]),
        created_at: "2026-01-31T09:30:00.000Z".into(),
        expires_at: "2026-03-02T09:31:00.000Z".into(),
    }
}
