//! The problems of the server itself: its faults, and the parts that do not answer.

use http::header;

use super::{Code, Problem};

impl Problem {
    /// 500: a bug or a panic. Only the log says what happened.
    pub fn internal() -> Self {
        Self::new(
            Code::InternalError,
            "The server has a fault. Its log has the cause under the request id.",
        )
    }

    /// 503: the deployment sends no mail, so a repeat would be refused too.
    pub fn no_mail() -> Self {
        Self::new(Code::Unavailable, "This deployment sends no mail. Ask an administrator instead.")
    }

    /// 503: a part that this needs does not answer now.
    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "A part of the service does not answer. Try again soon.")
            .with_header(header::RETRY_AFTER, "1")
    }
}
