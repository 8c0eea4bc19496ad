//! Rules for all tools: their names, rights, schemas, arguments and outputs.

use std::collections::BTreeSet;
use std::convert::Infallible;

use platform::domain::Role;
use platform::input::Fields;
use serde_json::{Map, Value, json};
use tally_data::store::Profit;
use tally_data::{GroupBy, ProfitsPage, ProfitsSummary};
use tally_ranges::tools::{
    CellRow, CellRows, FoundCell, FoundCells, Function, ListedColumn, Statistic, Statistics,
};

use super::*;
use crate::cut::Cut;
use crate::entry::Listed;
use crate::schema::schema;
use crate::tool::{CALLED, Effect};

/// Tools of a chat alone. They need its state.
const CHAT_ALONE: [&str; 2] = ["forget", "remember"];

/// Keywords that a schema may have.
const KEYWORDS: [&str; 25] = [
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "propertyNames",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// A tool, and the places that it refuses.
struct Seen {
    listed: Listed,
    /// Without any argument.
    without: BTreeSet<String>,
    /// With an unknown argument.
    unknown: BTreeSet<String>,
}

#[derive(Default)]
struct All(Vec<Seen>);

impl Visitor for All {
    type Error = Infallible;

    fn tool<T: Tool>(mut self) -> Result<Self, Infallible> {
        let refused = |arguments: Map<String, Value>| {
            let problem = Fields::json(arguments).read::<T::Input>().err();
            let errors = problem.map(|problem| problem.errors).unwrap_or_default();
            errors.into_iter().filter_map(|error| error.pointer).collect()
        };
        self.0.push(Seen {
            listed: Listed::of::<T>(),
            without: refused(Map::new()),
            unknown: refused(Map::from_iter([("no_such".to_owned(), 1.into())])),
        });
        Ok(self)
    }
}

fn all() -> Vec<Seen> {
    let Ok(All(all)) = visit(All::default());
    all
}

#[test]
fn the_list_of_names_is_that_of_the_tools() {
    assert!(NAMES.is_sorted(), "{NAMES:?}");
    let visited = all().into_iter().map(|seen| seen.listed.about.name);
    let visited: Vec<_> = visited.collect();
    let all: BTreeSet<_> = visited.iter().copied().chain(CHAT_ALONE).collect();
    assert_eq!(all.len(), visited.len() + CHAT_ALONE.len(), "a name comes twice: {visited:?}");
    assert_eq!(all.into_iter().collect::<Vec<_>>(), NAMES);
}

#[test]
fn a_tool_says_what_it_is_and_what_it_may_do() {
    let mut idempotent = Vec::new();
    let mut destroying = Vec::new();
    for Seen { listed: Listed { about, .. }, .. } in all() {
        let name = about.name;
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!((1..=64).contains(&name.len()) && name.chars().all(is_name), "{name}");
        assert!((1..=40).contains(&about.title.len()), "{name}");
        assert!((40..=1_024).contains(&about.description.len()), "{name}");
        for text in [about.title, about.description] {
            let is_plain = text.chars().all(|c| !c.is_control()) && !text.contains("  ");
            assert!(is_plain, "{name}: {text}");
        }
        let (writes, is_for_writes) =
            (about.effect != Effect::Read, about.scope.as_str().ends_with(":write"));
        assert_eq!(writes, is_for_writes, "{name} has the scope {}", about.scope);
        assert!(!writes || about.action != CALLED, "{name} changes data without its own event");
        assert!(!writes || !about.limits.is_empty(), "{name} changes data without a limit");
        idempotent.extend(about.idempotent.then_some(name));
        destroying.extend((about.effect == Effect::Destroy).then_some(name));
        let roles: &[Role] = match name {
            "query_audit" => &[Role::Auditor, Role::Admin],
            _ => &[],
        };
        assert_eq!(about.roles, roles, "{name}");
    }
    assert_eq!(idempotent, ["complete_task", "delete_task"]);
    assert_eq!(destroying, ["delete_task", "update_task"]);
}

/// Walks a schema. Gives each of its schemas, with its place.
fn schemas<'a>(place: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    found.push((place.to_owned(), schema));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        schemas(&format!("{place}/{name}"), property, found);
    }
    for word in ["items", "additionalProperties", "propertyNames"] {
        if let Some(inner) = schema.get(word) {
            schemas(&format!("{place}/{word}"), inner, found);
        }
    }
    for word in ["oneOf", "anyOf"] {
        for (at, part) in schema[word].as_array().into_iter().flatten().enumerate() {
            schemas(&format!("{place}/{word}/{at}"), part, found);
        }
    }
}

