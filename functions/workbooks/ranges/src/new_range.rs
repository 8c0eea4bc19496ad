//! The body that begins an upload: sheet, rectangle, and the surroundings of the cells.

use cells::address::{Address, Area, Style};
use cells::formula::{Name, Table};
use cells::layout::{Layout, Pivot};
use platform::Problem;
use platform::input::{Fields, Inner, Input, Items};
use tally_ranges::domain::{DateSystem, Headers, NewRange, PARTS, RangeSettings, Visibility};
use utoipa::ToSchema;

use crate::fields::{AddressStyle, StyleField, Texts, area_of};
use crate::sheet::SheetInput;
use crate::surroundings::{
    DateSystemField, HeadersField, NameInput, PivotInput, SeparatorsInput, TableInput, date_system,
    headers,
};

/// The range to upload. All addresses of the body are written in one style, and may name the sheet.
#[derive(ToSchema)]
#[schema(as = NewRange)]
pub struct RangeInput {
    /// The sheet of the cells.
    pub sheet: SheetInput,
    /// The rectangle of the cells, at most 500,000 of them.
    #[schema(value_type = String, max_length = 400, example = "A1:D500")]
    pub address: Area,
    /// How the addresses of this body are written.
    #[schema(value_type = Option<AddressStyle>)]
    pub style: Style,
    /// Number of parts that you will send. Together they tile the rectangle.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100, default = 1)]
    pub parts: u32,
    /// Rows at the top that have the headers.
    #[schema(schema_with = headers, required = false)]
    pub headers: Headers,
    /// Separators of numbers that are text.
    #[schema(value_type = Option<SeparatorsInput>)]
    pub separators: SeparatorsInput,
    /// The first year of the workbook's date system.
    #[schema(schema_with = date_system, required = false)]
    pub date_system: DateSystem,
    /// Tables of the workbook, for structured references in formulas.
    #[schema(value_type = Option<Vec<TableInput>>, max_items = 1_000)]
    pub tables: Vec<Table>,
    /// Defined names of the workbook, for names in formulas.
    #[schema(value_type = Option<Vec<NameInput>>, max_items = 10_000)]
    pub names: Vec<Name>,
    /// Addresses of merged cells.
    #[schema(value_type = Option<Vec<String>>, max_items = 10_000)]
    pub merged: Vec<Area>,
    /// Addresses of the results of formulas that spill. Each formula stands in the first cell. If
    /// the range has none, send an empty list. Without `spills` or `pivots` the range counts as one
    /// without formulas, and is refused where a rule denies a part of the workbook.
    #[schema(value_type = Option<Vec<String>>, max_items = 10_000)]
    pub spills: Option<Vec<Area>>,
    /// Pivot tables. If the range has none, send an empty list.
    #[schema(value_type = Option<Vec<PivotInput>>, max_items = 10_000)]
    pub pivots: Option<Vec<Pivot>>,
    /// Addresses of hidden rows, as in `5:7`.
    #[schema(value_type = Option<Vec<String>>, max_items = 10_000)]
    pub hidden_rows: Vec<Area>,
    /// Addresses of hidden columns, as in `C:D`.
    #[schema(value_type = Option<Vec<String>>, max_items = 10_000)]
    pub hidden_columns: Vec<Area>,
}

impl Input for RangeInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let sheet = fields.required::<Inner<SheetInput>>("sheet");
        let address = fields.required::<String>("address");
        let style = fields.optional::<StyleField>("style");
        let parts = parts(fields);
        let headers_field = fields.optional::<HeadersField>("headers");
        let separators = fields.optional::<Inner<SeparatorsInput>>("separators");
        let first_year = fields.optional::<DateSystemField>("date_system");
        let tables = fields.optional::<Items<TableInput>>("tables");
        let names = fields.optional::<Items<NameInput>>("names");
        let pivots = fields.optional::<Items<PivotInput>>("pivots");
        let lists = ["merged", "spills", "hidden_rows", "hidden_columns"]
            .map(|name| (name, fields.optional::<Texts>(name)));
        // Addresses are read by the style and the name of the sheet.
        let (Inner(sheet), style) = (sheet?, style?.map_or(Style::A1, Style::from));
        let area = address.and_then(|text| {
            let area = area_of(&text, style, &sheet.name);
            area.map_err(|detail| fields.refuse("address", &detail)).ok()
        });
        let [merged, spills, hidden_rows, hidden_columns] = lists.map(|(name, texts)| {
            let Some(Texts(texts)) = texts? else { return Some(None) };
            areas(fields, name, &texts, style, &sheet.name).map(Some)
        });
        let pivots = pivots.and_then(|items| {
            let Some(Items(items)) = items else { return Some(None) };
            let read = items.iter().enumerate().map(|(at, pivot)| {
                pivot.resolved(style, &sheet.name).map_err(|detail| place(at, &detail))
            });
            let read = read.collect::<Result<Vec<_>, _>>();
            read.map(Some).map_err(|detail| fields.refuse("pivots", &detail)).ok()
        });
        Some(Self {
            sheet,
            address: area?,
            style,
            parts: parts?,
            headers: headers_field?.unwrap_or_default().0,
            separators: separators?.map(|Inner(separators)| separators).unwrap_or_default(),
            date_system: first_year?.unwrap_or_default().0,
            tables: items(tables?),
            names: items(names?),
            merged: merged?.unwrap_or_default(),
            spills: spills?,
            pivots: pivots?,
            hidden_rows: hidden_rows?.unwrap_or_default(),
            hidden_columns: hidden_columns?.unwrap_or_default(),
        })
    }
}

