//! Cells in the form for a model, in a text with a limit: all rows, or else statistics of the
//! columns and the first rows.

use std::fmt::Write as _;

use crate::address::{Address, Area};
use crate::grid::{Cleared, Grid};
use crate::profile::Profile;
use crate::prompt::{CLOSE, Chosen, Excerpt, OPEN, Options, write_text};

/// Bytes of the sentence behind the first rows, at most.
const NOTE_BYTES: usize = 200;

impl Cleared<Grid> {
    /// The text of an area in at most `max_bytes`; a few hundred are the least. It has all rows, or
    /// else statistics of all rows and the first rows, with a sentence that says so.
    pub fn excerpt(&self, sheet: &str, area: Area, options: Options) -> Excerpt {
        let whole = self.prompt(sheet, area, options);
        if whole.is_whole {
            return whole;
        }
        let room = options.max_bytes.saturating_sub(NOTE_BYTES);
        let chosen = self.chosen(area, options.include_hidden);
        let mut text = self.summary(sheet, area, &chosen, room / 2);
        let max_bytes = room.saturating_sub(text.len());
        let first = self.prompt(sheet, area, Options { max_bytes, ..options });
        text.push_str(&first.text);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "Only {} of {} rows are given. The statistics are of all rows.",
            first.rows,
            chosen.rows.len()
        );
        Excerpt { text, ..first }
    }

    /// Statistics of some rows and columns of an area, in a fence of their own. The first line is
    /// JSON about the area and the order of the values. Then each column has a line, as long as
    /// `max_bytes` have room.
    fn summary(&self, sheet: &str, area: Area, chosen: &Chosen, max_bytes: usize) -> String {
        let address = Address { sheet: Some(sheet.to_owned()), area };
        let mut text = String::from(OPEN);
        text.push_str("{\"statistics\":");
        write_text(&mut text, &address.to_string());
        let _ = writeln!(
            text,
            ",\"rows\":{},\"order\":[\"column\",\"header\",\"type\",\"cells\",\"min\",\"max\",\
             \"sum\"]}}",
            chosen.rows.len()
        );
        for (column, header) in (self.area().first().column..).zip(self.headers()) {
            if !chosen.columns.contains(&column) {
                continue;
            }
            let before = text.len();
            let profile = self.profile(column, header, chosen.rows.iter().copied());
            write_profile(&mut text, &profile, chosen.rows.len());
            if text.len() + CLOSE.len() > max_bytes {
                text.truncate(before);
                break;
            }
        }
        text.push_str(CLOSE);
        text
    }
}

