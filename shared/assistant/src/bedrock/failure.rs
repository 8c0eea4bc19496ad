//! Errors of Bedrock: what its exceptions and their messages mean.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_bedrockruntime::config::http::HttpResponse;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_bedrockruntime::operation::invoke_model_with_response_stream::InvokeModelWithResponseStreamError;
use aws_sdk_bedrockruntime::primitives::event_stream::StrBytes;
use aws_sdk_bedrockruntime::types::error::ResponseStreamError;
use aws_smithy_types::event_stream::RawMessage;
use jiff::Timestamp;
use platform::aws::describe;
use reqwest::StatusCode;

use super::bound::TooLarge;
use crate::claude::errors::refusal;
use crate::error::Fault;
use crate::remote::{Failure, Part, Said};

/// Phrases, in lower case, in the message of a `ValidationException`, and their meaning. Bedrock
/// adds these to the ones of the Messages API.
const PHRASES: &[(&str, Fault)] = &[
    ("model identifier is invalid", Fault::UnknownModel),
    ("at 'modelid' failed to satisfy", Fault::UnknownModel),
    // The model is there for an inference profile alone.
    ("on-demand throughput", Fault::UnknownModel),
    ("doesn't support the model", Fault::UnknownModel),
    ("end of its life", Fault::UnknownModel),
    ("too long", Fault::ContextTooLong),
    ("at 'body' failed to satisfy", Fault::ContextTooLong),
    // AWS has not yet verified the account.
    ("operation not allowed", Fault::KeyRefused),
    ("account is not authorized", Fault::KeyRefused),
];

/// The failure of a call that got no stream.
pub(super) fn of_call(
    error: &SdkError<InvokeModelWithResponseStreamError>,
    now: Timestamp,
) -> Failure {
    match error {
        SdkError::ServiceError(context) => {
            let told = context.err();
            of_answer(context.raw(), said(told.code(), told.message()), now)
        }
        _ => of_transport(error),
    }
}

/// The failure of a stream that has begun, of the request with this id.
pub(super) fn of_stream(
    error: &SdkError<ResponseStreamError, RawMessage>,
    id: Option<&str>,
) -> Failure {
    let (raw, message) = match error {
        SdkError::ServiceError(context) => (context.raw(), context.err().message()),
        // The SDK does not know this kind of message, or cannot read it.
        SdkError::ResponseError(context) => {
            (context.raw(), header(context.raw(), ":error-message"))
        }
        _ => return of_transport(error),
    };
    let name = header(raw, ":exception-type").or_else(|| header(raw, ":error-code"));
    if name.is_none() {
        return of_transport(error);
    }
    Failure::of_event(&said(name, message), id)
}

/// An answer with an error.
fn of_answer(answer: &HttpResponse, said: Said, now: Timestamp) -> Failure {
    let headers = answer.headers().iter();
    let headers =
        headers.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    match StatusCode::from_u16(answer.status().as_u16()) {
        Ok(status) => Failure::of_status(status, &headers.collect(), said, now),
        Err(_) => {
            Failure::lasting(Fault::Broken, "the answer has a status that HTTP does not know")
        }
    }
}

/// A request that could not be made, a connection that broke, or an answer that cannot be read. It
/// must not be an error of the service: that one may quote the request.
fn of_transport<E, R>(error: &SdkError<E, R>) -> Failure
where
    E: Error + 'static,
    R: fmt::Debug + 'static,
{
    let detail = describe(error);
    match error {
        _ if is_caused_by::<TooLarge>(error) => Failure::lasting(Fault::Broken, detail),
        _ if is_caused_by::<CredentialsError>(error) => Failure::lasting(Fault::NoKey, detail),
        SdkError::ConstructionFailure(_) => Failure::lasting(Fault::RequestRefused, detail),
        SdkError::TimeoutError(_) => Failure::passing(Fault::TimedOut, detail),
        SdkError::DispatchFailure(context) if context.is_timeout() => {
            Failure::passing(Fault::TimedOut, detail)
        }
        SdkError::DispatchFailure(_) => Failure::passing(Fault::Unreachable, detail),
        _ => Failure::passing(Fault::Broken, detail),
    }
}

