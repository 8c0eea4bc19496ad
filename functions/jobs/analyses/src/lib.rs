//! `POST /analyses`, `POST /evaluations`: the start of analyses of files and texts, and of
//! comparisons of versions of a prompt. The worker `job-run` makes the calls.
//!
//! - `analysis`: the start of an analysis. `analysis_request` and `input` read its body, `pieces`
//!   divides the inputs, `earlier` finds the analysis that it repeats, `answer` shows the result
//! - `evaluation`: the start of an evaluation. `evaluation_request` reads its body, `faults` collects
//!   what does not fit a version
//! - `fields`: fields of both bodies; `worst`: what calls cost at worst

mod analysis;
mod analysis_request;
mod answer;
mod earlier;
mod evaluation;
mod evaluation_request;
mod faults;
mod fields;
mod input;
mod pieces;
#[cfg(test)]
mod samples;
mod worst;

pub use analysis::{AnalysisQuery, StartAnalysis};
pub use analysis_request::{AnalysisRequest, AnalysisRerun, NewAnalysis, Subject};
pub use answer::AnalysisAnswer;
pub use evaluation::StartEvaluation;
pub use evaluation_request::{EvaluationCase, EvaluationRequest};
pub use input::{AnalysisFile, AnalysisText, NewInput};

/// The endpoints of this function.
pub type Endpoints = (StartAnalysis, StartEvaluation);
