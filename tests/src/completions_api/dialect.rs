//! What the servers that speak this API do differently, as their users report it.

/// A server's way to speak the API. Each one does what the issues at it describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// OpenAI itself. It hides the model's thoughts.
    #[default]
    Openai,
    /// OpenAI's models at Azure. The first chunk has no choice, but the findings of a filter. A
    /// later one has a choice without a delta.
    ///
    /// <https://github.com/AbanteAI/archive-old-cli-mentat/issues/429>
    /// <https://github.com/microsoft/autogen/issues/6465>
    Azure,
    /// Gemini. Calls have no index, and come in one piece. The reply stops with `stop` all the
    /// same. The first call of a step has a signature, which has to come back with it. Errors are
    /// in an array. Each chunk has the usage so far, without the thoughts.
    ///
    /// <https://github.com/open-webui/computer/issues/224>
    /// <https://github.com/THU-MAIC/OpenMAIC/issues/1556>
    /// <https://github.com/mozilla-ai/any-llm/pull/1291>
    Gemini,
    /// Gemini, with a call in several pieces and its signature after them, in a delta of its own.
    ///
    /// <https://github.com/open-webui/computer/issues/224>
    GeminiInPieces,
    /// vLLM. A call that the limit of tokens cuts off stops with `tool_calls`. Thoughts are in
    /// `reasoning`. An error comes in a stream with the status 200, and has a number as its code.
    /// Some models want the roles to alternate.
    ///
    /// <https://github.com/vllm-project/vllm/issues/6862>
    /// <https://github.com/vllm-project/vllm/issues/53269>
    /// <https://github.com/vllm-project/vllm/issues/27755>
    Vllm,
    /// vLLM before 2025. An error has no object around it.
    OldVllm,
    /// Ollama. All calls have the index 0, and come in one piece. It ignores `tool_choice`.
    ///
    /// <https://github.com/ollama/ollama/issues/15457>
    /// <https://github.com/ollama/ollama/issues/17921>
    Ollama,
    /// `LiteLLM`'s proxy. The code of an error is a number in a text. After an error in a stream
    /// nothing else comes.
    ///
    /// <https://github.com/BerriAI/litellm/pull/39748>
    Litellm,
    /// `LiteLLM` in front of Claude. Its thinking is in blocks too, and each one ends with its
    /// signature. Where it thinks, they have to come back with the calls of the current reply.
    ///
    /// <https://github.com/openai/openai-agents-python/issues/1704>
    LitellmClaude,
    /// `DeepSeek`. Its thoughts have to come back with the calls of the current reply. Comments keep
    /// the connection alive.
    ///
    /// <https://github.com/deepseek-ai/DeepSeek-V3/issues/1053>
    /// <https://github.com/tmc/langchaingo/pull/1171>
    Deepseek,
    /// The first reasoning model of `DeepSeek`, which takes no thought back.
    ///
    /// <https://github.com/Euyug/Mirai-Gpt-Plugin/issues/4>
    DeepseekR1,
    /// `DeepSeek` since 2026. Where there are tools, each message of the assistant has to have
    /// thoughts, of earlier replies too. An empty text will do.
    ///
    /// <https://github.com/openclaw/openclaw/issues/73417>
    /// <https://github.com/MoonshotAI/kimi-cli/issues/2141>
    DeepseekV4,
    /// `OpenRouter`. Comments come before the first chunk. An error in a stream has a choice with the
    /// finish reason `error`.
    ///
    /// <https://github.com/openai/openai-go/issues/227>
    /// <https://github.com/damianvtran/local-operator/pull/223>
    Openrouter,
    /// `OpenRouter` in front of Claude. Its thinking is in blocks too, in pieces of one index.
    ///
    /// <https://github.com/agno-agi/agno/pull/5802>
    OpenrouterClaude,
    /// `OpenRouter` in front of Gemini. A block with the signature of a call comes with the call.
    /// It has to come back.
    ///
    /// <https://github.com/LibreChat-AI/agents/issues/37>
    OpenrouterGemini,
    /// `SGLang`. A call has no id, unless it is the first one.
    ///
    /// <https://github.com/sgl-project/sglang/issues/7048>
    Sglang,
    /// A server on `FastAPI`, whose errors are its own.
    Fastapi,
    /// A server that never says the usage of a stream.
    ///
    /// <https://github.com/openvinotoolkit/model_server/pull/2640>
    WithoutUsage,
    /// A server that says the usage with the finish reason.
    UsageAtFinish,
    /// A server whose calls have no ids.
    ///
    /// <https://github.com/anomalyco/opencode/pull/25925>
    WithoutIds,
    /// A server whose calls have empty ids.
    ///
    /// <https://github.com/pydantic/pydantic-ai/pull/1892>
    EmptyIds,
    /// A server that ends its stream without `[DONE]`.
    ///
    /// <https://github.com/ikawrakow/ik_llama.cpp/issues/467>
    WithoutDone,
    /// A server that sends the arguments of a call as an object instead of a text.
    ///
    /// <https://github.com/ggml-org/llama.cpp/issues/20198>
    /// <https://github.com/huggingface/text-generation-inference/issues/2136>
    ObjectArguments,
    /// A server that repeats the id and the name of a call with each piece of its arguments.
    ///
    /// <https://github.com/NousResearch/hermes-agent/pull/11984>
    RepeatedNames,
    /// A server that repeats the whole arguments of a call after their pieces.
    ///
    /// <https://github.com/open-webui/open-webui/pull/22235>
    RepeatedArguments,
}

