//! The questions about profits: which rows, in which order or groups, and how many.

use std::fmt;

use platform::audit::AuditDetails;
use platform::http::{Parameters, in_query, object_of};
use platform::input::{Fields, FromField, Input, RawValue};
use serde_json::Value;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::sort::Sort;
use crate::domain::{Company, Month, Year};
use crate::store::ProfitFilter;

/// Rows that numbered pages reach. To see rows beyond them, a client should filter.
const REACH: u64 = 10_000;

/// Rows of a page, unless the caller says otherwise.
const DEFAULT_SIZE: u64 = 20;

/// The question for a page of rows.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProfitsQuery {
    /// Only this company, by its exact name.
    #[param(
        value_type = Option<String>, min_length = 1, max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "Alpha"
    )]
    pub company: Option<Company>,
    /// Only this year.
    #[param(value_type = Option<u16>, minimum = 1900, maximum = 2999, example = 2023)]
    pub year: Option<Year>,
    /// Only this month of the year.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 12, example = 12)]
    pub month: Option<Month>,
    /// Number of the page, from 1. `page` times `size` must be at most 10,000.
    #[param(required = false, minimum = 1, maximum = 10_000, default = 1)]
    pub page: u64,
    /// Rows of a page.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub size: u64,
    /// Fields to sort by, the first one first, each with a `-` in front for descending order:
    /// `company`, `year`, `month`.
    #[param(value_type = String, required = false, default = "company,-year,month", example = "company,-year,month",
        pattern = r"^-?(company(,-?(year(,-?(month))?|month(,-?(year))?))?|year(,-?(company(,-?(month))?|month(,-?(company))?))?|month(,-?(company(,-?(year))?|year(,-?(company))?))?)$")]
    pub sort: Sort,
}

/// The question for the figures of groups of rows.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    /// What the rows of a group share. With `month`, the same month of different years is one
    /// group.
    #[param(inline, example = "company")]
    pub group_by: GroupBy,
    /// Only this company, by its exact name.
    #[param(
        value_type = Option<String>, min_length = 1, max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "Alpha"
    )]
    pub company: Option<Company>,
    /// Only this year.
    #[param(value_type = Option<u16>, minimum = 1900, maximum = 2999, example = 2023)]
    pub year: Option<Year>,
    /// Only this month of the year.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 12, example = 12)]
    pub month: Option<Month>,
}

/// What the rows of a group share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum GroupBy {
    /// The company.
    Company,
    /// The calendar year.
    Year,
    /// The month of the year.
    Month,
}

impl ProfitsQuery {
    /// The rows that it asks for, on all pages.
    pub fn filter(&self) -> ProfitFilter {
        ProfitFilter { company: self.company.clone(), year: self.year, month: self.month }
    }

    /// The query, as details for the audit log.
    pub fn details(&self) -> AuditDetails {
        details(&self.filter())
            .detail("page", self.page)
            .detail("size", self.size)
            .detail("sort", self.sort.to_string())
    }
}

impl SummaryQuery {
    /// The rows that it asks about.
    pub fn filter(&self) -> ProfitFilter {
        ProfitFilter { company: self.company.clone(), year: self.year, month: self.month }
    }

    /// The query, as details for the audit log.
    pub fn details(&self) -> AuditDetails {
        details(&self.filter()).detail("group_by", self.group_by.to_string())
    }
}

/// The criteria, as details for the audit log.
fn details(filter: &ProfitFilter) -> AuditDetails {
    let ProfitFilter { company, year, month } = filter;
    let values: [(&str, Option<Value>); 3] = [
        ("company", company.as_ref().map(|company| company.to_string().into())),
        ("year", year.map(|year| u64::from(year).into())),
        ("month", month.map(|month| u64::from(month).into())),
    ];
    let given = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.fold(AuditDetails::default(), |details, (name, value)| details.detail(name, value))
}

/// Reads the criteria. `None` stands for one that is wrong.
fn filter(fields: &mut Fields) -> Option<ProfitFilter> {
    let company = fields.optional("company");
    let year = fields.optional("year");
    let month = fields.optional("month");
    Some(ProfitFilter { company: company?, year: year?, month: month? })
}

