//! The evaluator as a program, for `.ci/check-access-rules`. It reads a case from each line of its
//! input. For each it writes a line with the allowed actions for the workbook, each sheet and each
//! column.

use std::io::{BufRead as _, Error, Write as _};

use platform::clock::Timestamp;
use serde::Deserialize;
use tally_access::Decision;
use tally_access::decision::Place;
use tally_access::domain::{Book, Rule, Sheet, Standing};

#[derive(Deserialize)]
struct Case {
    who: Standing,
    now: i64,
    owner_id: Option<String>,
    sheets: Vec<Sheet>,
    rules: Vec<Rule>,
    every: Vec<Rule>,
}

fn main() -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        let now = Timestamp::from_millisecond(case.now).map_err(Error::other)?;
        let book = Book {
            owner_id: case.owner_id.as_deref(),
            sheets: &case.sheets,
            rules: &case.rules,
            every: &case.every,
        };
        let decision = Decision::new(&case.who, book, now);
        let mut places = vec![decision.workbook()];
        for (sheet, place) in decision.sheets() {
            places.push(place);
            places.extend(decision.columns(&sheet.id).map(|(_, place)| place));
        }
        let allowed: Vec<_> = places.iter().map(Place::allowed).collect();
        writeln!(output, "{}", serde_json::to_string(&allowed)?)?;
    }
    Ok(())
}
