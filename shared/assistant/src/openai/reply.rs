//! Builds a reply from the chunks of its stream.

use std::mem::take;

use sse_stream::Sse;

use super::blocks::Blocks;
use super::chunk::{Choice, Chunk, Told};
use super::finish::{Finish, finish};
use super::meter::Meter;
use super::thought::{Member, Thought};
use super::uses::Uses;
use crate::domain::{StopReason, Usage};
use crate::error::Fault;
use crate::provider::Event;
use crate::remote::{self, Failure};
use crate::request::Request;

/// Bytes of reasoning and of inputs of tools that are kept until they are whole, at most. A model
/// writes some bytes for each token that it may have.
const MOST_KEPT: usize = 4 * 1024 * 1024;

/// A reply while it is written.
#[expect(clippy::struct_excessive_bools, reason = "they say how far it has come")]
#[derive(Debug)]
pub(crate) struct Reply {
    tools: Tools,
    /// Whether the model has answered, even if with nothing.
    has_answered: bool,
    is_paid: bool,
    has_begun: bool,
    is_over: bool,
    /// Whether the text is a refusal.
    is_refused: bool,
    finish: Option<Finish>,
    /// Why the reply fails, where the server says so as its end. The usage may still follow.
    failed: Option<Failure>,
    /// Reasoning that may go on.
    reasoning: Option<(Member, String)>,
    blocks: Blocks,
    uses: Uses,
    /// Bytes of the reasoning, in both forms, and of the uses.
    kept: usize,
    meter: Meter,
}

/// What a model may do with tools. Some servers know no `tool_choice`, so it may do otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tools {
    /// There are none.
    Absent,
    /// It was told to use none of those that it sees.
    Idle,
    /// It may use them.
    Usable,
}

impl Tools {
    fn of(request: &Request) -> Self {
        match (request.tools.is_empty(), request.without_tools) {
            (true, _) => Self::Absent,
            (false, true) => Self::Idle,
            (false, false) => Self::Usable,
        }
    }
}

impl Reply {
    /// The empty reply to a request, with an estimate of its input. It may have so many tokens at
    /// most.
    pub fn new(request: &Request, input: Usage, max_tokens: u64) -> Self {
        Self {
            tools: Tools::of(request),
            has_answered: false,
            is_paid: false,
            has_begun: false,
            is_over: false,
            is_refused: false,
            finish: None,
            failed: None,
            reasoning: None,
            blocks: Blocks::default(),
            uses: Uses::after(&request.turns),
            kept: 0,
            meter: Meter::new(input, max_tokens),
        }
    }

    /// Takes the next chunk, and returns the events that it stands for.
    fn add(&mut self, chunk: Chunk) -> Result<Vec<Event>, Failure> {
        let mut events = match chunk.choice {
            Some(choice) => self.go_on(choice)?,
            None => Vec::new(),
        };
        if let Some(counted) = &chunk.usage {
            self.is_paid |= counted.is_any();
            self.meter.count(counted);
        }
        events.extend(self.meter.event());
        Ok(events)
    }

    fn go_on(&mut self, choice: Choice) -> Result<Vec<Event>, Failure> {
        // From here on the model has read the request.
        (self.has_answered, self.is_paid) = (true, true);
        let mut events = Vec::new();
        if let Some((member, text)) = choice.reasoning {
            events.extend(self.think(member, &text)?);
        }
        if let Some((list, pieces)) = choice.blocks {
            // Its text is counted as reasoning.
            self.has_begun = true;
            self.keep_bytes(serde_json::to_string(&pieces).unwrap_or_default().len())?;
            self.blocks.add(list, pieces);
        }
        self.is_refused |= !choice.refusal.is_empty();
        for text in [choice.text, choice.refusal] {
            if !text.is_empty() {
                events.extend(self.thought());
                self.uses.close();
                self.wrote(&text);
                events.push(Event::Text(text));
            }
        }
        for delta in choice.uses {
            events.extend(self.thought());
            self.keep(delta.arguments())?;
            let name = delta.name().to_owned();
            if self.uses.add(delta)? {
                self.meter.wrote(&name);
            }
        }
        if let Some(word) = choice.finish_reason {
            match finish(&word) {
                Ok(finish) => self.finish = Some(finish),
                Err(failure) => self.failed = Some(failure),
            }
        }
        Ok(events)
    }