#[test]
fn the_schemas_are_strict() {
    for Seen { listed, .. } in all() {
        let name = listed.about.name;
        let both = [("input", &*listed.input_schema), ("output", &*listed.output_schema)];
        for (kind, schema) in both {
            let place = format!("{name} {kind}");
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{place}: {schema}");
            // MCP wants an object. The Messages API refuses alternatives at the top.
            assert_eq!(schema["type"], "object", "{place}");
            assert_eq!(schema["additionalProperties"], false, "{place}");
            assert!(["oneOf", "anyOf"].iter().all(|word| schema.get(word).is_none()), "{place}");
            let mut found = Vec::new();
            schemas(&place, schema, &mut found);
            for (place, schema) in found {
                let Some(members) = schema.as_object() else { continue };
                for keyword in members.keys() {
                    assert!(KEYWORDS.contains(&keyword.as_str()), "{place} has {keyword}");
                }
                let Some(properties) = members.get("properties").and_then(Value::as_object) else {
                    continue;
                };
                assert_eq!(schema["additionalProperties"], false, "{place}");
                assert!(!members.contains_key("oneOf"), "{place}");
                let required = schema["required"].as_array().into_iter().flatten();
                for name in required.filter_map(Value::as_str) {
                    assert!(properties.contains_key(name), "{place} has no {name}");
                }
            }
        }
        let arguments = listed.input_schema["properties"].as_object().unwrap();
        for (name, schema) in arguments {
            assert!(schema["description"].is_string() || schema.get("oneOf").is_some(), "{name}");
        }
    }
}

/// A model that reads the schema knows which arguments the server asks for.
#[test]
fn what_a_schema_requires_is_what_the_server_requires() {
    for Seen { listed, without, unknown } in all() {
        let name = listed.about.name;
        let required = listed.input_schema["required"].as_array().into_iter().flatten();
        let required: BTreeSet<_> =
            required.filter_map(Value::as_str).map(|name| format!("/{name}")).collect();
        assert_eq!(required, without, "{name}");
        assert!(unknown.contains("/no_such"), "{name}");
    }
}

/// Lists that are read in pages. Their cursors are always there.
const IN_PAGES: [&str; 3] = ["list_ranges", "list_tasks", "query_audit"];

#[test]
fn lists_say_where_they_go_on() {
    let mut lists = Vec::new();
    for Seen { listed: Listed { about, input_schema, output_schema }, .. } in all() {
        let (arguments, output) = (&input_schema["properties"], &output_schema["properties"]);
        let is_list = output.get("items").is_some();
        assert_eq!(arguments.get("cursor").is_some(), is_list, "{}", about.name);
        if !is_list {
            continue;
        }
        let is_in_pages = IN_PAGES.contains(&about.name);
        let cursor = if is_in_pages { json!(["string", "null"]) } else { json!("string") };
        assert_eq!(output["next_cursor"]["type"], cursor, "{}", about.name);
        assert_eq!(output["truncated"]["type"], "boolean", "{}", about.name);
        assert_eq!(arguments.get("limit").is_some(), is_in_pages, "{}", about.name);
        let required = output_schema["required"].as_array().unwrap();
        assert!(!required.contains(&json!("truncated")), "{}", about.name);
        assert_eq!(required.contains(&json!("next_cursor")), is_in_pages, "{}", about.name);
        lists.push(about.name);
    }
    let expected = [
        "aggregate",
        "find",
        "list_ranges",
        "list_tasks",
        "query_audit",
        "query_profits",
        "read_cells",
        "summarize_profits",
    ];
    assert_eq!(lists, expected);
}

