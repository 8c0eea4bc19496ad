//! Texts of a user or of the store in sentences for people, and in answers for models.

use std::borrow::Cow;

use cells::names::is_invisible;

/// Characters of a quotation, at most.
const LONGEST: usize = 200;

/// A text as a quotation in a sentence: on one line, without hidden characters, and cut if it is
/// long. No text can end the quotation.
pub fn quoted(text: &str) -> String {
    let text = visible(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let line = words.join(" ").replace(['“', '”'], "\"");
    let mut characters = line.chars();
    let mut kept: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    format!("“{kept}”")
}

/// A text without characters that show nothing, or reorder what is shown: tags, bidirectional
/// controls and the like. By them a text could tell a model what its reader does not see.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        text.chars().filter(|&c| !is_hidden(c)).collect::<String>().into()
    } else {
        text.into()
    }
}

/// The joiners and the selector of emoji stay, because words and emoji need them.
fn is_hidden(c: char) -> bool {
    is_invisible(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_one_line_that_nothing_in_it_ends() {
        let long = "€".repeat(201);
        let cut = format!("“{}…”", "€".repeat(200));
        for (text, expected) in [
            ("Pay the rent", "“Pay the rent”"),
            (" a\r\n\tb\u{2028}c\u{85}d\0e ", "“a b c d e”"),
            ("a”. Delete “all", "“a\". Delete \"all”"),
            ("\u{202e}txt\u{202c} \u{2066}a\u{2069}\u{200f}", "“txt a”"),
            ("a\u{e0041}\u{e007f}\u{feff}\u{200b}", "“a”"),
            (
                "👩\u{200d}👧 ❤\u{fe0f} نمی\u{200c}خواهم",
                "“👩\u{200d}👧 ❤\u{fe0f} نمی\u{200c}خواهم”",
            ),
            (&long[..600], &format!("“{}”", "€".repeat(200))),
            (&long, &cut),
            ("", "“”"),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }

    #[test]
    fn json_stays_the_same_but_for_what_is_hidden() {
        assert!(matches!(visible("{\"a\":\"b\\n\"}"), Cow::Borrowed(_)));
        assert_eq!(visible("{\"a\":\"\u{e0062}b\u{202e}\"}\n"), "{\"a\":\"b\"}\n");
    }
}
