//! A valid request.

use serde_json::Value;

use super::messages::PDF;
use super::rules::list;

/// The text before that of a result that failed. The API has no flag for it.
const FAILED: &str = "Error: ";

/// The separator between texts that are one message.
const BETWEEN: &str = "\n\n";

/// A valid request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Number of requests before this one.
    pub number: usize,
    /// Whether it had a key.
    pub has_key: bool,
    /// The request's body.
    pub body: Value,
}

impl Asked {
    /// The model.
    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap()
    }

    /// The system prompt; empty if there is none.
    pub fn system(&self) -> &str {
        let first = &self.messages()[0];
        let content = (first["role"] == "system").then(|| first["content"].as_str()).flatten();
        content.unwrap_or_default()
    }

    /// The user's message: the last paragraph of what the user said. Cells may stand before it, and
    /// an earlier message without a reply. They are in [`Self::said`] too.
    pub fn message(&self) -> &str {
        let said = self.said();
        said.rsplit_once(BETWEEN).map_or(said, |(_, last)| last)
    }

    /// The last text of the user, as it was sent.
    pub fn said(&self) -> &str {
        let content = &self.messages()[self.place()]["content"];
        let parts = list(content).iter().filter_map(|part| part["text"].as_str());
        content.as_str().into_iter().chain(parts).next_back().unwrap()
    }

    /// The documents of all messages: name and base64 of each.
    pub fn documents(&self) -> Vec<(&str, &str)> {
        let parts = self.messages().iter().flat_map(|message| list(&message["content"]));
        let files = parts.filter(|part| part["type"] == "file").map(|part| &part["file"]);
        let read = files.map(|file| {
            let data = file["file_data"].as_str().and_then(|data| data.strip_prefix(PDF));
            (file["filename"].as_str().unwrap(), data.unwrap())
        });
        read.collect()
    }

    /// The schema that the answer has to have.
    pub fn schema(&self) -> Option<&Value> {
        self.body.pointer("/response_format/json_schema/schema")
    }

    /// Number of messages of the model after the user's message.
    pub fn step(&self) -> usize {
        let messages = self.messages()[self.place()..].iter();
        messages.filter(|message| message["role"] == "assistant").count()
    }

    /// The names of the tools that it offers.
    pub fn tools(&self) -> Vec<&str> {
        let tools = list(&self.body["tools"]).iter();
        tools.map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
    }

    /// Whether it forbids uses of tools.
    pub fn without_tools(&self) -> bool {
        self.body["tool_choice"] == "none"
    }

    /// The results of tools after the model's last message: the id of the call, the text, whether
    /// it failed. The text is without the words that say so.
    pub fn results(&self) -> Vec<(&str, &str, bool)> {
        let messages = self.messages();
        let last = messages.iter().rposition(|message| message["role"] == "assistant");
        let results = messages[last.unwrap_or(0)..].iter();
        let results = results.filter(|message| message["role"] == "tool");
        let read = results.map(|result| {
            let id = result["tool_call_id"].as_str().unwrap();
            let text = result["content"].as_str().unwrap();
            text.strip_prefix(FAILED).map_or((id, text, false), |why| (id, why, true))
        });
        read.collect()
    }

    /// Tokens of the reply at most, by either name.
    pub fn max_tokens(&self) -> u64 {
        let bounds = ["max_completion_tokens", "max_tokens"];
        bounds.iter().find_map(|name| self.body[*name].as_u64()).unwrap()
    }

    /// Whether it asks for the usage.
    pub fn asks_for_usage(&self) -> bool {
        self.body["stream_options"]["include_usage"] == true
    }

    /// The messages.
    pub fn messages(&self) -> &[Value] {
        list(&self.body["messages"])
    }

    /// The index of the user's message: the last one that does not follow results of tools.
    fn place(&self) -> usize {
        let messages = self.messages();
        let is_said = |index: &usize| {
            let before = index.checked_sub(1).map(|before| &messages[before]["role"]);
            let follows = before.is_some_and(|role| role == "tool");
            messages[*index]["role"] == "user" && !follows
        };
        (0..messages.len()).rev().find(is_said).unwrap()
    }
}