fn is_caused_by<C: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(<dyn Error>::is::<C>)
}

/// The text of a header of a message in the stream.
fn header<'a>(message: &'a RawMessage, name: &str) -> Option<&'a str> {
    let RawMessage::Decoded(message) = message else { return None };
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(StrBytes::as_str)
}

/// What an exception says. Its name begins with a small letter in a stream, and with a capital
/// letter in an answer.
fn said(name: Option<&str>, message: Option<&str>) -> Said {
    let mut word = name.unwrap_or("-").to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let (fault, refused) = match fault_of(&word) {
        Some(Fault::RequestRefused) => {
            let (fault, refused) = meaning(message.unwrap_or_default());
            (Some(fault), refused)
        }
        fault => (fault, None),
    };
    Said { fault, refused, retry_after: None, word }
}

/// The meaning of an exception; `None` for one that is not known.
fn fault_of(name: &str) -> Option<Fault> {
    Some(match name {
        "ThrottlingException" | "ServiceQuotaExceededException" => Fault::RateLimited,
        "ModelNotReadyException" | "ServiceUnavailableException" | "ServiceUnavailable" => {
            Fault::Overloaded
        }
        "ModelTimeoutException" | "RequestTimeoutException" => Fault::TimedOut,
        "ModelErrorException"
        | "ModelStreamErrorException"
        | "InternalServerException"
        | "InternalFailure" => Fault::Failing,
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "RequestExpired"
        | "UnrecognizedClientException" => Fault::KeyRefused,
        "ResourceNotFoundException" => Fault::UnknownModel,
        "ValidationException" | "ValidationError" => Fault::RequestRefused,
        _ => return None,
    })
}

