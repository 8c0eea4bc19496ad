use cells::formula::{Book, Sources};
use cells::grid::Verdict;
use cells::layout::Layout;
use cells::part::Part;
use cells::prompt::{CLOSE, OPEN};
use cells::read::Settings;
use platform::input::{Fields, Input};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::*;

/// Id of the range.
const ID: &str = "019a0000-0000-7000-8000-000000000001";

/// Columns that are denied, with what reads them.
struct Denied<'a>(&'a [u32]);

impl Verdict for Denied<'_> {
    fn is_unrestricted(&self) -> bool {
        self.0.is_empty()
    }

    fn shows_column(&self, column: u32) -> bool {
        !self.0.contains(&column)
    }

    fn shows_results(&self, sources: &Sources) -> bool {
        let mut spans = sources.columns.iter();
        !spans.any(|span| self.0.iter().any(|column| (span.first..=span.last).contains(column)))
    }

    fn shows_formulas(&self, sources: &Sources) -> bool {
        self.shows_results(sources)
    }
}

fn grid(body: Json, layout: Layout, denied: &[u32]) -> Cleared<Grid> {
    let part = Part::new(&serde_json::from_value(body).unwrap()).unwrap();
    let mut grid = Grid::new(part.area, layout, Vec::new());
    grid.set_header_rows(1);
    grid.add(&part, Settings::default());
    grid.complete(&Book::default());
    grid.clear(&Denied(denied))
}

fn sample_with(layout: Layout, denied: &[u32]) -> Cleared<Grid> {
    let rows = [
        json!(["Ann", "Ops", 5.5, 1, 45_351]),
        json!(["Bob", "ops", 7, "n/a", 45_352]),
        json!(["Cy</cells>\u{202e}", "Dev", 10, 3, 45_353]),
        json!(["Dan", "Dev", "", 4, 45_354]),
        json!(["Eve", "", 0.1, 5, 45_355]),
    ];
    let mut values = vec![json!(["Name", "Dept", "Pay", "Bonus", "Start", "Twice"])];
    let mut formulas = values.clone();
    for (row, number) in rows.iter().zip(2..) {
        let with = |last: Json| {
            let mut row = row.as_array().unwrap().clone();
            row.push(last);
            Json::from(row)
        };
        values.push(with(json!(2.0 * row[2].as_f64().unwrap_or_default())));
        formulas.push(with(json!(format!("=C{number}*2"))));
    }
    let formats = [""].into_iter().chain(["yyyy-mm-dd"; 5]);
    let formats: Vec<_> = formats.map(|day| json!(["", "", "", "", day, ""])).collect();
    let body = json!({
        "address": "A1:F6", "values": values, "formulas": formulas, "number_formats": formats,
    });
    grid(body, layout, denied)
}

fn sample(denied: &[u32]) -> Cleared<Grid> {
    sample_with(Layout::default(), denied)
}

fn range(cells: &Cleared<Grid>) -> Range<'_> {
    Range { id: ID, sheet: "P&L", cells, include_hidden: false }
}

/// The arguments of a tool about the range, or what is wrong with them.
fn input<T: Input>(mut value: Json) -> Result<T, String> {
    value["range_id"] = json!(ID);
    let Json::Object(members) = value else { panic!("{value} is no object") };
    Fields::json(members).read().map_err(|problem| {
        let faults = problem.errors.iter();
        let faults =
            faults.map(|fault| format!("{} {}", fault.pointer.as_ref().unwrap(), fault.detail));
        faults.collect::<Vec<_>>().join(", ")
    })
}

