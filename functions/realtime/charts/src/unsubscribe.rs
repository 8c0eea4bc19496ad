//! `charts.unsubscribe`.

use futures_util::FutureExt as _;
use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_data::domain::{ChartType, Seq};
use tally_data::store::{SubscriptionState, Subscriptions};
use utoipa::ToSchema;

/// The action. It is idempotent, and it succeeds without a subscription too.
pub struct Unsubscribe {
    subscriptions: Subscriptions,
}

/// The chart.
#[derive(Debug, ToSchema)]
pub struct UnsubscribeBody {
    /// Chart.
    pub chart_type: ChartType,
    /// Your own number of this message. A connection's messages about a chart take effect in the
    /// order of these numbers.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    pub seq: Option<Seq>,
}

/// The connection no longer has a stream of this chart.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unsubscribed {
    /// Chart.
    pub chart_type: ChartType,
}

impl ServerMessage for Unsubscribed {
    const TYPE: &'static str = "charts.unsubscribed";
}

impl Input for UnsubscribeBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        let chart_type = fields.required("chart_type");
        let seq = fields.optional("seq");
        Some(Self { chart_type: chart_type?, seq: seq? })
    }
}

impl Action for Unsubscribe {
    const ROUTE: ActionRoute = routes::CHARTS_UNSUBSCRIBE;
    type Body = UnsubscribeBody;
    type Output = Unsubscribed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { subscriptions: Subscriptions::new(platform)? })
    }

    async fn handle(
        &self,
        message: Message<'_, Self>,
    ) -> Result<Plan<Option<Unsubscribed>>, Problem> {
        let UnsubscribeBody { chart_type, seq } = message.body;
        let connection = message.connection;
        let end = self.subscriptions.end(
            &connection.connection_id,
            chart_type,
            seq,
            connection.expires_at,
        );
        let subscriptions = self.subscriptions.clone();
        // Only a newer message makes the condition fail.
        let overtaken = move |found: Option<_>| {
            async move {
                let found = found.map(|item| subscriptions.read(item)).transpose()?;
                Err(found
                    .as_ref()
                    .and_then(SubscriptionState::seq)
                    .map_or_else(Problem::conflict, |newest| Problem::overtaken(newest.number())))
            }
            .boxed()
        };
        Ok(Plan::reply(Some(Unsubscribed { chart_type })).write_or_retry(end, Box::new(overtaken)))
    }
}