impl Input for ProfitsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let filter = filter(fields);
        let page = fields.optional::<u64>("page");
        let size = fields.optional::<u64>("size");
        let sort = fields.optional("sort");
        let page = page?.unwrap_or(1);
        let size = size?.unwrap_or(DEFAULT_SIZE);
        if page == 0 {
            fields.refuse("page", "must be 1 or more");
        }
        if !(1..=100).contains(&size) {
            fields.refuse("size", "must be 1 to 100");
        } else if page.saturating_mul(size) > REACH {
            fields.refuse(
                "page",
                "is too large: page times size must be at most 10,000, so use filters",
            );
        }
        let ProfitFilter { company, year, month } = filter?;
        Some(Self { company, year, month, page, size, sort: sort?.unwrap_or_default() })
    }
}

impl Input for SummaryQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let group_by = fields.required("group_by");
        let ProfitFilter { company, year, month } = filter(fields)?;
        Some(Self { group_by: group_by?, company, year, month })
    }
}

impl Parameters for ProfitsQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Parameters for SummaryQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

/// The query as an object: the arguments of a tool.
impl PartialSchema for ProfitsQuery {
    fn schema() -> RefOr<Schema> {
        object_of(Self::parameters())
    }
}

impl ToSchema for ProfitsQuery {}

/// The query as an object: the arguments of a tool.
impl PartialSchema for SummaryQuery {
    fn schema() -> RefOr<Schema> {
        object_of(Self::parameters())
    }
}

impl ToSchema for SummaryQuery {}

impl FromField for GroupBy {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "company" => Ok(Self::Company),
            "year" => Ok(Self::Year),
            "month" => Ok(Self::Month),
            _ => Err("must be company, year or month".into()),
        }
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Company => "company",
            Self::Year => "year",
            Self::Month => "month",
        })
    }
}

#[cfg(test)]
mod tests {
    use platform::Problem;
    use serde_json::json;

    use super::*;

    /// The parameters that were refused.
    fn refused<T>(read: Result<T, Problem>) -> Vec<String> {
        let errors = read.err().map(|problem| problem.errors).unwrap_or_default();
        errors.into_iter().filter_map(|error| error.parameter).collect()
    }

    #[test]
    fn a_query_is_refused_parameter_by_parameter() {
        for (query, expected) in [
            ("", &[][..]),
            ("page=100&size=100", &[]),
            ("page=101&size=100", &["page"]),
            ("page=10001&size=1", &["page"]),
            ("page=18446744073709551615&size=100", &["page"]),
            ("page=0", &["page"]),
            ("size=0", &["size"]),
            ("size=101", &["size"]),
            ("size=1.5", &["size"]),
            ("year=1899&month=13", &["year", "month"]),
            ("company=", &["company"]),
            ("sort=profit", &["sort"]),
            ("page=0&size=0&limit=5", &["page", "size", "limit"]),
        ] {
            assert_eq!(refused(Fields::query(query).read::<ProfitsQuery>()), expected, "{query}");
        }
    }

    #[test]
    fn a_summary_names_its_groups() {
        for (query, expected) in [
            ("group_by=company", &[][..]),
            ("group_by=year&company=Alpha&year=2023&month=12", &[]),
            ("group_by=month&year=2023", &[]),
            ("", &["group_by"]),
            ("group_by=", &["group_by"]),
            ("group_by=quarter", &["group_by"]),
            ("group_by=Company", &["group_by"]),
            ("group_by=company,year", &["group_by"]),
            ("group_by=day&year=1899", &["group_by", "year"]),
            ("group_by=year&page=1", &["page"]),
        ] {
            assert_eq!(refused(Fields::query(query).read::<SummaryQuery>()), expected, "{query}");
        }
    }

    #[test]
    fn arguments_in_json_mean_the_same_as_parameters() {
        let Value::Object(arguments) = json!({
            "company": "Alpha", "year": 2023, "month": null, "page": 2, "size": 5, "sort": "-month",
        }) else {
            panic!("no object");
        };
        let of_query = Fields::query("company=Alpha&year=2023&page=2&size=5&sort=-month");
        let of_query: ProfitsQuery = of_query.read().unwrap();
        assert_eq!(Fields::json(arguments).read::<ProfitsQuery>().unwrap(), of_query);
    }
}
