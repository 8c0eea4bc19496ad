//! `aggregate`: exact statistics of a column.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use cells::names::fold;
use cells::number::{Number, Sum};
use cells::value::Value;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::condition::{CONDITIONS, Compiled, Condition, schema};
use super::view::View;
use super::{Answer, Range, Tool, column, fenced, object, range_id, shown};

/// Groups of an answer, at most.
const GROUPS: usize = 200;

/// The input.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// The range.
    pub range_id: String,
    /// The statistic.
    pub function: Function,
    /// The column, by letter or header.
    pub column: String,
    /// The column whose values make the groups, by letter or header.
    #[serde(default)]
    pub group_by: Option<String>,
    /// Conditions of which a row has to meet all.
    #[serde(default)]
    pub r#where: Vec<Condition>,
}

/// The statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// The sum of the numbers.
    Sum,
    /// The mean of the numbers.
    Avg,
    /// How many cells are filled.
    Count,
    /// The least number, date or duration.
    Min,
    /// The greatest number, date or duration.
    Max,
    /// The middle one of the numbers, or the mean of the two in the middle.
    Median,
}

/// The cells of a group.
#[derive(Default)]
struct Group<'a> {
    sum: Sum,
    /// Numbers, for the median alone.
    numbers: Vec<Number>,
    best: Option<&'a Value>,
    /// Cells that the result is of.
    cells: u64,
    /// Filled cells that the function does not apply to.
    skipped: u64,
    /// Currencies of amounts.
    currencies: BTreeSet<&'static str>,
}

pub fn tool() -> Tool {
    Tool {
        name: "aggregate",
        description: "Computes an exact statistic of a column, of all rows or of those that meet \
                      conditions, as a whole or by the values of another column. Use it instead of \
                      adding up numbers yourself. \"cells\" counts the cells that a result is of, \
                      \"skipped\" filled cells that are no numbers. \"complete\" is false if the \
                      user may not give you some of the cells: then say that the result is of the \
                      others alone.",
        input_schema: object(
            &json!({
                "range_id": range_id(),
                "function": {
                    "type": "string", "enum": ["sum", "avg", "count", "min", "max", "median"],
                },
                "column": column(),
                "group_by": column(),
                "where": schema(),
            }),
            &["range_id", "function", "column"],
        ),
    }
}

/// Computes a statistic.
pub fn aggregate(range: Range<'_>, input: &Aggregate) -> Result<Answer, String> {
    let view = View::new(range);
    let column = view.column(&input.column)?;
    let group_by = input.group_by.as_deref().map(|name| view.column(name)).transpose()?;
    if input.r#where.len() > CONDITIONS {
        return Err(format!("where has more than {CONDITIONS} conditions."));
    }
    let conditions = input.r#where.iter().map(|condition| condition.compile(&view));
    let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
    let mut groups: Vec<(Option<String>, Group<'_>)> = Vec::new();
    let mut places = HashMap::new();
    let mut is_complete = true;
    for &row in &view.rows {
        match is_wanted(&view, &conditions, row) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                is_complete = false;
                continue;
            }
        }
        let key = match group_by.map(|column| view.value(row, column)) {
            None => None,
            Some(Some(value)) => Some(value.to_string()),
            Some(None) => {
                is_complete = false;
                continue;
            }
        };
        let place = *places.entry(key.as_deref().map(fold)).or_insert(groups.len());
        if place == groups.len() {
            if groups.len() == GROUPS {
                return Err(format!(
                    "The column of group_by has more than {GROUPS} values. Add conditions, or \
                     group by another column."
                ));
            }
            groups.push((key, Group::default()));
        }
        match view.value(row, column) {
            Some(value) => groups[place].1.add(value, input.function),
            None => is_complete = false,
        }
    }
    if groups.is_empty() && group_by.is_none() {
        groups.push((None, Group::default()));
    }
    let head = json!({
        "range": view.address(),
        "function": name(input.function),
        "column": view.about(column),
        "group_by": group_by.map(|column| view.about(column)),
        "complete": is_complete,
    });
    let results = groups.into_iter().map(|(key, group)| group.line(key, input.function));
    let lines: Vec<_> = [head].into_iter().chain(results).collect();
    let used = [column].into_iter().chain(group_by);
    let used: BTreeSet<_> = used.chain(conditions.iter().map(|of| of.column)).collect();
    Ok(Answer::of(range, fenced(&lines), used.into_iter().collect()))
}

