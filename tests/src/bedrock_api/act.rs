//! The answer to what a model does in the words of no API.

use super::{Answer, Frame, error, errors, stream};
use crate::messages_api::written;
use crate::model_server::{Act, Break, Refusal};

/// The answer of this API. Bedrock does not say when to try again.
pub fn act(act: &Act) -> Answer {
    match act {
        Act::Says(..) | Act::Uses(..) => stream(written(act)),
        Act::Breaks(_, _, how) => {
            let frames = written(act).into_iter().map(Frame::from);
            let error = (*how == Break::Error).then(unavailable);
            stream(frames.chain(error)).then(*how)
        }
        Act::Refuses(refusal) => error(refused(*refusal)),
        Act::Silence => Answer::silence(),
        Act::Reset => Answer::reset(),
    }
}

fn unavailable() -> Frame {
    Frame::exception("serviceUnavailableException", errors::UNAVAILABLE.2)
}

fn refused(refusal: Refusal) -> errors::Error<'static> {
    match refusal {
        Refusal::Overloaded => errors::OVERLOADED,
        Refusal::RateLimited(_) => errors::THROTTLED,
        Refusal::Failing => errors::FAILING,
        Refusal::Key => errors::NOT_AUTHORIZED,
        Refusal::UnknownModel => errors::UNKNOWN_MODEL,
        Refusal::TooLong => errors::TOO_LONG,
        Refusal::Filtered => errors::FILTERED,
        Refusal::Wrong => errors::WRONG,
    }
}
