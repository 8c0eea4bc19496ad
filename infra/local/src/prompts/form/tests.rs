//! Whether a prompt that goes through a file is the same prompt.

use serde_json::json;

use super::*;

fn file(content: Value) -> PromptFile {
    PromptFile {
        description: Some("What it is for.".to_owned()),
        version: Some(7),
        content: serde_json::from_value(content).unwrap(),
    }
}

#[test]
fn a_file_is_made_for_its_readers() {
    let prompt = file(json!({
        "kind": "task", "model": "claude-opus-5-5", "max_tokens": 2000, "effort": "low",
        "system": "You check the books.\nPath: C:\\new \"x\" '' \\{{literal}}\n",
        "user": "On {{day}}:\n{{input}}",
        "variables": [
            {"name": "day", "type": "date", "description": "The day."},
            {
                "name": "tone", "type": "enum", "required": false,
                "values": ["short", "long"], "default": "short",
            },
        ],
        "output_schema": {
            "type": "object", "required": ["total"],
            "properties": {"total": {"type": "number", "minimum": 0}},
        },
    }));
    let text = r#"description = "What it is for."
kind = "task"
version = 7
model = "claude-opus-5-5"
max_tokens = 2000
effort = "low"

system = '''
You check the books.
Path: C:\new "x" '' \{{literal}}
'''

user = '''
On {{day}}:
{{input}}'''

[[variables]]
name = "day"
type = "date"
description = "The day."

[[variables]]
name = "tone"
type = "enum"
required = false
values = [
    "short",
    "long",
]
default = "short"

[output_schema]
required = ["total"]
type = "object"

[output_schema.properties.total]
minimum = 0
type = "number"
"#;
    assert_eq!(prompt.write().unwrap(), text);
    assert_eq!(PromptFile::read(text).unwrap(), prompt);
}

#[test]
fn every_text_is_read_as_it_was_written() {
    let controls: String = (0..=0x9f).filter_map(char::from_u32).collect();
    let long = "line of a prompt\n".repeat(6_000);
    for text in [
        "",
        "a",
        "\n",
        "\n\n a\n",
        " a ",
        "a\n",
        "a\nb\n\n",
        "\ta\n\tb",
        "it's",
        "'",
        "''",
        "'''",
        "a'",
        "a''",
        "a\n'",
        "'''a\nb'''",
        "''''''\n",
        "\"",
        "\"\"\"",
        "\"\"\"\n'''\n\"\"\"",
        "'''\n\"\"",
        "'''\n\"\"\"\"\"\"\"",
        "\\",
        "\\\n'''",
        "\\{{x}} \\n \\u0041",
        "C:\\Users\\ \\",
        "'''\\",
        "a\r\nb\r\n",
        "a\rb",
        "\r",
        "\r\n",
        "'''\r\n\"\"\"\r\n",
        "\u{0}",
        "\u{1b}[31m\n\u{7f}\u{8}\u{c}",
        "\u{85}\u{2028}\u{2029}\u{feff}",
        "\u{feff}",
        "äöü 漢字 \u{1f600} e\u{301}",
        "version = 3\n[[variables]]\nname = 'x'\n# no comment",
        "{\"a\": {\"b\": \"{{x}}\"}}",
        &controls,
        &long,
    ] {
        let prompt = file(json!({
            "kind": "chat", "system": text, "user": text,
            "variables": [
                {"name": "x", "type": "enum", "values": [text, "b"], "description": text},
                {"name": "y", "type": "json", "default": {text: [text]}},
            ],
            "output_schema": {"title": text, "enum": [text, null]},
        }));
        let prompt = PromptFile { description: Some(text.to_owned()), ..prompt };
        let written = prompt.write().unwrap();
        assert_eq!(PromptFile::read(&written), Ok(prompt), "{written}");
    }
}

