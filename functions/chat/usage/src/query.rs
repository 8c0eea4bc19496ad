//! The query parameters of `GET /usage`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use platform::Problem;
use platform::http::{Parameters, in_query};
use platform::identity::Someone;
use platform::input::{Fields, FromField, Input, RawValue};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

/// Days that one answer covers at most: a leap year.
const MOST_DAYS: i32 = 366;

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// First day, UTC. The default is the first day of the month of `to`.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-01")]
    pub from: Option<Date>,
    /// Last day, UTC. The default is today. A report covers at most 366 days.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-31")]
    pub to: Option<Date>,
    /// Grouping of the report.
    #[param(inline, required = false, default = "day")]
    pub group_by: GroupBy,
    /// User of the report: `me`, or for administrators a user id. The default is `me`.
    #[param(inline, example = "me")]
    pub user_id: Option<Someone>,
}

/// Grouping of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum GroupBy {
    /// The replies of a day.
    #[default]
    Day,
    /// The replies of a model.
    Model,
}

impl UsageQuery {
    /// The days that are asked for.
    pub fn days(&self, now: Timestamp) -> Result<(Date, Date), Problem> {
        let to = self.to.unwrap_or_else(|| now.to_zoned_datetime(TimeZone::UTC).date());
        let from = self.from.unwrap_or_else(|| to.first_of_month());
        match to.checked_sub((MOST_DAYS - 1).days()) {
            _ if from > to => Err(Problem::invalid_parameter("from", "must not be after `to`")),
            Ok(first) if from < first => Err(Problem::invalid_parameter(
                "from",
                "must be at most 366 days before the end of `to`",
            )),
            _ => Ok((from, to)),
        }
    }
}

impl Parameters for UsageQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Input for UsageQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let from = fields.optional("from");
        let to = fields.optional("to");
        let group_by = fields.optional("group_by");
        let user_id = fields.optional("user_id");
        Some(Self {
            from: from?,
            to: to?,
            group_by: group_by?.unwrap_or_default(),
            user_id: user_id?,
        })
    }
}

impl FromField for GroupBy {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "day" => Ok(Self::Day),
            "model" => Ok(Self::Model),
            _ => Err("must be day or model".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_this_month_unless_they_are_given() {
        let now = "2026-03-31T23:59:59Z".parse().unwrap();
        for (from, to, expected) in [
            (None, None, Some(("2026-03-01", "2026-03-31"))),
            (Some("2026-03-31"), None, Some(("2026-03-31", "2026-03-31"))),
            (None, Some("2024-02-29"), Some(("2024-02-01", "2024-02-29"))),
            (Some("2025-03-31"), Some("2026-03-31"), Some(("2025-03-31", "2026-03-31"))),
            (Some("2025-03-30"), Some("2026-03-31"), None),
            (Some("2026-04-01"), None, None),
            (Some("2026-02-02"), Some("2026-02-01"), None),
            (Some("-009999-01-01"), Some("9999-12-31"), None),
        ] {
            let day = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            let query =
                UsageQuery { from: day(from), to: day(to), group_by: GroupBy::Day, user_id: None };
            let days = query.days(now).ok().map(|(from, to)| (from.to_string(), to.to_string()));
            assert_eq!(
                days,
                expected.map(|(from, to)| (from.to_owned(), to.to_owned())),
                "{from:?} {to:?}"
            );
        }
    }
}
