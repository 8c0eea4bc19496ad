//! The messages of a request. A turn of ours may become several of them: each result of a tool is
//! a message of its own.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::thought::{List, Member, Thought};
use crate::domain::MessageRole;
use crate::request::{Content, Document, Turn};
use crate::tool::{ToolResult, ToolUse};

/// The separator between two texts of one message.
const BETWEEN: &str = "\n\n";

/// The name of a document that has none. The API wants one.
const UNTITLED: &str = "document.pdf";

/// Bytes that the name of a tool has at most.
const LONGEST_NAME: usize = 64;

/// A message.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Message<'a> {
    System {
        content: &'a str,
    },
    User {
        #[serde(serialize_with = "as_text_or_parts")]
        content: Vec<Part<'a>>,
    },
    Assistant(Said<'a>),
    Tool {
        tool_call_id: Cow<'a, str>,
        content: Cow<'a, str>,
    },
}

/// A part of a user's message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Part<'a> {
    Text { text: &'a str },
    File { file: File<'a> },
}

/// A PDF: <https://developers.openai.com/api/docs/guides/pdf-files>
#[derive(Serialize)]
pub(super) struct File<'a> {
    filename: &'a str,
    #[serde(serialize_with = "as_data_url")]
    file_data: &'a str,
}

/// A message of the model.
#[derive(Default, Serialize)]
pub(super) struct Said<'a> {
    /// `null` if the model wrote no text.
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

/// A use of a tool.
#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<&'a Value>,
    /// Our id of the use.
    #[serde(skip)]
    own_id: &'a str,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    /// The input, as JSON in a text.
    arguments: String,
}

/// Texts alone are one text, because not every server takes parts.
fn as_text_or_parts<S: Serializer>(parts: &[Part<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    let texts = parts.iter().map(|part| match part {
        Part::Text { text } => Some(*text),
        Part::File { .. } => None,
    });
    match texts.collect::<Option<Vec<_>>>() {
        Some(texts) => serializer.serialize_str(&texts.join(BETWEEN)),
        None => parts.serialize(serializer),
    }
}

fn as_data_url<S: Serializer>(data: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("data:application/pdf;base64,{data}"))
}

/// The turns that are sent, by their indices. Many models take no blank message, and no first
/// message of the assistant. Our turns may begin with the assistant, and a reply may be blank.
pub(super) fn sent(turns: &[Turn]) -> impl Iterator<Item = usize> {
    turns
        .iter()
        .enumerate()
        .filter(|(_, turn)| turn.content.iter().any(is_sent))
        .skip_while(|(_, turn)| turn.role == MessageRole::Assistant)
        .map(|(index, _)| index)
}

fn is_sent(content: &Content) -> bool {
    match content {
        Content::Text(text) => !text.trim().is_empty(),
        Content::Thought(_) => false,
        Content::Document(_) | Content::ToolUse(_) | Content::ToolResult(_) => true,
    }
}

