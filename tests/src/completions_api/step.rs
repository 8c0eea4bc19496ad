//! A scripted reply of the model: a step of a loop with tools.

use serde_json::{Value, json};

use super::Answer;
use super::blocks;
use super::call::Call;
use super::chunks::{choice, done, envelope, frame, usage_frame, usage_of};
use super::dialect::{Dialect, Told};
use crate::model_server::{halves, owned};

/// A reply of the model: its parts in order, and how it stops. Without another word it stops with
/// `tool_calls` if it calls a tool, and with `stop` if it does not.
#[derive(Debug, Clone, Default)]
pub struct Step {
    parts: Vec<Part>,
    finish_reason: Option<String>,
    tokens: Option<usize>,
    is_cut: bool,
}

/// A part of a reply.
#[derive(Debug, Clone)]
enum Part {
    Thought(Vec<String>),
    Text(Vec<String>),
    Refusal(String),
    Call(Call),
}

/// A delta, and the tokens that it counts for.
struct Delta {
    value: Value,
    tokens: usize,
}

impl Step {
    /// An empty reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// A thought, in two parts. Some servers hide it, see [`Dialect::reasoning`].
    #[must_use]
    pub fn thinks(self, text: &str) -> Self {
        self.with(Part::Thought(owned(&halves(text))))
    }

    /// A text, in two parts.
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        self.with(Part::Text(owned(&halves(text))))
    }

    /// A text, in these parts.
    #[must_use]
    pub fn writes(self, parts: &[&str]) -> Self {
        self.with(Part::Text(owned(parts)))
    }

    /// A refusal in the model's own words.
    #[must_use]
    pub fn refuses(self, text: &str) -> Self {
        self.with(Part::Refusal(text.to_owned()))
    }

    /// A call of a tool. Its arguments come in two parts, unless the server sends them whole.
    #[must_use]
    pub fn calls(self, id: &str, name: &str, input: &Value) -> Self {
        self.with(Part::Call(Call {
            id: id.to_owned(),
            name: name.to_owned(),
            input: input.clone(),
        }))
    }

    /// Stops with this reason, such as `length`.
    #[must_use]
    pub fn stops(self, finish_reason: &str) -> Self {
        Self { finish_reason: Some(finish_reason.to_owned()), ..self }
    }

    /// Breaks off within the last call, because the limit of tokens is reached. Set the tokens to
    /// that limit with [`Self::counts`].
    #[must_use]
    pub fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    /// Has written so many tokens. Otherwise it is one for each part and one more.
    #[must_use]
    pub fn counts(self, tokens: usize) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// The frames of the reply. It reads the tokens of [`super::reply_of`].
    pub fn frames(&self) -> Vec<String> {
        self.frames_in(Dialect::Openai)
    }

    /// The frames, as a server with this dialect sends them.
    pub fn frames_in(&self, dialect: Dialect) -> Vec<String> {
        let told = dialect.told();
        let thoughts = self.thoughts();
        let hidden = if dialect.reasoning().is_none() { thoughts } else { 0 };
        let mut tokens = 1 + hidden;
        let mut frames = opening(dialect);
        for delta in self.deltas(dialect) {
            tokens += delta.tokens;
            let mut chunk = envelope(&json!([choice(&delta.value, None)]));
            if told == Told::InEach {
                chunk["usage"] = usage_of(dialect, tokens, thoughts);
            }
            frames.push(frame(&chunk));
        }
        if dialect == Dialect::Azure {
            frames.push(filtered());
        }
        let usage = usage_of(dialect, self.tokens.unwrap_or(tokens), thoughts);
        let last = if dialect.repeats_role() { json!({"role": "assistant"}) } else { json!({}) };
        let mut chunk = envelope(&json!([choice(&last, Some(self.finish_reason(dialect)))]));
        if matches!(told, Told::AtFinish | Told::InEach) {
            chunk["usage"].clone_from(&usage);
        }
        frames.push(frame(&chunk));
        if told == Told::WhenAsked {
            frames.push(usage_frame(&usage));
        }
        frames.extend(dialect.says_done().then(done));
        frames
    }

    /// Number of frames before the first one that counts as a token.
    pub(super) fn lead(&self, dialect: Dialect) -> usize {
        let deltas = self.deltas(dialect);
        let first = deltas.iter().position(|delta| delta.tokens > 0).unwrap_or(deltas.len());
        opening(dialect).len() + first
    }

    /// The answer with these frames.
    pub fn answer(&self) -> Answer {
        self.answer_in(Dialect::Openai)
    }

    /// The answer of a server with this dialect.
    pub fn answer_in(&self, dialect: Dialect) -> Answer {
        Answer::stream(self.frames_in(dialect))
    }

    /// The deltas of all parts.
    fn deltas(&self, dialect: Dialect) -> Vec<Delta> {
        let mut deltas = Vec::new();
        if !dialect.repeats_role() {
            let has_text = self.parts.iter().any(|part| matches!(part, Part::Text(_)));
            let content = if has_text { json!("") } else { Value::Null };
            deltas.push(Delta::free(json!({
                "role": "assistant", "content": content, "refusal": null,
            })));
        }
        // DeepSeek thinks in each step.
        let thinks = self.parts.iter().any(|part| matches!(part, Part::Thought(_)));
        if dialect.is_deepseek() && !thinks {
            deltas.push(Delta::free(json!({"content": null, "reasoning_content": "So."})));
        }
        let mut calls = 0;
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Thought(texts) => deltas.extend(thoughts_of(texts, dialect)),
                Part::Text(texts) => {
                    deltas.extend(texts.iter().map(|text| Delta::paid(json!({"content": text}))));
                }
                Part::Refusal(text) => deltas.push(Delta::paid(json!({"refusal": text}))),
                Part::Call(call) => {
                    let is_cut = self.is_cut && place + 1 == self.parts.len();
                    for (number, entry) in
                        call.entries(dialect, calls, is_cut).into_iter().enumerate()
                    {
                        let mut value = json!({"tool_calls": [entry]});
                        if number == 0 {
                            blocks::add_signature(&mut value, &call.id, dialect);
                        }
                        deltas.push(Delta { value, tokens: usize::from(number == 0) });
                    }
                    calls += 1;
                }
            }
        }
        if dialect.repeats_role() {
            for delta in &mut deltas {
                delta.value["role"] = json!("assistant");
            }
        }
        deltas
    }

    fn finish_reason(&self, dialect: Dialect) -> &str {
        let has_calls = self.parts.iter().any(|part| matches!(part, Part::Call(_)));
        let usual = if self.is_cut && !(has_calls && dialect.is_vllm()) {
            "length"
        } else if has_calls && !dialect.is_gemini() {
            "tool_calls"
        } else {
            "stop"
        };
        self.finish_reason.as_deref().unwrap_or(usual)
    }

    /// Tokens of the thoughts.
    fn thoughts(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Thought(texts) => texts.len(),
            _ => 0,
        };
        self.parts.iter().map(of_part).sum()
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

