//! Builds a reply from the events of its stream.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::estimate::Estimate;
use super::event::{Block, Delta, StreamEvent, stop_reason};
use super::failure::Failure;
use crate::domain::{StopReason, Usage};
use crate::error::Fault;
use crate::provider::Event;
use crate::tool::ToolUse;

/// A reply while it is written.
#[derive(Debug)]
pub(super) struct Reply {
    /// Tokens that it may have at most.
    max_tokens: u64,
    is_started: bool,
    has_begun: bool,
    is_over: bool,
    usage: Usage,
    /// Estimate of the model's output, thoughts included.
    written: Estimate,
    stop: Option<StopReason>,
    /// Uses of tools whose input is still being written, by the index of their part: id, name,
    /// JSON.
    tools: BTreeMap<u64, (String, String, String)>,
}

impl Reply {
    /// An empty reply.
    pub fn new(max_tokens: u64) -> Self {
        Self {
            max_tokens,
            is_started: false,
            has_begun: false,
            is_over: false,
            usage: Usage::default(),
            written: Estimate::default(),
            stop: None,
            tools: BTreeMap::new(),
        }
    }

    /// Whether the provider has counted the input, which has to be paid for. From then on there is
    /// no retry.
    pub fn is_paid(&self) -> bool {
        self.is_started
    }

    /// Whether the model has written anything.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the reply is complete.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the next event of the stream, and returns the events that it stands for.
    pub fn take(&mut self, event: StreamEvent) -> Result<Vec<Event>, Failure> {
        if self.is_started == matches!(event, StreamEvent::MessageStart { .. }) {
            return Err(broken(
                "the stream has no message_start at its beginning, or a second one",
            ));
        }
        Ok(match event {
            StreamEvent::MessageStart { message } => {
                self.is_started = true;
                message.usage.count_in(&mut self.usage);
                vec![Event::Usage(self.usage)]
            }
            StreamEvent::ContentBlockStart {
                index,
                content_block: Block::ToolUse { id, name },
            } => {
                self.tools.insert(index, (id, name, String::new()));
                self.wrote("")
            }
            StreamEvent::ContentBlockStart { content_block: Block::Text { text }, .. }
            | StreamEvent::ContentBlockDelta { delta: Delta::Text { text }, .. } => self.text(text),
            StreamEvent::ContentBlockDelta { index, delta: Delta::InputJson { partial_json } } => {
                let used = self.wrote(&partial_json);
                if let Some((.., json)) = self.tools.get_mut(&index) {
                    json.push_str(&partial_json);
                }
                used
            }
            StreamEvent::ContentBlockDelta { delta: Delta::Thinking { thinking }, .. } => {
                self.wrote(&thinking)
            }
            StreamEvent::ContentBlockDelta { delta: Delta::Unknown, .. } => self.wrote(""),
            StreamEvent::ContentBlockStop { index } => match self.tools.remove(&index) {
                Some((id, name, json)) => {
                    vec![Event::ToolUse(ToolUse { id, name, input: input(&json)? })]
                }
                None => Vec::new(),
            },
            StreamEvent::MessageDelta { delta, usage } => {
                self.stop = delta.stop_reason.as_deref().map(stop_reason).or(self.stop);
                usage.count_in(&mut self.usage);
                vec![Event::Usage(self.usage)]
            }
            StreamEvent::MessageStop => self.end(self.stop.unwrap_or(StopReason::EndTurn)),
            StreamEvent::ContentBlockStart { content_block: Block::Unknown, .. }
            | StreamEvent::Unknown => Vec::new(),
        })
    }

    /// Handles a stream that has ended or gone silent. Once the provider has sent the stop reason,
    /// nothing more can be missing.
    pub fn cut(&mut self, failure: Failure) -> Result<Vec<Event>, Failure> {
        self.stop.map(|reason| self.end(reason)).ok_or(failure)
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

/// The input of a tool. If the tool has no parameters, the input is empty.
fn input(json: &str) -> Result<Value, Failure> {
    if json.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(json).map_err(|_| broken("the input of a tool is not JSON"))
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
        let mut reply = Reply::new(4_096);
        let mut told = Vec::new();
        for event in events {
            let taken = StreamEvent::read(event["type"].as_str(), Some(&event.to_string()));
            match taken
                .and_then(|event| event.map_or_else(|| Ok(Vec::new()), |event| reply.take(event)))
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
    fn a_tool_is_used_when_its_input_is_whole() {
        let block = |index: u64, id: &str| {
            json!({
                "type": "content_block_start", "index": index,
                "content_block": {"type": "tool_use", "id": id, "name": "profits", "input": {}},
            })
        };
        let piece = |index: u64, piece: &str| {
            json!({
                "type": "content_block_delta", "index": index,
                "delta": {"type": "input_json_delta", "partial_json": piece},
            })
        };
        let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
        let (events, failed) = told(&[
            start(),
            block(0, "a"),
            piece(0, ""),
            block(1, "b"),
            piece(0, "{\"year\": 20"),
            piece(0, "23}"),
            stop(0),
            stop(1),
        ]);
        let wanted: Vec<_> =
            events.into_iter().filter(|event| matches!(event, Event::ToolUse(_))).collect();
        let tool = |id: &str, input| {
            Event::ToolUse(ToolUse { id: id.into(), name: "profits".into(), input })
        };
        assert_eq!(
            (wanted, failed),
            (vec![tool("a", json!({"year": 2023})), tool("b", json!({}))], false)
        );
        assert!(told(&[start(), block(0, "a"), piece(0, "{\"year\": "), stop(0)]).1);
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
