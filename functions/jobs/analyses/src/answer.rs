//! The answers of `POST /analyses`: the job, or its worst case.

use http::StatusCode;
use platform::Plan;
use platform::audit::AuditDetails;
use platform::http::{Answer, Header, Output, Rendered};
use platform::plan::Reply;
use tally_jobs::Estimate;
use tally_jobs::domain::Job;

/// An answer.
#[derive(Debug)]
pub enum AnalysisAnswer {
    /// 202: the job.
    Started(Box<Job>),
    /// 200: the worst case of the job.
    Estimated(Estimate),
}

impl Output for AnalysisAnswer {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        match self {
            Self::Started(job) => Rendered::json(&*job),
            Self::Estimated(estimate) => Rendered::json(&estimate),
        }
    }

    fn describe() -> Vec<Answer> {
        let estimated = Answer::json::<Estimate>().status(StatusCode::OK);
        vec![Answer::json::<Job>().header(Header::Location), estimated]
    }
}

/// The answer with a job.
pub fn started(reply: Reply<Job>) -> Reply<AnalysisAnswer> {
    reply.map(|job| AnalysisAnswer::Started(Box::new(job)))
}

/// The answer with the worst case of an analysis. It leaves no event, because nothing is attempted.
pub fn estimated(estimate: Estimate) -> Plan<AnalysisAnswer> {
    let reply = Reply::new(AnalysisAnswer::Estimated(estimate)).status(StatusCode::OK);
    Plan::reply(reply).details(AuditDetails::default().silent())
}
