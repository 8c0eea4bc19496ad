//! The input from which the summary of an analysis is made.

use std::cmp::Reverse;
use std::fmt::Write as _;

use serde_json::json;
use tally_jobs::domain::{AnalysisType, Finding, Piece, Severity};
use tally_jobs::pieces::{SUMMARY_BYTES, place, short_name};

use super::gathered::Gathered;

/// Bytes that the last line has, at most.
const LAST_LINE: usize = 100;

/// Pieces without a result that are named, at most.
const MOST_NAMED: usize = 20;

/// Characters of the message of a finding, at most, so that there is room for more findings.
const LONGEST_MESSAGE: usize = 600;

/// Bytes of an answer for which there is room, at least. Otherwise the answer is left out.
const LEAST_OF_ANSWER: usize = 40;

/// The mark of a text that was cut.
const CUT: &str = "…";

/// The input: how far the analysis has come, and the gravest findings, or the answers. It has at
/// most [`SUMMARY_BYTES`].
pub fn input(r#type: AnalysisType, pieces: &[Piece], gathered: &Gathered) -> String {
    let mut input = about(r#type, pieces, gathered);
    if gathered.findings.is_empty() && !gathered.answers.is_empty() {
        add_answers(&mut input, pieces, gathered);
    } else {
        add_findings(&mut input, gathered);
    }
    input
}

/// What was read, and what was not.
fn about(r#type: AnalysisType, pieces: &[Piece], gathered: &Gathered) -> String {
    let (all, read) = (gathered.pieces, gathered.read_pieces());
    let kind = r#type.as_str();
    let mut text = format!("Analysis of the type {kind}: {read} of {all} passages were read.\n");
    let places = gathered.unread.iter().filter_map(|index| pieces.get(*index as usize));
    for piece in places.take(MOST_NAMED) {
        let _ = writeln!(text, "Not read: {}, {}", short_name(piece), place(piece));
    }
    let more = gathered.unread.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        let _ = writeln!(text, "Not read: {more} more passages");
    }
    text
}

