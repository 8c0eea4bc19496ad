//! Trial starts of functions.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;

use crate::error::StackError;
use crate::lambda::{Functions, InvokeError};
use crate::template::model::Deployment;

/// Starts each function once, to find functions that can't use their settings. On AWS, the first
/// caller would find them.
pub(crate) async fn try_functions(
    deployment: &Deployment,
    functions: &Functions,
) -> Result<(), StackError> {
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    let trials = deployment
        .functions
        .iter()
        .map(|function| async { (function.id.clone(), functions.try_start(&function.id).await) });
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut trials = futures_util::stream::iter(trials).buffer_unordered(at_once);
    while let Some((function, outcome)) = trials.next().await {
        match outcome {
            Ok(()) => {}
            Err(InvokeError::Crashed { last_words: Some(words), .. }) => {
                failures
                    .entry(words.trim_start_matches("Error: ").to_owned())
                    .or_default()
                    .push(function);
            }
            Err(error) => failures.entry(error.to_string()).or_default().push(function),
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(StackError::Settings(
        failures.into_iter().map(|(reason, functions)| cannot_start(&reason, functions)).collect(),
    ))
}

/// Gives `LoginFunction and 3 more can't start: …`.
fn cannot_start(reason: &str, mut functions: Vec<String>) -> String {
    functions.sort();
    let more = functions.len().saturating_sub(1);
    let first = functions.first().map(String::as_str).unwrap_or_default();
    let who = if more == 0 { first.to_owned() } else { format!("{first} and {more} more") };
    format!("{who} can't start: {reason}")
}