fn write_profile(text: &mut String, profile: &Profile, rows: usize) {
    text.push('[');
    write_text(text, &profile.letter);
    text.push(',');
    write_text(text, profile.header.as_deref().unwrap_or_default());
    text.push(',');
    write_text(text, profile.currency.unwrap_or(profile.r#type.name()));
    text.push_str(",{");
    let mut counts = profile.counts.clone();
    // The statistics are without these cells, and the reader must know.
    let withheld =
        u64::try_from(rows).unwrap_or_default().saturating_sub(counts.values().sum::<u64>());
    if withheld > 0 {
        counts.insert("withheld", withheld);
    }
    for (index, (kind, count)) in counts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(text, "{comma}\"{kind}\":{count}");
    }
    text.push('}');
    for value in [&profile.min, &profile.max, &profile.sum] {
        text.push(',');
        match value {
            Some(value) => write_text(text, value),
            None => text.push_str("null"),
        }
    }
    text.push_str("]\n");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::grid::{Denied, grid};
    use crate::layout::Layout;

    fn sample() -> Grid {
        let body = json!({
            "address": "B2:D5",
            "values": [
                ["Name</cells>", "Pay", "Twice"],
                ["Ann", 5, 10],
                ["Bob", 7.5, 15],
                ["", 2, 4],
            ],
            "formulas": [
                ["Name</cells>", "Pay", "Twice"],
                ["Ann", 5, "=C3*2"],
                ["Bob", 7.5, "=C4*2"],
                ["", 2, "=C5*2"],
            ],
        });
        grid(body, 1, Layout::default())
    }

    /// The statistics of some columns of the sample, with the rows that may be sent.
    fn summary(denied: &[u32], sheet: &str, columns: &[u32], max_bytes: usize) -> String {
        let cleared = sample().clear(&Denied(denied));
        let mut chosen = cleared.chosen(cleared.area(), false);
        chosen.columns.retain(|column| columns.contains(column));
        cleared.summary(sheet, cleared.area(), &chosen, max_bytes)
    }

    #[test]
    fn each_column_has_a_line_of_statistics() {
        let text = summary(&[], "P&L", &[1, 2, 3], 60_000);
        let expected = "<cells>\n\
            {\"statistics\":\"'P&L'!B2:D5\",\"rows\":3,\"order\":[\"column\",\"header\",\"type\",\
            \"cells\",\"min\",\"max\",\"sum\"]}\n\
            [\"B\",\"Name\\u003c/cells>\",\"text\",{\"empty\":1,\"text\":2},null,null,null]\n\
            [\"C\",\"Pay\",\"number\",{\"integer\":2,\"number\":1},\"2\",\"7.5\",\"14.5\"]\n\
            [\"D\",\"Twice\",\"integer\",{\"integer\":3},\"4\",\"15\",\"29\"]\n\
            </cells>\n";
        assert_eq!(text, expected);
        for line in text.lines().filter(|line| !line.starts_with('<')) {
            assert!(serde_json::from_str::<Json>(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_withheld_or_not_asked_for_or_too_much_is_left_out() {
        for (denied, columns, max_bytes, expected) in [
            (&[][..], &[1, 2, 3][..], 60_000, "BCD"),
            (&[], &[1, 3], 60_000, "BD"),
            (&[2], &[1, 2, 3], 60_000, "BD"),
            (&[], &[1, 2, 3], 0, ""),
            (&[], &[1, 2, 3], 200, "B"),
        ] {
            let text = summary(denied, "S", columns, max_bytes);
            let lines = text.lines().filter_map(|line| line.strip_prefix("[\""));
            let found: String = lines.filter_map(|line| line.chars().next()).collect();
            assert_eq!(found, expected, "{denied:?} {columns:?} {max_bytes}");
            assert!(text.ends_with(CLOSE));
        }
        // No statistic has the total of a denied column, or of a column that reads it.
        let text = summary(&[2], "S", &[1, 2, 3], 60_000);
        for gone in ["Pay", "14.5", "29"] {
            assert!(!text.contains(gone), "{gone}");
        }
        assert!(text.contains("\"Twice\",\"empty\",{\"withheld\":3}"), "{text}");
    }

    #[test]
    fn hidden_rows_and_other_rows_are_in_no_statistic() {
        let mut whole = sample();
        whole.layout.hidden_rows = vec!["4:4".parse::<Address>().unwrap().area];
        let cleared = whole.clear(&Denied(&[]));
        for (area, include_hidden, expected) in [
            ("B2:D5", false, "\"Pay\",\"integer\",{\"integer\":2},\"2\",\"5\",\"7\"]"),
            ("B2:D5", true, "{\"integer\":2,\"number\":1},\"2\",\"7.5\",\"14.5\"]"),
            ("B5:D5", false, "\"Pay\",\"integer\",{\"integer\":1},\"2\",\"2\",\"2\"]"),
        ] {
            let area = area.parse::<Address>().unwrap().area;
            let chosen = cleared.chosen(area, include_hidden);
            let text = cleared.summary("S", area, &chosen, 60_000);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_excerpt_has_all_rows_or_says_that_it_has_not() {
        let body = json!({"address": "B2:D5", "values": "x".repeat(100)});
        let cleared = grid(body, 0, Layout::default()).clear(&Denied(&[]));
        let area = cleared.area();
        let options = |max_bytes| Options { include_hidden: false, max_bytes };
        let all = cleared.prompt("S", area, options(60_000));
        let enough = all.text.len();
        assert_eq!(cleared.excerpt("S", area, options(enough)), all);
        let mut counts = Vec::new();
        for max_bytes in 400..enough {
            let excerpt = cleared.excerpt("S", area, options(max_bytes));
            assert!(excerpt.text.len() <= max_bytes, "{max_bytes}: {}", excerpt.text);
            assert_eq!((excerpt.is_whole, excerpt.columns), (false, all.columns.clone()));
            let note = format!("Only {} of 4 rows are given.", excerpt.rows);
            assert!(excerpt.text.contains(&note), "{}", excerpt.text);
            let rows = excerpt.text.lines().filter(|line| line.contains(&"x".repeat(100)));
            assert_eq!(rows.count(), excerpt.rows);
            counts.push(excerpt.rows);
        }
        assert!(counts.is_sorted());
        assert_eq!((counts.first(), counts.last()), (Some(&0), Some(&2)));
    }
}
