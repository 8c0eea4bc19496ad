//! Builds a reply from the events of its stream.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::event::{Block, Counted, Delta, StreamEvent, stop_reason};
use crate::domain::{StopReason, Usage};
use crate::error::Fault;
use crate::provider::Event;
use crate::remote::{self, Estimate, Failure};
use crate::request::Request;
use crate::tool::ToolUse;

/// A reply while it is written.
#[expect(clippy::struct_excessive_bools, reason = "they say how far it has come")]
#[derive(Debug)]
pub(crate) struct Reply {
    /// Tokens that it may have at most.
    max_tokens: u64,
    /// Whether the model may use a tool. Not every model knows the wish that it must not.
    takes_uses: bool,
    is_started: bool,
    has_begun: bool,
    is_over: bool,
    usage: Usage,
    /// Whether the input is counted. Until then it is estimated.
    is_input_counted: bool,
    /// Estimate of the model's output, thoughts included.
    written: Estimate,
    stop: Option<StopReason>,
    /// Parts that are still being written and are given as a whole, by their indices.
    open: BTreeMap<u64, Part>,
    /// The last use of a tool, until it is certain that the reply was not cut off in it. It is a
    /// failure if its input is not JSON.
    held: Option<Result<ToolUse, Failure>>,
}

/// A message of an answer, which has one event.
pub(crate) trait Message: Send {
    /// The event; `None` for one that means nothing.
    fn event(&self) -> Result<Option<StreamEvent>, Failure>;
}

/// A part that is given as a whole.
#[derive(Debug)]
enum Part {
    ToolUse {
        id: String,
        name: String,
        /// The input so far, as JSON.
        json: String,
    },
    Thought(Map<String, Value>),
}

impl Part {
    /// A thought of this type.
    fn thought(kind: &str, mut members: Map<String, Value>) -> Self {
        members.insert("type".to_owned(), kind.into());
        Self::Thought(members)
    }
}

impl Reply {
    /// The empty reply to a request, with an estimate of its input. It may have so many tokens at
    /// most.
    pub fn new(request: &Request, input: Usage, max_tokens: u64) -> Self {
        Self {
            max_tokens,
            takes_uses: !request.without_tools,
            is_started: false,
            has_begun: false,
            is_over: false,
            usage: input,
            is_input_counted: false,
            written: Estimate::default(),
            stop: None,
            open: BTreeMap::new(),
            held: None,
        }
    }

    /// Takes the next event of the stream, and returns the events that it stands for.
    fn add(&mut self, event: StreamEvent) -> Result<Vec<Event>, Failure> {
        if self.is_started == matches!(event, StreamEvent::MessageStart { .. }) {
            return Err(broken(
                "the stream has no message_start at its beginning, or a second one",
            ));
        }
        Ok(match event {
            StreamEvent::MessageStart { message } => {
                self.is_started = true;
                self.count(&message.usage);
                vec![Event::Usage(self.usage)]
            }
            StreamEvent::ContentBlockStart { index, content_block } => {
                let whole = self.release()?;
                whole.into_iter().chain(self.begin(index, content_block)).collect()
            }
            StreamEvent::ContentBlockDelta { index, delta } => self.go_on(index, delta),
            StreamEvent::ContentBlockStop { index } => self.finish(index)?,
            StreamEvent::MessageDelta { delta, usage } => {
                let reason = delta.stop_reason.as_deref().map(stop_reason);
                let whole = reason.map(|reason| self.settle(reason)).transpose()?.flatten();
                self.stop = reason.or(self.stop);
                self.count(&usage);
                whole.into_iter().chain([Event::Usage(self.usage)]).collect()
            }
            StreamEvent::MessageStop => {
                let reason = self.stop.unwrap_or(StopReason::EndTurn);
                let whole = self.settle(reason)?;
                whole.into_iter().chain(self.end(reason)).collect()
            }
            StreamEvent::Unknown => Vec::new(),
        })
    }