impl RangeInput {
    /// The range, if its separators differ.
    pub fn checked(self) -> Result<NewRange, Problem> {
        let SeparatorsInput { decimal, group } = &self.separators;
        let settings = RangeSettings::new(decimal, group, self.date_system)
            .map_err(|error| Problem::invalid_field("separators", error.to_string()))?;
        let lists = [("spills", self.spills.is_none()), ("pivots", self.pivots.is_none())];
        let unstated = lists.into_iter().filter(|(_, is_left_out)| *is_left_out);
        let layout = Layout {
            header_rows: 0,
            // All rows of a hidden sheet are hidden, so that a model gets them only on request.
            hidden_rows: match self.sheet.visibility {
                Visibility::Visible => self.hidden_rows,
                Visibility::Hidden | Visibility::VeryHidden => vec![self.address],
            },
            hidden_columns: self.hidden_columns,
            merged: self.merged,
            spills: self.spills.unwrap_or_default(),
            pivots: self.pivots.unwrap_or_default(),
        };
        Ok(NewRange {
            sheet: self.sheet.into(),
            area: self.address,
            parts: self.parts,
            headers: self.headers,
            settings,
            layout,
            unstated: unstated.map(|(name, _)| name.to_owned()).collect(),
            names: self.names,
            tables: self.tables,
        })
    }
}

fn parts(fields: &mut Fields) -> Option<u32> {
    let parts = fields.optional::<u64>("parts")?.unwrap_or(1);
    let parts = u32::try_from(parts).ok().filter(|parts| (1..=PARTS).contains(parts));
    if parts.is_none() {
        fields.refuse("parts", &format!("must be 1 to {PARTS}"));
    }
    parts
}

fn areas(
    fields: &mut Fields,
    name: &str,
    texts: &[String],
    style: Style,
    sheet: &str,
) -> Option<Vec<Area>> {
    let read = texts
        .iter()
        .enumerate()
        .map(|(at, text)| area_of(text, style, sheet).map_err(|detail| place(at, &detail)));
    let read = read.collect::<Result<Vec<_>, _>>();
    read.map_err(|detail| fields.refuse(name, &detail)).ok()
}

/// A fault of an item of a list.
fn place(at: usize, detail: &str) -> String {
    format!("has a fault at /{at}: {detail}")
}

fn items<T, U: From<T>>(items: Option<Items<T>>) -> Vec<U> {
    items.map(|Items(items)| items.into_iter().map(U::from).collect()).unwrap_or_default()
}

