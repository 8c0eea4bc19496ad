//! The parts that the stacks of one process share, so that only the first stack makes them. These
//! are the parsed template, and the tables after the start functions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::aws::Image;
use crate::template::Parsed;

/// Age at which an image is made anew. The first items of a stack may be older than the stack by as
/// much.
const LONGEST_AGE: Duration = Duration::from_mins(5);

/// Shared by several stacks of one process, it lets all but the first start sooner.
///
/// The template is parsed once. The start functions run once, for stacks with their state in memory
/// that have the same tables and give the start functions the same variables. Each later stack
/// begins with a copy of the tables as they were then. So a start function must write to tables
/// alone.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    template: Parsed,
    /// Images, by the settings on which their tables depend.
    places: Mutex<BTreeMap<String, Arc<AsyncMutex<Place>>>>,
}

/// The place of an image.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<(Instant, Image)>);

impl Shared {
    pub(crate) fn template(&self) -> &Parsed {
        &self.0.template
    }

    /// The place of the image of tables that depend on this. Another stack waits for the place
    /// until the caller drops it.
    pub(crate) async fn place(&self, dependencies: String) -> OwnedMutexGuard<Place> {
        let place = {
            let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(dependencies).or_default())
        };
        place.lock_owned().await
    }
}

impl Place {
    /// The image, if there is one that is young enough.
    pub(crate) fn image(&self) -> Option<Image> {
        let (made_at, image) = self.0.as_ref()?;
        (made_at.elapsed() < LONGEST_AGE).then(|| image.clone())
    }

    pub(crate) fn put(&mut self, image: Image) {
        self.0 = Some((Instant::now(), image));
    }
}