    /// Takes over the counts. A zero is none where there must be more.
    fn count(&mut self, counted: &Counted) {
        if counted.has_input() {
            if !self.is_input_counted {
                self.usage.input_tokens = 0;
            }
            self.is_input_counted = true;
            counted.count_input(&mut self.usage);
        }
        let has_written = self.written.tokens() > 0;
        let output = counted.output().filter(|output| *output > 0 || !has_written);
        self.usage.output_tokens = output.unwrap_or(self.usage.output_tokens);
    }

    fn begin(&mut self, index: u64, block: Block) -> Vec<Event> {
        let part = match block {
            Block::Text { text } => return self.text(text),
            Block::Unknown => return Vec::new(),
            Block::ToolUse { .. } if !self.takes_uses => {
                tracing::warn!("the model used a tool that it may not use; the use is left out");
                return self.wrote("");
            }
            Block::ToolUse { id, name } => Part::ToolUse { id, name, json: String::new() },
            Block::Thinking(members) => Part::thought("thinking", members),
            Block::RedactedThinking(members) => Part::thought("redacted_thinking", members),
        };
        self.open.insert(index, part);
        self.wrote("")
    }

    fn go_on(&mut self, index: u64, delta: Delta) -> Vec<Event> {
        let part = self.open.get_mut(&index);
        match delta {
            Delta::Text { text } => self.text(text),
            Delta::InputJson { partial_json } => {
                if let Some(Part::ToolUse { json, .. }) = part {
                    json.push_str(&partial_json);
                }
                self.wrote(&partial_json)
            }
            Delta::Thinking { thinking } => {
                if let Some(Part::Thought(members)) = part {
                    append(members, "thinking", &thinking);
                }
                self.wrote(&thinking)
            }
            Delta::Signature { signature } => {
                if let Some(Part::Thought(members)) = part {
                    members.insert("signature".to_owned(), signature.into());
                }
                self.wrote("")
            }
            Delta::Unknown => self.wrote(""),
        }
    }

    fn finish(&mut self, index: u64) -> Result<Vec<Event>, Failure> {
        Ok(match self.open.remove(&index) {
            Some(Part::ToolUse { id, name, json }) => {
                let earlier = self.release()?;
                self.held = Some(input(&json).map(|input| ToolUse { id, name, input }));
                earlier.into_iter().collect()
            }
            Some(Part::Thought(members)) => vec![Event::Thought(Value::Object(members))],
            None => Vec::new(),
        })
    }

    /// Gives the last use of a tool, because the reply has gone on after it.
    fn release(&mut self) -> Result<Option<Event>, Failure> {
        Ok(self.held.take().transpose()?.map(Event::ToolUse))
    }

    /// Ends the parts. A reply that was cut off may end within a use of a tool, even if its JSON
    /// looks whole: that use is left out. In any other reply each use has to be whole.
    fn settle(&mut self, reason: StopReason) -> Result<Option<Event>, Failure> {
        let open = std::mem::take(&mut self.open);
        if is_cut_off(reason) {
            self.held = None;
        } else if open.values().any(|part| matches!(part, Part::ToolUse { .. })) {
            return Err(broken("a use of a tool has no end"));
        }
        self.release()
    }

    fn end(&mut self, reason: StopReason) -> Vec<Event> {
        self.is_over = true;
        vec![Event::Stop(reason)]
    }

    fn text(&mut self, text: String) -> Vec<Event> {
        if text.is_empty() {
            return Vec::new();
        }
        let used = self.wrote(&text);
        std::iter::once(Event::Text(text)).chain(used).collect()
    }

    /// Estimates the tokens that the model has written. The provider counts only once, at the end.
    /// A call that breaks off before that has used about this much.
    fn wrote(&mut self, text: &str) -> Vec<Event> {
        self.has_begun = true;
        self.written.add(text);
        let estimate = self.written.tokens().min(self.max_tokens);
        if estimate <= self.usage.output_tokens {
            return Vec::new();
        }
        self.usage.output_tokens = estimate;
        vec![Event::Usage(self.usage)]
    }
}

