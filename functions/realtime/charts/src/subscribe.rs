//! `charts.subscribe`.

use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_data::charts::{Announce, Charts, Subscribed};
use tally_data::domain::{ChartType, Interval, Seq};
use utoipa::ToSchema;

/// The action.
pub struct Subscribe {
    charts: Charts,
}

/// The chart, and the interval of its frames.
#[derive(Debug, ToSchema)]
pub struct SubscribeBody {
    /// Chart; a connection has one stream of each at most.
    pub chart_type: ChartType,
    /// Milliseconds between frames.
    #[schema(value_type = Option<u64>, minimum = 250, maximum = 60000, default = 2000)]
    pub interval_ms: Interval,
    /// Your own number of this message. A connection's messages about a chart take effect in the
    /// order of these numbers.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    pub seq: Option<Seq>,
}

impl Input for SubscribeBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        let chart_type = fields.required("chart_type");
        let interval_ms = fields.optional("interval_ms");
        let seq = fields.optional("seq");
        Some(Self {
            chart_type: chart_type?,
            interval_ms: interval_ms?.unwrap_or_default(),
            seq: seq?,
        })
    }
}

impl Action for Subscribe {
    const ROUTE: ActionRoute = routes::CHARTS_SUBSCRIBE;
    type Body = SubscribeBody;
    type Output = Subscribed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { charts: Charts::new(platform)? })
    }

    async fn handle(
        &self,
        message: Message<'_, Self>,
    ) -> Result<Plan<Option<Subscribed>>, Problem> {
        let SubscribeBody { chart_type, interval_ms, seq } = message.body;
        self.charts.subscribe(
            message.connection,
            (chart_type, interval_ms),
            seq,
            Announce::Answer,
            message.now,
        )
    }
}