/// The meaning of a request that is refused with this message, and the part that can be left out.
fn meaning(message: &str) -> (Fault, Option<Part>) {
    let lower = message.to_ascii_lowercase();
    let known = PHRASES.iter().find(|(phrase, _)| lower.contains(phrase));
    known.map_or_else(|| refusal(message), |&(_, fault)| (fault, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_bedrockruntime::error::{BoxError, ConnectorError, ErrorMetadata};
    use aws_sdk_bedrockruntime::primitives::event_stream::{Header, HeaderValue, Message};
    use aws_sdk_bedrockruntime::types::error::{ThrottlingException, ValidationException};
    use aws_smithy_types::body::SdkBody;
    use std::time::Duration;

    type CallError = SdkError<InvokeModelWithResponseStreamError>;
    type StreamError = SdkError<ResponseStreamError, RawMessage>;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let mut answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        for (name, value) in headers {
            answer.headers_mut().insert(*name, *value);
        }
        answer
    }

    fn meta(name: Option<&str>, message: &str) -> ErrorMetadata {
        let mut meta = ErrorMetadata::builder().message(message);
        if let Some(name) = name {
            meta = meta.code(name);
        }
        meta.build()
    }

    /// The failure of a call that is answered with this exception.
    fn answered(status: u16, name: Option<&str>, message: &str) -> Failure {
        let told = InvokeModelWithResponseStreamError::generic(meta(name, message));
        let answer = answer(status, &[("x-amzn-requestid", "req_1")]);
        of_call(&CallError::service_error(told, answer), Timestamp::UNIX_EPOCH)
    }

    fn message(headers: &[(&'static str, &str)]) -> RawMessage {
        let message = headers.iter().fold(Message::new(""), |message, (name, value)| {
            message.add_header(Header::new(*name, HeaderValue::String((*value).to_owned().into())))
        });
        RawMessage::Decoded(message)
    }

    /// The failure of a stream that has this exception.
    fn streamed(name: &str, text: &str) -> Failure {
        let told = ResponseStreamError::generic(meta(None, text));
        let raw = message(&[(":message-type", "exception"), (":exception-type", name)]);
        of_stream(&StreamError::service_error(told, raw), Some("req_1"))
    }

    #[test]
    fn an_exception_is_told_by_its_name_and_else_by_its_status() {
        for (status, name, fault, is_passing) in [
            (429, "ThrottlingException", Fault::RateLimited, true),
            (400, "ServiceQuotaExceededException", Fault::RateLimited, false),
            (429, "ModelNotReadyException", Fault::Overloaded, true),
            (503, "ServiceUnavailableException", Fault::Overloaded, true),
            (503, "ServiceUnavailable", Fault::Overloaded, true),
            (408, "ModelTimeoutException", Fault::TimedOut, true),
            (408, "RequestTimeoutException", Fault::TimedOut, true),
            (424, "ModelErrorException", Fault::Failing, true),
            (424, "ModelStreamErrorException", Fault::Failing, true),
            (500, "InternalServerException", Fault::Failing, true),
            (500, "InternalFailure", Fault::Failing, true),
            (403, "AccessDeniedException", Fault::KeyRefused, false),
            (403, "ExpiredTokenException", Fault::KeyRefused, false),
            (400, "IncompleteSignature", Fault::KeyRefused, false),
            (403, "InvalidSignatureException", Fault::KeyRefused, false),
            (400, "NotAuthorized", Fault::KeyRefused, false),
            (400, "RequestExpired", Fault::KeyRefused, false),
            (403, "UnrecognizedClientException", Fault::KeyRefused, false),
            (404, "ResourceNotFoundException", Fault::UnknownModel, false),
            (400, "ValidationException", Fault::RequestRefused, false),
            (400, "ValidationError", Fault::RequestRefused, false),
            (400, "ANewException", Fault::RequestRefused, false),
            (403, "ANewException", Fault::KeyRefused, false),
            (413, "RequestEntityTooLargeException", Fault::ContextTooLong, false),
            (424, "ANewException", Fault::Failing, true),
            (502, "ANewException", Fault::Failing, true),
            (307, "ANewException", Fault::Broken, false),
        ] {
            let failure = answered(status, Some(name), "secret words");
            let found = (failure.error.fault, failure.pause(0).is_some());
            assert_eq!(found, (fault, is_passing), "{status} {name}");
            let detail = format!("{status} {name} (request req_1)");
            assert_eq!(failure.error.detail, detail);
        }
        // An answer of a proxy, for instance.
        let failure = answered(502, None, "<html>");
        assert_eq!((failure.error.fault, failure.pause(0).is_some()), (Fault::Failing, true));
        assert_eq!(failure.error.detail, "502 - (request req_1)");
    }

    #[test]
    fn an_exception_in_the_stream_is_told_by_its_name() {
        for (name, fault, is_passing) in [
            ("throttlingException", Fault::RateLimited, true),
            ("ThrottlingException", Fault::RateLimited, true),
            ("serviceUnavailableException", Fault::Overloaded, true),
            ("modelTimeoutException", Fault::TimedOut, true),
            ("modelStreamErrorException", Fault::Failing, true),
            ("internalServerException", Fault::Failing, true),
            ("accessDeniedException", Fault::KeyRefused, false),
            ("validationException", Fault::RequestRefused, false),
            ("aNewException", Fault::Failing, true),
            ("", Fault::Failing, true),
            ("€", Fault::Failing, true),
        ] {
            let failure = streamed(name, "secret words");
            let found = (failure.error.fault, failure.pause(0).is_some());
            assert_eq!(found, (fault, is_passing), "{name}");
            let detail = &failure.error.detail;
            assert!(detail.contains("req_1") && !detail.contains("secret"), "{detail}");
        }
    }

    #[test]
    fn a_message_of_the_stream_that_the_sdk_does_not_know_may_be_an_error() {
        let unknown = || BoxError::from("unrecognized `:message-type`: error");
        let too_long = "Input is too long for requested model.";
        for (raw, fault, is_passing) in [
            (message(&[(":error-code", "InternalFailure")]), Fault::Failing, true),
            (message(&[(":error-code", "throttlingException")]), Fault::RateLimited, true),
            (
                message(&[(":error-code", "ValidationException"), (":error-message", too_long)]),
                Fault::ContextTooLong,
                false,
            ),
            // The SDK cannot read its payload.
            (message(&[(":exception-type", "modelTimeoutException")]), Fault::TimedOut, true),
            (message(&[(":event-type", "chunk")]), Fault::Broken, true),
            (message(&[]), Fault::Broken, true),
            (RawMessage::invalid(None), Fault::Broken, true),
        ] {
            let shown = format!("{raw:?}");
            let failure = of_stream(&StreamError::response_error(unknown(), raw), None);
            let found = (failure.error.fault, failure.pause(0).is_some());
            assert_eq!(found, (fault, is_passing), "{shown}");
            assert!(!failure.error.detail.contains(too_long), "{}", failure.error.detail);
        }
    }

    /// The failures of a wrong request with this message, as an answer and in a stream.
    fn refused(message: &str) -> [Failure; 2] {
        let failures = [
            answered(400, Some("ValidationException"), message),
            streamed("validationException", message),
        ];
        for failure in &failures {
            assert!(failure.pause(0).is_none(), "{message}");
            let detail = &failure.error.detail;
            assert!(message.is_empty() || !detail.contains(message), "{detail}");
        }
        failures
    }

    #[test]
    fn a_wrong_request_is_told_by_its_message() {
        for (message, fault) in [
            ("The provided model identifier is invalid.", Fault::UnknownModel),
            (
                "1 validation error detected: Value 'a b' at 'modelId' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: (arn:aws)",
                Fault::UnknownModel,
            ),
            (
                "Invocation of model ID anthropic.claude-opus-5-5 with on-demand throughput \
                 isn’t supported. Retry your request with the ID or ARN of an inference profile \
                 that contains this model.",
                Fault::UnknownModel,
            ),
            ("The provided model doesn't support on-demand throughput.", Fault::UnknownModel),
            (
                "This action doesn't support the model that you provided. Try again with a \
                 supported text or chat model.",
                Fault::UnknownModel,
            ),
            (
                "This model version has reached the end of its life. Please refer to the AWS \
                 documentation for more details.",
                Fault::UnknownModel,
            ),
            ("Input is too long for requested model.", Fault::ContextTooLong),
            (
                "The model returned the following errors: prompt is too long: 208310 tokens > \
                 200000 maximum",
                Fault::ContextTooLong,
            ),
            (
                "1 validation error detected: Value at 'body' failed to satisfy constraint: Member \
                 must have length less than or equal to 25000000",
                Fault::ContextTooLong,
            ),
            (
                "input length and `max_tokens` exceed context limit: 199211 + 20000 > 200000",
                Fault::ContextTooLong,
            ),
            ("Operation not allowed", Fault::KeyRefused),
            ("Your account is not authorized to invoke this API operation.", Fault::KeyRefused),
            ("Output blocked by content filtering policy", Fault::ContentRefused),
            ("messages: at least one message is required", Fault::RequestRefused),
            ("", Fault::RequestRefused),
        ] {
            for failure in refused(message) {
                assert_eq!((failure.error.fault, failure.refused), (fault, None), "{message}");
            }
        }
        // Only a wrong request is told by its message.
        let failure = answered(429, Some("ThrottlingException"), "Too many tokens. Too long.");
        assert_eq!(failure.error.fault, Fault::RateLimited);
    }

    #[test]
    fn a_part_that_can_be_left_out_is_told_by_the_message() {
        for (message, part) in [
            ("tools.0.custom.strict: Extra inputs are not permitted", Part::Schemas),
            (
                "The model returned the following errors: output_config.format: Extra inputs are \
                 not permitted",
                Part::Format,
            ),
            ("output_config.effort: Extra inputs are not permitted", Part::Effort),
            ("output_config: Extra inputs are not permitted", Part::Config),
            (
                "Malformed input request: #: extraneous key [output_config] is not permitted, \
                 please reformat your input and try again.",
                Part::Config,
            ),
            (
                "Malformed input request: #/tools/0: extraneous key [strict] is not permitted, \
                 please reformat your input and try again.",
                Part::Schemas,
            ),
            ("messages.1.content.0: Invalid `signature` in `thinking` block", Part::Thoughts),
        ] {
            for failure in refused(message) {
                let found = (failure.error.fault, failure.refused);
                assert_eq!(found, (Fault::RequestRefused, Some(part)), "{message}");
            }
        }
    }

    #[test]
    fn the_exceptions_that_the_sdk_knows_have_their_name_and_message() {
        let told = ValidationException::builder()
            .message("Operation not allowed")
            .meta(meta(Some("ValidationException"), "Operation not allowed"))
            .build();
        let told = InvokeModelWithResponseStreamError::ValidationException(told);
        let error = CallError::service_error(told, answer(400, &[]));
        let failure = of_call(&error, Timestamp::UNIX_EPOCH);
        assert_eq!(failure.error.fault, Fault::KeyRefused);

        let told = ThrottlingException::builder().meta(meta(Some("ThrottlingException"), ""));
        let told = InvokeModelWithResponseStreamError::ThrottlingException(told.build());
        let error = CallError::service_error(told, answer(429, &[("Retry-After", "3")]));
        let failure = of_call(&error, Timestamp::UNIX_EPOCH);
        assert_eq!(failure.error.fault, Fault::RateLimited);
        let wanted = Some(Duration::from_secs(3));
        assert_eq!((failure.error.retry_after, failure.pause(0)), (wanted, wanted));
    }

    #[test]
    fn what_goes_wrong_on_the_way_is_told_by_its_cause() {
        let why = || BoxError::from("no route");
        let dispatch = CallError::dispatch_failure;
        let lost = BoxError::from(CredentialsError::not_loaded_no_source());
        let large = ConnectorError::io(TooLarge.into());
        for (error, fault, is_passing) in [
            (dispatch(ConnectorError::timeout(why())), Fault::TimedOut, true),
            (dispatch(ConnectorError::io(why())), Fault::Unreachable, true),
            (dispatch(ConnectorError::user(why())), Fault::Unreachable, true),
            (dispatch(ConnectorError::other(why(), None)), Fault::Unreachable, true),
            (dispatch(ConnectorError::other(lost, None)), Fault::NoKey, false),
            (dispatch(large), Fault::Broken, false),
            (CallError::timeout_error(why()), Fault::TimedOut, true),
            (CallError::construction_failure(why()), Fault::RequestRefused, false),
            (CallError::response_error(why(), answer(200, &[])), Fault::Broken, true),
            (CallError::response_error(TooLarge, answer(500, &[])), Fault::Broken, false),
        ] {
            let failure = of_call(&error, Timestamp::UNIX_EPOCH);
            let found = (failure.error.fault, failure.pause(0).is_some());
            assert_eq!(found, (fault, is_passing), "{error:?}");
        }
        // The same in a stream.
        for (error, fault, is_passing) in [
            (ConnectorError::io(why()), Fault::Unreachable, true),
            (ConnectorError::io(TooLarge.into()), Fault::Broken, false),
        ] {
            let failure = of_stream(&StreamError::dispatch_failure(error), Some("req_1"));
            assert_eq!((failure.error.fault, failure.pause(0).is_some()), (fault, is_passing));
        }
    }
}