impl Delta {
    fn free(value: Value) -> Self {
        Self { value, tokens: 0 }
    }

    fn paid(value: Value) -> Self {
        Self { value, tokens: 1 }
    }
}

/// The frames before the first choice.
fn opening(dialect: Dialect) -> Vec<String> {
    let mut frames: Vec<_> = dialect.comment().map(str::to_owned).into_iter().collect();
    if dialect == Dialect::Azure {
        let mut chunk = envelope(&json!([]));
        let found = json!({"hate": {"filtered": false, "severity": "safe"}});
        chunk["object"] = json!("");
        chunk["model"] = json!("");
        chunk["prompt_filter_results"] =
            json!([{"prompt_index": 0, "content_filter_results": found}]);
        frames.push(frame(&chunk));
    }
    frames
}

/// Azure's chunk about the text so far, whose choice has no delta.
fn filtered() -> String {
    let offsets = json!({"check_offset": 35, "start_offset": 35, "end_offset": 50});
    let choice = json!({
        "index": 0, "finish_reason": null, "content_filter_offsets": offsets,
        "content_filter_results": {"hate": {"filtered": false, "severity": "safe"}},
    });
    frame(&json!({"id": "", "object": "", "created": 0, "model": "", "choices": [choice]}))
}

/// The deltas of a thought; none from a server that hides it.
fn thoughts_of(texts: &[String], dialect: Dialect) -> Vec<Delta> {
    let Some(member) = dialect.reasoning() else { return Vec::new() };
    let delta = |text: &String| {
        let mut value = json!({"content": null});
        value[member] = json!(text);
        blocks::add_thought(&mut value, text, dialect);
        Delta::paid(value)
    };
    let end = blocks::end_of_thought(&texts.concat(), dialect).map(Delta::free);
    texts.iter().map(delta).chain(end).collect()
}
