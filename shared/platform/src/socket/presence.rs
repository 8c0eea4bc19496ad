//! Whether a connection may still be used: what every message and every worker asks.

use jiff::Timestamp;

use crate::config::ConfigError;
use crate::gate::Gate;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::store::{Connection, Connections};

/// Seconds for which a connection outlives the token it came with.
const GRACE_SECONDS: i64 = 3_600;

/// Reads connections.
#[derive(Debug, Clone)]
pub struct Presence {
    connections: Connections,
}

impl Presence {
    /// Uses the connections' table.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { connections: Connections::new(platform.database()?, &platform.config)? })
    }

    /// The connection, if its session lives and the token it came with has not been expired for too long; 401 otherwise.
    pub async fn admit(&self, gate: &Gate, connection_id: &str, now: Timestamp) -> Result<Connection, Problem> {
        let connection = self.connections.get(connection_id).await?;
        let connection = connection.filter(|connection| is_current(connection.token_exp, now)).ok_or_else(Problem::invalid_token)?;
        gate.reread(&connection.identity, now).await?;
        Ok(connection)
    }
}

fn is_current(token_exp: i64, now: Timestamp) -> bool {
    now.as_second() < token_exp.saturating_add(GRACE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_outlives_its_token_by_an_hour() {
        for (now, expected) in [(0, true), (1_000, true), (4_599, true), (4_600, false), (9_000, false)] {
            assert_eq!(is_current(1_000, Timestamp::from_second(now).unwrap()), expected, "{now}");
        }
    }
}
