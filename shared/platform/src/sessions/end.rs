//! Ends sessions, together with whatever else a plan does, and then what they leave open.

use crate::config::ConfigError;
use crate::plan::Plan;
use crate::platform::Platform;
use crate::socket::Hangup;
use crate::store::Sessions;

/// Ends sessions. The account forgets them by a write of its own, which also says what to do if another has begun.
#[derive(Debug, Clone)]
pub struct Ending {
    sessions: Sessions,
    hangup: Hangup,
}

impl Ending {
    /// Uses the tables of sessions and connections, and `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { sessions: Sessions::new(platform.database()?, &platform.config)?, hangup: Hangup::new(platform)? })
    }

    /// Adds to a plan that these sessions end and, once it is committed, that their connections are closed.
    pub fn add<O>(&self, plan: Plan<O>, session_ids: Vec<String>) -> Plan<O> {
        if session_ids.is_empty() {
            return plan;
        }
        let plan = session_ids.iter().fold(plan, |plan, id| plan.write(self.sessions.end(id)));
        plan.then(self.hangup.clone().after(session_ids))
    }
}
