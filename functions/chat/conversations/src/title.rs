//! The title that its owner gives a conversation.

use platform::input::{FromField, RawValue};

/// Characters that a title may have at most.
const LONGEST: usize = 100;

/// 1 to 100 characters on one line, as typed, not all of them blank.
pub struct Title(pub String);

impl FromField for Title {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        // The separators of lines and paragraphs are not control characters, but they break a line
        // all the same.
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if !(1..=LONGEST).contains(&text.chars().count())
            || text.trim().is_empty()
            || text.chars().any(breaks)
        {
            return Err(
                "must be 1 to 100 characters on one line, none of them a control character".into(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_as_typed() {
        let longest = "€".repeat(100);
        let longer = "€".repeat(101);
        for (text, expected) in [
            ("Alpha & <Beta>", true),
            (" e\u{301} 👩‍👩‍👧 ", true),
            (&longest, true),
            (&longer, false),
            ("", false),
            (" \u{a0} ", false),
            ("a\nb", false),
            ("a\tb", false),
            ("a\u{85}b", false),
            ("a\u{2028}b", false),
            ("a\u{0}b", false),
        ] {
            let found = Title::read(&RawValue::Text(text)).ok();
            assert_eq!(found.map(|title| title.0), expected.then(|| text.to_owned()), "{text:?}");
        }
    }
}
