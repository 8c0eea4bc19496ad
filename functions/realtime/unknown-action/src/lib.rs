//! `$default`: answers messages that no other route takes with our own `unknown_action`, or with
//! what is wrong with them.

use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message};
use platform::{ConfigError, Plan, Platform, Problem};

/// The action.
pub struct UnknownAction;

/// Members of an unknown action are neither right nor wrong.
pub struct Anything;

impl Input for Anything {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.ignore_rest();
        Some(Self)
    }
}

impl Action for UnknownAction {
    const ROUTE: ActionRoute = routes::UNKNOWN_ACTION;
    type Body = Anything;
    type Output = ();

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: Message<'_, Self>) -> Result<Plan<Option<()>>, Problem> {
        Err(Problem::unknown_action())
    }
}