/// Whether a row meets all conditions; `None` if a withheld cell decides.
fn is_wanted(view: &View<'_>, conditions: &[Compiled], row: u32) -> Option<bool> {
    let met = || conditions.iter().map(|condition| condition.is_met(view, row));
    if met().any(|is_met| is_met == Some(false)) {
        return Some(false);
    }
    met().all(|is_met| is_met.is_some()).then_some(true)
}

fn name(function: Function) -> &'static str {
    match function {
        Function::Sum => "sum",
        Function::Avg => "avg",
        Function::Count => "count",
        Function::Min => "min",
        Function::Max => "max",
        Function::Median => "median",
    }
}

impl<'a> Group<'a> {
    fn add(&mut self, value: &'a Value, function: Function) {
        if value.is_empty() {
            return;
        }
        let applies = match function {
            Function::Count => true,
            Function::Min => self.take_best(value, Ordering::Less),
            Function::Max => self.take_best(value, Ordering::Greater),
            Function::Sum | Function::Avg | Function::Median => value.number().is_some(),
        };
        if !applies {
            self.skipped += 1;
            return;
        }
        self.cells += 1;
        if let Value::Currency(_, currency) = value {
            self.currencies.insert(currency.code());
        }
        if let Some(number) = value.number() {
            match function {
                Function::Median => self.numbers.push(number),
                Function::Sum | Function::Avg => self.sum.add(number),
                Function::Count | Function::Min | Function::Max => {}
            }
        }
    }

    /// Takes a value that is better than the best one. Returns whether the two have an order.
    fn take_best(&mut self, value: &'a Value, better: Ordering) -> bool {
        let order = value.order(self.best.unwrap_or(value));
        if self.best.is_none() && order.is_some() || order == Some(better) {
            self.best = Some(value);
        }
        order.is_some()
    }

    /// The line of the answer.
    fn line(self, key: Option<String>, function: Function) -> Json {
        let mut line = serde_json::Map::new();
        if let Some(key) = key {
            line.insert("group".to_owned(), shown(&key));
        }
        // Amounts in several currencies have no sum and no order.
        let is_mixed = self.currencies.len() > 1 && function != Function::Count;
        let currencies: Vec<_> = self.currencies.iter().copied().collect();
        let (cells, skipped) = (self.cells, self.skipped);
        let result = if is_mixed { None } else { self.result(function) };
        line.insert("value".to_owned(), json!(result));
        line.insert("cells".to_owned(), json!(cells));
        if skipped > 0 {
            line.insert("skipped".to_owned(), json!(skipped));
        }
        if is_mixed {
            line.insert("several_currencies".to_owned(), json!(currencies));
        } else if let ([currency], false) = (&currencies[..], function == Function::Count) {
            line.insert("currency".to_owned(), json!(currency));
        }
        Json::Object(line)
    }

    fn result(mut self, function: Function) -> Option<String> {
        match function {
            Function::Count => Some(self.cells.to_string()),
            Function::Min | Function::Max => self.best.map(ToString::to_string),
            Function::Sum => (self.cells > 0).then(|| self.sum.to_string()),
            Function::Avg => self.sum.mean(self.cells).map(|mean| mean.to_string()),
            Function::Median => {
                self.numbers.sort_unstable();
                let upper = self.numbers.len() / 2;
                let lower = self.numbers.len().checked_sub(1)? / 2;
                let mut middle = Sum::default();
                middle.add(*self.numbers.get(lower)?);
                middle.add(*self.numbers.get(upper)?);
                middle.mean(2).map(|median| median.to_string())
            }
        }
    }
}