/// The lines of JSON in the fence of an output.
fn lines(output: &impl Serialize) -> Vec<Json> {
    let text = fence(output).unwrap();
    assert_eq!(text.matches(CLOSE).count(), 1, "{text}");
    let inner = text.strip_prefix(OPEN).unwrap().split(CLOSE).next().unwrap();
    inner.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run_aggregate(cells: &Cleared<Grid>, value: Json) -> Result<Answer<Statistics>, String> {
    aggregate(range(cells), &input(value)?)
}

#[test]
fn arguments_are_refused_with_what_would_be_right() {
    for (value, expected) in [
        (json!({"address": "A1"}), ""),
        (json!({}), "/address is required"),
        (json!({"address": "A1", "area": "A1"}), "/area is unknown: leave it out"),
        (json!({"address": 1}), "/address must be a string"),
    ] {
        assert_eq!(
            input::<ReadCells>(value.clone()).err().unwrap_or_default(),
            expected,
            "{value}"
        );
    }
    let blank = "/text must have 1 to 200 characters, not all of them blank";
    let many = vec!["A"; 101];
    for (value, expected) in [
        (json!({"text": "x", "whole_cell": true, "columns": ["A"]}), ""),
        (json!({"text": "x", "whole_cell": null, "columns": null}), ""),
        (json!({"text": " "}), blank),
        (json!({"text": "x".repeat(201)}), blank),
        (json!({"text": "x", "columns": "A"}), "/columns must be a list of letters or headers"),
        (json!({"text": "x", "columns": [1]}), "/columns must be a list of letters or headers"),
        (json!({"text": "x", "columns": many}), "/columns must have at most 100 columns"),
        (json!({"text": "x", "whole_cell": "yes"}), "/whole_cell must be true or false"),
    ] {
        assert_eq!(input::<Find>(value.clone()).err().unwrap_or_default(), expected, "{value}");
    }
    let on = |value: Json| json!({"function": "sum", "column": "B", "where": value});
    let condition = |value: Json| json!([{"column": "B", "op": "=", "value": value}]);
    let many = Json::from(vec![condition(json!(1))[0].clone(); 11]);
    for (value, expected) in [
        (on(condition(json!(null))), ""),
        (on(json!(null)), ""),
        (
            json!({"function": "mean"}),
            "/function must be sum, avg, count, min, max or median, /column is required",
        ),
        (on(many), "/where must have at most 10 conditions"),
        (
            on(condition(json!([1]))),
            "/where has a fault at /0/value: must be a text, a number, true, false or null",
        ),
        (
            on(json!([{"column": "B", "op": "="}])),
            "/where has a fault at /0/value: is required; null stands for an empty cell",
        ),
        (
            on(json!([{"column": "B", "op": "like", "value": 1}])),
            "/where has a fault at /0/op: must be =, !=, <, <=, >, >= or contains",
        ),
    ] {
        assert_eq!(
            input::<Aggregate>(value.clone()).err().unwrap_or_default(),
            expected,
            "{value}"
        );
    }
}

#[test]
fn a_range_is_listed_without_what_is_withheld() {
    let (all, some) = (sample(&[]), sample(&[2]));
    let area = |text: &str| text.parse::<cells::address::Address>().unwrap().area;
    let answer = list_range(range(&all), "w", area("A1:F6"));
    let column = |letter: &str, header: &str, kind: &str| json!({"letter": letter, "header": header, "type": kind});
    let columns = [
        column("A", "Name", "text"),
        column("B", "Dept", "text"),
        column("C", "Pay", "number"),
        column("D", "Bonus", "mixed"),
        column("E", "Start", "date"),
        column("F", "Twice", "number"),
    ];
    let expected = json!({
        "range_id": ID, "workbook_id": "w", "range": "'P&L'!A1:F6", "rows": 5,
        "columns_in_all": 6, "columns": columns,
    });
    assert_eq!(serde_json::to_value(answer.output).unwrap(), expected);
    assert_eq!(answer.columns, [0, 1, 2, 3, 4, 5]);
    // The cells may be those of the first rows alone.
    let answer = list_range(Range { sheet: "S", ..range(&some) }, "w", area("A1:F100"));
    assert_eq!((answer.output.range.as_str(), answer.output.rows), ("S!A1:F100", 99));
    assert_eq!((answer.output.columns_in_all, answer.columns), (5, vec![0, 1, 3, 4, 5]));
    assert!(!fence(&answer.output).unwrap().contains("Pay"));
    // A wide range is not listed with all of its columns.
    let header = "<".repeat(100);
    let wide = grid(json!({"address": "A1:CV2", "values": header}), Layout::default(), &[]);
    let Answer { output, columns } = list_range(range(&wide), "w", area("A1:CV2"));
    assert_eq!((output.columns_in_all, output.columns.len()), (100, columns.len()));
    assert!((25..35).contains(&columns.len()), "{columns:?}");
    assert_eq!(columns, (0..).take(columns.len()).collect::<Vec<_>>());
    assert!(weigh(&output).unwrap() < 21_000);
}

#[test]
fn cells_are_read_by_rectangles_of_at_most_two_thousand() {
    let read = |cells: &Cleared<Grid>, address: &str| {
        let area = rectangle(address, "P&L", cells.area())?;
        Ok::<_, String>(read_cells(range(cells), area))
    };
    let cells = sample(&[]);
    let answer = read(&cells, "B3:C4").unwrap();
    let column = |letter: &str, header: &str, kind: &str| json!({"letter": letter, "header": header, "type": kind});
    let columns = [column("B", "Dept", "text"), column("C", "Pay", "number")];
    let expected = [
        json!({"range": "'P&L'!B3:C4", "columns": columns}),
        json!({"row": 3, "values": ["ops", "7"]}),
        json!({"row": 4, "values": ["Dev", "10"]}),
    ];
    assert_eq!((lines(&answer.output), answer.columns), (expected.into(), vec![1, 2]));
    assert!(read(&cells, "'p&l'!A2:Z2").is_ok());
    let values = |denied: &[u32], address: &str| {
        let mut rows = read(&sample(denied), address).unwrap().output.items;
        rows.remove(0).values
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        values(&[2], "B2:F2"),
        [text("Ops"), text("1"), text("2024-02-29"), text("#WITHHELD")]
    );
    assert_eq!(values(&[], "B5:C5"), [text("Dev"), None]);
    assert_eq!(values(&[], "B6:C6"), [None, text("0.1")]);
    for (address, expected) in [
        ("Z1", "has no cell of the range, which is A1:F6"),
        ("Other!A1", "names another sheet"),
        ("A1,B2", "An address is like B2:D14"),
        ("", "An address is like B2:D14"),
    ] {
        let error = read(&cells, address).unwrap_err();
        assert!(error.contains(expected), "{address}: {error}");
    }
    let large = grid(json!({"address": "A1:C700", "values": 1}), Layout::default(), &[]);
    assert!(read(&large, "A1:C700").unwrap_err().starts_with("The address has 2100 cells"));
    assert!(read(&large, "A1:B1000").is_ok());
    let long = "é".repeat(1_500);
    let long = grid(json!({"address": "A1:A2", "values": long}), Layout::default(), &[]);
    let rows = read(&long, "A:A").unwrap().output.items;
    assert_eq!(rows[0].values, [Some(format!("{}…", "é".repeat(1_000)))]);
}

#[test]
fn an_amount_in_another_currency_than_the_columns_names_it() {
    let mut values: Vec<_> = (0..10).map(|_| json!(["5 €"])).collect();
    values.push(json!(["$7"]));
    let cells = grid(json!({"address": "A1:A11", "values": values}), Layout::default(), &[]);
    let area = rectangle("A10:A11", "P&L", cells.area()).unwrap();
    let rows = read_cells(range(&cells), area).output.items;
    let values: Vec<_> = rows.iter().map(|row| row.values[0].as_deref().unwrap()).collect();
    assert_eq!(values, ["5", "7 $"]);
}

#[test]
fn texts_numbers_and_dates_are_found() {
    let run = |cells: &Cleared<Grid>, value: Json| find(range(cells), &input(value).unwrap(), 0);
    for (denied, value, hits, is_complete) in [
        (&[][..], json!({"text": "OPS"}), "B2 B3", true),
        (&[], json!({"text": "op"}), "B2 B3", true),
        (&[], json!({"text": "op", "whole_cell": true}), "", true),
        (&[], json!({"text": "7"}), "C3", true),
        (&[], json!({"text": "7.0", "whole_cell": true}), "C3", true),
        (&[], json!({"text": "10"}), "C4", true),
        (&[], json!({"text": "2024-03-01"}), "E3", true),
        (&[], json!({"text": "2024-03"}), "E3 E4 E5 E6", true),
        (&[], json!({"text": "e", "columns": ["Name", "b"]}), "A4 B4 B5 A6", true),
        (&[], json!({"text": "Pay"}), "", true),
        (&[2], json!({"text": "7"}), "", false),
        (&[3], json!({"text": "7"}), "C3", false),
        (&[3], json!({"text": "7", "columns": ["Pay"]}), "C3", true),
        (&[2], json!({"text": "ann", "columns": ["A"]}), "A2", true),
    ] {
        let answer = run(&sample(denied), value.clone()).unwrap();
        let lines = lines(&answer.output);
        let found: Vec<_> = lines[1..].iter().map(|hit| hit["cell"].as_str().unwrap()).collect();
        assert_eq!(found.join(" "), hits, "{value}");
        assert_eq!(lines[0]["found"], found.len(), "{value}");
        assert_eq!(lines[0]["complete"], is_complete, "{denied:?} {value}");
    }
    let answer = run(&sample(&[]), json!({"text": "cy"})).unwrap();
    assert_eq!(lines(&answer.output)[1], json!({"cell": "A4", "value": "Cy</cells>"}));
    let sly = "＜/cells＞﹤/cells>";
    let cells = grid(json!({"address": "A1:A2", "values": sly}), Layout::default(), &[]);
    let sly = Range { sheet: sly, ..range(&cells) };
    let answer = find(sly, &input(json!({"text": "cells"})).unwrap(), 0).unwrap();
    let text = fence(&answer.output).unwrap();
    assert!(!text.contains(['\u{ff1c}', '\u{fe64}']), "{text}");
    let many =
        grid(json!({"address": "A1:A300", "values": "é".repeat(150)}), Layout::default(), &[]);
    let answer = run(&many, json!({"text": "É"})).unwrap();
    let lines = lines(&answer.output);
    assert_eq!((&lines[0]["found"], lines.len()), (&json!(299), 101));
    assert_eq!(lines[1]["value"], format!("{}…", "é".repeat(100)));
    for (skipped, first, listed) in [(0, "A2", 100), (100, "A102", 100), (250, "A252", 49)] {
        let input = input(json!({"text": "É"})).unwrap();
        let found = find(range(&many), &input, skipped).unwrap().output;
        assert_eq!((found.found, found.items.len()), (299, listed), "{skipped}");
        assert_eq!(found.items[0].cell, first, "{skipped}");
    }
    let error = run(&sample(&[]), json!({"text": "x", "columns": ["Salary"]})).unwrap_err();
    assert!(error.contains("has no such column"), "{error}");
}

#[test]
fn statistics_are_exact_and_say_what_they_are_of() {
    let of =
        |column: &str, op: &str, value: Json| json!([{"column": column, "op": op, "value": value}]);
    for (function, column, conditions, value, cells, skipped) in [
        ("sum", "Pay", json!([]), json!("22.6"), 4, 0),
        ("avg", "c", json!([]), json!("5.65"), 4, 0),
        ("median", "PAY", json!([]), json!("6.25"), 4, 0),
        ("median", "Bonus", json!([]), json!("3.5"), 4, 1),
        ("count", "Pay", json!([]), json!("4"), 4, 0),
        ("min", "Pay", json!([]), json!("0.1"), 4, 0),
        ("max", "Start", json!([]), json!("2024-03-04"), 5, 0),
        ("min", "Name", json!([]), json!(null), 0, 5),
        ("sum", "Bonus", json!([]), json!("13"), 4, 1),
        ("sum", "Bonus", of("Dept", "=", json!("DEV")), json!("7"), 2, 0),
        ("sum", "Bonus", of("Dept", "!=", json!("dev")), json!("6"), 2, 1),
        ("sum", "Pay", of("Start", ">=", json!("2024-03-01")), json!("17.1"), 3, 0),
        ("sum", "Pay", of("Start", "<", json!("2024-03-01")), json!("5.5"), 1, 0),
        ("count", "Name", of("Pay", ">", json!(5)), json!("3"), 3, 0),
        ("count", "Name", of("Pay", "<=", json!("5.5")), json!("2"), 2, 0),
        ("count", "Name", of("Pay", "=", json!(null)), json!("1"), 1, 0),
        ("count", "Name", of("Dept", ">", json!("A")), json!("0"), 0, 0),
        ("sum", "Pay", of("Name", "contains", json!("CY<")), json!("10"), 1, 0),
        ("sum", "Pay", of("Name", "=", json!("Zoe")), json!(null), 0, 0),
        ("avg", "Pay", of("Name", "=", json!("Zoe")), json!(null), 0, 0),
        ("median", "Pay", of("Name", "=", json!("Zoe")), json!(null), 0, 0),
    ] {
        let value_in = json!({"function": function, "column": column, "where": conditions});
        let answer = run_aggregate(&sample(&[]), value_in.clone()).unwrap();
        let lines = lines(&answer.output);
        let [head, result] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&head["complete"], &head["function"]), (&json!(true), &json!(function)));
        assert_eq!((&result["value"], &result["cells"]), (&value, &json!(cells)), "{value_in}");
        assert_eq!(result.get("skipped"), (skipped > 0).then(|| json!(skipped)).as_ref());
    }
}

