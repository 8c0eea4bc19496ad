//! The form for comparing names: headers, sheets, tables, patterns of access rules.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

/// The form of a text in which names are compared: without invisible characters, in form NFKC,
/// case-folded, with single spaces and none at the ends. Folding a folded text changes nothing.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return collapse(&text.to_ascii_lowercase());
    }
    let mut folded = fold_once(text);
    // A few characters need a second round: case folding can take a text out of form NFKC.
    for _ in 0..4 {
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

fn fold_once(text: &str) -> String {
    let visible: String = text.chars().filter(|&c| !is_skipped(c)).collect();
    let composed = compose(visible.into());
    let folded = CaseMapper::new().fold_string(&composed).into_owned();
    collapse(&compose(folded.into()))
}

fn compose(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => text.nfkc().collect::<String>().into(),
    }
}

/// Joins the words of a text by single spaces, and leaves out what has no width.
fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace()) {
        let mut word = word.chars().filter(|&c| !c.is_control() && !is_skipped(c)).peekable();
        if word.peek().is_some() && !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.extend(word);
    }
    collapsed
}

/// Whether a character shows nothing and takes no space: Unicode's `Default_Ignorable_Code_Point`
/// (zero-width, bidirectional controls, variation selectors, tags, fillers), and the controls of
/// interlinear annotation.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character does not count in a name: also the other format characters (`Cf`), and the
/// blank Braille pattern.
fn is_skipped(c: char) -> bool {
    is_invisible(c)
        || matches!(c,
            '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{2800}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}')
}

/// Whether a character is a control that no cell needs: all but tab and line ends.
pub fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// A text without controls and invisible characters. Carriage returns go too, since a line feed
/// ends a line.
pub fn clean(text: &str) -> Cow<'_, str> {
    let goes = |c: char| c == '\r' || is_control(c) || is_invisible(c);
    if text.chars().any(goes) {
        text.chars().filter(|&c| !goes(c)).collect::<String>().into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_fold_to_the_same() {
        for (text, expected) in [
            ("", ""),
            ("  Base   Salary\t", "base salary"),
            ("Base\u{a0}Salary", "base salary"),
            ("Base\r\nSalary", "base salary"),
            ("Sal\u{200b}ary", "salary"),
            ("Sal\u{ad}ary", "salary"),
            ("\u{202e}Salary\u{202c}", "salary"),
            ("Sala\u{e0072}ry", "salary"),
            ("Sal\u{7}ary", "salary"),
            ("\u{200b} Salary \u{200b}", "salary"),
            ("a \u{200b} b", "a b"),
            ("ＳＡＬＡＲＹ", "salary"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("ﬁnance", "finance"),
            ("Gehälter", "gehälter"),
            ("Geha\u{308}lter", "gehälter"),
            ("①", "1"),
            ("ΣΑΣ", "σασ"),
            ("\u{1e9e}", "ss"),
            ("\u{3000}", ""),
            ("\u{2800} \u{115f}", ""),
            ("sal\u{e0061}ary\u{fe0f}", "salary"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(fold(text), expected, "{text:?}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in ('\0'..=char::MAX).step_by(7).chain('\0'..'\u{3000}') {
            let text = format!("a{c}\u{345} B");
            let folded = fold(&text);
            assert_eq!(fold(&folded), folded, "{:x}", u32::from(c));
        }
    }

    #[test]
    fn what_a_reader_does_not_see_is_cleaned_away() {
        for (text, expected) in [
            ("plain, é 😀", "plain, é 😀"),
            ("a\tb\nc", "a\tb\nc"),
            ("a\r\nb", "a\nb"),
            ("a\0b\u{1b}[31m\u{85}", "ab[31m"),
            ("\u{feff}a\u{200d}b\u{2066}c", "abc"),
            ("a\u{e0041}\u{e007f}\u{fe0f}", "a"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
        assert!(matches!(clean("plain"), Cow::Borrowed(_)));
    }
}