#[test]
fn every_value_is_read_as_it_was_written() {
    for value in [
        json!(1),
        json!(-1),
        json!(0.5),
        json!(4.0),
        json!(-0.0),
        json!(1e300),
        json!(1e-300),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(true),
        json!(""),
        json!("2026-01-31"),
        json!("null"),
        json!([]),
        json!({}),
        json!([[], {}, [{}]]),
        json!([1, "a", 0.5, {"b": [true]}]),
        json!([{"a": 1}, {"b": {"c": [{"d": 2}]}}]),
        json!({"a": {"b": {}}, "c": 1, "d": [{"e": {}}]}),
        json!({"": 1, "a.b": 2, "a b": 3, "\"": 4, "'": 5, "\n": 6, "ä": 7, "$ref": 8}),
        json!({"a": null}),
        json!([null]),
        json!({"a": [u64::MAX]}),
        json!({"$__toml_private_datetime": "2026-01-31"}),
        json!({"$__serde_spanned_private_start": 1}),
        (0..30).fold(json!(1), |inner, _| json!([inner])),
        (0..30).fold(json!(1), |inner, _| json!({"a": inner})),
        (0..90).fold(json!(1), |inner, _| json!([inner])),
        (0..90).fold(json!(1), |inner, _| json!({"a": inner})),
    ] {
        let prompt = file(json!({
            "kind": "task", "system": "a",
            "variables": [
                {"name": "x", "type": "json", "default": value, "max_length": 9},
                {"name": "y", "type": "json", "default": [value]},
                {"name": "z", "type": "date"},
            ],
            "output_schema": {"default": value, "properties": {"x": {"const": value}}},
        }));
        let written = prompt.write().unwrap();
        assert_eq!(PromptFile::read(&written), Ok(prompt), "{written}");
    }
    // The server refuses these, but they are no reason to write another prompt.
    for schema in [json!("a"), json!(1), json!([]), json!({})] {
        let prompt = file(json!({"kind": "task", "system": "a", "output_schema": schema}));
        let written = prompt.write().unwrap();
        assert_eq!(PromptFile::read(&written), Ok(prompt), "{written}");
    }
}

#[test]
fn people_write_less_and_otherwise() {
    let text = r#"
            # A comment.
            kind = "chat"
            system = "On {{day}}."
            output_schema = '{"a": [null]}'
            variables = [
                {name = "day", type = "date", default = 2026-01-31},
                {name = "x", type = "json", default_json = "[null]"},
            ]
        "#;
    let read = PromptFile::read(text).unwrap();
    assert_eq!((read.description, read.version), (None, None));
    assert_eq!(
        json!(read.content),
        json!({
            "kind": "chat", "system": "On {{day}}.", "output_schema": {"a": [null]},
            "variables": [
                {"name": "day", "type": "date", "required": true, "default": "2026-01-31"},
                {"name": "x", "type": "json", "required": true, "default": [null]},
            ],
        })
    );
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let good = "kind = 'chat'\nsystem = 'a'\n";
    for (text, fault) in [
        ("kind = 'chat'".to_owned(), "missing field `system`"),
        ("system = 'a'".to_owned(), "missing field `kind`"),
        (format!("{good}sytem = 'b'"), "line 3, column 1\n  |\n3 | sytem = 'b'"),
        (format!("{good}sytem = 'b'"), "unknown field `sytem`, expected one of"),
        (format!("{good}temperature = 0.5"), "unknown field `temperature`"),
        (format!("{good}system = 'b'"), "duplicate key"),
        (format!("{good}version = -1"), "invalid value: integer `-1`, expected u32"),
        (format!("{good}version = '1'"), "invalid type: string \"1\", expected u32"),
        (format!("{good}max_tokens = 1.5"), "invalid type: floating point `1.5`"),
        (format!("{good}[[variables]]\nname = 'x'"), "missing field `type`"),
        (format!("{good}[[variables]]\nname = 'x'\ntype = 'date'\nmin = 1"), "unknown field `min`"),
        (
            format!("{good}[[variables]]\nname = 'x'\ntype = 'json'\ndefault_json = '{{'"),
            "default_json of the variable `x` is not JSON: EOF while parsing",
        ),
        (
            format!("{good}[[variables]]\nname = 'x'\ntype = 'number'\ndefault = [nan]"),
            "default of the variable `x`: JSON has no inf and no nan",
        ),
        (
            format!("{good}[[variables]]\nname='x'\ntype='json'\ndefault=1\ndefault_json='1'"),
            "default of the variable `x`: leave out default or default_json",
        ),
        (format!("{good}output_schema = 'object'"), "output_schema is not JSON"),
        (format!("{good}output_schema = {{a = inf}}"), "output_schema: JSON has no inf"),
        ("kind = 'chat\nsystem = 'a'".to_owned(), "line 1"),
        ("<<<<<<< HEAD\nkind = 'chat'".to_owned(), "line 1"),
    ] {
        let error = PromptFile::read(&text).unwrap_err();
        assert!(error.contains(fault), "{text}\n{error}");
    }
}

#[test]
fn another_version_changes_nothing_else() {
    let body = "kind = 'chat' # version = 1\nsystem = '''\nversion = 2\n'''\n";
    for (before, after) in [
        ("version = 3", "version = 12"),
        ("version=3 # of March", "version=12 # of March"),
        ("  \"version\"  =  0x3  ", "  \"version\"  =  12  "),
        ("version = 1_000_000", "version = 12"),
    ] {
        for (text, expected) in [
            (format!("{before}\n{body}"), format!("{after}\n{body}")),
            (format!("# ä\n{body}{before}\n"), format!("# ä\n{body}{after}\n")),
        ] {
            assert_eq!(with_version(&text, 12), Ok(expected));
        }
    }
    assert_eq!(with_version(body, 12), Ok(format!("version = 12\n{body}")));
    assert!(with_version("kind = ", 12).is_err());
}