/// The messages of a conversation. The API wants the result of each use in a message right after
/// the uses. So a use without a result is not sent, and a result without its use is not either.
/// Thoughts go back within the current reply alone.
///
/// A user's message that follows another is one with it. Some models want the roles to alternate,
/// such as those of Mistral in vLLM, and a reply that failed leaves two messages of the user.
///
/// `unreasoned` says whether the model takes messages of its own without its reasoning. `DeepSeek`
/// V4 takes none if there are tools, and an empty reasoning will do.
pub(super) fn messages(turns: &[Turn], unreasoned: bool) -> Vec<Message<'_>> {
    let sent: Vec<_> = sent(turns).collect();
    let begins = turns.iter().rposition(is_asked).unwrap_or(0);
    let mut messages: Vec<Message<'_>> = Vec::new();
    // The uses of the latest message, by our ids and by those that are sent.
    let mut called: Vec<(&str, Cow<'_, str>)> = Vec::new();
    for (place, &index) in sent.iter().enumerate() {
        let turn = &turns[index];
        if turn.role == MessageRole::Assistant {
            let next = sent.get(place + 1).map(|&next| &turns[next]);
            let mut said = Said::of(turn, next, index > begins);
            if !unreasoned {
                said.reasoning_content.get_or_insert_default();
            }
            called = said.tool_calls.iter().map(|call| (call.own_id, call.id.clone())).collect();
            if said.content.is_some() || !said.tool_calls.is_empty() {
                messages.push(Message::Assistant(said));
            }
            continue;
        }
        let called = std::mem::take(&mut called);
        messages.extend(results(turn).filter_map(|result| {
            let (_, id) = called.iter().find(|(own_id, _)| *own_id == result.tool_use_id)?;
            Some(Message::Tool { tool_call_id: id.clone(), content: text_of(result) })
        }));
        let parts = parts(turn);
        match messages.last_mut() {
            _ if parts.is_empty() => {}
            Some(Message::User { content }) => content.extend(parts),
            _ => messages.push(Message::User { content: parts }),
        }
    }
    messages
}

/// Whether the user wrote this turn. A turn with results belongs to the reply.
fn is_asked(turn: &Turn) -> bool {
    turn.role == MessageRole::User && results(turn).next().is_none()
}

fn results(turn: &Turn) -> impl Iterator<Item = &ToolResult> {
    turn.content.iter().filter_map(|content| match content {
        Content::ToolResult(result) => Some(result),
        _ => None,
    })
}

/// The text of a result. The API has no other sign of a failure.
fn text_of(result: &ToolResult) -> Cow<'_, str> {
    if result.is_error {
        return Cow::Owned(format!("Error: {}", result.content));
    }
    Cow::Borrowed(&result.content)
}

/// The parts of a user's message. Documents stand first, because a model reads one best before the
/// question about it.
fn parts(turn: &Turn) -> Vec<Part<'_>> {
    let is_document = |content: &&Content| matches!(content, Content::Document(_));
    let (documents, others): (Vec<_>, Vec<_>) = turn.content.iter().partition(is_document);
    documents.into_iter().chain(others).filter_map(part).collect()
}

fn part(content: &Content) -> Option<Part<'_>> {
    match content {
        Content::Document(document) => Some(Part::File { file: File::of(document) }),
        Content::Text(text) if !text.trim().is_empty() => Some(Part::Text { text }),
        _ => None,
    }
}

impl<'a> File<'a> {
    fn of(document: &'a Document) -> Self {
        let title = document.title.trim();
        let filename = if title.is_empty() { UNTITLED } else { title };
        Self { filename, file_data: &document.data }
    }
}

impl<'a> Said<'a> {
    /// The message of a turn, whose results stand in the next one. It has its thoughts if it is of
    /// the current reply.
    fn of(turn: &'a Turn, next: Option<&Turn>, is_current: bool) -> Self {
        let mut said = Self::default();
        let mut text = String::new();
        let mut kept = Vec::new();
        let has_result = |used: &ToolUse| {
            let mut answers = next.into_iter().flat_map(results);
            answers.any(|result| result.tool_use_id == used.id)
        };
        for content in &turn.content {
            match content {
                Content::Text(more) => text.push_str(more),
                Content::ToolUse(used) if has_result(used) => said.tool_calls.push(Call::of(used)),
                Content::Thought(thought) if is_current => match Thought::read(thought) {
                    Some(Thought::Reasoning { member, text }) => said.think(member, text),
                    Some(Thought::Blocks { list, blocks }) => said.blocks(list).extend(blocks),
                    Some(of_use) => kept.push(of_use),
                    None => {}
                },
                _ => {}
            }
        }
        for call in &mut said.tool_calls {
            call.keep(&kept);
        }
        // A model that goes on with its own text takes no white space at the end of it.
        let text = text.trim_end();
        said.content = (!text.is_empty()).then(|| text.to_owned());
        said
    }