impl PivotInput {
    /// The pivot table. The error continues "the item …".
    fn resolved(&self, style: Style, sheet: &str) -> Result<Pivot, String> {
        let area = area_of(&self.address, style, sheet)
            .map_err(|detail| format!("its address {detail}"))?;
        let source = self.source.as_deref().map(|text| Address::parse(text, style));
        let source = source.transpose().map_err(|error| format!("its source {error}"))?;
        Ok(Pivot { area, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<RangeInput, Problem> {
        Fields::json(body.as_object().unwrap().clone()).read()
    }

    /// A body with these members, which replace others.
    fn body(members: &Value) -> Value {
        let mut body = json!({"sheet": {"name": "P&L"}, "address": "A1:C9"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let range = read(&body(&json!({}))).unwrap().checked().unwrap();
        assert_eq!((range.parts, range.headers), (1, Headers::Auto));
        assert_eq!(range.settings, RangeSettings::default());
        assert_eq!(range.layout, Layout::default());
        assert_eq!(range.unstated, ["spills", "pivots"]);
        assert_eq!((range.sheet.id, range.sheet.visibility), (None, Visibility::Visible));
    }

    #[test]
    fn all_addresses_have_one_style_and_one_sheet() {
        let range = read(&body(&json!({
            "style": "r1c1", "address": "'P&L'!R1C1:R9C3", "parts": 100, "headers": 2.0,
            "separators": {"decimal": ",", "group": "."}, "date_system": 1904,
            "merged": ["R1C1:R1C2"], "spills": ["R2C3:R4C3"], "hidden_rows": ["R5:R7"],
            "hidden_columns": ["C2"],
            "pivots": [{"address": "R8C1:R9C3", "source": "Data!R1C1:R5C2"}],
            "tables": [{"name": "T", "address": "P&L!A1:B1", "columns": ["a", "b"]}],
            "names": [{"name": "rate", "formula": "=Data!$A$1", "sheet": null}],
        })))
        .unwrap()
        .checked()
        .unwrap();
        assert_eq!((range.parts, range.headers), (100, Headers::Rows(2)));
        assert_eq!(range.settings, RangeSettings::new(",", ".", DateSystem::Y1904).unwrap());
        assert_eq!((range.tables.len(), range.names.len()), (1, 1));
        let texts =
            |areas: &[Area]| areas.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let layout = &range.layout;
        assert!(range.unstated.is_empty());
        assert_eq!(texts(&layout.merged), "A1:B1");
        assert_eq!(texts(&layout.spills), "C2:C4");
        assert_eq!(texts(&layout.hidden_rows), "5:7");
        assert_eq!(texts(&layout.hidden_columns), "B:B");
        let source = layout.pivots[0].source.as_ref().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("Data!A1:B5"));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        for (members, pointer, detail) in [
            (json!({"sheet": {}}), "/sheet", "has a fault at /name: is required"),
            (
                json!({"sheet": {"name": "a/b"}}),
                "/sheet",
                "has a fault at /name: must be the name of a sheet as Excel takes it",
            ),
            (json!({"address": "Q1!A1"}), "/address", "names another sheet"),
            (json!({"parts": 0}), "/parts", "must be 1 to 100"),
            (json!({"parts": 101}), "/parts", "must be 1 to 100"),
            (json!({"headers": 6}), "/headers", "must be auto, none, or a number from 1 to 5"),
            (json!({"headers": "2"}), "/headers", "must be auto, none, or a number from 1 to 5"),
            (json!({"date_system": 1901}), "/date_system", "must be 1900 or 1904"),
            (
                json!({"merged": ["A1", "A1,B2"]}),
                "/merged",
                "has a fault at /1: names several areas; give one rectangle",
            ),
            (json!({"hidden_rows": [5]}), "/hidden_rows", "must be a list of texts"),
            (
                json!({"pivots": [{"address": "A1", "source": "x"}]}),
                "/pivots",
                "has a fault at /0: its source is no address; give a rectangle such as A1:D20, \
                 A:C or 1:5",
            ),
            (json!({"colour": 1}), "/colour", "is unknown: leave it out"),
        ] {
            let problem = read(&body(&members)).err().unwrap();
            let error = &problem.errors[0];
            assert_eq!(error.pointer.as_deref(), Some(pointer), "{members}");
            assert_eq!(error.detail, detail, "{members}");
        }
    }

    #[test]
    fn all_rows_of_a_hidden_sheet_are_hidden() {
        for (visibility, expected) in
            [("visible", None), ("Visible", None), ("hidden", Some(())), ("VeryHidden", Some(()))]
        {
            let sheet = json!({"sheet": {"name": "P&L", "visibility": visibility}});
            let range = read(&body(&sheet)).unwrap().checked().unwrap();
            let hidden = expected.map(|()| range.area);
            assert_eq!(range.layout.hidden_rows, Vec::from_iter(hidden), "{visibility}");
        }
    }

    #[test]
    fn separators_differ() {
        let separators = json!({"separators": {"decimal": ",", "group": ","}});
        let problem = read(&body(&separators)).unwrap().checked().unwrap_err();
        let error = &problem.errors[0];
        assert_eq!(error.pointer.as_deref(), Some("/separators"));
        assert!(error.detail.starts_with("group must be one of"), "{}", error.detail);
    }
}
