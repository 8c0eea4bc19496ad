//! `lorem`: 50 to 120 words of lorem ipsum, word by word. It needs no account, costs nothing, and
//! writes the same reply for the same seed. So all code around a model can be built and tested
//! without one. A message of lines like `/tool NAME {json}` has it use tools. To a request with a
//! schema of the answer it writes JSON of that form.

mod commands;
mod json;
mod words;

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use platform::ConfigError;
use platform::config::{Config, invalid};
use tokio::time::{Instant, sleep_until};

use crate::domain::{Cost, StopReason, Usage};
use crate::provider::{Event, Events, Provider};
use crate::request::{Content, Request, Turn};
use crate::tool::ToolUse;
use commands::tool_uses;
use words::{seed_of, words};

/// Default of `LOREM_WORD_MILLISECONDS`, the milliseconds between two words.
const WORD_MILLISECONDS: u64 = 25;

/// The provider. A token of its model is a word, delimited by white space, in its input and in its
/// output.
#[derive(Debug, Clone)]
pub struct Lorem {
    pause: Duration,
    seed: Option<u64>,
}

impl Lorem {
    /// Settings: `LOREM_WORD_MILLISECONDS` between two words (default 25; 0 means no pause), and
    /// `LOREM_SEED`, a whole number that makes every reply the same. Without it, each reply is
    /// drawn from its own id.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let number = |name| {
            let parse = |text: &str| {
                text.parse().map_err(|_| invalid(name, text, "it must be a whole number"))
            };
            config.get(name).map(parse).transpose()
        };
        let pause =
            Duration::from_millis(number("LOREM_WORD_MILLISECONDS")?.unwrap_or(WORD_MILLISECONDS));
        Ok(Self { pause, seed: number("LOREM_SEED")? })
    }
}

/// Name of its one model.
const MODEL: &str = "lorem";

impl Provider for Lorem {
    fn model(&self) -> &str {
        MODEL
    }

    fn call(&self, request: Request) -> Events {
        let input_tokens = request.turns.iter().map(tokens_of).sum();
        let used = move |output_tokens| {
            Ok(Event::Usage(Usage { input_tokens, output_tokens, ..Usage::default() }))
        };
        let head = stream::iter([Ok(Event::Model(MODEL.to_owned())), used(0)]);
        if let Some(tools) = tool_uses(&request) {
            let output_tokens = tools.iter().map(tokens_of_use).sum();
            let tools = tools.into_iter().map(|tool| Ok(Event::ToolUse(tool)));
            let end = [used(output_tokens), Ok(Event::Stop(StopReason::ToolUse))];
            return head.chain(stream::iter(tools.chain(end))).boxed();
        }
        let seed = self.seed.unwrap_or_else(|| seed_of(&request.reply_id));
        let words = match &request.output_schema {
            Some(schema) => pieces(&json::answer(schema, seed).to_string()),
            None => words(seed),
        };
        let pause = self.pause;
        let mut due = Instant::now();
        let mut output_tokens = 0;
        let written = stream::iter(words)
            .then(move |word| {
                due += pause;
                let due = due;
                async move {
                    // The sleep ends at an absolute instant, so the time that a reader takes does
                    // not shift the pace. Without a pause there is nothing to sleep for, and a
                    // sleep would round up to the millisecond of the timer.
                    if !pause.is_zero() {
                        sleep_until(due).await;
                    }
                    word
                }
            })
            .flat_map(move |word| {
                output_tokens += tokens(&word);
                stream::iter([Ok(Event::Text(word)), used(output_tokens)])
            });
        let stop = stream::iter([Ok(Event::Stop(StopReason::EndTurn))]);
        head.chain(written).chain(stop).boxed()
    }

    fn cost(&self, _: &str, _: &Usage) -> Cost {
        Cost::ZERO
    }
}

