//! The worst cases of calls, before they are made. The worker asks nothing that could cost more.

use assistant::domain::{MessageRole, ModelName};
use assistant::pricing::{PAGE_TOKENS, Pricing};
use assistant::{Request, Turn, tokens_shown};
use tally_files::domain::Span;
use tally_jobs::Worst;
use tally_jobs::domain::{Piece, Source};
use tally_prompts::domain::{Rendered, Version};

/// Tokens of the line that names a piece, and of the parts of a message, at most, without names.
const SLACK: u64 = 1_000;

/// Tokens that a request with these texts of a version has, at most.
pub fn tokens(version: &Version, texts: Rendered) -> u64 {
    let request = Request {
        system: texts.system,
        turns: vec![Turn::text(MessageRole::User, texts.user)],
        output_schema: version.content.output_schema.clone(),
        ..Request::default()
    };
    tokens_shown(&request) + SLACK
}

/// Tokens that a piece adds to a request, at most: one for each byte of its text and its names, and
/// a fixed number for each page.
pub fn tokens_of_piece(piece: &Piece) -> u64 {
    let names = piece.input.len() + piece.path.as_ref().map_or(0, String::len);
    let content = match &piece.source {
        Source::Part { span: Span::Pages(first, last), .. } => {
            (u64::from(last.saturating_sub(*first)) + 1) * PAGE_TOKENS
        }
        Source::Part { bytes, .. } => *bytes,
        Source::Text { text, .. } => text.len() as u64,
    };
    names as u64 + content
}

/// Adds a call with a version that reads so many tokens, at most.
pub fn add(worst: &mut Worst, pricing: Option<&Pricing>, version: &Version, tokens: u64) {
    let model = version.content.model.as_ref().map(ModelName::as_str);
    worst.add(pricing, model, tokens, version.content.max_tokens);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::version;
    use assistant::pricing::tokens_at_most;

    #[test]
    fn a_piece_counts_its_bytes_or_its_pages() {
        let part = |span, bytes| Source::Part { file_id: "f".into(), part: 0, span, bytes };
        let text = Source::Text { text: "1\t€\n".into(), first: 1, last: 1 };
        for (path, source, expected) in [
            (None, part(Span::Lines(1, 9), 70), 3 + 70),
            (Some("src/a"), part(Span::Rows(1, 9), 70), 3 + 5 + 70),
            (None, part(Span::Pages(21, 40), 9_000_000), 3 + 20 * 8_000),
            (None, part(Span::Pages(1, 1), 1), 3 + 8_000),
            (None, text, 3 + 6),
        ] {
            let path = path.map(str::to_owned);
            let piece = Piece { input: "abc".into(), path, source };
            assert_eq!(tokens_of_piece(&piece), expected);
        }
    }

    #[test]
    fn a_request_counts_its_texts() {
        let texts = Rendered { system: "Be brief.".into(), user: "Go on.".into() };
        let expected = tokens_at_most("Be brief.") + tokens_at_most("Go on.") + SLACK;
        assert_eq!(tokens(&version(None), texts), expected);
    }
}
