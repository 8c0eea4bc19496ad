//! Leaves out the part of a request that the provider has refused, so that it may take the rest.

use std::mem::take;

use crate::request::Request;

/// A part of a request that can be left out, or written in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The model's earlier thoughts.
    Thoughts,
    /// How much the model is to think.
    Effort,
    /// The schema of the answer.
    Format,
    /// The effort and the schema of the answer.
    Config,
    /// The schema of the answer, or the strictness of tools. The message does not say which: it
    /// speaks of strict tools also where there are none.
    Schemas,
    /// The name of the bound of the reply's tokens, of which an API has two.
    Limit,
    /// The wish for the usage of a stream.
    Usage,
    /// Messages of the model without its reasoning. They get an empty one.
    Unreasoned,
    /// The wish for an answer without a tool. The reply drops uses that come all the same.
    ToolChoice,
}

/// What a model takes. A model counts as taking a part until it has refused it.
#[expect(clippy::struct_excessive_bools, reason = "each is a refusal of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Takes {
    /// Strict schemas of tools.
    pub strict: bool,
    /// The name of the bound that its API usually takes.
    pub usual_limit: bool,
    /// The wish for the usage of a stream.
    pub usage: bool,
    /// Messages of the model without its reasoning.
    pub unreasoned: bool,
    /// The wish for an answer without a tool.
    pub tool_choice: bool,
}

impl Takes {
    /// All of it.
    pub const ALL: Self =
        Self { strict: true, usual_limit: true, usage: true, unreasoned: true, tool_choice: true };

    /// What both take.
    pub fn and(self, other: Self) -> Self {
        Self {
            strict: self.strict && other.strict,
            usual_limit: self.usual_limit && other.usual_limit,
            usage: self.usage && other.usage,
            unreasoned: self.unreasoned && other.unreasoned,
            tool_choice: self.tool_choice && other.tool_choice,
        }
    }
}

impl Part {
    /// Leaves this part out of a request, which is written for a model that takes `taken`. Returns
    /// whether anything has changed. No part can be left out twice, so a call makes few attempts,
    /// whatever a server refuses.
    pub(super) fn leave_out(self, request: &mut Request, taken: &mut Takes) -> bool {
        match self {
            Self::Thoughts => request.forget_thoughts(),
            Self::Effort => request.effort.take().is_some(),
            Self::Format => request.output_schema.take().is_some(),
            Self::Config => {
                let schema = request.output_schema.take();
                request.effort.take().is_some() || schema.is_some()
            }
            // The caller validates the answer anyway, so its schema goes first.
            Self::Schemas if request.output_schema.take().is_some() => true,
            Self::Schemas => !request.tools.is_empty() && take(&mut taken.strict),
            Self::Limit => take(&mut taken.usual_limit),
            Self::Usage => take(&mut taken.usage),
            Self::Unreasoned => take(&mut taken.unreasoned),
            Self::ToolChoice => request.without_tools && take(&mut taken.tool_choice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Effort, MessageRole};
    use crate::request::{Content, Turn};
    use crate::tool::Tool;
    use serde_json::json;

    fn whole() -> Request {
        let thought = Content::Thought(json!({"type": "thinking", "signature": "c2ln"}));
        let said = Content::Text("Hi".into());
        let input_schema = json!({"type": "object"});
        Request {
            turns: vec![Turn { role: MessageRole::Assistant, content: vec![thought, said] }],
            tools: vec![Tool { name: "t".into(), description: String::new(), input_schema }],
            effort: Some(Effort::Low),
            output_schema: Some(json!({"type": "object"})),
            without_tools: true,
            ..Request::default()
        }
    }

    #[test]
    fn a_part_is_left_out_once_and_the_rest_stays() {
        let without = |change: fn(&mut Request)| {
            let mut request = whole();
            change(&mut request);
            request
        };
        for (part, expected) in [
            (Part::Thoughts, without(|request| drop(request.turns[0].content.remove(0)))),
            (Part::Effort, without(|request| request.effort = None)),
            (Part::Format, without(|request| request.output_schema = None)),
            (
                Part::Config,
                without(|request| {
                    request.output_schema = None;
                    request.effort = None;
                }),
            ),
        ] {
            let (mut request, mut taken) = (whole(), Takes::ALL);
            assert!(part.leave_out(&mut request, &mut taken), "{part:?}");
            assert_eq!(request, expected, "{part:?}");
            assert!(!part.leave_out(&mut request, &mut taken), "{part:?}");
            assert_eq!(taken, Takes::ALL, "{part:?}");
        }
    }

    #[test]
    fn the_schema_of_the_answer_goes_before_the_strictness_of_tools() {
        let not_strict = Takes { strict: false, ..Takes::ALL };
        let (mut request, mut taken) = (whole(), Takes::ALL);
        assert!(Part::Schemas.leave_out(&mut request, &mut taken));
        assert_eq!((&request.output_schema, taken), (&None, Takes::ALL));
        assert!(Part::Schemas.leave_out(&mut request, &mut taken));
        assert_eq!(taken, not_strict);
        // The request has no strict tools any more.
        assert!(!Part::Schemas.leave_out(&mut request, &mut taken));
        request.tools.clear();
        let mut all = Takes::ALL;
        assert!(!Part::Schemas.leave_out(&mut request, &mut all));
    }

    #[test]
    fn what_a_model_does_not_take_is_written_in_another_way_once() {
        for (part, expected) in [
            (Part::Limit, Takes { usual_limit: false, ..Takes::ALL }),
            (Part::Usage, Takes { usage: false, ..Takes::ALL }),
            (Part::Unreasoned, Takes { unreasoned: false, ..Takes::ALL }),
            (Part::ToolChoice, Takes { tool_choice: false, ..Takes::ALL }),
        ] {
            let (mut request, mut taken) = (whole(), Takes::ALL);
            assert!(part.leave_out(&mut request, &mut taken), "{part:?}");
            assert_eq!((taken, &request), (expected, &whole()), "{part:?}");
            // A second refusal is final.
            assert!(!part.leave_out(&mut request, &mut taken), "{part:?}");
            assert_eq!((Takes::ALL.and(taken), taken.and(Takes::ALL)), (expected, expected));
        }
        let mut request = Request { without_tools: false, ..whole() };
        let mut all = Takes::ALL;
        assert!(!Part::ToolChoice.leave_out(&mut request, &mut all));
    }
}
