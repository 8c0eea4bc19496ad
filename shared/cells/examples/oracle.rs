//! Answers questions about cells, for `.ci/check-cells`: a line of JSON in, a line of JSON out.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::sync::Arc;
use std::time::Instant;

use cells::address::{Address, Area, Cell, Style};
use cells::format::Format;
use cells::formula::{Book, Sources};
use cells::grid::{Grid, Verdict};
use cells::issues::Issues;
use cells::layout::Layout;
use cells::matrix::Scalar;
use cells::moment::{Epoch, Shown};
use cells::names::fold;
use cells::part::{Part, RawCell};
use cells::prompt::Options;
use cells::read::{Read, Settings};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        writeln!(out, "{}", answer(&question)?)?;
        out.flush()?;
    }
    Ok(())
}

fn answer(question: &Value) -> Result<Value, String> {
    let text = |name: &str| question[name].as_str().ok_or(format!("{name} is no text"));
    let epoch = if question["epoch"] == 1904 { Epoch::Y1904 } else { Epoch::Y1900 };
    match text("ask")? {
        "address" => {
            let style = if question["style"] == "r1c1" { Style::R1C1 } else { Style::A1 };
            Ok(match Address::parse(text("text")?, style) {
                Ok(address) => json!({"printed": address.styled(style).to_string()}),
                Err(error) => json!({"error": error.to_string()}),
            })
        }
        "dates" => {
            let number = |name: &str| question[name].as_u64().and_then(|n| u32::try_from(n).ok());
            let (start, count) = (number("start").unwrap_or(0), number("count").unwrap_or(0));
            let date = |serial: u32| epoch.moment(f64::from(serial), Shown::Date);
            let dates =
                (start..start + count).map(|serial| date(serial).map(|date| date.to_string()));
            Ok(json!({"values": dates.collect::<Vec<_>>()}))
        }
        "date" => {
            let settings = Settings { epoch, ..Settings::default() };
            let serial = question["serial"].as_f64().ok_or("serial is no number")?;
            let cell = RawCell { value: Scalar::Number(serial), ..RawCell::default() };
            let (value, codes) = settings.read(&cell, Read::new(text("format")?));
            let codes: Vec<_> = codes.iter().map(cells::issue::Code::name).collect();
            Ok(json!({"kind": value.kind().name(), "value": value.to_string(), "codes": codes}))
        }
        "format" => {
            let format = format!("{:?}", Format::of(text("code")?));
            Ok(json!({"kind": format.split('(').next()}))
        }
        "sources" => {
            let sources = Sources::of(text("formula")?, 0, &Book::default());
            let columns = sources
                .columns
                .iter()
                .map(|span| json!({"sheet": span.sheet, "first": span.first, "last": span.last}));
            let columns: Vec<_> = columns.collect();
            Ok(json!({"columns": columns, "unresolved": sources.is_unresolved}))
        }
        "fold" => Ok(json!({"folded": fold(text("text")?)})),
        "bulk" => bulk(),
        other => Err(format!("nothing is known of {other}")),
    }
}

/// Nothing is denied but a column outside of the range.
struct Restricted;

impl Verdict for Restricted {
    fn is_unrestricted(&self) -> bool {
        false
    }

    fn shows_column(&self, _column: u32) -> bool {
        true
    }

    fn shows_results(&self, _sources: &Sources) -> bool {
        true
    }

    fn shows_formulas(&self, _sources: &Sources) -> bool {
        true
    }
}

/// The most cells of a range, from parts to a prompt: a fifth formulas, a fifth text.
fn bulk() -> Result<Value, String> {
    let (rows, columns) = (25_000, 20);
    let corner = |row, column| Cell { row, column };
    let area = |top, bottom| {
        Area::new(corner(top, 0), corner(bottom, columns - 1)).ok_or("a part is too large")
    };
    let whole = area(0, rows - 1)?;
    let mut grid = Grid::new(whole, Layout { header_rows: 1, ..Layout::default() }, Vec::new());
    let (mut stored, mut largest) = (0, 0);
    for top in (0..rows).step_by(1_000) {
        let part = part(area(top, top + 999)?)?;
        let pieces = part.pieces();
        stored += pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        largest =
            pieces.iter().map(|piece| piece.bytes.len()).max().unwrap_or_default().max(largest);
        let formats = part.formats.clone();
        let again = Part::from_pieces(part.area, part.area, formats, true, &pieces);
        let again = again.map_err(|error| error.to_string())?;
        grid.add(&again, Settings::default());
    }
    grid.complete(&Book::default());
    let groups = grid.groups().sources.len();
    let start = Instant::now();
    let cleared = grid.clear(&Restricted);
    let profiles = cleared.columns().len();
    let options = Options { include_hidden: false, max_bytes: 60_000 };
    let sent = cleared.prompt("Bulk", whole, options).rows;
    let would = cleared.would_send(whole, false);
    let preview = start.elapsed().as_secs_f64();
    let issues = Issues::new(&cleared).counts();
    Ok(json!({
        "cells": whole.cells(), "stored": stored, "largest": largest, "groups": groups,
        "profiles": profiles, "issues": issues, "sent": sent, "would_send": would,
        "preview": preview,
    }))
}

fn part(area: Area) -> Result<Part, String> {
    let count = usize::try_from(area.cells()).map_err(|error| error.to_string())?;
    let cells = (0..count).map(|index| {
        let cell = area.cell(index).unwrap_or(area.first());
        let number = f64::from(cell.row) * 1.37 + f64::from(cell.column);
        let below = cell.row + 1;
        let (value, formula, format): (Scalar, Option<Arc<str>>, u16) = match cell.column % 5 {
            _ if cell.row == 0 => (Scalar::Text(format!("Column {}", cell.column).into()), None, 0),
            0 => (Scalar::Number(number), None, 1),
            1 => (Scalar::Number(40_000.0 + f64::from(cell.row % 5_000)), None, 2),
            2 => (Scalar::Text(format!("Cost centre {}", cell.row % 97).into()), None, 0),
            3 => (
                Scalar::Number(number),
                Some(format!("=A{below}*2+SUM(B{below}:C{below})").into()),
                1,
            ),
            _ => (
                Scalar::Text(format!("{},{:03}.50", cell.row % 900 + 1, cell.row % 1_000).into()),
                None,
                0,
            ),
        };
        RawCell { value, formula, format, ..RawCell::default() }
    });
    let formats = ["General", "#,##0.00", "yyyy-mm-dd"].map(Arc::from).to_vec();
    Ok(Part { area, formats, cells: cells.collect(), has_formulas: true })
}
