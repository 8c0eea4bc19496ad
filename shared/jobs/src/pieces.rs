//! How a piece of an input is shown to a model.

use tally_files::domain::Span;

use crate::domain::{Piece, Source};

/// Bytes of the input from which the summary of an analysis is made, at most.
pub const SUMMARY_BYTES: usize = 50_000;

/// Bytes of a name in a heading, at most. Paths have up to 1,024. The end of a path tells more than
/// its begin.
const MOST_OF_NAME: usize = 300;

/// The mark of a name that was cut.
const CUT: &str = "…";

/// The first line of what a model is shown: the name of the file and the place of the piece in it.
pub fn heading(piece: &Piece) -> String {
    let header = match piece.source {
        Source::Part { span: Span::Rows(..), .. } => " (row 1 is the header)",
        _ => "",
    };
    format!("File: {}, {}{header}", short_name(piece), place(piece))
}

/// The path of the file within its archive, or the name of the input.
pub fn name(piece: &Piece) -> &str {
    piece.path.as_deref().unwrap_or(&piece.input)
}

/// The same on one line, at most 300 bytes.
pub fn short_name(piece: &Piece) -> String {
    let name: String = name(piece).chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
    if name.len() <= MOST_OF_NAME {
        return name;
    }
    let from = name.ceil_char_boundary(name.len() + CUT.len() - MOST_OF_NAME);
    format!("{CUT}{}", &name[from..])
}

/// The place of a piece in its file, as findings have it: the header of a CSV is row 1.
pub fn place(piece: &Piece) -> String {
    let (unit, first, last) = match piece.source {
        Source::Text { first, last, .. } => ("line", first, last),
        Source::Part { span, .. } => match span {
            Span::Lines(first, last) => ("line", first, last),
            Span::Rows(first, last) => ("row", first + 1, last + 1),
            Span::Pages(first, last) => ("page", first, last),
        },
    };
    if first == last { format!("{unit} {first}") } else { format!("{unit}s {first}-{last}") }
}

/// Whether a character may end a line, or is otherwise no text.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(path: Option<&str>, span: Span) -> Piece {
        Piece {
            input: "Books.zip".into(),
            path: path.map(str::to_owned),
            source: Source::Part { file_id: "f".into(), part: 0, span, bytes: 1 },
        }
    }

    #[test]
    fn a_heading_names_the_file_and_the_place() {
        let text = Source::Text { text: "3\ta\n".into(), first: 3, last: 3 };
        let text = Piece { input: "note".into(), path: None, source: text };
        for (piece, expected) in [
            (part(None, Span::Lines(1, 200)), "File: Books.zip, lines 1-200"),
            (part(Some("src/a.rs"), Span::Lines(7, 7)), "File: src/a.rs, line 7"),
            (part(None, Span::Rows(1, 59)), "File: Books.zip, rows 2-60 (row 1 is the header)"),
            (part(None, Span::Rows(1, 1)), "File: Books.zip, row 2 (row 1 is the header)"),
            (part(None, Span::Pages(21, 40)), "File: Books.zip, pages 21-40"),
            (text, "File: note, line 3"),
            (part(Some("a\u{2028}b\nc"), Span::Lines(1, 2)), "File: a b c, lines 1-2"),
        ] {
            assert_eq!(heading(&piece), expected);
        }
    }

    #[test]
    fn the_end_of_a_long_path_is_kept() {
        for fill in ["a/", "€/"] {
            let path = format!("{}main.rs", fill.repeat(250));
            let short = short_name(&part(Some(&path), Span::Lines(1, 2)));
            assert!((MOST_OF_NAME - 3..=MOST_OF_NAME).contains(&short.len()), "{short}");
            let kept = short.strip_prefix(CUT).unwrap();
            assert!(path.ends_with(kept) && kept.ends_with("main.rs"), "{short}");
        }
        let exact = "b".repeat(MOST_OF_NAME);
        assert_eq!(short_name(&part(Some(&exact), Span::Lines(1, 2))), exact);
    }
}
