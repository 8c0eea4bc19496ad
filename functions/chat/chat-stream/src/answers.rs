//! The answers to the calls of a step, as the model reads them. Each call has one, in the order of
//! the calls. Together they have no more bytes than the model is sent.

use assistant::{Content, ToolResult};
use tally_chat::domain::CallStatus;
use tally_chat::store::CallRecord;
use tally_tools::visible;

use crate::blocks::calls_in;

/// Calls of one step that are made, at most.
pub const MOST_CALLS: usize = 16;

/// Bytes of one result, at most.
const RESULT_BYTES: usize = 32 * 1024;

/// Bytes of the results of one step, at most.
const STEP_BYTES: usize = 64 * 1024;

/// Stands in place of the rest of a result that is too long.
const CUT: &str = "\n[The rest of this result is left out, because it is too long.]";

/// The answers to the calls among the parts of a message. `records` has the calls that were
/// recorded.
pub fn answers(blocks: &[Content], records: &[CallRecord]) -> Vec<ToolResult> {
    let all = calls_in(blocks).map(|call| {
        let record = records.iter().find(|record| record.call_id == call.id);
        let content = record.map_or_else(too_many, text_of);
        let is_error = record.is_none_or(|record| record.status != CallStatus::Completed);
        ToolResult { tool_use_id: call.id.clone(), content, is_error }
    });
    let mut all: Vec<_> = all.collect();
    let most = fair_share(all.iter().map(|answer| answer.content.len()).collect(), STEP_BYTES);
    for answer in &mut all {
        cut(&mut answer.content, most);
    }
    all
}

/// A result of a tool as it is stored and sent: without hidden characters, and of bounded length.
pub fn result_text(text: &str) -> String {
    let mut kept = visible(text).into_owned();
    cut(&mut kept, RESULT_BYTES);
    kept
}

/// The first characters of a text on one line, for people.
pub fn on_one_line(text: &str, characters: usize, bytes: usize) -> String {
    let visible = visible(text);
    let spaced = visible.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = spaced.take(characters).collect();
    line.truncate(line.floor_char_boundary(bytes));
    line
}

fn too_many() -> String {
    format!("This call was not made: a message may have {MOST_CALLS} calls.")
}

fn text_of(record: &CallRecord) -> String {
    let result = record.result.as_deref().filter(|result| !result.is_empty());
    result.unwrap_or_else(|| unrecorded(record.status)).to_owned()
}

/// The answer to a call whose result is not recorded.
pub fn unrecorded(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Completed => "The call succeeded. Its result is not known any more.",
        CallStatus::Rejected => "The user rejected this call.",
        CallStatus::Expired => "The user did not decide about this call in time.",
        _ => "The call was not made.",
    }
}

/// The size to which each text is cut, so that all of them together have no more than `most` bytes.
/// Shorter texts stay whole, and the longer ones share the rest evenly.
fn fair_share(mut sizes: Vec<usize>, most: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut others) = (most, sizes.len());
    for size in sizes {
        let share = left / others;
        if size > share {
            return share;
        }
        left -= size;
        others -= 1;
    }
    most
}

/// Cuts a text to so many bytes, with a note that says so.
fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assistant::ToolUse;
    use serde_json::json;

    fn call(id: &str) -> Content {
        Content::ToolUse(ToolUse { id: id.into(), name: "t".into(), input: json!({}) })
    }

    fn record(id: &str, status: CallStatus, result: Option<String>) -> CallRecord {
        CallRecord {
            message_id: "m".into(),
            step: 1,
            position: 0,
            call_id: id.into(),
            tool: "t".into(),
            title: "T".into(),
            arguments: json!({}),
            preview: String::new(),
            status,
            result,
            summary: None,
        }
    }

    #[test]
    fn every_call_is_answered_in_the_order_of_the_calls() {
        let blocks = [Content::Text("Look:".into()), call("a"), call("b"), call("c"), call("d")];
        // The records may be in another order.
        let records = [
            record("c", CallStatus::Failed, Some("No.".into())),
            record("a", CallStatus::Completed, Some("{}".into())),
            record("b", CallStatus::Rejected, None),
        ];
        let found = answers(&blocks, &records);
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.tool_use_id.as_str(), found.content.as_str(), found.is_error))
            .collect();
        assert_eq!(
            found,
            [
                ("a", "{}", false),
                ("b", "The user rejected this call.", true),
                ("c", "No.", true),
                ("d", "This call was not made: a message may have 16 calls.", true),
            ]
        );
    }

    #[test]
    fn the_answers_of_a_step_are_cut_to_64_kb_together_and_the_short_ones_stay_whole() {
        for (sizes, expected) in [
            (vec![10, 20], vec![10, 20]),
            (vec![RESULT_BYTES, RESULT_BYTES], vec![RESULT_BYTES, RESULT_BYTES]),
            (vec![RESULT_BYTES; 4], vec![STEP_BYTES / 4; 4]),
            (vec![RESULT_BYTES, 100, RESULT_BYTES], {
                let share = (STEP_BYTES - 100) / 2;
                vec![share, 100, share]
            }),
        ] {
            let ids: Vec<_> = (0..sizes.len()).map(|number| number.to_string()).collect();
            let blocks: Vec<_> = ids.iter().map(|id| call(id)).collect();
            let text = |size: &usize| Some("x".repeat(*size));
            let records: Vec<_> = ids
                .iter()
                .zip(&sizes)
                .map(|(id, size)| record(id, CallStatus::Completed, text(size)))
                .collect();
            let found: Vec<_> =
                answers(&blocks, &records).iter().map(|answer| answer.content.len()).collect();
            assert_eq!(found, expected, "{sizes:?}");
        }
    }

    #[test]
    fn a_result_has_no_hidden_characters_and_says_if_it_was_cut() {
        for (text, expected) in [
            ("{\"a\":\"b\"}\n", "{\"a\":\"b\"}\n".to_owned()),
            ("a\u{e0041}b\u{202e}c\u{2066}d\u{200f}e", "abcde".to_owned()),
            ("👩\u{200d}👧 é", "👩\u{200d}👧 é".to_owned()),
            (&"€".repeat(RESULT_BYTES), {
                let kept = (RESULT_BYTES - CUT.len()) / 3;
                format!("{}{CUT}", "€".repeat(kept))
            }),
        ] {
            assert_eq!(result_text(text), expected);
        }
    }

    #[test]
    fn a_line_for_people_is_short_and_has_no_control_characters() {
        for (text, expected) in [
            ("Two\ntasks.", "Two tasks."),
            ("a\u{0}b\u{202e}c\u{e0041}", "a bc"),
            ("abcdefghijkl", "abcdefghij"),
            ("€€€€€€€€", "€€€€"),
            ("", ""),
        ] {
            assert_eq!(on_one_line(text, 10, 14), expected, "{text:?}");
        }
    }
}
