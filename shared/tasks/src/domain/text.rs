//! The texts of a task. They are stored without the characters that no reader sees and that could
//! hide what a text says. Markup stays as typed: a front end escapes it.

use std::ops::Deref;

use platform::input::{FromField, RawValue};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

/// Characters of a title, at most.
const LONGEST_TITLE: usize = 200;

/// Characters of a description, at most.
const LONGEST_DESCRIPTION: usize = 2_000;

/// 1 to 200 characters on one line, in Unicode's form NFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

/// At most 2,000 characters on any number of lines, in Unicode's form NFC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(String);

impl Deref for Title {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for Description {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Title> for String {
    fn from(title: Title) -> Self {
        title.0
    }
}

impl From<Description> for String {
    fn from(description: Description) -> Self {
        description.0
    }
}

impl FromField for Title {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = cleaned(raw, |_| false)?;
        match text.chars().count() {
            1..=LONGEST_TITLE => Ok(Self(text)),
            _ => Err("must be 1 to 200 characters".into()),
        }
    }
}

impl FromField for Description {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = cleaned(raw, |c| matches!(c, '\n' | '\t'))?;
        match text.chars().count() {
            0..=LONGEST_DESCRIPTION => Ok(Self(text)),
            _ => Err("must be at most 2,000 characters".into()),
        }
    }
}

/// The text of a field in form NFC, without hidden characters and without blanks around it.
fn cleaned(raw: &RawValue<'_>, is_kept: impl Fn(char) -> bool) -> Result<String, String> {
    // Not `raw.text()`, which refuses null characters: they go with the other control characters.
    let text = match *raw {
        RawValue::Text(text) => text,
        RawValue::Json(Value::String(text)) => text,
        RawValue::Json(_) => return Err("must be a string".into()),
    };
    let kept = text.chars().filter(|c| is_kept(*c) || !is_hidden(*c));
    Ok(kept.nfc().collect::<String>().trim().to_owned())
}

/// Whether no reader sees a character, though a model or a terminal may obey it. These are control
/// characters, those that reorder text (UAX #9: embeddings, overrides, isolates), and tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T: FromField + Into<String>>(value: &Value) -> Option<String> {
        T::read(&RawValue::Json(value)).ok().map(Into::into)
    }

    #[test]
    fn a_title_is_cleaned_and_markup_stays() {
        let longest = "€".repeat(200);
        for (sent, kept) in [
            (json!("Close the books"), Some("Close the books")),
            (json!("  trimmed\u{a0} "), Some("trimmed")),
            (json!("<b>&amp; \"quoted\"</b>"), Some("<b>&amp; \"quoted\"</b>")),
            (json!("a\u{0}b\u{1b}[0m\u{85}\u{7f}"), Some("ab[0m")),
            (json!("one\r\ntwo\tthree"), Some("onetwothree")),
            (json!("\u{202e}gpj.\u{202c}\u{2066}x\u{2069}"), Some("gpj.x")),
            (json!("hi\u{e0001}\u{e0068}\u{e007f}"), Some("hi")),
            (json!("\u{202e} x"), Some("x")),
            // A removed character does not keep a letter from its accent.
            (json!("e\u{200b}\u{301} e\u{7}\u{301}"), Some("e\u{200b}\u{301} é")),
            (json!("e\u{301}"), Some("é")),
            (json!("👩‍👩‍👧 \u{200f}עברית"), Some("👩‍👩‍👧 \u{200f}עברית")),
            (json!(longest), Some(longest.as_str())),
            (json!(format!(" {longest}\u{0}\u{e0041} ")), Some(longest.as_str())),
            (json!("e\u{301}".repeat(200)), Some("é".repeat(200).as_str())),
            (json!(format!("{longest}x")), None),
            (json!(""), None),
            (json!(" \n\u{202e}\u{e0020}"), None),
            (json!(7), None),
            (json!(["x"]), None),
        ] {
            assert_eq!(read::<Title>(&sent).as_deref(), kept, "{sent}");
        }
    }

    #[test]
    fn a_description_keeps_its_lines() {
        let longest = "€".repeat(2_000);
        for (sent, kept) in [
            (json!(""), Some("")),
            (json!(" \u{0}\u{202e}"), Some("")),
            (json!("one\r\n\ttwo\u{b}\n"), Some("one\n\ttwo")),
            (json!("a\u{2067}b\u{e007f}\n<script>"), Some("ab\n<script>")),
            (json!(longest), Some(longest.as_str())),
            (json!(format!("{longest}x")), None),
            (json!({}), None),
        ] {
            assert_eq!(read::<Description>(&sent).as_deref(), kept, "{sent}");
        }
    }

    #[test]
    fn a_cleaned_text_is_not_cleaned_further() {
        for text in ["a\u{0}\u{301}", "\u{202e}e\u{301}\u{323}", " \u{1100}\u{7}\u{1161} "] {
            let once = read::<Title>(&json!(text)).unwrap();
            assert_eq!(read::<Title>(&json!(once)).as_ref(), Some(&once), "{text:?}");
        }
    }
}
