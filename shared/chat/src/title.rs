//! The title of a conversation that its owner has not named.

use unicode_segmentation::UnicodeSegmentation as _;

/// Characters of a title at most: code points, as in the titles that owners give.
const LONGEST: usize = 60;

/// The first words of a text, on one line. It is cut between two words, or else between two
/// user-perceived characters (grapheme clusters, UAX #29).
pub fn title(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((limit, _)) = line.char_indices().nth(LONGEST) else { return line };
    let ends = line.grapheme_indices(true).map(|(start, cluster)| start + cluster.len());
    // A text can pile marks on one character without end. Then the limit cuts that character.
    let cut = ends.take_while(|end| *end <= limit).last().unwrap_or(limit);
    let kept = &line[..cut];
    // Whole words, unless the first one is longer than a title.
    let whole = if line[cut..].starts_with(' ') {
        kept
    } else {
        kept.rsplit_once(' ').map_or(kept, |(words, _)| words)
    };
    format!("{whole}…")
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_title_is_the_first_words_on_one_line() {
        let sixty = "x".repeat(60);
        let long = "€".repeat(61);
        for (text, expected) in [
            ("  Hello\n\tthere  ", "Hello there".to_owned()),
            (sixty.as_str(), sixty.clone()),
            (long.as_str(), format!("{}…", "€".repeat(60))),
            (&format!("{} more words", "y".repeat(50)), format!("{} more…", "y".repeat(50))),
            (&format!("{} z", "y".repeat(60)), format!("{}…", "y".repeat(60))),
        ] {
            assert_eq!(title(text), expected, "{text}");
        }
    }

    #[test]
    fn a_title_is_cut_between_characters_as_people_see_them() {
        let x = "x".repeat(59);
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        for (text, expected) in [
            (family.repeat(30), format!("{}…", family.repeat(8))),
            (format!("{x}e\u{301} tail"), format!("{x}…")),
            (format!("{x}🇩🇪🇫🇷"), format!("{x}…")),
            (format!("{}e\u{301} tail", &x[1..]), format!("{}e\u{301}…", &x[1..])),
            // One character with a hundred marks.
            (format!("e{}", "\u{301}".repeat(100)), format!("e{}…", "\u{301}".repeat(59))),
        ] {
            assert_eq!(title(&text), expected, "{text}");
        }
    }
}
