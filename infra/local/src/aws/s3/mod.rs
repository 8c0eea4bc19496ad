//! S3: the template's buckets, on a listener of their own. s3s has the protocol and checks the
//! signatures. A signed URL works in a browser, so here a request may have an `Origin`.
//!
//! ```text
//! gate                       which requests are let in, the call log, faults
//! cors                       pages of other origins
//! operations                 the operations: reads, writes, answers (listings)
//! upload, download           bodies
//! lock, conditions, listing  rules that need no file
//! bucket, files, version     the objects of a bucket, their files, one version
//! ```
//!
//! s3s-fs stores an object in several steps, under its key as a path and without versions. Object
//! Lock needs versions: a write on a locked object makes a new version, and the locked one stays.

mod answers;
mod bucket;
mod clock;
mod conditions;
mod cors;
mod download;
mod files;
mod gate;
mod listing;
mod lock;
mod operations;
mod reads;
#[cfg(test)]
mod tests;
mod upload;
mod version;
mod writes;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::calls::CallLog;
use super::directory::{create_private_directory, unusable};
use super::error::AwsError;
use super::faults::Faults;
use super::guard::Guard;
use crate::server::Server;
use crate::template::model;

use self::bucket::Bucket;
use self::cors::Cors;
use self::gate::Gate;
use self::operations::Operations;

/// How often expired objects are deleted. They expire at midnight.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// The buckets by their names.
#[derive(Debug)]
pub(super) struct Buckets {
    buckets: BTreeMap<String, Arc<Bucket>>,
    // The last field, because dropping it deletes the files.
    _temporary: Option<TempDir>,
}

impl Buckets {
    /// Opens the buckets in `directory`, or without one in a temporary directory. Blocks.
    pub(super) fn open(
        directory: Option<&Path>,
        buckets: Vec<model::Bucket>,
    ) -> Result<Self, AwsError> {
        let temporary = match directory {
            Some(directory) => create_private_directory(directory).map(|()| None),
            None => tempfile::Builder::new().prefix("tally-s3-").tempdir().map(Some),
        };
        let place = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        let temporary = temporary.map_err(unusable(&place))?;
        let root = temporary.as_ref().map_or(place.as_path(), TempDir::path);
        let mut opened = BTreeMap::new();
        for bucket in buckets {
            let name = bucket.name.clone();
            let bucket = Bucket::open(bucket, root.join(&name), directory.is_some())?;
            opened.insert(name, Arc::new(bucket));
        }
        if directory.is_some() {
            File::open(root).and_then(|root| root.sync_all()).map_err(unusable(root))?;
        }
        Ok(Self { buckets: opened, _temporary: temporary })
    }

    /// The bucket with this name.
    fn get(&self, name: &str) -> S3Result<Arc<Bucket>> {
        let bucket = self.buckets.get(name).cloned();
        bucket.ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.buckets.values()
    }

    /// Deletes expired objects at every interval, for ever.
    pub(super) fn sweep(&self) -> impl Future<Output = ()> + Send + use<> {
        let buckets: Vec<_> = self.all().cloned().collect();
        async move {
            let mut timer = tokio::time::interval(SWEEP_INTERVAL);
            loop {
                timer.tick().await;
                for bucket in buckets.iter().cloned() {
                    expire(bucket).await;
                }
            }
        }
    }
}

async fn expire(bucket: Arc<Bucket>) {
    let name = bucket.name.clone();
    match spawn_blocking(move || bucket.expire(clock::today())).await {
        Ok(Ok(0)) => {}
        Ok(Ok(deleted)) => tracing::debug!(bucket = name, deleted, "expired objects deleted"),
        Ok(Err(error)) => tracing::warn!(bucket = name, %error, "failed to delete expired objects"),
        Err(error) => tracing::warn!(bucket = name, %error, "failed to delete expired objects"),
    }
}

/// Serves the buckets on `listener`.
pub(super) fn serve(
    listener: TcpListener,
    guard: Guard,
    buckets: Buckets,
    calls: CallLog,
    faults: Arc<Faults>,
) -> Server {
    let gate = Gate::new(guard, Cors::new(buckets.all()), calls, faults);
    let mut builder = S3ServiceBuilder::new(Operations { buckets });
    builder.set_auth(gate.clone());
    builder.set_access(gate.clone());
    let service = builder.build();
    Server::start(listener, move |request, _peer| {
        let (gate, service) = (gate.clone(), service.clone());
        async move { gate.answer(&service, request).await }
    })
}