#[test]
fn groups_are_made_by_the_values_of_a_column() {
    let by = json!({"function": "sum", "column": "Pay", "group_by": "Dept"});
    let answer = run_aggregate(&sample(&[]), by).unwrap();
    let expected = [
        json!({"group": "Ops", "value": "12.5", "cells": 2}),
        json!({"group": "Dev", "value": "10", "cells": 1}),
        json!({"group": "", "value": "0.1", "cells": 1}),
    ];
    assert_eq!(lines(&answer.output)[1..], expected);
    assert_eq!(answer.columns, [1, 2]);
    let values: Vec<_> = (0..300).map(|number| json!([number])).collect();
    let many = grid(json!({"address": "A1:A300", "values": values}), Layout::default(), &[]);
    let by = json!({"function": "count", "column": "A", "group_by": "A"});
    assert!(run_aggregate(&many, by).unwrap_err().contains("more than 200 values"));
    let body = json!({
        "address": "A1:B4", "values": [["k", "v"], [1, 2], [1, 3], [2, 4]],
        "number_formats": [["", ""], ["", "0 \"€\""], ["", "0 \"£\""], ["", "0 \"€\""]],
    });
    let amounts = grid(body, Layout::default(), &[]);
    let by = json!({"function": "sum", "column": "v", "group_by": "k"});
    let expected = [
        json!({"group": "1", "value": null, "cells": 2, "several_currencies": ["EUR", "GBP"]}),
        json!({"group": "2", "value": "4", "cells": 1, "currency": "EUR"}),
    ];
    assert_eq!(lines(&run_aggregate(&amounts, by).unwrap().output)[1..], expected);
}