    fn think(&mut self, member: Member, text: &str) {
        match member {
            Member::ReasoningContent => {
                self.reasoning_content.get_or_insert_default().push_str(text);
            }
            Member::Reasoning => self.reasoning.push_str(text),
        }
    }

    fn blocks(&mut self, list: List) -> &mut Vec<&'a Value> {
        match list {
            List::ReasoningDetails => &mut self.reasoning_details,
            List::ThinkingBlocks => &mut self.thinking_blocks,
        }
    }
}

impl<'a> Call<'a> {
    fn of(used: &'a ToolUse) -> Self {
        // Servers read the arguments as an object, also where the model wrote something else.
        let arguments = if used.input.is_object() {
            used.input.to_string()
        } else {
            json!({"input": used.input}).to_string()
        };
        let function = Function { name: name(&used.name), arguments };
        Self {
            id: Cow::Borrowed(&used.id),
            r#type: "function",
            function,
            extra_content: None,
            own_id: &used.id,
        }
    }

    /// Adds what the server keeps at this use.
    fn keep(&mut self, kept: &[Thought<'a>]) {
        for thought in kept {
            if let Thought::OfUse { tool_call_id, id, extra_content } = thought
                && *tool_call_id == self.own_id
            {
                if let Some(id) = id {
                    self.id = Cow::Borrowed(id);
                }
                self.extra_content = extra_content.or(self.extra_content);
            }
        }
    }
}

/// The name of a tool as the API takes it. A model may have made one up.
fn name(name: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.len() <= LONGEST_NAME && name.chars().all(is_taken) {
        return Cow::Borrowed(name);
    }
    let taken = name.chars().take(LONGEST_NAME);
    taken.map(|c| if is_taken(c) { c } else { '_' }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageRole::{Assistant, User};

    fn text(text: &str) -> Content {
        Content::Text(text.into())
    }

    fn used(id: &str, input: Value) -> Content {
        Content::ToolUse(ToolUse { id: id.into(), name: "profits".into(), input })
    }

    fn result(id: &str, content: &str, is_error: bool) -> Content {
        let tool_use_id = id.into();
        Content::ToolResult(ToolResult { tool_use_id, content: content.into(), is_error })
    }

    fn said(role: MessageRole, content: &[Content]) -> Turn {
        Turn { role, content: content.to_vec() }
    }

    /// The messages as JSON.
    fn found(turns: &[Turn]) -> Value {
        json!(messages(turns, true))
    }

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    fn assistant(text: &str) -> Value {
        json!({"role": "assistant", "content": text})
    }

    fn tool(id: &str, text: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": text})
    }

    fn call(id: &str, arguments: &str) -> Value {
        let function = json!({"name": "profits", "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    }

    fn calls(text: Option<&str>, calls: &[Value]) -> Value {
        json!({"role": "assistant", "content": text, "tool_calls": calls})
    }

    #[test]
    fn a_conversation_is_sent_as_the_api_takes_it() {
        for (turns, indices, expected) in [
            (vec![(User, "Hi")], vec![0], json!([user("Hi")])),
            (
                vec![(Assistant, "a"), (User, "b"), (Assistant, "c \n"), (User, " d ")],
                vec![1, 2, 3],
                json!([user("b"), assistant("c"), user(" d ")]),
            ),
            // A reply that failed is blank. Mistral and Gemma in vLLM: "roles must alternate".
            (
                vec![(User, "a"), (Assistant, " \n"), (User, "b"), (Assistant, ""), (User, "c")],
                vec![0, 2, 4],
                json!([user("a\n\nb\n\nc")]),
            ),
            (vec![(User, "a"), (User, "")], vec![0], json!([user("a")])),
            (vec![(Assistant, "a"), (User, "\n")], vec![], json!([])),
            (vec![], vec![], json!([])),
        ] {
            let turns: Vec<_> =
                turns.into_iter().map(|(role, text)| Turn::text(role, text)).collect();
            assert_eq!(sent(&turns).collect::<Vec<_>>(), indices);
            assert_eq!(found(&turns), expected);
        }
    }

    #[test]
    fn several_texts_are_one_and_documents_stand_before_them() {
        let document = |title: &str| {
            let data = "JVBERi0xLjcK".into();
            Content::Document(Document { title: title.into(), data, pages: 1 })
        };
        let file = |name: &str| {
            let data = "data:application/pdf;base64,JVBERi0xLjcK";
            json!({"type": "file", "file": {"filename": name, "file_data": data}})
        };
        let part = |text: &str| json!({"type": "text", "text": text});
        for (content, expected) in [
            (vec![text("Cells:"), text(" "), text("How much?")], json!("Cells:\n\nHow much?")),
            (
                vec![text("What?"), document(" Q3.pdf "), text("And why?"), document("\n")],
                json!([file("Q3.pdf"), file("document.pdf"), part("What?"), part("And why?")]),
            ),
            (vec![document("a")], json!([file("a")])),
        ] {
            let expected = json!([{"role": "user", "content": expected}]);
            assert_eq!(found(&[said(User, &content)]), expected);
        }
        // Two messages of the user.
        let turns = [said(User, &[text("a"), document("b")]), said(User, &[text("c")])];
        let expected = json!([{"role": "user", "content": [file("b"), part("a"), part("c")]}]);
        assert_eq!(found(&turns), expected);
    }

    #[test]
    fn every_use_is_answered_before_anything_else() {
        let asks = || said(User, &[text("How much?")]);
        let year = json!({"year": 2023});
        for (turns, expected) in [
            (
                vec![
                    said(
                        Assistant,
                        &[text("I look. "), used("a", year.clone()), used("b", json!([1]))],
                    ),
                    said(
                        User,
                        &[text("Two steps."), result("b", "No.", true), result("a", "12", false)],
                    ),
                    said(Assistant, &[text("12.")]),
                ],
                vec![
                    calls(
                        Some("I look."),
                        &[call("a", r#"{"year":2023}"#), call("b", r#"{"input":[1]}"#)],
                    ),
                    tool("b", "Error: No."),
                    tool("a", "12"),
                    user("Two steps."),
                    assistant("12."),
                ],
            ),
            // A message without text.
            (
                vec![
                    said(Assistant, &[used("a", json!({}))]),
                    said(User, &[result("a", "", false)]),
                ],
                vec![calls(None, &[call("a", "{}")]), tool("a", "")],
            ),
            // A reply that ended between its uses and their results.
            (
                vec![
                    said(Assistant, &[text("I look."), used("a", json!({})), used("b", json!({}))]),
                    said(User, &[result("b", "1", false)]),
                    said(Assistant, &[used("c", json!({}))]),
                    said(User, &[text("And now?")]),
                ],
                vec![calls(Some("I look."), &[call("b", "{}")]), tool("b", "1"), user("And now?")],
            ),
            // A result without its use.
            (
                vec![
                    said(Assistant, &[text("So.")]),
                    said(User, &[result("a", "1", false), text("And now?")]),
                    said(User, &[result("b", "1", false)]),
                ],
                vec![assistant("So."), user("And now?")],
            ),
            // A use may be asked again with the same id in a later step.
            (
                vec![
                    said(Assistant, &[used("a", json!({}))]),
                    said(User, &[result("a", "1", false)]),
                    said(Assistant, &[used("a", json!({}))]),
                    said(User, &[result("a", "2", false)]),
                ],
                vec![
                    calls(None, &[call("a", "{}")]),
                    tool("a", "1"),
                    calls(None, &[call("a", "{}")]),
                    tool("a", "2"),
                ],
            ),
        ] {
            let turns = [vec![asks()], turns].concat();
            let expected = [vec![user("How much?")], expected].concat();
            assert_eq!(found(&turns), json!(expected), "{turns:?}");
        }
    }

    #[test]
    fn thoughts_go_back_within_the_current_reply_alone() {
        let thought = |thought: Value| Content::Thought(thought);
        let reasoned = |text: &str| thought(json!({"type": "openai", "reasoning_content": text}));
        let signed = json!({"google": {"thought_signature": "c2ln"}});
        let long_id = format!("call_1__thought__{}", "x".repeat(900));
        let step = [
            // DeepSeek: it refuses the next step without it.
            reasoned("Hm. "),
            text("I look."),
            reasoned("So."),
            thought(json!({"type": "openai", "reasoning": "vLLM"})),
            // Claude wrote an earlier step.
            thought(json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"})),
            // Gemini: the signature stands at the first of its uses.
            thought(json!({"type": "openai", "tool_call_id": "a", "extra_content": signed})),
            used("a", json!({})),
            // LiteLLM: the signature of Gemini is in the id.
            thought(json!({"type": "openai", "tool_call_id": "b", "id": long_id})),
            used("b", json!({})),
            thought(json!({"type": "openai", "tool_call_id": "z", "extra_content": signed})),
        ];
        let results = [result("a", "1", false), result("b", "2", false)];
        let mut first = call("a", "{}");
        first["extra_content"] = signed;
        let mut with_thoughts = calls(Some("I look."), &[first, call(&long_id, "{}")]);
        with_thoughts["reasoning_content"] = json!("Hm. So.");
        with_thoughts["reasoning"] = json!("vLLM");
        let without = calls(Some("I look."), &[call("a", "{}"), call("b", "{}")]);
        let asks = said(User, &[text("How much?")]);
        let taken = [asks, said(Assistant, &step), said(User, &results)];
        let expected =
            json!([user("How much?"), with_thoughts, tool("a", "1"), tool(&long_id, "2")]);
        assert_eq!(found(&taken), expected);
        // The same step in an earlier reply.
        let later = [taken.to_vec(), vec![said(User, &[text("Why?")])]].concat();
        let expected =
            json!([user("How much?"), without, tool("a", "1"), tool("b", "2"), user("Why?"),]);
        assert_eq!(found(&later), expected);
        // DeepSeek V4 wants a reasoning in each message of the model.
        let reasoned_always = json!(messages(&later, false));
        assert_eq!(reasoned_always[1]["reasoning_content"], "");
        assert_eq!(json!(messages(&taken, false))[1]["reasoning_content"], "Hm. So.");
        // A turn that has nothing else is not sent.
        let bare = [said(User, &[text("a")]), said(Assistant, &[reasoned("Hm.")])];
        assert_eq!(found(&bare), json!([user("a")]));
        assert_eq!(sent(&bare).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn reasoning_in_blocks_goes_back_in_its_own_list() {
        let [first, second] = ["a", "b"].map(|text| json!({"type": "thinking", "thinking": text}));
        for list in ["reasoning_details", "thinking_blocks"] {
            let thought =
                |block: &Value| Content::Thought(json!({"type": "openai", list: [block]}));
            let step = [thought(&first), used("a", json!({})), thought(&second)];
            let results = [result("a", "1", false)];
            let asks = said(User, &[text("How much?")]);
            let turns = [asks, said(Assistant, &step), said(User, &results)];
            let mut expected = calls(None, &[call("a", "{}")]);
            expected[list] = json!([first, second]);
            assert_eq!(found(&turns), json!([user("How much?"), expected, tool("a", "1")]));
        }
    }

    #[test]
    fn a_name_that_a_model_made_up_is_sent_as_the_api_takes_it() {
        let long = "x".repeat(65);
        for (given, expected) in [
            ("query_profits-2", "query_profits-2"),
            ("functions.profits", "functions_profits"),
            ("profits €", "profits__"),
            (&long, &long[..64]),
        ] {
            assert_eq!(name(given), expected);
        }
    }
}