    /// More of the model's reasoning. It is not shown, but paid for.
    fn think(&mut self, member: Member, more: &str) -> Result<Option<Event>, Failure> {
        self.keep(more)?;
        self.uses.close();
        let is_another = self.reasoning.as_ref().is_some_and(|(known, _)| *known != member);
        let earlier = if is_another { self.thought() } else { None };
        self.reasoning.get_or_insert((member, String::new())).1.push_str(more);
        Ok(earlier)
    }

    /// The reasoning so far as a thought, because something else follows it. Blocks stand for its
    /// text.
    fn thought(&mut self) -> Option<Event> {
        let (member, text) = self.reasoning.take().filter(|_| self.blocks.is_empty())?;
        Some(Event::Thought(Thought::Reasoning { member, text: &text }.to_value()))
    }

    /// Counts what the model wrote, and what is kept of it until it is whole.
    fn keep(&mut self, text: &str) -> Result<(), Failure> {
        self.wrote(text);
        self.keep_bytes(text.len())
    }

    /// Counts the bytes of what is kept.
    fn keep_bytes(&mut self, bytes: usize) -> Result<(), Failure> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > MOST_KEPT {
            let why = "the reply has too much reasoning, or too long inputs of tools";
            return Err(Failure::lasting(Fault::Broken, why));
        }
        Ok(())
    }

    fn wrote(&mut self, text: &str) {
        self.has_begun = true;
        self.meter.wrote(text);
    }

    /// Ends the reply. Only now it is known which uses are whole: the usage, which comes last, may
    /// say that the reply was cut off.
    fn end(&mut self) -> Result<Vec<Event>, Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        let is_unwanted = self.tools != Tools::Usable && !self.uses.is_empty();
        if is_unwanted {
            tracing::warn!("the model used a tool that it may not use; the use is left out");
            self.uses = Uses::default();
        }
        let cut = match self.finish {
            _ if self.is_refused => Some(StopReason::Refusal),
            Some(Finish::Cut(reason)) => Some(reason),
            _ if self.uses.may_be_cut() && self.meter.is_full() => Some(StopReason::MaxTokens),
            _ => None,
        };
        if cut.is_none() && !self.uses.are_whole() {
            return Err(broken("a use of a tool is not whole"));
        }
        let mut events = Vec::new();
        if cut.is_none() {
            events.extend(self.thought());
            // A signature may come after the text and the uses.
            events.extend(take(&mut self.blocks).thought().map(Event::Thought));
        }
        events.extend(self.uses.events(cut.is_some()));
        let is_use = |event: &Event| matches!(event, Event::ToolUse(_));
        let asks = events.iter().any(is_use) || is_unwanted && self.tools == Tools::Idle;
        let whole = if asks { StopReason::ToolUse } else { StopReason::EndTurn };
        events.push(Event::Stop(cut.unwrap_or(whole)));
        self.is_over = true;
        Ok(events)
    }
}

impl remote::Reply<Sse> for Reply {
    fn take(&mut self, frame: Sse) -> Result<Vec<Event>, Failure> {
        match Told::read(&frame) {
            Ok(Some(Told::Chunk(chunk))) => self.add(*chunk),
            Ok(Some(Told::Done)) if !self.has_answered => Err(broken("the stream has no reply")),
            Ok(Some(Told::Done)) => {
                if !self.has_stopped() {
                    tracing::warn!(
                        "the stream does not say why the reply stops; it counts as whole"
                    );
                }
                self.end()
            }
            Ok(None) => Ok(Vec::new()),
            Err(failure) => self.cut(failure),
        }
    }

