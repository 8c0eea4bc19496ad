//! A text to search for.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

use crate::input::{FromField, RawValue};

/// Characters of the text, at most.
const LONGEST: usize = 100;

/// The text to look for, in any case and any normal form.
#[derive(Debug, Clone)]
pub struct Words(String);

impl Words {
    /// Words that match text which looks the same: both are compared after full case folding, in
    /// Unicode's form NFKC.
    pub fn new(text: &str) -> Self {
        Self(fold(text))
    }

    /// Whether a text has them.
    pub fn are_in(&self, text: &str) -> bool {
        fold(text).contains(&self.0)
    }
}

impl FromField for Words {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.trim().is_empty() || text.chars().count() > LONGEST {
            return Err("must be 1 to 100 characters, not all of them blank".into());
        }
        Ok(Self::new(text))
    }
}

/// The form in which two texts are compared. Most texts are plain ASCII, or in form NFKC already,
/// and to see that costs far less than to make the form.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Case folding can take a text out of form NFKC.
    compose(CaseMapper::new().fold_string(&compose(text.into()))).into_owned()
}

fn compose(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => text.nfkc().collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_are_found_where_they_look_the_same() {
        for (words, text, expected) in [
            ("alpha", "How did ALPHA do?", true),
            ("DID a", "How did Alpha do?", true),
            ("größe", "Die GRÖSSE", true),
            ("GRÖSSE", "die größe", true),
            ("GRÖßE", "die größe", true),
            ("ΛΌΓΟΣ", "ο λόγος είναι", true),
            ("λόγοσ", "ΛΌΓΟΣ", true),
            ("εργασίας", "ΣΥΜΒΑΣΗ ΕΡΓΑΣΊΑΣ", true),
            ("Müller", "umsatz mu\u{308}ller", true),
            ("MU\u{308}LLER", "Umsatz Müller", true),
            ("mu", "Müller", false),
            ("\u{1e9e}", "ss", true),
            ("i\u{307}", "İstanbul", true),
            ("１２", "year 12", true),
            ("ﬁnance", "FINANCE", true),
            ("100%", "by 100%.", true),
            ("a_b", "axb", false),
            ("<b>", "a <B> c", true),
            (" two", "onetwo", false),
            ("👩‍👩‍👧", "x👩‍👩‍👧y", true),
            ("é", "e\u{301}", true),
        ] {
            assert_eq!(Words::new(words).are_in(text), expected, "{words:?} in {text:?}");
        }
    }
}
