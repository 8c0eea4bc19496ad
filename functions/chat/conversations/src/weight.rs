//! Counts the bytes of messages in the answer of a function. An answer can have 6 MB, and its body
//! is counted as a JSON string.

use tally_access::sources::Source;
use tally_chat::Shown;
use tally_chat::store::Message;

/// Bytes of messages in one answer, at most.
pub const ANSWER_BYTES: usize = 5 * 1024 * 1024;

/// Bytes of a message beside its text, at most.
const ENVELOPE_BYTES: usize = 1_800;

/// Bytes of a source beside its columns, and of one of its columns, at most.
const SOURCE_BYTES: usize = 200;
const COLUMN_BYTES: usize = 42;

/// Bytes that a message has at most, as JSON or as Markdown. No message is longer than an answer.
pub fn of(message: &Message) -> usize {
    let of_source = |source: Source| SOURCE_BYTES + COLUMN_BYTES * source.column_ids.len();
    let sources = message.sources.list().into_iter().map(of_source).sum::<usize>();
    let calls = serde_json::to_string(&message.tool_calls).unwrap_or_default();
    of_text(&message.text) + of_text(&calls) + sources + ENVELOPE_BYTES
}

/// Leaves out the last messages of a page that is too long for an answer. Returns whether it left
/// out any.
pub fn cut(page: &mut Vec<Shown<Message>>) -> bool {
    let mut bytes = 0;
    let before = page.len();
    let fits = page.iter().take_while(|message| {
        bytes += of(message);
        bytes <= ANSWER_BYTES
    });
    let fits = fits.count().max(1);
    page.truncate(fits);
    page.len() < before
}

/// JSON escapes a character, and escapes it again where the answer is a JSON string. Markdown
/// escapes some characters, and begins each line with a mark.
fn of_text(text: &str) -> usize {
    let weight = |byte| match byte {
        b'"' | b'\\' => 4,
        b'<' | b'!' => 3,
        0..=0x1f => 7,
        _ => 1,
    };
    text.bytes().map(weight).sum()
}

#[cfg(test)]
mod tests {
    use super::of_text;
    use crate::export::markdown;
    use serde_json::json;

    #[test]
    fn a_text_weighs_no_less_than_it_is_in_an_answer() {
        for text in [
            "",
            "plain",
            "a\"b\\c",
            "\n\n\n",
            "\t\u{1}\u{7f}",
            "é€👩‍👩‍👧\u{2028}",
            "> # ```\n",
            "<<![![!",
            "\\<\\![\\\\<",
        ] {
            let as_json = serde_json::to_string(&serde_json::to_string(text).unwrap()).unwrap();
            let as_markdown = json!(markdown::quote(text)).to_string();
            // The envelope includes the quotation marks around the text and the end of the last
            // line.
            assert!(
                of_text(text) + 8 >= as_json.len() && of_text(text) + 8 >= as_markdown.len(),
                "{text:?}"
            );
        }
    }
}
