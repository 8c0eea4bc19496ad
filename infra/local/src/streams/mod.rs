//! Invokes functions with the records of DynamoDB streams, as Lambda's event source mappings do.
//!
//! `poller` is one mapping at work. `batch` and `verdict` hold its rules, `delivery` makes one
//! invocation, and `failure` is the report about records that are given up. `faults` disturbs
//! deliveries for tests.

mod batch;
mod delivery;
mod failure;
mod faults;
mod poller;
mod verdict;

use std::sync::{Arc, Mutex as StdMutex};

use dynoxide::DynoxideError;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::aws::{AwsError, ChangeLog};
use crate::destinations::Destinations;
use crate::error::StackError;
use crate::lambda::Invoke;
use crate::template::model::{Deployment, Function, StartingPosition, StreamSource};

use self::delivery::Delivery;
use self::faults::Faults;
use self::poller::{Outstanding, Poller};

pub use self::faults::{StreamFailure, StreamFault};

/// The running mappings. They end when this is dropped.
pub(crate) struct Streams {
    changes: Option<ChangeLog>,
    mappings: Vec<Mapping>,
    faults: Arc<Faults>,
    tasks: JoinSet<()>,
}

struct Mapping {
    function: String,
    table: String,
    position: watch::Receiver<i64>,
}

impl Streams {
    /// Starts the enabled mappings. Each goes on where it was, or begins at its starting position.
    /// There are no `changes` where no table of the template has a stream.
    pub(crate) async fn start(
        deployment: &Deployment,
        invoker: Arc<dyn Invoke>,
        changes: Option<ChangeLog>,
        destinations: Destinations,
    ) -> Result<Self, AwsError> {
        let mut streams = Self {
            changes: changes.clone(),
            mappings: Vec::new(),
            faults: Arc::default(),
            tasks: JoinSet::new(),
        };
        let Some(changes) = changes else { return Ok(streams) };
        let sources: Vec<(&Function, &StreamSource)> = deployment
            .functions
            .iter()
            .flat_map(|function| function.streams.iter().map(move |source| (function, source)))
            .collect();
        let readers = sources.iter().map(|(function, source)| reader(function, source)).collect();
        changes.keep_readers(readers).await.map_err(|error| unreadable(&error))?;
        let mut enabled = Vec::new();
        for (function, source) in sources.into_iter().filter(|(_, source)| source.enabled) {
            let reader = reader(function, source);
            let position = first_position(&changes, &reader, source)
                .await
                .map_err(|error| unreadable(&error))?;
            enabled.push((position, reader, function, source));
        }
        // The lowest position first: each call drops the records that all stored positions have
        // passed. A mapping begins only when all positions are stored, for the same reason.
        enabled.sort_by_key(|(position, ..)| *position);
        for (position, reader, _, source) in &enabled {
            let stored = changes.store(reader, &source.table, *position).await;
            stored.map_err(|error| unreadable(&error))?;
        }
        for (position, reader, function, source) in enabled {
            let (sender, receiver) = watch::channel(position);
            let wake = changes.subscribe(&source.table);
            let poller = Poller {
                reader,
                partition_key: partition_key(deployment, &source.table),
                delivery: Delivery {
                    function: function.id.clone(),
                    source: source.clone(),
                    invoker: Arc::clone(&invoker),
                    destinations: destinations.clone(),
                },
                changes: changes.clone(),
                faults: Arc::clone(&streams.faults),
                position: sender,
                outstanding: Mutex::new(Outstanding::after(position)),
                late: StdMutex::default(),
            };
            streams.tasks.spawn(poller.run(wake));
            streams.mappings.push(Mapping {
                function: function.id.clone(),
                table: source.table.clone(),
                position: receiver,
            });
        }
        Ok(streams)
    }

    /// Waits until a function's mappings have delivered, or given up, all records that their tables
    /// have left so far.
    pub(crate) async fn drained(&self, function: &str) -> Result<(), StackError> {
        let mappings: Vec<_> =
            self.mappings.iter().filter(|mapping| mapping.function == function).collect();
        let Some(changes) = self.changes.as_ref().filter(|_| !mappings.is_empty()) else {
            return Err(StackError::NoStream(function.to_owned()));
        };
        for mapping in mappings {
            let end = changes.end(&mapping.table).await.map_err(|error| unreadable(&error))?;
            // A mapping ends only with the stack.
            let _ = mapping.position.clone().wait_for(|position| *position >= end).await;
        }
        Ok(())
    }

    /// Disturbs the next deliveries to a function.
    pub(crate) fn fail(&self, fault: StreamFault) {
        self.faults.add(fault);
    }

    /// Ends all mappings. What they were delivering is delivered again after the next start.
    pub(crate) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Name of a mapping's position. Lambda has one mapping of a function on a stream.
fn reader(function: &Function, source: &StreamSource) -> String {
    format!("{}/{}", function.id, source.table)
}

/// The position at the start. The caller stores it. So a mapping that begins with the latest record
/// does so only once.
async fn first_position(
    changes: &ChangeLog,
    reader: &str,
    source: &StreamSource,
) -> dynoxide::Result<i64> {
    let end = changes.end(&source.table).await?;
    Ok(match changes.position(reader).await? {
        // The stream may be a new one, whose numbers do not begin after the old ones.
        Some(position) => position.min(end),
        None if source.starting_position == StartingPosition::Latest => end,
        None => 0,
    })
}

fn partition_key(deployment: &Deployment, table: &str) -> String {
    let table = deployment.resources.tables.iter().find(|described| described.name == table);
    let keys = table.and_then(|table| table.create["KeySchema"].as_array()).into_iter().flatten();
    let mut hash = keys.filter(|key| key["KeyType"] == "HASH");
    hash.next().and_then(|key| key["AttributeName"].as_str()).unwrap_or_default().to_owned()
}

fn unreadable(error: &DynoxideError) -> AwsError {
    AwsError::Database(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A mapping with Lambda's defaults.
    pub(super) fn source() -> StreamSource {
        StreamSource {
            event: "Changes".to_owned(),
            arn: "arn:aws:dynamodb:us-east-1:000000000000:table/tally-local-Events/stream/local"
                .to_owned(),
            table: "tally-local-Events".to_owned(),
            starting_position: StartingPosition::TrimHorizon,
            enabled: true,
            batch_size: 100,
            window: Duration::ZERO,
            filters: Vec::new(),
            reports_failures: true,
            retries: None,
            max_age: None,
            bisects: false,
            parallel: 1,
            on_failure: None,
        }
    }
}
