//! The first items of a stack: the start functions make them, or they are in an image.

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use crate::aws::{Aws, Image, State};
use crate::error::StackError;
use crate::lambda::Functions;
use crate::options::StackOptions;
use crate::shared::Place;
use crate::template::model::Deployment;

/// How a stack gets its first items.
pub(crate) enum Start {
    /// It invokes the start functions when all of it runs.
    Alone,
    /// It invokes them early, and leaves an image here for other stacks.
    First(OwnedMutexGuard<Place>),
    /// It begins with an image.
    Copy(Image),
}

impl Start {
    /// Waits while another stack makes the image.
    pub(crate) async fn of(options: &StackOptions, deployment: &Deployment) -> Self {
        let shared = match (&options.shared, &options.state) {
            // Variables of the stack's own may change what a start function does.
            (Some(shared), State::Memory) if options.environment.is_empty() => shared,
            _ => return Self::Alone,
        };
        let place = shared.place(dependencies(options, deployment)).await;
        match place.image() {
            Some(image) => Self::Copy(image),
            None => Self::First(place),
        }
    }

    /// The state with which the stack starts: an image, or else `state`.
    pub(crate) fn state(&self, state: State) -> State {
        match self {
            Self::Alone | Self::First(_) => state,
            Self::Copy(image) => State::Image(image.clone()),
        }
    }

    /// Makes the first items, unless the stack makes them by itself. Returns whether they are
    /// there. It comes before the streams, whose functions would write to the tables of the image.
    pub(crate) async fn make(
        self,
        deployment: &Deployment,
        functions: &Functions,
        aws: &Aws,
    ) -> Result<bool, StackError> {
        match self {
            Self::Alone => Ok(false),
            Self::Copy(_) => Ok(true),
            Self::First(mut place) => {
                invoke_all(deployment, functions).await?;
                place.put(aws.image().await?);
                Ok(true)
            }
        }
    }
}

/// All that the tables depend on after the start functions.
fn dependencies(options: &StackOptions, deployment: &Deployment) -> String {
    let start = &deployment.invoke_on_start;
    let functions = deployment.functions.iter().filter(|function| start.contains(&function.id));
    let functions: Vec<_> = functions.map(|each| (&each.binary, &each.environment)).collect();
    format!("{:?}", (&options.binaries, &deployment.resources.tables, start, functions))
}

/// Invokes the start functions, one after the other.
pub(crate) async fn invoke_all(
    deployment: &Deployment,
    functions: &Functions,
) -> Result<(), StackError> {
    for function in &deployment.invoke_on_start {
        let invoked = functions.invoke(function, Bytes::from_static(b"{}")).await;
        invoked
            .map_err(|source| StackError::InvokeOnStart { function: function.clone(), source })?;
    }
    Ok(())
}