impl<M: Message> remote::Reply<M> for Reply {
    fn take(&mut self, message: M) -> Result<Vec<Event>, Failure> {
        message.event()?.map_or_else(|| Ok(Vec::new()), |event| self.add(event))
    }

    fn cut(&mut self, failure: Failure) -> Result<Vec<Event>, Failure> {
        self.stop.map(|reason| self.end(reason)).ok_or(failure)
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The provider has counted the input, which has to be paid for.
    fn is_paid(&self) -> bool {
        self.is_started
    }

    fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

/// The input of a tool. If the tool has no parameters, the input is empty.
fn input(json: &str) -> Result<Value, Failure> {
    if json.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(json).map_err(|_| broken("the input of a tool is not JSON"))
}

/// Whether a reply with this reason breaks off wherever it is.
fn is_cut_off(reason: StopReason) -> bool {
    matches!(
        reason,
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded | StopReason::Refusal
    )
}

/// Appends to a member that is a text.
fn append(members: &mut Map<String, Value>, name: &str, more: &str) {
    match members.get_mut(name) {
        Some(Value::String(text)) => text.push_str(more),
        _ => {
            members.insert(name.to_owned(), more.into());
        }
    }
}

fn broken(why: &str) -> Failure {
    Failure::passing(Fault::Broken, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The events that these stand for, and whether the last one was an error.
    fn told(events: &[Value]) -> (Vec<Event>, bool) {
        let mut reply = Reply::new(&Request::default(), Usage::default(), 4_096);
        told_by(&mut reply, events)
    }

    fn told_by(reply: &mut Reply, events: &[Value]) -> (Vec<Event>, bool) {
        let mut told = Vec::new();
        for event in events {
            let taken = StreamEvent::read(event["type"].as_str(), Some(&event.to_string()));
            match taken
                .and_then(|event| event.map_or_else(|| Ok(Vec::new()), |event| reply.add(event)))
            {
                Ok(more) => told.extend(more),
                Err(_) => return (told, true),
            }
        }
        (told, false)
    }

    fn start() -> Value {
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m",
            "stop_reason": null,
            "usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": null, "service_tier": "standard"}}})
    }

    fn delta(delta: &Value) -> Value {
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }

    fn used(
        input_tokens: u64,
        output_tokens: u64,
        cache_read_tokens: u64,
        cache_write_tokens: u64,
    ) -> Event {
        Event::Usage(Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens })
    }

    #[test]
    fn usage_is_cumulative_and_what_is_left_out_stays() {
        let end = json!({
            "type": "message_delta", "delta": {"stop_reason": "max_tokens"},
            "usage": {"output_tokens": 2, "input_tokens": null},
        });
        let (told, failed) = told(&[
            start(),
            delta(&json!({"type": "text_delta", "text": "Four words of it."})),
            end,
            json!({"type": "message_stop"}),
        ]);
        // 17 bytes are estimated as 12 tokens, until the provider counts 2.
        let expected = [
            used(10, 1, 3, 0),
            Event::Text("Four words of it.".into()),
            used(10, 12, 3, 0),
            used(10, 2, 3, 0),
            Event::Stop(StopReason::MaxTokens),
        ];
        assert_eq!((told.as_slice(), failed), (&expected[..], false));
    }

    #[test]
    fn a_count_that_says_nothing_leaves_the_estimate() {
        let text = || delta(&json!({"type": "text_delta", "text": "Four words of it."}));
        let huge = 1_000_000_001_u64;
        let none = json!({});
        let zeros = json!({"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0});
        // The request has 31 bytes, which are estimated as 21 tokens, and the text has 12.
        for (name, first, last, expected) in [
            (
                "Anthropic",
                json!({"input_tokens": 9, "output_tokens": 1}),
                json!({"output_tokens": 7}),
                used(9, 7, 0, 0),
            ),
            ("nothing", none.clone(), none.clone(), used(21, 12, 0, 0)),
            ("a gateway that counts nothing", zeros.clone(), zeros.clone(), used(21, 12, 0, 0)),
            (
                "a gateway that counts at the end",
                zeros.clone(),
                json!({"input_tokens": 9, "output_tokens": 7, "cache_read_input_tokens": 3}),
                used(9, 7, 3, 0),
            ),
            (
                "a gateway that forgets the input",
                json!({"input_tokens": 9, "cache_read_input_tokens": 3}),
                zeros,
                used(9, 12, 3, 0),
            ),
            (
                "all of it from the cache",
                json!({"cache_read_input_tokens": 9}),
                none.clone(),
                used(0, 12, 9, 0),
            ),
            (
                "no credible counts",
                json!({"input_tokens": huge, "output_tokens": huge}),
                none,
                used(21, 12, 0, 0),
            ),
        ] {
            let input = Usage { input_tokens: 21, ..Usage::default() };
            let mut reply = Reply::new(&Request::default(), input, 4_096);
            let head = json!({"type": "message_start", "message": {"usage": first}});
            let end = json!({
                "type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last,
            });
            let (told, failed) = told_by(&mut reply, &[head, text(), end]);
            assert_eq!((told.last(), failed), (Some(&expected), false), "{name}");
        }
    }

    fn begin(index: u64, block: &Value) -> Value {
        json!({"type": "content_block_start", "index": index, "content_block": block})
    }

    fn tool(index: u64, id: &str) -> Value {
        begin(index, &json!({"type": "tool_use", "id": id, "name": "profits", "input": {}}))
    }

    fn part(index: u64, delta: &Value) -> Value {
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    }

    fn json_part(index: u64, json: &str) -> Value {
        part(index, &json!({"type": "input_json_delta", "partial_json": json}))
    }

    fn stop(index: u64) -> Value {
        json!({"type": "content_block_stop", "index": index})
    }

    fn end(reason: &str) -> Value {
        json!({
            "type": "message_delta", "delta": {"stop_reason": reason},
            "usage": {"output_tokens": 2},
        })
    }

    fn used_tool(id: &str, input: Value) -> Event {
        Event::ToolUse(ToolUse { id: id.into(), name: "profits".into(), input })
    }

    /// The events without those of the usage, and whether the last one was an error.
    fn parts(events: &[Value]) -> (Vec<Event>, bool) {
        let (told, failed) = told(events);
        let is_part = |event: &Event| !matches!(event, Event::Usage(_));
        (told.into_iter().filter(is_part).collect(), failed)
    }

    #[test]
    fn a_tool_is_used_when_its_input_is_whole() {
        let whole = [
            start(),
            tool(0, "a"),
            json_part(0, ""),
            tool(1, "b"),
            json_part(0, "{\"year\": 20"),
            json_part(0, "23}"),
            stop(0),
            stop(1),
            end("tool_use"),
            json!({"type": "message_stop"}),
        ];
        let expected = [
            used_tool("a", json!({"year": 2023})),
            used_tool("b", json!({})),
            Event::Stop(StopReason::ToolUse),
        ];
        assert_eq!(parts(&whole), (expected.to_vec(), false));
        // The uses come before the last usage.
        let (all, _) = told(&whole);
        assert_eq!(all[all.len() - 2..], [used(10, 2, 3, 0), expected[2].clone()]);
        // Only the next part, or the end, shows that a use is whole.
        assert_eq!(parts(&whole[..8]), (expected[..1].to_vec(), false));
    }

    #[test]
    fn a_use_that_the_model_may_not_make_is_left_out() {
        let text = part(0, &json!({"type": "text_delta", "text": "So."}));
        let stopped = json!({"type": "message_stop"});
        // Whole, and without its end.
        for uses in [vec![tool(1, "a"), json_part(1, "{}"), stop(1)], vec![tool(1, "a")]] {
            let request = Request { without_tools: true, ..Request::default() };
            let mut reply = Reply::new(&request, Usage::default(), 4_096);
            let last = vec![end("tool_use"), stopped.clone()];
            let events = [vec![start(), text.clone()], uses, last].concat();
            let (told, failed) = told_by(&mut reply, &events);
            let is_part = |event: &Event| !matches!(event, Event::Usage(_));
            let parts: Vec<_> = told.into_iter().filter(is_part).collect();
            let expected = [Event::Text("So.".into()), Event::Stop(StopReason::ToolUse)];
            assert_eq!((parts.as_slice(), failed), (&expected[..], false), "{events:?}");
        }
    }

    #[test]
    fn a_reply_that_is_cut_off_has_no_use_of_a_tool_at_its_end() {
        let half = || vec![tool(1, "b"), json_part(1, "{\"year\": 20")];
        let closed = || [half(), vec![stop(1)]].concat();
        let empty = || vec![tool(1, "b"), stop(1)];
        let whole = || vec![tool(1, "b"), json_part(1, "{\"year\": 20}"), stop(1)];
        let thought = || vec![begin(1, &json!({"type": "thinking", "thinking": ""}))];
        let text = || vec![begin(2, &json!({"type": "text", "text": "So"}))];
        let first = used_tool("a", json!({}));
        let second = |input| Some(used_tool("b", input));
        for (last, reason, expected) in [
            (half(), "max_tokens", Some(None)),
            (closed(), "max_tokens", Some(None)),
            // The model may have meant more.
            (empty(), "max_tokens", Some(None)),
            (whole(), "max_tokens", Some(None)),
            (whole(), "model_context_window_exceeded", Some(None)),
            (closed(), "refusal", Some(None)),
            (thought(), "max_tokens", Some(None)),
            (vec![], "max_tokens", Some(None)),
            (empty(), "tool_use", Some(second(json!({})))),
            (whole(), "tool_use", Some(second(json!({"year": 20})))),
            (whole(), "pause_turn", Some(second(json!({"year": 20})))),
            (whole(), "a_new_reason", Some(second(json!({"year": 20})))),
            (half(), "tool_use", None),
            (closed(), "tool_use", None),
            (closed(), "end_turn", None),
            ([closed(), text()].concat(), "max_tokens", None),
        ] {
            let events = [vec![start(), tool(0, "a"), stop(0)], last, vec![end(reason)]].concat();
            let (found, failed) = parts(&events);
            assert_eq!(failed, expected.is_none(), "{events:?}");
            // With a single use before it, the first one is the last.
            let is_last = events.len() == 4;
            let expected = expected.flatten();
            let expected = [first.clone()].into_iter().filter(|_| !is_last).chain(expected);
            assert_eq!(found, expected.collect::<Vec<_>>(), "{events:?}");
        }
        // A stream without a reason, too.
        let unreasoned = [vec![start()], whole(), vec![json!({"type": "message_stop"})]].concat();
        let end = Event::Stop(StopReason::EndTurn);
        let expected = vec![used_tool("b", json!({"year": 20})), end];
        assert_eq!(parts(&unreasoned), (expected, false));
    }

    #[test]
    fn thoughts_are_given_whole_and_in_their_place() {
        let text = |index, text: &str| part(index, &json!({"type": "text_delta", "text": text}));
        let thinks = |text: &str| part(0, &json!({"type": "thinking_delta", "thinking": text}));
        let signed = json!({"type": "signature_delta", "signature": "c2ln"});
        let thinking = json!({"type": "thinking", "thinking": "", "signature": "", "new": [1]});
        let redacted = json!({"type": "redacted_thinking", "data": "eA=="});
        let bare = json!({"type": "thinking"});
        let events = [
            start(),
            begin(0, &thinking),
            thinks("Let me "),
            thinks("see. €"),
            part(0, &signed),
            stop(0),
            begin(1, &json!({"type": "text", "text": ""})),
            text(1, "I look."),
            stop(1),
            begin(2, &redacted),
            stop(2),
            tool(3, "a"),
            stop(3),
            begin(4, &bare),
            part(4, &json!({"type": "thinking_delta", "thinking": "Hm."})),
            part(4, &signed),
            stop(4),
            tool(5, "b"),
            stop(5),
            // A part that is no thought of ours has no place.
            begin(6, &json!({"type": "server_tool_use", "id": "s", "name": "web", "input": {}})),
            part(6, &signed),
            stop(6),
            end("tool_use"),
        ];
        let first = json!({
            "type": "thinking", "thinking": "Let me see. €", "signature": "c2ln", "new": [1],
        });
        let last = json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"});
        let expected = vec![
            Event::Thought(first),
            Event::Text("I look.".into()),
            Event::Thought(redacted),
            used_tool("a", json!({})),
            Event::Thought(last),
            used_tool("b", json!({})),
        ];
        assert_eq!(parts(&events), (expected, false));
        // A thought without its end is not given.
        assert_eq!(parts(&events[..5]), (vec![], false));
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let unknown = [
            json!({"type": "ping"}),
            json!({"type": "a_new_event", "index": "?"}),
            json!({
                "type": "content_block_start", "index": 0,
                "content_block": {"type": "a_new_block", "content": [1]},
            }),
            json!({
                "type": "content_block_start", "index": 0,
                "content_block": {"type": "redacted_thinking", "data": "x"},
            }),
            json!({
                "type": "content_block_start", "index": 0,
                "content_block": {"type": "text", "text": "", "citations": null},
            }),
            delta(&json!({"type": "a_new_delta", "more": {}})),
            delta(&json!({"type": "signature_delta", "signature": "x"})),
            delta(&json!({"type": "citations_delta", "citation": {}})),
            delta(&json!({"type": "text_delta", "text": "", "more": 1})),
            json!({"type": "content_block_stop", "index": 9, "more": 1}),
        ];
        for event in unknown {
            assert_eq!(
                told(&[start(), event.clone()]),
                (vec![used(10, 1, 3, 0)], false),
                "{event}"
            );
        }
    }

    #[test]
    fn thoughts_are_paid_but_not_shown() {
        let (told, _) = told(&[
            start(),
            delta(&json!({"type": "thinking_delta", "thinking": "Let me see, now"})),
        ]);
        assert_eq!(told, [used(10, 1, 3, 0), used(10, 10, 3, 0)]);
    }

    #[test]
    fn what_is_out_of_order_or_no_event_is_an_error() {
        let text = || delta(&json!({"type": "text_delta", "text": "x"}));
        for events in [
            &[text()][..],
            &[json!({"type": "message_stop"})],
            &[start(), text(), start()],
            &[json!({"type": "message_start"})],
            &[start(), json!({"type": "content_block_delta", "index": 0})],
            &[start(), delta(&json!({"type": "text_delta"}))],
            &[
                start(),
                json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": "2"}}),
            ],
            &[
                start(),
                json!({
                    "type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"},
                }),
            ],
        ] {
            assert!(told(events).1, "{events:?}");
        }
    }

    #[test]
    fn every_stop_reason_is_one_of_ours() {
        for (word, expected) in [
            ("end_turn", "end_turn"),
            ("max_tokens", "max_tokens"),
            ("stop_sequence", "stop_sequence"),
            ("tool_use", "tool_use"),
            ("pause_turn", "pause_turn"),
            ("refusal", "refusal"),
            ("model_context_window_exceeded", "model_context_window_exceeded"),
            ("a_new_reason", "end_turn"),
            // Only we use this one.
            ("deadline", "end_turn"),
        ] {
            assert_eq!(stop_reason(word).as_str(), expected);
        }
    }
}
