//! Ends sessions in the same plan as other writes, and closes their connections after the commit.

use platform::database::{StoreError, Write};
use platform::plan::{Otherwise, Rewrite};
use platform::socket::CloseConnections;
use platform::store::{Session, Sessions};
use platform::{ConfigError, Plan, Platform, Problem};

/// Ends sessions. A separate write removes them from the account, and that write also says what to
/// do if another session has begun.
#[derive(Debug, Clone)]
pub struct Ending {
    sessions: Sessions,
    close_connections: CloseConnections,
}

impl Ending {
    /// Uses the table of sessions, and `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sessions: Sessions::new(platform)?,
            close_connections: CloseConnections::new(platform)?,
        })
    }

    /// Adds the end of these sessions to a plan. After the commit, their connections are closed.
    pub async fn add<O>(
        &self,
        plan: Plan<O>,
        session_ids: &[String],
    ) -> Result<Plan<O>, StoreError> {
        if session_ids.is_empty() {
            return Ok(plan);
        }
        let mut found = self.sessions.get_all(session_ids.iter()).await?;
        session_ids.iter().try_fold(plan, |plan, id| {
            match found.iter().position(|session| session.id == *id) {
                Some(position) => self.add_read(plan, found.swap_remove(position)),
                // The delete is written all the same. So response times do not tell whether a
                // session of another user exists.
                None => Ok(plan.write(self.sessions.end(id))),
            }
        })
    }

    /// The same for a session whose item the caller has just read. The item lists its connections,
    /// and the commit checks that the list is still the same. So a connection that opens meanwhile
    /// is closed too.
    pub fn add_read<O>(&self, plan: Plan<O>, session: Session) -> Result<Plan<O>, StoreError> {
        let (write, otherwise) = self.clone().end(session)?;
        Ok(plan.write_otherwise(write, otherwise))
    }

    fn end<O>(self, session: Session) -> Result<(Write, Otherwise<O>), StoreError> {
        let write = self.sessions.end_with(&session)?;
        let close = self.close_connections.clone().after(session.connections.into_keys().collect());
        let rewrite: Rewrite<O> = Box::new(move |found| {
            let session = self.sessions.read(found.ok_or_else(Problem::conflict)?)?;
            Ok(self.end(session)?)
        });
        Ok((write, Otherwise::Rewrite(rewrite, close)))
    }
}
