//! The query of `$connect`.

use platform::input::{Fields, Input};
use tally_data::domain::{ChartType, Interval};

/// The parameters that a client can send while connecting.
#[derive(Debug, PartialEq, Eq)]
pub struct ConnectQuery {
    /// A chart to subscribe to at once.
    pub chart: Option<(ChartType, Interval)>,
}

impl Input for ConnectQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        // The caller is known by now. The form only has to know these names.
        let ticket = fields.optional::<String>("ticket");
        let token = fields.optional::<String>("token");
        let chart_type = fields.optional("chart_type");
        let interval = fields.optional("interval_ms");
        let (_, _, chart_type, interval) = (ticket?, token?, chart_type?, interval?);
        if chart_type.is_none() && interval.is_some() {
            fields.refuse("interval_ms", "is allowed only together with chart_type");
        }
        Some(Self {
            chart: chart_type
                .map(|chart_type: ChartType| (chart_type, interval.unwrap_or_default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_can_subscribe_to_a_chart_at_once() {
        let interval = |text: &str| {
            Fields::query(&format!("chart_type=pie&interval_ms={text}")).read::<ConnectQuery>()
        };
        assert_eq!(
            interval("250")
                .unwrap()
                .chart
                .map(|(chart, interval)| (chart, interval.milliseconds())),
            Some((ChartType::Pie, 250))
        );
        for (query, expected) in [
            ("", Ok(None)),
            ("ticket=a", Ok(None)),
            ("token=a&chart_type=line", Ok(Some((ChartType::Line, Interval::default())))),
            ("chart_type=line&interval_ms=249", Err("interval_ms")),
            ("chart_type=line&interval_ms=60001", Err("interval_ms")),
            ("chart_type=area", Err("chart_type")),
            ("interval_ms=500", Err("interval_ms")),
            ("ticket=a&ticket=b", Err("ticket")),
            ("more=1", Err("more")),
        ] {
            let found = Fields::query(query).read::<ConnectQuery>().map(|query| query.chart);
            let found = found.map_err(|problem| problem.errors[0].parameter.clone().unwrap());
            assert_eq!(
                found.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|name| *name),
                "{query}"
            );
        }
    }
}
