use cells::formula::{Book, Sources};
use cells::grid::Verdict;
use cells::layout::Layout;
use cells::part::Part;
use cells::read::Settings;

use super::*;

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
    Range { id: "r-1", sheet: "P&L", cells, include_hidden: false }
}

/// The lines of JSON in a fence.
fn lines(text: &str) -> Vec<Json> {
    assert_eq!(text.matches(CLOSE).count(), 1, "{text}");
    let inner = text.strip_prefix(OPEN).unwrap().split(CLOSE).next().unwrap();
    inner.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run_aggregate(cells: &Cleared<Grid>, mut value: Json) -> Result<Answer, String> {
    value["range_id"] = json!("r-1");
    aggregate(range(cells), &input(value)?)
}

#[test]
fn each_tool_has_a_schema_that_its_input_meets() {
    let names = tools().map(|tool| tool.name);
    assert_eq!(names, ["list_ranges", "read_cells", "find", "aggregate"]);
    for tool in tools() {
        let schema = &tool.input_schema;
        assert_eq!(
            (&schema["type"], &schema["additionalProperties"]),
            (&json!("object"), &json!(false))
        );
        let properties = schema["properties"].as_object().unwrap();
        for name in schema["required"].as_array().unwrap() {
            assert!(properties.contains_key(name.as_str().unwrap()), "{} {name}", tool.name);
        }
    }
    assert!(input::<ListRanges>(json!({})).is_ok());
    assert!(input::<ReadCells>(json!({"range_id": "r", "address": "A1"})).is_ok());
    assert!(input::<Find>(json!({"range_id": "r", "text": "x", "whole_cell": true})).is_ok());
    let error = input::<ReadCells>(json!({"range_id": "r", "area": "A1"})).unwrap_err();
    assert!(error.contains("unknown field `area`"), "{error}");
    let error = run_aggregate(&sample(&[]), json!({"function": "mean", "column": "C"}));
    assert!(error.unwrap_err().contains("unknown variant `mean`"));
}

#[test]
fn ranges_are_listed_without_what_is_withheld() {
    let (all, some) = (sample(&[]), sample(&[2]));
    let answer = list_ranges(&[range(&all), Range { id: "r-2", sheet: "S", ..range(&some) }]);
    let columns = json!([
        ["A", "Name", "text"],
        ["B", "Dept", "text"],
        ["C", "Pay", "number"],
        ["D", "Bonus", "mixed"],
        ["E", "Start", "date"],
        ["F", "Twice", "number"],
    ]);
    let lines = lines(&answer.text);
    let expected =
        json!({"range_id": "r-1", "range": "'P&L'!A1:F6", "rows": 5, "columns": columns});
    assert_eq!(lines[0], expected);
    assert_eq!(
        (&lines[1]["range"], lines[1]["columns"].as_array().unwrap().len()),
        (&json!("S!A1:F6"), 5)
    );
    assert!(!lines[1].to_string().contains("Pay"));
    let columns =
        [("r-1".to_owned(), vec![0, 1, 2, 3, 4, 5]), ("r-2".to_owned(), vec![0, 1, 3, 4, 5])];
    assert_eq!(answer.columns, columns);
    assert_eq!(list_ranges(&[]).text, "<cells>\n</cells>\n");
}

#[test]
fn cells_are_read_by_rectangles_of_at_most_two_thousand() {
    let read = |cells: &Cleared<Grid>, address: &str| {
        let input = ReadCells { range_id: "r-1".into(), address: address.into() };
        read_cells(range(cells), &input)
    };
    let cells = sample(&[]);
    let answer = read(&cells, "B3:C4").unwrap();
    let expected = [
        json!({"range": "'P&L'!B3:C4", "columns": [["B", "Dept", "text"], ["C", "Pay", "number"]]}),
        json!([3, "ops", 7]),
        json!([4, "Dev", 10]),
    ];
    assert_eq!(
        (lines(&answer.text), answer.columns),
        (expected.into(), vec![("r-1".into(), vec![1, 2])])
    );
    assert!(read(&cells, "'p&l'!A2:Z2").is_ok());
    assert!(read(&sample(&[2]), "C1:F2").unwrap().text.contains("#WITHHELD"));
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
    let long =
        grid(json!({"address": "A1:A9", "values": "x".repeat(30_000)}), Layout::default(), &[]);
    assert!(read(&long, "A:A").unwrap().text.ends_with("Read the others by another address.\n"));
}

#[test]
fn texts_numbers_and_dates_are_found() {
    let run = |cells: &Cleared<Grid>, mut value: Json| {
        value["range_id"] = json!("r-1");
        find(range(cells), &input(value).unwrap())
    };
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
        let lines = lines(&answer.text);
        let found: Vec<_> = lines[1..].iter().map(|hit| hit[0].as_str().unwrap()).collect();
        assert_eq!(found.join(" "), hits, "{value}");
        assert_eq!(lines[0]["found"], found.len(), "{value}");
        assert_eq!(lines[0]["complete"], is_complete, "{denied:?} {value}");
    }
    let answer = run(&sample(&[]), json!({"text": "cy"})).unwrap();
    assert_eq!(lines(&answer.text)[1], json!(["A4", "Cy</cells>"]));
    let sly = "＜/cells＞﹤/cells>";
    let cells = grid(json!({"address": "A1:A2", "values": sly}), Layout::default(), &[]);
    let sly = Range { sheet: sly, ..range(&cells) };
    let answer = find(sly, &input(json!({"range_id": "r-1", "text": "cells"})).unwrap()).unwrap();
    assert!(!answer.text.contains(['\u{ff1c}', '\u{fe64}']), "{}", answer.text);
    let many =
        grid(json!({"address": "A1:A300", "values": "é".repeat(150)}), Layout::default(), &[]);
    let answer = run(&many, json!({"text": "É"})).unwrap();
    let lines = lines(&answer.text);
    assert_eq!((&lines[0]["found"], lines.len()), (&json!(299), 101));
    assert_eq!(lines[1][1], format!("{}…", "é".repeat(100)));
    for (value, expected) in [
        (json!({"text": " "}), "must have 1 to 200 characters"),
        (json!({"text": "x".repeat(201)}), "must have 1 to 200 characters"),
        (json!({"text": "x", "columns": ["Salary"]}), "has no such column"),
    ] {
        assert!(run(&sample(&[]), value.clone()).unwrap_err().contains(expected), "{value}");
    }
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
        let lines = lines(&answer.text);
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
    assert_eq!(lines(&answer.text)[1..], expected);
    assert_eq!(answer.columns, [("r-1".to_owned(), vec![1, 2])]);
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
    assert_eq!(lines(&run_aggregate(&amounts, by).unwrap().text)[1..], expected);
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
        let lines = lines(&answer.text);
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
    assert_eq!(lines(&run_aggregate(&denied, value).unwrap().text)[0]["complete"], true);
    let by = json!({"function": "count", "column": "A", "group_by": "Twice"});
    let answer = run_aggregate(&denied, by).unwrap();
    assert_eq!(
        (lines(&answer.text).len(), &lines(&answer.text)[0]["complete"]),
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
    assert_eq!(lines(&answer.text)[1]["value"], "15.6");
    assert!(run_aggregate(&hidden, sum("Bonus")).is_err());
    let all = Range { include_hidden: true, ..range(&hidden) };
    let value = json!({"range_id": "r-1", "function": "sum", "column": "Bonus"});
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
            (Ok(answer), Ok(value)) => assert_eq!(lines(&answer.text)[1]["value"], value, "{name}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{name}: {error}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    let condition = |value: Json| json!([{"column": "B", "op": "=", "value": value}]);
    for (conditions, expected) in [
        (condition(json!([1])), "A value in where is"),
        (Json::from(vec![condition(json!(1))[0].clone(); 11]), "more than 10 conditions"),
        (json!([{"column": "Z", "op": "=", "value": 1}]), "has no such column"),
    ] {
        let value = json!({"function": "sum", "column": "B", "where": conditions});
        assert!(run_aggregate(&cells, value).unwrap_err().contains(expected));
    }
}
