//! `aggregate`: exact statistics of a column.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use cells::names::fold;
use cells::number::{Number, Sum};
use cells::value::Value;
use platform::domain::ResourceId;
use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::condition::{CONDITIONS, Compiled, Condition};
use super::fence::shown;
use super::view::{ListedColumn, SHORT, View, address_of};
use super::{Answer, Range};

/// Groups of an answer, at most.
const GROUPS: usize = 200;

/// The input.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = AggregateArguments)]
pub struct Aggregate {
    /// Id of a range, as `list_ranges` gives it.
    #[schema(value_type = String, format = "uuid")]
    pub range_id: ResourceId,
    /// The statistic.
    pub function: Function,
    /// The column by its letter, or by its header as `list_ranges` gives it.
    #[schema(example = "Net amount")]
    pub column: String,
    /// The column whose values make the groups, by its letter or header. Without it, all rows are
    /// one group.
    pub group_by: Option<String>,
    /// Conditions of which a row has to meet all.
    #[schema(value_type = Option<Vec<Condition>>, max_items = 10)]
    pub r#where: Vec<Condition>,
}

/// The statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StatisticFunction)]
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

/// A statistic of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolStatistics)]
pub struct Statistics {
    /// The sheet and the rectangle of the range.
    #[schema(example = "'P&L'!A1:F6")]
    pub range: String,
    /// The statistic.
    pub function: Function,
    /// The column.
    pub column: ListedColumn,
    /// The column whose values make the groups, or null.
    #[schema(required)]
    pub group_by: Option<ListedColumn>,
    /// False if the user may not give you some of the cells. The results are of the others alone
    /// then.
    pub complete: bool,
    /// The result of each group, in the order of the groups' first rows. Without groups there is
    /// one result.
    pub items: Vec<Statistic>,
}

/// The result for a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolStatistic)]
pub struct Statistic {
    /// The value that the rows of the group have in common. Absent without groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ops")]
    pub group: Option<String>,
    /// The result, an exact decimal or a date. Null if no cell has one, or if amounts are in
    /// several currencies.
    #[schema(required, example = "12.50")]
    pub value: Option<String>,
    /// Number of the cells that the result is of.
    #[schema(example = 2)]
    pub cells: u64,
    /// Number of filled cells to which the function does not apply. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub skipped: Option<u64>,
    /// The currency of the amounts (ISO 4217). Absent if they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "EUR")]
    pub currency: Option<&'static str>,
    /// The currencies of the amounts, if they are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    pub several_currencies: Option<Vec<&'static str>>,
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

impl Input for Aggregate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let range_id = fields.required("range_id");
        let function = fields.required("function");
        let column = fields.required("column");
        let group_by = fields.optional("group_by");
        let conditions = fields.optional::<Items<Condition>>("where");
        let conditions = conditions?.map(|Items(list)| list).unwrap_or_default();
        if conditions.len() > CONDITIONS {
            fields.refuse("where", &format!("must have at most {CONDITIONS} conditions"));
        }
        Some(Self {
            range_id: range_id?,
            function: function?,
            column: column?,
            group_by: group_by?,
            r#where: conditions,
        })
    }
}

impl FromField for Function {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        Ok(match raw.text()? {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "count" => Self::Count,
            "min" => Self::Min,
            "max" => Self::Max,
            "median" => Self::Median,
            _ => return Err("must be sum, avg, count, min, max or median".into()),
        })
    }
}

/// Computes a statistic.
pub fn aggregate(range: Range<'_>, input: &Aggregate) -> Result<Answer<Statistics>, String> {
    let view = View::new(range);
    let column = view.column(&input.column)?;
    let group_by = input.group_by.as_deref().map(|name| view.column(name)).transpose()?;
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
    let results = groups.into_iter().map(|(key, group)| group.result_of(key, input.function));
    let output = Statistics {
        range: address_of(range.sheet, range.cells.area()),
        function: input.function,
        column: view.about(column),
        group_by: group_by.map(|column| view.about(column)),
        complete: is_complete,
        items: results.collect(),
    };
    let used = [column].into_iter().chain(group_by);
    let used: BTreeSet<_> = used.chain(conditions.iter().map(|of| of.column)).collect();
    Ok(Answer { output, columns: used.into_iter().collect() })
}

/// Whether a row meets all conditions; `None` if a withheld cell decides.
fn is_wanted(view: &View<'_>, conditions: &[Compiled], row: u32) -> Option<bool> {
    let met = || conditions.iter().map(|condition| condition.is_met(view, row));
    if met().any(|is_met| is_met == Some(false)) {
        return Some(false);
    }
    met().all(|is_met| is_met.is_some()).then_some(true)
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

    /// The result of the group.
    fn result_of(self, key: Option<String>, function: Function) -> Statistic {
        let (cells, skipped) = (self.cells, self.skipped);
        let currencies: Vec<_> = self.currencies.iter().copied().collect();
        let currencies = if function == Function::Count { Vec::new() } else { currencies };
        // Amounts in several currencies have no sum and no order.
        let is_mixed = currencies.len() > 1;
        Statistic {
            group: key.map(|key| shown(&key, SHORT)),
            value: if is_mixed { None } else { self.result(function) },
            cells,
            skipped: (skipped > 0).then_some(skipped),
            currency: currencies.first().copied().filter(|_| !is_mixed),
            several_currencies: is_mixed.then_some(currencies),
        }
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
