//! `charts.unsubscribe`.

use platform::config::ConfigError;
use platform::domain::ChartType;
use platform::http::{Fields, Form};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::store::Subscriptions;
use serde::Serialize;
use utoipa::ToSchema;

/// The action. Unsubscribing twice, or from nothing, is as good as once.
pub struct Unsubscribe {
    subscriptions: Subscriptions,
}

/// Which chart.
#[derive(Debug, ToSchema)]
pub struct UnsubscribeBody {
    /// Chart.
    pub chart_type: ChartType,
}

/// The connection has no stream of this chart any more.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unsubscribed {
    /// Chart.
    pub chart_type: ChartType,
}

impl ServerMessage for Unsubscribed {
    const TYPE: &'static str = "charts.unsubscribed";
}

impl Form for UnsubscribeBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { chart_type: fields.required("chart_type")? })
    }
}

impl Action for Unsubscribe {
    const ROUTE: ActionRoute = routes::CHARTS_UNSUBSCRIBE;
    type Body = UnsubscribeBody;
    type Output = Unsubscribed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { subscriptions: Subscriptions::new(platform.database()?, &platform.config)? })
    }

    async fn handle(&self, message: Message<'_, Self>) -> Result<Plan<Option<Unsubscribed>>, Problem> {
        let UnsubscribeBody { chart_type } = message.body;
        let end = self.subscriptions.end(&message.connection.connection_id, chart_type);
        Ok(Plan::reply(Some(Unsubscribed { chart_type })).write(end))
    }
}