#[test]
fn a_schema_allows_what_the_server_allows() {
    let id = "019a0000-0000-7000-8000-000000000001";
    let condition = json!({"column": "Dept", "op": "=", "value": null});
    for (tool, arguments, expected) in [
        ("query_profits", json!({}), true),
        ("query_profits", json!({"company": "Alpha", "year": 2023, "size": 100}), true),
        ("query_profits", json!({"month": 12, "sort": "-year,company"}), true),
        ("query_profits", json!({"size": 101}), false),
        ("query_profits", json!({"limit": 5}), false),
        ("summarize_profits", json!({"group_by": "month"}), true),
        ("summarize_profits", json!({}), false),
        ("summarize_profits", json!({"group_by": "day"}), false),
        ("query_audit", json!({"actor": "me", "outcome": "denied", "limit": 5}), true),
        ("query_audit", json!({"outcome": "good"}), false),
        ("read_cells", json!({"range_id": id, "address": "A1:B2"}), true),
        ("read_cells", json!({"range_id": id}), false),
        ("find", json!({"range_id": id, "text": "x", "columns": ["A"]}), true),
        ("find", json!({"range_id": id, "text": ""}), false),
        (
            "aggregate",
            json!({"range_id": id, "function": "sum", "column": "A", "where": [condition]}),
            true,
        ),
        (
            "aggregate",
            json!({"range_id": id, "function": "sum", "column": "A", "where": [{"op": "like"}]}),
            false,
        ),
        ("list_ranges", json!({"workbook_id": id, "cursor": "c"}), true),
        ("list_ranges", json!({"limit": 0}), false),
        ("list_ranges", json!({"limit": 21}), false),
    ] {
        let Ok(Reading { found, .. }) = visit(Reading { tool, arguments: &arguments, found: None });
        let (schema, is_read) = found.unwrap();
        let is_valid = jsonschema::draft202012::new(&schema).unwrap().is_valid(&arguments);
        assert_eq!((is_valid, is_read), (expected, expected), "{tool} {arguments}: {schema:#}");
    }
}

/// Reads arguments of one tool.
struct Reading<'a> {
    tool: &'a str,
    arguments: &'a Value,
    /// The schema of the arguments, and whether the server takes these.
    found: Option<(Value, bool)>,
}

impl Visitor for Reading<'_> {
    type Error = Infallible;

    fn tool<T: Tool>(mut self) -> Result<Self, Infallible> {
        if T::ABOUT.name == self.tool {
            let members = self.arguments.as_object().cloned().unwrap_or_default();
            let is_read = Fields::json(members).read::<T::Input>().is_ok();
            self.found = Some((schema::<T::Input>(), is_read));
        }
        Ok(self)
    }
}

fn assert_valid<T: Tool>(output: &T::Output) {
    let schema = schema::<T::Output>();
    let output = serde_json::to_value(output).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&output).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{}: {errors:?} {output:#}", T::ABOUT.name);
}

#[test]
fn outputs_are_as_their_schemas_say() {
    let profit = Profit {
        company: "Alpha".parse().unwrap(),
        year: 2023.try_into().unwrap(),
        month: 12.try_into().unwrap(),
        profit: "-0.50".parse().unwrap(),
    };
    let items = vec![profit.clone()];
    let page = ProfitsPage { items, page: 1, size: 20, total: 1, pages: 1 };
    assert_valid::<QueryProfits>(&Cut::page(page, true));
    for group_by in [GroupBy::Company, GroupBy::Year, GroupBy::Month] {
        let summary = ProfitsSummary::of(vec![profit.clone()], group_by).unwrap();
        assert_valid::<SummarizeProfits>(&Cut::page(summary, false));
    }
    let column = ListedColumn { letter: "A".into(), header: "Pay".into(), kind: "EUR".into() };
    let row = CellRow { row: 2, values: vec![Some("5".into()), None] };
    let columns = vec![column.clone()];
    let rows = CellRows { range: "S!A1:B2".into(), columns, items: vec![row] };
    assert_valid::<ReadCells>(&Cut::page(rows, false));
    let items = vec![FoundCell { cell: "A2".into(), value: "5".into() }];
    let found = FoundCells { range: "S!A1:B2".into(), found: 1, complete: true, items };
    assert_valid::<Find>(&Cut::page(found, false));
    for is_mixed in [false, true] {
        let result = Statistic {
            group: is_mixed.then(|| "Ops".to_owned()),
            value: (!is_mixed).then(|| "5".to_owned()),
            cells: 2,
            skipped: is_mixed.then_some(1),
            currency: (!is_mixed).then_some("EUR"),
            several_currencies: is_mixed.then(|| vec!["EUR", "USD"]),
        };
        let statistics = Statistics {
            range: "S!A1:B2".into(),
            function: Function::Avg,
            column: column.clone(),
            group_by: is_mixed.then(|| column.clone()),
            complete: true,
            items: vec![result],
        };
        assert_valid::<Aggregate>(&Cut::page(statistics, false));
    }
}