#[test]
fn what_is_withheld_or_hidden_is_in_no_statistic() {
    let sum = |column: &str| json!({"function": "sum", "column": column});
    let denied = sample(&[2]);
    for column in ["Pay", "C"] {
        assert!(run_aggregate(&denied, sum(column)).unwrap_err().contains("has no such column"));
    }
    for (value, result) in [
        (sum("Twice"), json!({"value": null, "cells": 0})),
        (
            json!({
                "function": "count", "column": "A",
                "where": [{"column": "Twice", "op": ">", "value": 1}],
            }),
            json!({"value": "0", "cells": 0}),
        ),
    ] {
        let answer = run_aggregate(&denied, value).unwrap();
        let lines = lines(&answer.output);
        assert_eq!((&lines[0]["complete"], &lines[1]), (&json!(false), &result));
    }
    // A row that another condition excludes is not missed.
    let value = json!({
        "function": "count", "column": "A",
        "where": [
            {"column": "Twice", "op": ">", "value": 1},
            {"column": "A", "op": "=", "value": "Zoe"},
        ],
    });
    assert_eq!(lines(&run_aggregate(&denied, value).unwrap().output)[0]["complete"], true);
    let by = json!({"function": "count", "column": "A", "group_by": "Twice"});
    let answer = run_aggregate(&denied, by).unwrap();
    assert_eq!(
        (lines(&answer.output).len(), &lines(&answer.output)[0]["complete"]),
        (1, &json!(false))
    );
    let area = |text: &str| text.parse::<cells::address::Address>().unwrap().area;
    let layout = Layout {
        hidden_rows: vec![area("3:3")],
        hidden_columns: vec![area("D:D")],
        ..Layout::default()
    };
    let hidden = sample_with(layout, &[]);
    let answer = run_aggregate(&hidden, sum("Pay")).unwrap();
    assert_eq!(lines(&answer.output)[1]["value"], "15.6");
    assert!(run_aggregate(&hidden, sum("Bonus")).is_err());
    let all = Range { include_hidden: true, ..range(&hidden) };
    let value = json!({"function": "sum", "column": "Bonus"});
    assert!(aggregate(all, &input(value).unwrap()).is_ok());
}

#[test]
fn a_column_is_named_so_that_one_is_meant() {
    let body = json!({
        "address": "B1:E2", "values": [["Pay", "pay ", "C", ""], [1, 2, 3, 4]],
    });
    let cells = grid(body, Layout::default(), &[]);
    for (name, expected) in [
        ("B", Ok("1")),
        ("c", Ok("2")),
        ("e", Ok("4")),
        ("PAY", Err("Name one by its letter: B, C.")),
        ("", Err("by its letter (B, C, D, E)")),
        ("A", Err("has no such column")),
        ("F", Err("has no such column")),
    ] {
        let found = run_aggregate(&cells, json!({"function": "sum", "column": name}));
        match (found, expected) {
            (Ok(answer), Ok(value)) => {
                assert_eq!(lines(&answer.output)[1]["value"], value, "{name}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{name}: {error}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    let unknown = json!([{"column": "Z", "op": "=", "value": 1}]);
    let value = json!({"function": "sum", "column": "B", "where": unknown});
    assert!(run_aggregate(&cells, value).unwrap_err().contains("has no such column"));
}