    fn cut(&mut self, failure: Failure) -> Result<Vec<Event>, Failure> {
        if self.has_stopped() { self.end() } else { Err(failure) }
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn is_paid(&self) -> bool {
        self.is_paid
    }

    fn has_stopped(&self) -> bool {
        self.finish.is_some() || self.failed.is_some()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

fn broken(why: &str) -> Failure {
    Failure::passing(Fault::Broken, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MessageRole, Usage};
    use crate::remote::Reply as _;
    use crate::request::Turn;
    use crate::tool::{Tool, ToolUse};
    use serde_json::{Value, json};

    /// The empty reply to a request, whose input is estimated as 21 tokens.
    fn reply_to(request: &Request) -> Reply {
        Reply::new(request, Usage { input_tokens: 21, ..Usage::default() }, 100)
    }

    fn request() -> Request {
        let tool = Tool {
            name: "profits".into(),
            description: "Reads".into(),
            input_schema: json!({"type": "object"}),
        };
        let turns = vec![Turn::text(MessageRole::User, "Hi")];
        Request { turns, tools: vec![tool], ..Request::default() }
    }

    fn frame(data: &str) -> Sse {
        Sse { event: None, data: Some(data.to_owned()), id: None, retry: None }
    }

    /// What a stream stands for, and the failure in which it ends.
    struct Found {
        events: Vec<Event>,
        failed: Option<Fault>,
        reply: Reply,
    }

    /// Reads chunks until the reply is over. `None` is the end of the stream, and a text is a frame
    /// that is no chunk.
    fn read_by(mut reply: Reply, frames: &[Value]) -> Found {
        let mut events = Vec::new();
        for value in frames {
            let told = match value {
                Value::Null => reply.cut(broken("the stream ended")),
                Value::String(text) => reply.take(frame(text)),
                chunk => reply.take(frame(&chunk.to_string())),
            };
            match told {
                Ok(more) => events.extend(more),
                Err(failure) => {
                    return Found { events, failed: Some(failure.error.fault), reply };
                }
            }
            if reply.is_over() {
                break;
            }
        }
        Found { events, failed: None, reply }
    }

    fn read(frames: &[Value]) -> Found {
        read_by(reply_to(&request()), frames)
    }

    /// The events without those of the usage.
    fn parts(found: &Found) -> Vec<Event> {
        let is_part = |event: &&Event| !matches!(event, Event::Usage(_));
        found.events.iter().filter(is_part).cloned().collect()
    }

    fn delta(delta: &Value) -> Value {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    fn role() -> Value {
        delta(&json!({"role": "assistant", "content": ""}))
    }

    fn text(text: &str) -> Value {
        delta(&json!({"content": text}))
    }

    fn call(id: &str, arguments: &str) -> Value {
        let function = json!({"name": "profits", "arguments": arguments});
        delta(&json!({"tool_calls": [{"index": 0, "id": id, "function": function}]}))
    }

    fn end(reason: &str) -> Value {
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    }

    fn usage(prompt: u64, completion: u64) -> Value {
        json!({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})
    }

    fn done() -> Value {
        json!("[DONE]")
    }

    fn said(text: &str) -> Event {
        Event::Text(text.into())
    }

    fn used(id: &str, input: Value) -> Event {
        Event::ToolUse(ToolUse { id: id.into(), name: "profits".into(), input })
    }

    fn counted(input_tokens: u64, output_tokens: u64) -> Event {
        Event::Usage(Usage { input_tokens, output_tokens, ..Usage::default() })
    }

    #[test]
    fn a_stream_ends_in_every_dialect() {
        use StopReason::EndTurn;
        let both = || [text("Hi"), text(" you")];
        let stop = || Event::Stop(EndTurn);
        for (name, last, expected) in [
            (
                "OpenAI",
                vec![end("stop"), usage(9, 3), done()],
                vec![counted(21, 4), counted(9, 3), stop()],
            ),
            (
                "Ollama, with the usage at the reason",
                vec![
                    json!({"choices": [{"delta": {}, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": 9, "completion_tokens": 3}}),
                    done(),
                ],
                vec![counted(21, 4), counted(9, 3), stop()],
            ),
            ("a server that never counts", vec![end("stop"), done()], vec![counted(21, 4), stop()]),
            (
                "Gemini behind a gateway, without [DONE]",
                vec![end("STOP"), usage(9, 3), Value::Null],
                vec![counted(21, 4), counted(9, 3), stop()],
            ),
            (
                "a connection that breaks after the end",
                vec![end("stop"), Value::Null],
                vec![counted(21, 4), stop()],
            ),
            (
                "a server that names no reason",
                vec![usage(9, 3), done()],
                vec![counted(21, 4), counted(9, 3), stop()],
            ),
            (
                "an error after the end",
                vec![end("stop"), json!({"error": {"message": "x", "code": 500}})],
                vec![counted(21, 4), stop()],
            ),
            (
                "OpenRouter, with an empty choice after the end",
                vec![end("stop"), role(), usage(9, 3), done()],
                vec![counted(21, 4), counted(9, 3), stop()],
            ),
        ] {
            let frames = [vec![role()], both().to_vec(), last].concat();
            let found = read(&frames);
            let begins = vec![said("Hi"), counted(21, 2), said(" you")];
            assert_eq!(found.events, [begins, expected].concat(), "{name}");
            assert!(found.failed.is_none() && found.reply.is_over(), "{name}");
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_a_failure() {
        let error = || json!({"error": {"message": "x", "type": "server_error", "code": 503}});
        // Whether there is anything to pay, and whether anything was written.
        for (name, frames, fault, is_paid, has_begun) in [
            ("nothing", vec![Value::Null], Fault::Broken, false, false),
            ("no reply", vec![done()], Fault::Broken, false, false),
            ("zeros alone", vec![usage(0, 0), done()], Fault::Broken, false, false),
            ("a usage alone", vec![usage(9, 0), done()], Fault::Broken, true, false),
            ("a usage, then an error", vec![usage(9, 0), error()], Fault::Overloaded, true, false),
            (
                "Azure, a filter's results alone",
                vec![json!({"choices": []}), Value::Null],
                Fault::Broken,
                false,
                false,
            ),
            ("vLLM, at once", vec![error(), done()], Fault::Overloaded, false, false),
            ("vLLM, after the role", vec![role(), error()], Fault::Overloaded, true, false),
            ("vLLM, in the text", vec![role(), text("a"), error()], Fault::Overloaded, true, true),
            ("the end is missing", vec![role(), text("a"), Value::Null], Fault::Broken, true, true),
            ("no JSON", vec![text("a"), json!("{\"choices\":")], Fault::Broken, true, true),
            ("vLLM", vec![text("a"), end("abort"), done()], Fault::Failing, true, true),
            ("vLLM", vec![text("a"), end("abort"), Value::Null], Fault::Failing, true, true),
            (
                "OpenRouter, whose first chunk is an error",
                vec![json!({"error": {"code": 502, "message": "x"},
                    "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]})],
                Fault::Failing,
                false,
                false,
            ),
            (
                "DeepSeek",
                vec![text("a"), end("insufficient_system_resource"), done()],
                Fault::Overloaded,
                true,
                true,
            ),
        ] {
            let found = read(&frames);
            assert_eq!(found.failed, Some(fault), "{name}");
            let reply = &found.reply;
            assert_eq!((reply.is_paid(), reply.has_begun()), (is_paid, has_begun), "{name}");
            assert!(!reply.is_over(), "{name}");
            assert!(!found.events.iter().any(|event| matches!(event, Event::Stop(_))), "{name}");
        }
    }

    #[test]
    fn a_reply_that_fails_is_paid_for_as_the_server_counts_it() {
        let usage_of = |mut chunk: Value, prompt, completion| {
            chunk["usage"] = usage(prompt, completion)["usage"].take();
            chunk
        };
        for (name, frames, expected) in [
            ("vLLM", vec![text("a"), end("abort"), usage(9, 7), done()], counted(9, 7)),
            ("vLLM, without a usage", vec![text("a"), end("abort"), done()], counted(21, 1)),
            (
                "Gemini, which has thought and wrote a use that is none",
                vec![usage_of(end("malformed_function_call"), 9, 70), done()],
                counted(9, 70),
            ),
            (
                "OpenRouter, and another end after that",
                vec![usage_of(end("error"), 9, 7), end("stop"), Value::Null],
                counted(9, 7),
            ),
        ] {
            let found = read(&frames);
            assert!(found.failed.is_some() && found.reply.is_paid(), "{name}");
            assert_eq!(found.events.last(), Some(&expected), "{name}");
        }
    }

    #[test]
    fn reasons_and_uses_make_our_reasons() {
        use StopReason::{EndTurn, MaxTokens, Refusal, ToolUse};
        let whole = || call("a", "{\"year\": 1}");
        let use_of_it = || used("a", json!({"year": 1}));
        for (name, frames, left, reason) in [
            ("OpenAI", vec![whole(), end("tool_calls")], Some(use_of_it()), Some(ToolUse)),
            ("Ollama and OpenAI", vec![whole(), end("stop")], Some(use_of_it()), Some(ToolUse)),
            ("a new reason", vec![whole(), end("x")], Some(use_of_it()), Some(ToolUse)),
            ("no reason", vec![whole()], Some(use_of_it()), Some(ToolUse)),
            ("uses without uses", vec![text("a"), end("tool_calls")], None, Some(EndTurn)),
            ("OpenAI", vec![whole(), end("length")], None, Some(MaxTokens)),
            ("OpenAI", vec![call("a", "{\"ye"), end("length")], None, Some(MaxTokens)),
            (
                "text after the use",
                vec![whole(), text("a"), end("length")],
                Some(use_of_it()),
                Some(MaxTokens),
            ),
            ("Azure", vec![whole(), end("content_filter")], None, Some(Refusal)),
            (
                "vLLM, which hides that the reply was cut off",
                vec![call("a", "{\"ye"), end("tool_calls"), usage(9, 100)],
                None,
                Some(MaxTokens),
            ),
            (
                "vLLM, which completes what was cut off",
                vec![call("a", "{}"), end("tool_calls"), usage(9, 100)],
                None,
                Some(MaxTokens),
            ),
            (
                "a reply that is just as long as it may be",
                vec![whole(), end("tool_calls"), usage(9, 100)],
                Some(use_of_it()),
                Some(ToolUse),
            ),
            ("no JSON", vec![call("a", "{\"ye"), end("tool_calls"), usage(9, 99)], None, None),
            ("no JSON", vec![call("a", "{\"ye"), end("stop")], None, None),
            ("no JSON, and no reason", vec![call("a", "{\"ye")], None, None),
            (
                "OpenAI, a refusal",
                vec![delta(&json!({"refusal": "No."})), end("stop")],
                Some(said("No.")),
                Some(Refusal),
            ),
        ] {
            let found = read(&[vec![role()], frames, vec![done()]].concat());
            assert_eq!(found.failed, reason.is_none().then_some(Fault::Broken), "{name}");
            let mut parts = parts(&found);
            assert_eq!(
                parts.pop_if(|part| matches!(part, Event::Stop(_))),
                reason.map(Event::Stop),
                "{name}"
            );
            parts.retain(|part| *part != said("a"));
            assert_eq!(parts, Vec::from_iter(left), "{name}");
        }
    }

    #[test]
    fn a_use_is_given_only_when_the_reply_has_ended() {
        let frames = [role(), text("I look."), call("a", "{}"), call("b", "{}"), text(" So.")];
        let found = read(&frames);
        assert_eq!(parts(&found), [said("I look."), said(" So.")]);
        let found = read(&[&frames[..], &[end("tool_calls"), done()]].concat());
        let expected = [
            said("I look."),
            said(" So."),
            used("a", json!({})),
            used("b", json!({})),
            Event::Stop(StopReason::ToolUse),
        ];
        assert_eq!(parts(&found), expected);
    }

    #[test]
    fn a_use_that_the_model_may_not_make_is_left_out() {
        let without_tools = Request { without_tools: true, ..request() };
        let no_tools = Request { tools: Vec::new(), ..request() };
        // Ollama knows no `tool_choice`.
        let frames = [text("Hi"), call("a", "{\"ye"), end("tool_calls"), done()];
        for (request, reason) in
            [(without_tools, StopReason::ToolUse), (no_tools, StopReason::EndTurn)]
        {
            let found = read_by(reply_to(&request), &frames);
            assert_eq!(parts(&found), [said("Hi"), Event::Stop(reason)]);
        }
    }

    #[test]
    fn reasoning_is_paid_but_not_shown_and_given_as_a_thought_in_its_place() {
        let thinks = |member: &str, text: &str| delta(&json!({member: text}));
        let thought =
            |member: &str, text: &str| Event::Thought(json!({"type": "openai", member: text}));
        let signed = json!({"google": {"thought_signature": "c2ln"}});
        let later = delta(&json!({"tool_calls": [{"index": 0, "extra_content": signed}]}));
        for (name, frames, expected) in [
            (
                "DeepSeek",
                vec![
                    thinks("reasoning_content", "Let me "),
                    thinks("reasoning_content", "see."),
                    text("I look."),
                    call("a", "{}"),
                    end("tool_calls"),
                ],
                vec![
                    thought("reasoning_content", "Let me see."),
                    said("I look."),
                    used("a", json!({})),
                ],
            ),
            (
                "vLLM, between texts and uses",
                vec![
                    text("I look."),
                    thinks("reasoning", "Hm."),
                    call("a", "{}"),
                    thinks("reasoning", "So."),
                    end("stop"),
                ],
                vec![
                    said("I look."),
                    thought("reasoning", "Hm."),
                    thought("reasoning", "So."),
                    used("a", json!({})),
                ],
            ),
            (
                "all in one chunk",
                vec![delta(&json!({"reasoning": "Hm.", "content": "Hi"})), end("stop")],
                vec![thought("reasoning", "Hm."), said("Hi")],
            ),
            (
                "two members",
                vec![thinks("reasoning", "a"), thinks("reasoning_content", "b"), end("stop")],
                vec![thought("reasoning", "a"), thought("reasoning_content", "b")],
            ),
            ("a thought that is cut off", vec![thinks("reasoning", "Hm"), end("length")], vec![]),
            (
                "Gemini, whose signature comes later",
                vec![call("a", "{}"), later, end("tool_calls")],
                vec![
                    Event::Thought(json!({
                        "type": "openai", "tool_call_id": "a", "extra_content": signed,
                    })),
                    used("a", json!({})),
                ],
            ),
        ] {
            let found = read(&[vec![role()], frames, vec![done()]].concat());
            let mut parts = parts(&found);
            assert!(matches!(parts.pop(), Some(Event::Stop(_))), "{name}");
            assert_eq!(parts, expected, "{name}");
        }
        // It counts as output, and the reply has begun.
        let found = read(&[thinks("reasoning", "Let me see, now")]);
        assert_eq!(found.events, [counted(21, 10)]);
        assert!(found.reply.has_begun() && !found.reply.has_stopped());
        // So it is with a use.
        let found = read(&[call("a", "")]);
        assert_eq!(found.events, [counted(21, 5)]);
        assert!(found.reply.has_begun());
    }

    #[test]
    fn blocks_are_whole_at_the_end_of_the_reply() {
        let piece = |more: Value| json!({"thinking_blocks": [more]});
        let frames = [
            delta(&json!({"reasoning_content": "a",
                "thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": ""}]})),
            text("Hi"),
            call("a", "{\"year"),
            delta(&piece(json!({"type": "thinking", "thinking": "", "signature": "c2ln"}))),
            json!({"choices": [{"delta": {"tool_calls": [
                {"index": 0, "function": {"arguments": "\": 1}"}}]}}]}),
        ];
        let blocks = json!([{"type": "thinking", "thinking": "a", "signature": "c2ln"}]);
        let whole = vec![
            Event::Thought(json!({"type": "openai", "thinking_blocks": blocks})),
            used("a", json!({"year": 1})),
            Event::Stop(StopReason::ToolUse),
        ];
        // A step that is cut off has no next one.
        let cut = vec![Event::Stop(StopReason::MaxTokens)];
        for (reason, expected) in [("tool_calls", whole), ("length", cut)] {
            let found = read(&[&frames[..], &[end(reason), done()]].concat());
            assert_eq!(parts(&found), [vec![said("Hi")], expected].concat(), "{reason}");
        }
    }

    #[test]
    fn what_is_kept_of_a_reply_is_bounded() {
        let mut reply = reply_to(&request());
        let piece = "x".repeat(MOST_KEPT / 4);
        let thinks = |text: &str| frame(&delta(&json!({"reasoning": text})).to_string());
        for _ in 0..3 {
            reply.take(thinks(&piece)).unwrap();
        }
        reply.take(frame(&call("a", &piece).to_string())).unwrap();
        let blocks = json!({"thinking_blocks": [{"type": "thinking"}]});
        let block = frame(&delta(&blocks).to_string());
        for last in [thinks("y"), frame(&call("a", "y").to_string()), block] {
            let failure = reply.take(last).unwrap_err();
            assert_eq!((failure.error.fault, failure.pause(0)), (Fault::Broken, None));
        }
        // A text is given at once, and the estimate never exceeds what the reply may have.
        let found = read(&[text(&piece)]);
        assert!(found.events == [said(&piece), counted(21, 100)]);
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let first = [text("Hi")];
        let expected = read(&first).events;
        for frame in [
            json!(""),
            json!({}),
            json!({"object": "ping"}),
            json!({"choices": null}),
            json!({"choices": [null]}),
            json!({"choices": [7]}),
            json!({"choices": {"delta": {"content": "x"}}}),
            delta(&json!(null)),
            delta(&json!({"a_new_member": {"content": "x"}, "content": null})),
            delta(&json!({"annotations": [], "audio": {"data": "x"}})),
            json!({"choices": [], "usage": {"prompt_tokens": "9"}}),
            json!([]),
            json!(7),
        ] {
            let found = read(&[&first[..], std::slice::from_ref(&frame)].concat());
            assert_eq!((found.events, found.failed), (expected.clone(), None), "{frame}");
        }
    }
}