/// The index of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// That of the call among the calls.
    Counted,
    /// Always 0.
    Zero,
    Missing,
}

/// The ids of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    Present,
    /// The first call has one.
    OfFirst,
    Missing,
    Empty,
}

/// The arguments of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    /// A text in several deltas.
    Pieces,
    /// A text in one delta.
    Whole,
    /// An object.
    Object,
}

/// When a server says the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// In a chunk of its own, after the finish reason, if it is asked to.
    WhenAsked,
    /// With the finish reason.
    AtFinish,
    /// In each chunk, so far.
    InEach,
    Never,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Openai,
        Self::Azure,
        Self::Gemini,
        Self::GeminiInPieces,
        Self::Vllm,
        Self::OldVllm,
        Self::Ollama,
        Self::Litellm,
        Self::LitellmClaude,
        Self::Deepseek,
        Self::DeepseekR1,
        Self::DeepseekV4,
        Self::Openrouter,
        Self::OpenrouterClaude,
        Self::OpenrouterGemini,
        Self::Sglang,
        Self::Fastapi,
        Self::WithoutUsage,
        Self::UsageAtFinish,
        Self::WithoutIds,
        Self::EmptyIds,
        Self::WithoutDone,
        Self::ObjectArguments,
        Self::RepeatedNames,
        Self::RepeatedArguments,
    ];

    /// The member of a message that has the thoughts. `None` if the server hides them.
    pub fn reasoning(self) -> Option<&'static str> {
        match self {
            Self::Openai | Self::Azure | Self::Gemini | Self::GeminiInPieces => None,
            Self::Vllm | Self::Ollama => Some("reasoning"),
            _ if self.is_openrouter() => Some("reasoning"),
            _ => Some("reasoning_content"),
        }
    }

    /// The member of a message that has the thoughts in blocks.
    pub fn blocks(self) -> Option<&'static str> {
        match self {
            Self::LitellmClaude => Some("thinking_blocks"),
            Self::OpenrouterClaude | Self::OpenrouterGemini => Some("reasoning_details"),
            _ => None,
        }
    }

    /// Whether the usage says how much of the input came from the cache. Without that, all of it
    /// counts as read.
    pub fn tells_cached(self) -> bool {
        !matches!(self, Self::Vllm | Self::OldVllm | Self::Ollama)
    }

    /// Whether a stream has the usage, if the request asks for it.
    pub fn tells_usage(self) -> bool {
        self.told() != Told::Never
    }

    /// Whether it is one of Gemini's.
    pub(super) fn is_gemini(self) -> bool {
        matches!(self, Self::Gemini | Self::GeminiInPieces)
    }

    /// Whether it is one of `OpenRouter`'s.
    pub(super) fn is_openrouter(self) -> bool {
        matches!(self, Self::Openrouter | Self::OpenrouterClaude | Self::OpenrouterGemini)
    }

    /// Whether it is one of vLLM's.
    pub(super) fn is_vllm(self) -> bool {
        matches!(self, Self::Vllm | Self::OldVllm)
    }

    /// Whether it is one of `DeepSeek`'s.
    pub(super) fn is_deepseek(self) -> bool {
        matches!(self, Self::Deepseek | Self::DeepseekR1 | Self::DeepseekV4)
    }

    /// Whether each delta names the role, so that no chunk does that alone.
    pub(super) fn repeats_role(self) -> bool {
        self.is_gemini() || self == Self::Ollama
    }

    /// Whether `[DONE]` ends a stream.
    pub(super) fn says_done(self) -> bool {
        self != Self::WithoutDone
    }

    pub(super) fn index(self) -> Index {
        match self {
            Self::Gemini | Self::GeminiInPieces => Index::Missing,
            Self::Ollama => Index::Zero,
            _ => Index::Counted,
        }
    }

    pub(super) fn ids(self) -> Ids {
        match self {
            Self::Sglang => Ids::OfFirst,
            Self::WithoutIds => Ids::Missing,
            Self::EmptyIds => Ids::Empty,
            _ => Ids::Present,
        }
    }

    pub(super) fn arguments(self) -> Arguments {
        match self {
            Self::Gemini | Self::Ollama => Arguments::Whole,
            Self::ObjectArguments => Arguments::Object,
            _ => Arguments::Pieces,
        }
    }

    pub(super) fn told(self) -> Told {
        match self {
            Self::Gemini | Self::GeminiInPieces => Told::InEach,
            Self::UsageAtFinish | Self::Deepseek | Self::DeepseekR1 | Self::DeepseekV4 => {
                Told::AtFinish
            }
            Self::WithoutUsage => Told::Never,
            _ => Told::WhenAsked,
        }
    }

    /// The comment before the first chunk.
    pub(super) fn comment(self) -> Option<&'static str> {
        match self {
            _ if self.is_openrouter() => Some(": OPENROUTER PROCESSING\n\n"),
            _ if self.is_deepseek() => Some(": keep-alive\n\n"),
            _ => None,
        }
    }
}