/// Words in a turn: in its texts, in the titles of its documents, and in the uses and results of
/// tools.
fn tokens_of(turn: &Turn) -> u64 {
    let words = turn.content.iter().map(|content| match content {
        Content::Text(text) => tokens(text),
        Content::Document(document) => tokens(&document.title),
        Content::ToolUse(used) => tokens_of_use(used),
        Content::ToolResult(result) => tokens(&result.content),
        Content::Thought(_) => 0,
    });
    words.sum()
}

/// Words in a use of a tool: its name, and those of the input as JSON.
fn tokens_of_use(used: &ToolUse) -> u64 {
    tokens(&used.name) + tokens(&used.input.to_string())
}

/// A text in pieces, each with the space after it.
fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Words in a text.
fn tokens(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageRole;
    use crate::tool::{Tool, ToolResult};
    use serde_json::json;

    fn lorem(settings: &[(&str, &str)]) -> Lorem {
        Lorem::from_config(&settings.iter().copied().collect()).unwrap()
    }

    async fn events(lorem: &Lorem, request: Request) -> Vec<Event> {
        lorem.call(request).map(Result::unwrap).collect().await
    }

    async fn reply(
        lorem: &Lorem,
        reply_id: &str,
        texts: &[&str],
    ) -> (String, Usage, Option<StopReason>) {
        let turns = texts.iter().map(|text| Turn::text(MessageRole::User, *text)).collect();
        let request = Request { reply_id: reply_id.to_owned(), turns, ..Request::default() };
        let mut text = String::new();
        let mut usage = Usage::default();
        let mut stop = None;
        for event in events(lorem, request).await {
            assert_eq!(stop, None, "nothing comes after the end");
            match event {
                Event::Text(more) => text.push_str(&more),
                Event::Usage(now) => usage = now,
                Event::Stop(reason) => stop = Some(reason),
                Event::Model(model) => assert_eq!(model, lorem.model()),
                Event::Shown(_) | Event::ToolUse(_) | Event::Thought(_) => {
                    panic!("it reads every turn, and uses no tool")
                }
            }
        }
        (text, usage, stop)
    }

    #[tokio::test]
    async fn a_reply_is_drawn_from_its_id_or_from_the_setting() {
        let free = lorem(&[("LOREM_WORD_MILLISECONDS", "0")]);
        let fixed = lorem(&[("LOREM_WORD_MILLISECONDS", "0"), ("LOREM_SEED", "7")]);
        let first = reply(&free, "a", &["Hi"]).await;
        assert_eq!(first, reply(&free, "a", &["Hi"]).await);
        assert_ne!(first.0, reply(&free, "b", &["Hi"]).await.0);
        assert_eq!(reply(&fixed, "a", &["Hi"]).await, reply(&fixed, "b", &["Hi"]).await);
    }

    #[tokio::test]
    async fn tokens_are_the_words_that_were_read_and_written() {
        let (text, usage, stop) = reply(
            &lorem(&[("LOREM_WORD_MILLISECONDS", "0")]),
            "a",
            &["How much\n was it?", "", "And now?"],
        )
        .await;
        let output_tokens = text.split_whitespace().count() as u64;
        assert_eq!(usage, Usage { input_tokens: 6, output_tokens, ..Usage::default() });
        assert_eq!(stop, Some(StopReason::EndTurn));
    }

    #[tokio::test]
    async fn a_tool_is_used_where_the_message_says_so_and_its_result_is_answered() {
        let lorem = lorem(&[("LOREM_WORD_MILLISECONDS", "0")]);
        let tool = |name: &str| Tool {
            name: name.into(),
            description: "Not counted.".into(),
            input_schema: json!({"type": "object"}),
        };
        let said = "/tool add_task {\"title\": \"Pay the rent\"}\n/tool list_tasks {}";
        let mut request = Request {
            turns: vec![Turn::text(MessageRole::User, said)],
            tools: vec![tool("add_task"), tool("list_tasks")],
            ..Request::default()
        };
        let wanted = [
            ToolUse {
                id: "call_1".into(),
                name: "add_task".into(),
                input: json!({"title": "Pay the rent"}),
            },
            ToolUse { id: "call_2".into(), name: "list_tasks".into(), input: json!({}) },
        ];
        let used = |input_tokens, output_tokens| {
            Event::Usage(Usage { input_tokens, output_tokens, ..Usage::default() })
        };
        let expected = [
            Event::Model("lorem".into()),
            used(9, 0),
            Event::ToolUse(wanted[0].clone()),
            Event::ToolUse(wanted[1].clone()),
            // `add_task`, `{"title":"Pay`, `the`, `rent"}`, `list_tasks`, `{}`.
            used(9, 6),
            Event::Stop(StopReason::ToolUse),
        ];
        assert_eq!(events(&lorem, request.clone()).await, expected);

        let results = wanted.iter().map(|used| {
            let tool_use_id = used.id.clone();
            Content::ToolResult(ToolResult {
                tool_use_id,
                content: "Two words".into(),
                is_error: false,
            })
        });
        let results = results.collect();
        let wanted = wanted.map(Content::ToolUse).to_vec();
        request.turns.push(Turn { role: MessageRole::Assistant, content: wanted });
        request.turns.push(Turn { role: MessageRole::User, content: results });
        let answered = events(&lorem, request).await;
        assert_eq!(answered[1], used(9 + 6 + 4, 0));
        assert!(!answered.iter().any(|event| matches!(event, Event::ToolUse(_))));
        assert_eq!(answered.last(), Some(&Event::Stop(StopReason::EndTurn)));
    }

    #[tokio::test]
    async fn an_answer_has_the_form_of_its_schema_and_a_tool_goes_before_it() {
        let lorem = lorem(&[("LOREM_WORD_MILLISECONDS", "0")]);
        let schema = json!({"type": "object", "properties": {"summary": {"type": "string"}}});
        let tool = Tool {
            name: "add_task".into(),
            description: String::new(),
            input_schema: json!({"type": "object"}),
        };
        let mut request = Request {
            reply_id: "a".into(),
            turns: vec![Turn::text(MessageRole::User, "Sum it up.")],
            tools: vec![tool],
            output_schema: Some(schema),
            ..Request::default()
        };
        let answered = events(&lorem, request.clone()).await;
        assert_eq!(answered, events(&lorem, request.clone()).await);
        let texts = answered.iter().filter_map(|event| match event {
            Event::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let text: String = texts.collect();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(written["summary"].as_str().is_some_and(|text| text.contains(' ')), "{text}");
        let used = |output_tokens| {
            Event::Usage(Usage { input_tokens: 3, output_tokens, ..Usage::default() })
        };
        assert_eq!(answered[1], used(0));
        let end = [used(tokens(&text)), Event::Stop(StopReason::EndTurn)];
        assert!(answered.ends_with(&end), "{answered:?}");

        request.turns = vec![Turn::text(MessageRole::User, "/tool add_task {}")];
        let answered = events(&lorem, request).await;
        assert_eq!(answered.last(), Some(&Event::Stop(StopReason::ToolUse)));
    }

    #[tokio::test]
    async fn words_come_no_faster_than_the_setting_says() {
        let started = Instant::now();
        let (text, ..) = reply(&lorem(&[("LOREM_WORD_MILLISECONDS", "1")]), "a", &["Hi"]).await;
        let words = u32::try_from(text.split(' ').count()).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(1) * words);
    }

    #[test]
    fn a_setting_that_is_no_number_stops_the_function() {
        for name in ["LOREM_WORD_MILLISECONDS", "LOREM_SEED"] {
            for value in ["fast", "-1", "1.5"] {
                assert!(
                    Lorem::from_config(&[(name, value)].into_iter().collect()).is_err(),
                    "{name}={value}"
                );
            }
        }
    }
}