/// The findings, the gravest first, as long as there is room.
fn add_findings(input: &mut String, gathered: &Gathered) {
    let findings = &gathered.findings;
    let counts = Severity::ALL.iter().rev().map(|severity| {
        let count = findings.iter().filter(|finding| finding.severity == *severity).count();
        format!("{} {count}", severity.as_str())
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let _ = writeln!(input, "Findings: {} ({counts})\n", findings.len());
    let mut gravest: Vec<_> = findings.iter().collect();
    gravest.sort_by_key(|finding| Reverse(finding.severity));
    let mut left_out = gravest.len();
    for finding in gravest {
        let line = line(finding);
        if input.len() + line.len() > SUMMARY_BYTES - LAST_LINE {
            break;
        }
        input.push_str(&line);
        left_out -= 1;
    }
    if left_out > 0 {
        let _ = writeln!(input, "{left_out} more findings are left out. None is graver.");
    }
}

/// A finding as a line of JSON.
fn line(finding: &Finding) -> String {
    let file = finding.file.as_deref().unwrap_or(&finding.input);
    let place = match (finding.line, finding.page) {
        (Some(line), _) => format!("{file}, line {line}"),
        (None, Some(page)) => format!("{file}, page {page}"),
        (None, None) => file.to_owned(),
    };
    let line = json!({
        "severity": finding.severity, "rule": finding.rule, "place": place,
        "message": cut(&finding.message, LONGEST_MESSAGE),
    });
    format!("{line}\n")
}

/// The answers. The room that a short one leaves is for those behind it.
fn add_answers(input: &mut String, pieces: &[Piece], gathered: &Gathered) {
    for (left, (index, answer)) in (1..=gathered.answers.len()).rev().zip(&gathered.answers) {
        let Some(piece) = pieces.get(*index as usize) else { continue };
        let heading = format!("\nAnswer about {}, {}:\n", short_name(piece), place(piece));
        let share = SUMMARY_BYTES.saturating_sub(input.len()) / left;
        // A few bytes of an answer tell nothing.
        let room = share.saturating_sub(heading.len() + CUT.len() + 1);
        if room < LEAST_OF_ANSWER.min(answer.len()) {
            continue;
        }
        let kept = &answer[..answer.floor_char_boundary(room)];
        let mark = if kept.len() < answer.len() { CUT } else { "" };
        let _ = writeln!(input, "{heading}{kept}{mark}");
    }
}

/// The first characters of a text.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}{CUT}", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::analysis::samples::{failed, finding, item};
    use tally_jobs::domain::{ErrorCode, Source};
    use tally_jobs::store::Item;

    fn pieces(count: u32) -> Vec<Piece> {
        let piece = |number: u32| Piece {
            input: format!("{}{number}.txt", "n".repeat(number as usize % 300)),
            path: None,
            source: Source::Text { text: String::new(), first: 1, last: 9 },
        };
        (0..count).map(piece).collect()
    }

    fn made(items: &[Item], count: u32) -> String {
        let gathered = Gathered::of(items, count);
        let input = input(AnalysisType::Document, &pieces(count), &gathered);
        assert!(input.len() <= SUMMARY_BYTES, "{}", input.len());
        input
    }

    #[test]
    fn the_gravest_findings_come_first() {
        let low = finding(Severity::Low, "low", Some(3));
        let mut grave = finding(Severity::Critical, "grave", None);
        let paged = Finding { page: Some(4), ..finding(Severity::Low, "paged", None) };
        grave.message = "€".repeat(700);
        let items = [
            item(0, &json!({"findings": [low, grave]})),
            failed(1, ErrorCode::Refused),
            item(2, &json!({"findings": [paged]})),
        ];
        let message = format!("{}…", "€".repeat(600));
        let expected = [
            "Analysis of the type document: 2 of 3 passages were read.".to_owned(),
            "Not read: n1.txt, lines 1-9".to_owned(),
            "Findings: 3 (critical 1, high 0, medium 0, low 2, info 0)".to_owned(),
            String::new(),
            json!({
                "severity": "critical", "rule": "grave", "place": "src/a.rs", "message": message
            })
            .to_string(),
            json!({
                "severity": "low", "rule": "low", "place": "src/a.rs, line 3",
                "message": "About low.",
            })
            .to_string(),
            json!({
                "severity": "low", "rule": "paged", "place": "src/a.rs, page 4",
                "message": "About paged.",
            })
            .to_string(),
        ];
        assert_eq!(made(&items, 3).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_analysis_without_findings_says_so() {
        let input = made(&[item(0, &json!({"findings": []}))], 1);
        let expected = "Analysis of the type document: 1 of 1 passages were read.\n\
            Findings: 0 (critical 0, high 0, medium 0, low 0, info 0)\n\n";
        assert_eq!(input, expected);
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let many: Vec<_> = (0..200)
            .map(|number| {
                let long = format!("{} {number}", "x".repeat(590));
                Finding {
                    message: long,
                    ..finding(Severity::Info, &format!("rule {number}"), Some(number))
                }
            })
            .collect();
        let items: Vec<_> = (0..500)
            .map(|index| match index {
                7 => item(index, &json!({"findings": many})),
                _ => failed(index, ErrorCode::InputGone),
            })
            .collect();
        let input = made(&items, 500);
        assert!(input.contains("Not read: 479 more passages\n"), "{input}");
        let shown = input.lines().filter(|line| line.starts_with('{')).count();
        assert!((40..200).contains(&shown), "{shown}");
        let last = format!("{} more findings are left out. None is graver.", 200 - shown);
        assert_eq!(input.lines().last(), Some(last.as_str()));
    }

    #[test]
    fn answers_share_the_room() {
        let short =
            made(&[item(0, &json!({"text": "One."})), item(1, &json!({"output": {"n": 2}}))], 2);
        let expected = "Analysis of the type document: 2 of 2 passages were read.\n\n\
            Answer about 0.txt, lines 1-9:\nOne.\n\n\
            Answer about n1.txt, lines 1-9:\n{\"n\":2}\n";
        assert_eq!(short, expected);
        for count in [1, 2, 30, 500] {
            let long = "€".repeat(30_000);
            let items: Vec<_> =
                (0..count).map(|index| item(index, &json!({"text": long}))).collect();
            let input = made(&items, count);
            assert!(input.len() > SUMMARY_BYTES * 9 / 10, "{count}: {}", input.len());
            assert!(input.trim_end().ends_with("€…"), "{count}");
        }
        let tiny: Vec<_> = (0..500).map(|index| item(index, &json!({"text": "No."}))).collect();
        assert!(made(&tiny, 500).matches("\nNo.\n").count() > 200);
    }
}
