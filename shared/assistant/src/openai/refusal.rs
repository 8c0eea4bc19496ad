//! What the message of an error says. Servers refuse a request for many reasons with one status and
//! one code, so only the words tell the reasons apart. Messages are given in lower case.

use crate::error::Fault;
use crate::remote::Part;

/// Phrases of a request that is too long for the model, or for the account's limit of a minute.
const TOO_LONG: &[&str] = &[
    // OpenAI, vLLM, SGLang, Mistral, LM Studio.
    "context length",
    // LiteLLM, llama-cpp-python.
    "context window",
    // llama.cpp.
    "context size",
    // Gemini.
    "input token count",
    // Claude behind a gateway.
    "prompt is too long",
    "input is too long",
    // vLLM.
    "maximum model length",
    // OpenAI and Groq: more tokens than a minute may have.
    "request too large for",
    // Qwen.
    "range of input length",
];

/// Phrases of a request whose content is refused.
const FILTERED: &[&str] = &[
    // Azure, also behind LiteLLM.
    "content management policy",
    "contentpolicyviolation",
    // OpenAI.
    "content policy",
    "usage policy",
    // DeepSeek.
    "content exists risk",
    // Qwen.
    "inappropriate content",
];

/// Phrases of a key that is refused with the status of a wrong request.
const BAD_KEY: &[&str] = &[
    // Gemini.
    "api key not valid",
    "api key expired",
];

/// Phrases of a model that is not known, with the status of a wrong request.
const UNKNOWN_MODEL: &[&str] = &[
    // LiteLLM.
    "invalid model name",
    // OpenRouter.
    "not a valid model id",
    // DeepSeek.
    "model not exist",
    // Mistral.
    "invalid model:",
    // Gemini.
    "unexpected model name",
];

/// Phrases of a form of the answer that is refused.
const FORMAT: &[&str] = &[
    // OpenAI and most others.
    "response_format",
    "json_schema",
    "structured output",
    // Gemini.
    "response_schema",
    "response schema",
    "response mime type",
    // vLLM.
    "guided_json",
    "guided decoding",
];

/// Phrases of a tool's schema that is refused, which may name any of its properties.
const FUNCTION: &[&str] = &["invalid schema for function"];

/// The names of the bound of the reply's tokens.
const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// Phrases of a parameter that is refused for its name. A value that is too large is refused in
/// other words.
const UNSUPPORTED: &[&str] = &[
    // OpenAI: "Unsupported parameter: 'max_tokens' is not supported with this model."
    "unsupported parameter",
    "not supported",
    "unrecognized request argument",
    // LiteLLM.
    "does not support param",
    // Gemini.
    "unknown name",
    // Others.
    "unknown parameter",
    "unknown field",
    "unexpected keyword",
    // FastAPI.
    "extra inputs",
    "extra_forbidden",
    "not permitted",
    "additional properties",
];

/// Phrases of the wish for a usage that is refused. An old vLLM does not know it.
const USAGE: &[&str] = &["stream_options", "include_usage"];

/// Phrases of an effort that is refused.
const EFFORT: &[&str] = &[
    "reasoning_effort",
    "reasoning.effort",
    "reasoning effort",
    // Claude behind LiteLLM. It takes a step without its thoughts if it does not think.
    "expected `thinking`",
    // Ollama.
    "does not support thinking",
    "think value",
    // Gemini.
    "thinking level",
    "thinking_level",
    "thinking budget",
    "thinking_budget",
];

/// Phrases of messages of the model that are refused because they lack its reasoning.
const UNREASONED: &[&str] = &[
    // DeepSeek.
    "must be passed back",
    "missing `reasoning_content`",
];

/// Phrases of the wish for an answer without a tool that is refused.
const TOOL_CHOICE: &[&str] = &["tool_choice"];

/// Phrases of thoughts that are refused.
const THOUGHTS: &[&str] = &[
    // DeepSeek, Cerebras, Mistral.
    "reasoning_content",
    // OpenAI and gateways.
    "'reasoning'",
    ".reasoning",
    // OpenRouter and LiteLLM, which may ask another model this time.
    "reasoning_details",
    "thinking_blocks",
    "`thinking` block",
    // Gemini's, sent to another model.
    "extra_content",
    "thought signature",
    "thought_signature",
];

/// Phrases of a schema that is refused, or of strict tools. The model takes none.
const SCHEMAS: &[&str] =
    &["strict", "schema", "grammar", "tools[", "tools.", "function_declarations"];

/// Phrases of a request that the provider's moderation refuses.
const MODERATED: &[&str] = &["moderation", "flagged"];

fn has(message: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| message.contains(phrase))
}

/// The fault of a request that is too long, or whose content is refused.
pub(super) fn of_content(message: &str) -> Option<Fault> {
    if has(message, TOO_LONG) {
        return Some(Fault::ContextTooLong);
    }
    has(message, FILTERED).then_some(Fault::ContentRefused)
}

/// Whether a refusal is one of the provider's moderation.
pub(super) fn is_moderated(message: &str) -> bool {
    has(message, MODERATED)
}

/// Whether a message speaks of a model, and not of a path.
pub(super) fn is_of_model(message: &str) -> bool {
    has(message, &["model", "deployment"])
}

/// The fault of a request that is refused for another reason, and the part that can be left out.
pub(super) fn of_request(message: &str, param: &str) -> (Fault, Option<Part>) {
    if has(message, BAD_KEY) {
        return (Fault::KeyRefused, None);
    }
    if has(message, UNKNOWN_MODEL) {
        return (Fault::UnknownModel, None);
    }
    let names = |phrases: &[&str]| has(message, phrases) || has(param, phrases);
    let part = if names(FORMAT) {
        Some(Part::Format)
    } else if names(FUNCTION) {
        Some(Part::Schemas)
    } else if names(&LIMITS) && has(message, UNSUPPORTED) {
        Some(Part::Limit)
    } else {
        let parts = [
            (USAGE, Part::Usage),
            (EFFORT, Part::Effort),
            (UNREASONED, Part::Unreasoned),
            (THOUGHTS, Part::Thoughts),
            (TOOL_CHOICE, Part::ToolChoice),
            (SCHEMAS, Part::Schemas),
        ];
        parts.into_iter().find(|(phrases, _)| names(phrases)).map(|(_, part)| part)
    };
    (Fault::RequestRefused, part)
}
