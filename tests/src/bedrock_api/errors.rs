//! Refusals before a stream, in the words of Bedrock and of its models as users report them.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>

/// A refusal: its status, type and message.
pub type Error<'a> = (u16, &'a str, &'a str);

/// Too many requests in a minute. Bedrock does not say when to try again.
pub const THROTTLED: Error<'static> =
    (429, "ThrottlingException", "Too many requests, please wait before trying again.");

/// Too many tokens in a minute, or in a day.
pub const TOO_MANY_TOKENS: Error<'static> =
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.");

/// A quota of the account.
pub const OVER_QUOTA: Error<'static> = (
    400,
    "ServiceQuotaExceededException",
    "Your request exceeds the service quota for your account.",
);

/// The model is overloaded.
pub const OVERLOADED: Error<'static> =
    (503, "ServiceUnavailableException", "Too many connections, please wait before trying again.");

/// Bedrock is overloaded.
pub const UNAVAILABLE: Error<'static> =
    (503, "ServiceUnavailableException", "Bedrock is unable to process your request.");

/// Bedrock fails.
pub const FAILING: Error<'static> = (
    500,
    "InternalServerException",
    "The system encountered an unexpected error during processing. Try again your request.",
);

/// The model fails.
pub const MODEL_FAILING: Error<'static> = (
    424,
    "ModelErrorException",
    "The system encountered an unexpected error during processing. Try again your request.",
);

/// The model is not loaded yet.
pub const NOT_READY: Error<'static> = (
    429,
    "ModelNotReadyException",
    "Model is not ready for inference. Wait and try your request again.",
);

/// The model takes too long.
pub const MODEL_TIMED_OUT: Error<'static> = (
    408,
    "ModelTimeoutException",
    "Model has timed out in processing the request. Try your request again.",
);

/// The role may not call the model.
pub const NOT_AUTHORIZED: Error<'static> = (
    403,
    "AccessDeniedException",
    "User: arn:aws:sts::111122223333:assumed-role/tally/chat is not authorized to perform: \
     bedrock:InvokeModelWithResponseStream on resource: \
     arn:aws:bedrock:us-east-1::foundation-model/first because no identity-based policy allows the \
     bedrock:InvokeModelWithResponseStream action",
);

/// The account has not asked for access to the model.
pub const NO_ACCESS: Error<'static> = (
    403,
    "AccessDeniedException",
    "You don't have access to the model with the specified model ID.",
);

/// The credentials of the role are too old.
pub const EXPIRED: Error<'static> =
    (403, "ExpiredTokenException", "The security token included in the request is expired");

/// There is no such model in the region.
pub const UNKNOWN_MODEL: Error<'static> = (
    404,
    "ResourceNotFoundException",
    "Could not resolve the foundation model from the model identifier.",
);

/// The model is gone.
pub const END_OF_LIFE: Error<'static> = (
    404,
    "ResourceNotFoundException",
    "This model version has reached the end of its life. Please refer to the AWS documentation for \
     more details.",
);

/// The model is old, and only accounts that use it may do so.
pub const LEGACY: Error<'static> = (
    404,
    "ResourceNotFoundException",
    "Access denied. This Model is marked by provider as Legacy and you have not been actively using \
     the model in the last 15 days. Please upgrade to an active model on Amazon Bedrock",
);

/// The model's name is no name of a model.
pub const INVALID_MODEL: Error<'static> =
    (400, "ValidationException", "The provided model identifier is invalid.");

/// The model can only be called by an inference profile. The apostrophe is a typographic one.
pub const NEEDS_PROFILE: Error<'static> = (
    400,
    "ValidationException",
    "Invocation of model ID first with on-demand throughput isn’t supported. Retry your request \
     with the ID or ARN of an inference profile that contains this model.",
);

/// The request is too long, in the words of Bedrock.
pub const TOO_LONG: Error<'static> =
    (400, "ValidationException", "Input is too long for requested model.");

/// The request is too long, in the words of the model.
pub const PROMPT_TOO_LONG: Error<'static> = (
    400,
    "ValidationException",
    "The model returned the following errors: prompt is too long: 208310 tokens > 200000 maximum",
);

/// The model's provider refuses the content.
pub const FILTERED: Error<'static> =
    (400, "ValidationException", "Output blocked by content filtering policy");

/// The request is wrong.
pub const WRONG: Error<'static> =
    (400, "ValidationException", "messages: at least one message is required");

/// The model takes no strict tools.
pub const NO_STRICT_TOOLS: Error<'static> =
    (400, "ValidationException", "tools.0.custom.strict: Extra inputs are not permitted");

/// The model knows no wish for an answer without a tool.
///
/// <https://github.com/boto/botocore/issues/3458>
pub const NO_TOOL_CHOICE: Error<'static> = (
    400,
    "ValidationException",
    "tool_choice: Input tag 'none' found using 'type' does not match any of the expected tags: \
     'auto', 'any', 'tool'",
);

/// The model takes no effort.
pub const NO_EFFORT: Error<'static> =
    (400, "ValidationException", "output_config.effort: Extra inputs are not permitted");

/// The model takes no form of the answer.
pub const NO_FORMAT: Error<'static> = (
    400,
    "ValidationException",
    "The model returned the following errors: output_config.format: Extra inputs are not permitted",
);

/// The body is too large.
pub(super) const TOO_LARGE: Error<'static> = (
    400,
    "ValidationException",
    "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have \
     length less than or equal to 25000000",
);

/// The body is not said to be JSON.
pub(super) const NO_JSON: Error<'static> =
    (400, "ValidationException", "The Content-Type must be application/json.");

/// The path is not that of the operation.
pub(super) const UNKNOWN_OPERATION: Error<'static> =
    (404, "UnknownOperationException", "The operation is unknown.");

/// The request is not signed.
pub(super) const UNSIGNED: Error<'static> =
    (403, "MissingAuthenticationTokenException", "Missing Authentication Token");

/// The access key is unknown.
pub(super) const UNKNOWN_KEY: Error<'static> =
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.");

/// The signature is for another day, region or service.
pub(super) const WRONG_SCOPE: Error<'static> = (
    403,
    "InvalidSignatureException",
    "Credential should be scoped to correct service: 'bedrock', to a valid region, and to the date \
     of the request.",
);

/// A header that has to be signed is not.
pub(super) const UNSIGNED_HEADER: Error<'static> = (
    403,
    "InvalidSignatureException",
    "'Host' and every 'X-Amz-' header must be a 'SignedHeader' in the AWS Authorization.",
);

/// The signature is wrong.
pub(super) const WRONG_SIGNATURE: Error<'static> = (
    403,
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. Check your AWS \
     Secret Access Key and signing method. Consult the service documentation for details.",
);
